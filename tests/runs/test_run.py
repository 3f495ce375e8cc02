"""A finished run: its files, its record, and opening its test part again."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import columns_of, data_of, write_csv

import deepwell as dw
from deepwell.core.errors import DataError
from deepwell.runs.fingerprint import fingerprint
from deepwell.runs.fitting import fit_model
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.run import Run
from deepwell.store.files import sha256
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory

OWN = "run.json schema.json split.json events.jsonl model.well report.html answers.csv rejected.jsonl".split()


def events(run: Path) -> list[dict[str, object]]:
    return record.read(run / "events.jsonl")


def test_a_run_directory_holds_what_is_promised(trained: Path) -> None:
    assert sorted(p.name for p in trained.iterdir() if p.name != ".lock") == sorted(OWN)
    assert trained.stat().st_mode & 0o777 == 0o700
    opening = json.loads((trained / "run.json").read_text())
    assert opening["command"][:2] == ["deepwell", "train"]
    assert opening["data"]["files"][0]["sha256"] == sha256(data_of(trained))
    split = json.loads((trained / "split.json").read_text())
    rows = "".join(split["rows"])
    assert len(rows) == 300
    assert {name: rows.count(str(i)) for i, name in enumerate(split["parts"])} == split["counts"]


def test_the_record_tells_the_whole_run(trained: Path) -> None:
    seen = [e["event"] for e in events(trained)]
    first, last = ["run", "schema", "columns", "parts", "rejected"], ["verdict", "bundle", "end"]
    assert seen[:5] == first
    assert [e for e in seen if e in last] == last
    assert {"network", "decision", "progress", "scores", "baseline", "calibration", "figure", "examples"} <= set(seen)
    assert events(trained)[-1]["status"] == "done"
    bundle = next(e for e in events(trained) if e["event"] == "bundle")
    assert bundle["sha256"] == sha256(trained / "model.well")


def test_the_answers_stand_beside_the_truth(trained: Path) -> None:
    lines = [line.split(",") for line in (trained / "answers.csv").read_text().splitlines()]
    head, rows = lines[0], lines[1:]
    split = json.loads((trained / "split.json").read_text())
    assert len(rows) == split["counts"]["test"]
    said, truth = head.index("label"), head.index("label.truth")
    accuracy = np.mean([row[said] == row[truth] for row in rows])
    assert accuracy == pytest.approx(Run(RunDirectory(trained)).scores["accuracy"].value)


def test_opening_the_test_rows_again_is_counted_in_the_run(own_run: Path, trained: Path) -> None:
    data = data_of(trained)
    before = Run(RunDirectory(own_run)).scores
    first, second = dw.evaluate(own_run, data), dw.evaluate(own_run / "model.well", data)
    assert (first.opened, second.opened) == (2, 3)
    assert first.trained_on
    assert "they have now been opened 3 times" in repr(second)
    assert "it also holds rows that the model was trained on" in repr(second)
    assert Run(RunDirectory(own_run)).scores == before
    dw.report(own_run)
    assert "3" in (own_run / "report.html").read_text()


def test_other_rows_are_not_counted(own_run: Path, tmp_path: Path) -> None:
    found = dw.evaluate(own_run, write_csv(tmp_path / "other.csv", columns_of(50, 9)))
    assert (found.opened, found.trained_on, found.rows) == (0, False, 50)
    assert "opened" not in repr(found)
    assert dw.evaluate(own_run, columns_of(50, 9)).opened == 0


def test_the_authors_test_file_holds_no_training_rows(tmp_path: Path) -> None:
    test = write_csv(tmp_path / "test.csv", columns_of(40, 1))
    run = dw.train(
        write_csv(tmp_path / "train.csv", columns_of(120)), target="label", test=str(test), epochs=1, size="tiny",
        device="cpu", out=str(tmp_path / "runs"),
    )  # fmt: skip
    found = dw.evaluate(run.path, test)
    assert (found.opened, found.trained_on) == (2, False)
    assert {s.name: s.value for s in found.scores} == {
        n: pytest.approx(s.value, abs=1e-6) for n, s in run.scores.items()
    }


def test_the_same_command_gives_the_same_weights(trained: Path, tmp_path: Path) -> None:
    run = dw.train(
        str(data_of(trained)), target="label", epochs=2, size="tiny", device="cpu", set={"batch_size": 64},
        out=str(tmp_path / "runs"),
    )  # fmt: skip
    ours, theirs = run.model.contents.weights, dw.load(trained).contents.weights
    assert all(np.array_equal(ours[n], theirs[n]) for n in theirs)


def test_fit_model_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    predictor = fit_model(columns_of(120), parse(TrainOptions, {"target": "label", "epochs": 1, "size": "tiny"}))
    assert set(predictor.predict(columns_of(5))["label"]) <= {"yes", "no"}
    assert list(tmp_path.iterdir()) == []


def test_a_fingerprint_changes_with_the_data(tmp_path: Path) -> None:
    from deepwell.data.sources import read

    path = write_csv(tmp_path / "a.csv", columns_of(30))
    before = fingerprint(read(path))
    assert (before["rows"], before["files"][0]["path"]) == (30, str(path))
    path.write_text(path.read_text().replace("red", "blue", 1))
    assert fingerprint(read(path))["sha256"] != before["sha256"]
    memory = fingerprint(read(columns_of(30)))
    assert memory["files"] == []
    assert (
        memory["sha256"]
        == fingerprint(read(columns_of(30)))["sha256"]
        != fingerprint(read(columns_of(30, 1)))["sha256"]
    )


def test_evaluating_nothing_usable_is_refused(trained: Path) -> None:
    with pytest.raises(DataError, match="no row can be used"):
        dw.evaluate(trained, {**columns_of(20), "height": ["x"] * 9 + [0.5] * 11, "label": ["maybe"] * 20})
