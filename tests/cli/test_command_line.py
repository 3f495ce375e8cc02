"""The command line: what each mode prints, what starts light, and the whole way from data to answers."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import QUICK, CommandLine, columns_of, data_of, write_csv

HEAVY = ("torch", "polars", "sklearn", "numpy", "rich", "matplotlib", "pandas", "PIL")


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import deepwell", set()),
        ("from deepwell.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass", set()),
        ("from deepwell.cli.main import main\ntry: main(['--version'])\nexcept SystemExit: pass", set()),
        ("from deepwell.cli.main import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass", set()),
        ("from deepwell.cli.main import main; main(['tasks'])", {"numpy", "PIL"}),
    ],
)
def test_what_starts_light_loads_nothing_heavy(code: str, loaded: set[str]) -> None:
    probe = f"{code}\nimport sys; print('\\n', *(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()[-1].split()) <= loaded


def test_help_lists_every_verb(deepwell: CommandLine) -> None:
    said = deepwell("--help")
    assert said.code == 0
    for verb in "train predict evaluate check show verify report tasks doctor demo".split():
        assert f"\n  {verb}" in said.out
        inner = deepwell(verb, "--help")
        assert (inner.code, inner.err) == (0, "")
        assert f"usage: deepwell {verb}" in inner.out
    assert deepwell().out == said.out
    assert deepwell("--version").out.startswith("deepwell 0.")


def test_json_is_one_event_a_line_and_equals_the_record(tmp_path: Path, deepwell: CommandLine) -> None:
    data = write_csv(tmp_path / "data.csv", columns_of(120))
    said = deepwell("train", data, "--target", "label", "--out", tmp_path / "runs", "--json", *QUICK)
    assert (said.code, said.err) == (0, "")
    events = [json.loads(line) for line in said.out.splitlines()]
    record = (tmp_path / "runs" / "tabular" / "001" / "events.jsonl").read_text().splitlines()
    assert events == [json.loads(line) for line in record]
    assert all(isinstance(e["event"], str) for e in events)


def test_quiet_prints_the_verdict_only_and_plain_output_has_no_codes(tmp_path: Path, deepwell: CommandLine) -> None:
    data = write_csv(tmp_path / "data.csv", columns_of(120))
    words = ["train", data, "--target", "label", "--out", tmp_path / "runs", *QUICK]
    quiet = deepwell(*words, "--quiet")
    assert quiet.out.startswith("verdict ")
    assert len(quiet.out.splitlines()) == 1
    plain = deepwell(*words)
    assert (plain.code, plain.err) == (0, "")
    assert "\x1b" not in plain.out
    assert "\r" not in plain.out
    for word in ("columns", "parts", "network", "decision", "scores", "baseline", "verdict", "model", "report: "):
        assert word in plain.out
    assert (tmp_path / "runs" / "tabular" / "002").is_dir()


def test_from_data_to_answers(trained: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    answers = tmp_path / "answers.csv"
    assert deepwell("predict", trained, data_of(trained), "--out", answers).out == f"300 answers in {answers}\n"
    with answers.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["label"] for r in rows} <= {"yes", "no"}
    assert deepwell("predict", trained, data_of(trained)).out == answers.read_text()
    for row in rows:
        shares = float(row["label.probability.yes"]), float(row["label.probability.no"])
        assert float(row["label.probability"]) == max(shares)


def test_evaluate_asks_for_labelled_rows_where_they_are_needed(trained: Path, deepwell: CommandLine) -> None:
    said = deepwell("evaluate", trained)
    assert said.code == 2
    assert said.err == ("error: this model is measured on labelled rows\n  repair: name a file or folder with them\n")


def test_evaluate_prints_scores_or_json(own_run: Path, trained: Path, deepwell: CommandLine) -> None:
    words = ["evaluate", own_run, data_of(trained)]
    said = deepwell(*words)
    assert said.out.startswith("accuracy 0.")
    assert "have now been opened 2 times" in said.out
    found = json.loads(deepwell(*words, "--json").out)
    assert (found["opened"], found["trained_on"], found["rejected"]) == (3, True, 0)
    assert found["scores"][0]["name"] == "accuracy"


def test_check_prints_columns_and_findings(tmp_path: Path, deepwell: CommandLine) -> None:
    data = write_csv(tmp_path / "data.csv", {**columns_of(120), "constant": ["x"] * 120})
    said = deepwell("check", data, "--target", "label", "--save", tmp_path / "schema.json")
    assert said.out.startswith("120 rows read, 120 of them whole, 5 columns\n")
    assert "task: tabular" in said.out
    assert "constant" in said.out
    assert f"schema written to {tmp_path / 'schema.json'}" in said.out
    assert deepwell("check", data, "--schema", tmp_path / "schema.json").code == 0


def test_the_other_verbs_print(trained: Path, own_run: Path, deepwell: CommandLine) -> None:
    shown = deepwell("show", trained).out
    assert "## Scores on the test part" in shown
    assert "task tabular version" in shown
    assert deepwell("verify", trained).out.endswith("the model is whole\n")
    assert deepwell("report", own_run).out == f"{own_run / 'report.html'}\n"
    assert "tabular: " in deepwell("tasks").out
    knobs = deepwell("tasks", "tabular").out
    assert "learning_rate" in knobs
    assert "default" in knobs
    assert "torch" in deepwell("doctor").out


def test_a_task_file_is_trained_and_asked(tmp_path: Path, deepwell: CommandLine) -> None:
    """Its rows are made by the task, and it must be named again when its model is asked."""
    task = Path(__file__).parents[1] / "probes" / "windows.py"
    out = tmp_path / "runs"
    said = deepwell("train", "--task", task, "--demo", "--out", out, "--quiet", "--steps", "5")
    assert said.code == 0, said.err
    refused = deepwell("predict", out / "windows" / "001", "x.csv")
    assert refused.code == 2
    assert "the bundle needs the task 'windows', which is not installed" in refused.err
    assert "--task" in refused.err


def test_a_reader_that_leaves_ends_quietly() -> None:
    """As `deepwell tasks tabular | head -1` does, when head is gone before the text is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "deepwell", "tasks", "tabular"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_tracebacks_are_shown_where_asked_for(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "deepwell", "check", str(tmp_path / "nofile.csv"), "--traceback"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "Traceback" in done.stderr
