"""Runs that cannot end as planned: no room, no right to write, Ctrl-C, SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import QUICK, CommandLine, columns_of, is_root, made, write_csv

SLOW_TASK = '''
"""A task whose data take long to come."""
import time
print("reading", flush=True)
time.sleep(60)
'''


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "data.csv", columns_of(300))


def endless(data: Path, out: Path) -> list[str]:
    """A training that goes on until it is stopped."""
    long = ["--epochs", "1000000", "--size", "tiny", "--device", "cpu", "--set", "batch_size=64"]
    return ["train", str(data), "--target", "label", "--out", str(out), "--json", *long]


def endless_probe(out: Path) -> list[str]:
    """The same without files and baselines, which is sooner under way."""
    task = Path(__file__).parents[1] / "probes" / "windows.py"
    return ["train", "--task", str(task), "--demo", "--out", str(out), "--json", "--epochs", "1000000"]


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command line as a process of its own, killed in the end if it still lives."""
    command = [sys.executable, "-m", "deepwell", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Read events until one of that name comes."""
    for line in process.stdout or ():
        found: dict[str, Any] = json.loads(line)
        if found["event"] == event:
            return found
    raise AssertionError(f"no {event}: {process.stderr.read() if process.stderr else ''}")


def test_ctrl_c_seals_the_best_so_far(data: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    with started(*endless(data, tmp_path / "runs")) as process:
        until(process, "progress")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    run = tmp_path / "runs" / "tabular" / "001"
    assert process.returncode == 75
    assert err == (
        f"error: stopped on request; the best model so far is sealed in {run / 'model.well'}\n"
        f"  repair: `deepwell resume {run}` goes on with the training\n"
    )
    assert json.loads(out.splitlines()[-1])["status"] == "interrupted"
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert (events[-1]["event"], events[-1]["status"]) == ("end", "interrupted")
    assert {"scores", "verdict", "bundle"} <= {e["event"] for e in events}
    assert (run / "report.html").read_text().startswith("<!")
    assert deepwell("verify", run).code == 0
    assert len(deepwell("predict", run, data).out.splitlines()) == 301


def test_sigterm_saves_and_leaves_without_sealing(tmp_path: Path, deepwell: CommandLine) -> None:
    """It comes from a machine that will be gone in seconds; the run goes on elsewhere, or here."""
    with started(*endless_probe(tmp_path / "runs")) as process:
        until(process, "progress")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=100)
    run = tmp_path / "runs" / "windows" / "001"
    assert process.returncode == 75
    assert err == f"error: stopped on request\n  repair: `deepwell resume {run}` goes on\n"
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["status"]) == ("end", "interrupted")
    assert not (run / "model.well").exists()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    stopped = next(e for e in events if e.get("what") == "stop")
    assert (run / "checkpoints" / f"step-{stopped['step']:09d}" / "manifest.json").is_file()
    assert deepwell("show", run).code == 2


def test_the_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """The first one stops between two steps; the second comes while the first is being answered."""
    with started(*endless_probe(tmp_path / "runs")) as process:
        until(process, "progress")
        process.send_signal(signal.SIGINT)
        until(process, "decision")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)
    assert process.returncode == 75
    assert '"event":"end"' not in (tmp_path / "runs" / "windows" / "001" / "events.jsonl").read_text()


def test_ctrl_c_before_training_writes_nothing(tmp_path: Path) -> None:
    task = tmp_path / "slow.py"
    task.write_text(SLOW_TASK)
    with started("train", "--task", str(task), "--demo", "--out", str(tmp_path / "runs")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 75
    assert err == "\ninterrupted before training began; nothing was written\n"
    assert made(tmp_path / "runs") == []


def test_ctrl_c_among_the_baselines_keeps_nothing(data: Path, tmp_path: Path) -> None:
    with started(*endless(data, tmp_path / "runs")) as process:
        until(process, "rejected")  # said just before the baselines are fitted
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 75
    assert err == "error: stopped on request before the network was trained; nothing was kept\n"
    assert made(tmp_path / "runs") == ["tabular"]


LIMITED = """
import resource, sys
from deepwell.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
raise SystemExit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [3_000, 30_000])
def test_a_full_disk_ends_the_run_and_names_the_file(limit: int, data: Path, tmp_path: Path) -> None:
    """The smaller limit stops the record soon after its beginning, the larger one the record or the model at the end."""
    words = ["train", str(data), "--target", "label", "--out", str(tmp_path / "runs"), "--quiet", *QUICK]
    done = subprocess.run([sys.executable, "-c", LIMITED, str(limit), *words], capture_output=True, text=True)
    run = tmp_path / "runs" / "tabular" / "001"
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"error: {run}/")
    assert "File too large" in done.stderr
    assert "repair: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (run / "model.well").exists()
    assert not list(run.glob(".tmp-*"))
    for line in (run / "events.jsonl").read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize("verb", ["predict", "verify", "show"])
def test_a_run_without_a_model_says_so(verb: str, own_run: Path, deepwell: CommandLine) -> None:
    (own_run / "model.well").unlink()
    said = deepwell(verb, own_run, *([own_run] if verb == "predict" else []))
    assert said.code == 2
    assert "has no model: it ended before one was sealed" in said.err


def test_an_output_directory_that_cannot_be_made(data: Path, deepwell: CommandLine) -> None:
    said = deepwell("train", data, "--target", "label", "--out", data, "--quiet", *QUICK)
    assert said.code == 2
    assert f"no run directory can be made in '{data}/tabular': Not a directory" in said.err
    assert "repair: choose another place with --out DIRECTORY" in said.err


@pytest.mark.skipif(is_root(), reason="permissions do not bind root")
def test_files_and_directories_without_permission(data: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    data.chmod(0)
    said = deepwell("train", data, "--target", "label", "--quiet", *QUICK)
    assert said.code == 2
    assert f"{data}: cannot be read: Permission denied" in said.err
    data.chmod(0o600)
    out = tmp_path / "closed"
    out.mkdir(mode=0o500)
    said = deepwell("train", data, "--target", "label", "--out", out, "--quiet", *QUICK)
    assert said.code == 2
    assert "Permission denied" in said.err
    assert os.listdir(out) == []


def test_answers_that_cannot_be_written(own_run: Path, data: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    said = deepwell("predict", own_run, data, "--out", tmp_path / "nowhere" / "answers.csv")
    assert said.code == 1
    assert f"repair: make the directory {tmp_path / 'nowhere'}" in said.err
