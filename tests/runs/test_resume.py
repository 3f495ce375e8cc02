"""Resume and replay of real runs in this process: what goes on, what is refused, and in which words."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import CommandLine, columns_of, is_root, write_csv

import deepwell as dw
from deepwell.bundle import read as bundle
from deepwell.core.errors import DataError, Interrupted, RunError, UsageError
from deepwell.runs.run import Run
from deepwell.store.lock import own
from deepwell.tracking import record
from deepwell.training.loop import Loop

ASKED = {"size": "tiny", "device": "cpu", "set": {"batch_size": 16}, "plan": {"threads": 1}}
STEPS = 20


class Stopped(BaseException):
    """What a kill looks like from within."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """stop_at(5): the next training dies before its sixth step, once."""

    def arm(at: int) -> None:
        step = Loop.step

        def dying(self: Loop) -> None:
            if self._steps == at:
                monkeypatch.setattr(Loop, "step", step)
                raise Stopped
            step(self)

        monkeypatch.setattr(Loop, "step", dying)

    return arm


@pytest.fixture(autouse=True)
def _blank(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no report, but where one is looked at."""
    if "report" not in request.node.name:
        monkeypatch.setattr("deepwell.runs.stage.render", lambda events: "")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "data.csv", columns_of(160))


@pytest.fixture
def killed(data: Path, tmp_path: Path, stop_at: Callable[[int], None]) -> Path:
    """A run that died after 8 steps and had saved each."""
    stop_at(8)
    with pytest.raises(Stopped):
        train(str(data), tmp_path)
    return tmp_path / "runs" / "tabular" / "001"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same training, undisturbed. Read only."""
    folder = tmp_path_factory.mktemp("whole")
    run: Run = train(str(write_csv(folder / "data.csv", columns_of(160))), folder)
    return run


def train(data: Any, folder: Path, **more: Any) -> Any:
    return dw.train(data, target="label", steps=STEPS, out=str(folder / "runs"), save_every="0.0001s", **ASKED, **more)


def events(run: Path) -> list[dict[str, Any]]:
    return record.read(run / "events.jsonl")


def notes(run: Path) -> str:
    return " ".join(e["text"] for e in events(run) if e["event"] == "note")


def change(path: Path, **values: Any) -> None:
    """Write other values into a JSON file."""
    found = json.loads(path.read_text())
    for name, value in values.items():
        if isinstance(value, dict):
            found[name] = {**found[name], **value}
        else:
            found[name] = value
    path.write_text(json.dumps(found))


def test_a_run_goes_on_from_where_it_was_saved_to_the_same_model_and_report(killed: Path, whole: Run) -> None:
    run = dw.resume(killed)
    assert run.path == killed
    ours, theirs = (bundle.read(r.directory.model).weights for r in (run, whole))
    assert all(np.array_equal(ours[n], theirs[n]) for n in theirs)
    assert run.scores == whole.scores
    rewound = next(e for e in events(killed) if e["event"] == "rewind")
    assert 0 < rewound["step"] <= 8  # a save may take longer than the interval
    assert not (killed / "checkpoints").exists()
    assert (killed / "report.html").read_text().startswith("<!")
    steps = [e["step"] for e in events(killed) if e["event"] == "progress"]
    assert steps == list(range(1, STEPS + 1))


def test_the_record_tells_of_a_resumed_run_what_it_tells_of_a_whole_one(killed: Path) -> None:
    """Network, first horizon and parts are said once, before the kill."""
    dw.resume(killed)
    kinds = [e["event"] for e in events(killed)]
    assert {k: kinds.count(k) for k in ("run", "schema", "parts", "network", "scores", "verdict")} == dict.fromkeys(
        ("run", "schema", "parts", "network", "scores", "verdict"), 1
    )
    horizons = [e for e in events(killed) if e["event"] == "decision" and e["what"] == "horizon"]
    assert [(h["step"], h["value"]) for h in horizons] == [(0, STEPS)]


def test_without_a_name_the_run_that_was_started_last_goes_on(killed: Path, tmp_path: Path) -> None:
    older = tmp_path / "runs" / "tabular" / "007"
    shutil.copytree(killed, older)
    change(older / "run.json", wall={"started": "2001-01-01T00:00:00+00:00"})
    assert dw.resume(out=tmp_path / "runs").path == killed
    assert dw.resume(out=str(tmp_path / "runs")).path == older
    with pytest.raises(UsageError, match="there is no unfinished run in"):
        dw.resume(out=tmp_path / "runs")


def test_a_finished_run_is_refused(killed: Path, deepwell: CommandLine) -> None:
    dw.resume(killed)
    with pytest.raises(UsageError, match=r"is finished: its model is .*model\.well") as caught:
        dw.resume(killed)
    assert f"train --replay {killed}" in caught.value.repair
    said = deepwell("resume", killed)
    assert (said.code, said.out) == (2, "")
    assert "is finished" in said.err


def test_a_kill_after_the_last_event_leaves_nothing_undone(whole: Run, tmp_path: Path) -> None:
    """The states are removed and the report is drawn when the run is named again."""
    run = Path(shutil.copytree(whole.path, tmp_path / "tabular" / "001"))
    (run / "report.html").unlink()
    (run / "checkpoints" / "step-000000020").mkdir(parents=True)
    with pytest.raises(UsageError, match="is finished"):
        dw.resume(run)
    assert (run / "report.html").read_text().startswith("<!")
    assert not (run / "checkpoints").exists()


def test_an_owned_run_is_refused(killed: Path) -> None:
    with own(killed), pytest.raises(UsageError, match=f"owns this directory: host .*, process {os.getpid()}, since "):
        dw.resume(killed)


def test_what_is_no_run_is_refused(tmp_path: Path, killed: Path, deepwell: CommandLine) -> None:
    with pytest.raises(UsageError, match="no run"):
        dw.resume(tmp_path / "nothing")
    said = deepwell("resume", tmp_path / "runs" / "tabular" / "002", "--quiet")
    assert said.code == 2
    assert "001" in said.err  # the nearest that exists
    (killed / "run.json").unlink()
    with pytest.raises(UsageError, match="ended before it had begun"):
        dw.resume(killed)


def test_data_that_changed_are_named(killed: Path, data: Path) -> None:
    text = data.read_bytes()
    data.write_bytes(text.replace(b"red", b"blue", 1))
    with pytest.raises(DataError, match="the file has changed since the run began") as caught:
        dw.resume(killed)
    assert caught.value.where == str(data)
    data.unlink()
    with pytest.raises(DataError, match="the file is gone since the run began"):
        dw.resume(killed)
    data.write_bytes(text)
    assert dw.resume(killed).verdict


def test_data_in_memory_are_asked_for_again(tmp_path: Path, stop_at: Callable[[int], None]) -> None:
    stop_at(6)
    with pytest.raises(Stopped):
        train(columns_of(160), tmp_path)
    run = tmp_path / "runs" / "tabular" / "001"
    with pytest.raises(UsageError, match="which no file holds") as caught:
        dw.resume(run)
    assert "dw.resume(run, data=...)" in caught.value.repair
    with pytest.raises(DataError, match="the data are not those of the run"):
        dw.resume(run, data=columns_of(160, seed=1))
    assert dw.resume(run, data=columns_of(160)).verdict


def test_another_run_of_the_same_command_is_pointed_at(killed: Path, data: Path, tmp_path: Path) -> None:
    """Who types the command again may not know that the first run can go on."""
    again = train(str(data), tmp_path)
    assert f"{killed} is an unfinished run of the same command and data" in notes(again.path)
    other = train(str(data), tmp_path, seed=1)
    assert "unfinished run" not in notes(other.path)


def test_another_machine_or_version_is_said(killed: Path) -> None:
    change(killed / "run.json", versions={"torch": "1.0.0"}, machine={"processor": "abacus"})
    dw.resume(killed)
    said = notes(killed)
    assert "not bit-exact" in said
    assert "torch was 1.0.0, is " in said
    assert "processor was abacus, is " in said


def test_a_run_that_was_stopped_on_request_goes_on(
    data: Path, tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C seals the best so far; the run may go on all the same, to the end that it would have had."""
    step = Loop.step

    def asking(self: Loop) -> None:
        step(self)
        if self._steps == 9:
            os.kill(os.getpid(), 2)

    monkeypatch.setattr(Loop, "step", asking)
    with pytest.raises(Interrupted, match="the best model so far is sealed") as caught:
        train(str(data), tmp_path)
    run = tmp_path / "runs" / "tabular" / "001"
    assert f"`deepwell resume {run}`" in caught.value.repair
    assert events(run)[-1]["status"] == "interrupted"
    first = bundle.read(run / "model.well").weights
    monkeypatch.setattr(Loop, "step", step)
    dw.resume(run)
    assert events(run)[-1]["status"] == "done"
    assert not any(e["event"] == "decision" and e["what"] == "stop" for e in events(run))
    wanted = bundle.read(whole.directory.model).weights
    last = bundle.read(run / "model.well").weights
    assert all(np.array_equal(last[n], wanted[n]) for n in wanted)
    assert not all(np.array_equal(last[n], first[n]) for n in first)
    assert max(e["opened"] for e in events(run) if e["event"] in ("scores", "rewind")) == 2


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_stop_is_not_repeated_from_an_older_state(
    damaged: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run is asked to go on: the recorded request to stop does not count where an earlier state is taken."""
    step = Loop.step

    def asking(self: Loop) -> None:
        step(self)
        if self._steps == 9:
            os.kill(os.getpid(), 2)

    monkeypatch.setattr(Loop, "step", asking)
    with pytest.raises(Interrupted):
        train(str(data), tmp_path)
    monkeypatch.setattr(Loop, "step", step)
    run = tmp_path / "runs" / "tabular" / "001"
    for path in sorted((run / "checkpoints").iterdir())[-damaged:]:
        (path / "facts.json").write_text("{}")
    dw.resume(run)
    assert events(run)[-1]["status"] == "done"
    assert next(e for e in reversed(events(run)) if e["event"] == "progress")["step"] == STEPS


def test_a_replay_gives_the_same_bits_and_says_so(killed: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    with pytest.raises(UsageError, match="has not ended") as caught:
        dw.train(replay=killed, out=str(tmp_path / "again"))
    assert f"`deepwell resume {killed}` finishes it" in caught.value.repair
    dw.resume(killed)
    run = dw.train(replay=killed, out=str(tmp_path / "again"))
    assert f"all weights are bit-equal to those of {killed}" in notes(run.path)
    said = deepwell("train", "--replay", killed, "--seed", "4")
    assert said.code == 2
    assert "a replay takes data and options from the run that it repeats" in said.err


def test_a_replay_that_comes_out_otherwise_is_an_error(killed: Path, tmp_path: Path) -> None:
    dw.resume(killed)
    change(killed / "run.json", options={"seed": 1})
    with pytest.raises(RunError, match=r"ended with other weights than .* of \d+ tensors differ, the first is "):
        dw.train(replay=killed, out=str(tmp_path / "again"))


@pytest.mark.skipif(is_root(), reason="permissions do not bind root")
def test_a_run_directory_without_permission(killed: Path) -> None:
    killed.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        dw.resume(killed)
    killed.chmod(0o700)


def test_a_run_that_never_began_is_not_unfinished(tmp_path: Path) -> None:
    (tmp_path / "tabular" / "001").mkdir(parents=True)
    (tmp_path / "tabular" / "001" / "events.jsonl").touch()
    with pytest.raises(UsageError, match="there is no unfinished run"):
        dw.resume(out=tmp_path)


def test_a_corrupted_record_is_named_by_line(killed: Path) -> None:
    path = killed / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], b"{torn", *lines[3:]]))
    with pytest.raises(DataError, match="this is not JSON") as caught:
        dw.resume(killed)
    assert caught.value.where == f"{path}, line 4"
