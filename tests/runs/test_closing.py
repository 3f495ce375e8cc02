"""The end of a run: how its time was spent is said, and what is left out when little of a limit is left."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import columns_of, write_csv

import deepwell as dw
from deepwell.core.keys import Key
from deepwell.runs import stage
from deepwell.runs.evaluation import FEWEST_RESAMPLES, evaluate, fit_baselines
from deepwell.runs.fitting import Memory, fit
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.prepare import prepare
from deepwell.tracking import record
from deepwell.tracking.record import Record
from deepwell.training.decisions import Decisions


def events(run: Path) -> list[dict[str, Any]]:
    return record.read(run / "events.jsonl")


def test_how_the_time_was_spent_adds_up(trained: Path) -> None:
    wall = events(trained)[-1]["wall"]
    assert list(wall["phases"]) == ["read", "fit", "baselines", "train", "evaluate", "seal", "other"]
    assert sum(wall["phases"].values()) == pytest.approx(wall["seconds"])
    assert min(wall["phases"].values()) >= 0


def test_what_is_expected_is_said_before_training(trained: Path) -> None:
    names = [e["event"] for e in events(trained)]
    assert names.count("expected") == 1
    assert names.index("expected") < names.index("progress")
    wall = next(e for e in events(trained) if e["event"] == "expected")["wall"]
    assert {"seconds", "steps", "memory", "checkpoint", "every"} <= set(wall)


def test_a_time_limit_is_kept_and_its_end_rehearsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepwell.runs.expected.REHEARSED_FROM", 0.1)
    run = dw.train(
        write_csv(tmp_path / "data.csv", columns_of(300)), target="label", size="tiny", device="cpu", time="6s",
        out=str(tmp_path / "runs"), plan={"threads": "1"},
    )  # fmt: skip
    found = events(run.path)
    closing = next(e for e in found if e.get("what") == "closing")
    assert "rehearsed on 60 examples" in closing["why"]
    assert 0 < closing["value"]["seconds"] <= 3
    assert next(e for e in found if e["event"] == "expected")["wall"]["seconds"] <= 6.5
    assert next(e["opened"] for e in found if e["event"] == "scores") == 1


def test_in_a_hurry_less_is_computed_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = parse(TrainOptions, {"target": "label", "steps": 1, "size": "tiny", "device": "cpu"})
    prepared = prepare(columns_of(200), options)
    predictor, _ = fit(prepared, options, Memory(), lambda: False, None)
    drawn: list[int] = []
    replicate = stage.evaluation.intervals.replicate
    monkeypatch.setattr(
        stage.evaluation.intervals, "replicate", lambda *given: drawn.append(given[-1]) or replicate(*given)
    )
    with Record(tmp_path / "events.jsonl") as writing:
        fitted = fit_baselines(prepared, Key(0), writing, lambda: False, None, Decisions())
        evaluate(prepared, predictor, fitted, Key(0), writing, hurry=True)
    found = record.read(tmp_path / "events.jsonl")
    assert drawn == [FEWEST_RESAMPLES] * (1 + len(fitted))
    assert {"scores", "baseline", "calibration", "verdict"} <= {e["event"] for e in found}
    assert not {"figure", "examples"} & {e["event"] for e in found}
    (note,) = [e["text"] for e in found if e["event"] == "note"]
    assert note.startswith("to keep the time limit, intervals rest on 200 resamples")


@pytest.mark.parametrize(("left", "late"), [(6.1, False), (5.9, True), (None, False)])
def test_late_is_when_a_share_of_the_kept_time_is_left(tmp_path: Path, left: float | None, late: bool) -> None:
    directory = SimpleNamespace(record=tmp_path / "events.jsonl")
    with Record(directory.record) as writing:
        writing.decide(0, "closing", {"seconds": 10.0, "baselines": 1.0}, "")
    assert stage._late(SimpleNamespace(directory=directory, seconds_left=lambda: left)) is late
