"""Resume where life is untidy: signals at odd moments, objects in memory, many files, replays among the runs."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import columns_of, write_csv

import deepwell as dw
from deepwell.core.errors import DataError, Interrupted, UsageError
from deepwell.runs import evaluation
from deepwell.store.lock import own, owned
from deepwell.tracking import record
from deepwell.training.loop import Loop

STEPS = 20
ASKED = {
    "size": "tiny", "device": "cpu", "set": {"batch_size": 16}, "plan": {"threads": 1}, "steps": STEPS,
    "save_every": "0.0001s",
}  # fmt: skip


class Stopped(BaseException):
    """What a kill looks like from within."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("deepwell.runs.stage.render", lambda events: "")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """at_step(8, act): before the ninth step of the next training `act` is called, once."""

    def arm(at: int, act: Callable[[], None]) -> None:
        step = Loop.step

        def acting(self: Loop) -> None:
            if self._steps == at:
                monkeypatch.setattr(Loop, "step", step)
                act()
            step(self)

        monkeypatch.setattr(Loop, "step", acting)

    return arm


def die() -> None:
    raise Stopped


@pytest.fixture
def killed(tmp_path: Path, at_step: Any) -> Path:
    """A run that died after 8 steps and had saved each."""
    at_step(8, die)
    with pytest.raises(Stopped):
        dw.train(
            str(write_csv(tmp_path / "data.csv", columns_of(160))), target="label", out=str(tmp_path / "runs"), **ASKED
        )
    return tmp_path / "runs" / "tabular" / "001"


def test_a_stop_among_decisions_that_are_still_to_come_is_a_stop(killed: Path, at_step: Any) -> None:
    """The life before had decided beyond the step at which this one is stopped."""
    decision = {"event": "decision", "step": 18, "what": "horizon", "value": 30, "why": "as if by the clock"}
    with (killed / "events.jsonl").open("a") as file:
        file.write(json.dumps(decision) + "\n")
    at_step(12, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted, match="the best model so far is sealed"):
        dw.resume(killed)
    assert record.status(record.read(killed / "events.jsonl")) == "interrupted"
    dw.resume(killed)
    last = [e for e in record.read(killed / "events.jsonl") if e["event"] == "progress"][-1]
    assert (last["step"], last["of"]) == (30, 30)


def test_sigterm_after_training_leaves_a_run_that_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = evaluation.evaluate

    def evaluate(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return measured(*given)

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    data = str(write_csv(tmp_path / "data.csv", columns_of(160)))
    with pytest.raises(Interrupted, match="goes on"):
        dw.train(data, target="label", out=str(tmp_path / "runs"), **{**ASKED, "save_every": "1h"})
    monkeypatch.setattr(evaluation, "evaluate", measured)
    run = dw.resume(out=str(tmp_path / "runs"))
    assert run.model is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_training_saves_and_leaves_without_a_model(
    tmp_path: Path, at_step: Any, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does
    request.addfinalizer(lambda: signal.signal(number, before))
    at_step(5, lambda: os.kill(os.getpid(), number))
    data = str(write_csv(tmp_path / "data.csv", columns_of(160)))
    with pytest.raises(Interrupted, match="deepwell resume"):
        dw.train(data, target="label", out=str(tmp_path / "runs"), **ASKED)
    run = tmp_path / "runs" / "tabular" / "001"
    assert not (run / "model.well").exists()
    assert sorted(p.name for p in (run / "checkpoints").iterdir())[-1] == "step-000000006"
    assert dw.resume(run).path == run


def test_a_replay_is_no_unfinished_run_and_can_be_replayed(killed: Path, tmp_path: Path) -> None:
    dw.resume(killed)
    again = dw.train(replay=killed, out=str(tmp_path / "runs"))
    with pytest.raises(UsageError, match="there is no unfinished run"):
        dw.resume(out=str(tmp_path / "runs"))
    dw.train(replay=again.path, out=str(tmp_path / "runs"))


def test_a_replay_that_was_killed_is_started_again(killed: Path, tmp_path: Path, at_step: Any) -> None:
    dw.resume(killed)
    at_step(3, die)
    with pytest.raises(Stopped):
        dw.train(replay=killed, out=str(tmp_path / "runs"))
    with pytest.raises(UsageError, match="start it again: `deepwell train --replay"):
        dw.resume(tmp_path / "runs" / "tabular" / "002")


def test_a_run_that_is_under_way_is_not_offered(killed: Path, tmp_path: Path) -> None:
    with own(killed):
        assert owned(killed)
        with pytest.raises(UsageError, match="there is no unfinished run"):
            dw.resume(out=str(tmp_path / "runs"))
    assert not owned(killed)


def test_test_rows_in_memory_are_asked_for_again(tmp_path: Path, at_step: Any) -> None:
    data, test = str(write_csv(tmp_path / "data.csv", columns_of(160))), columns_of(40, seed=1)
    at_step(8, die)
    with pytest.raises(Stopped):
        dw.train(data, target="label", test=test, out=str(tmp_path / "runs"), **ASKED)
    run = tmp_path / "runs" / "tabular" / "001"
    with pytest.raises(UsageError, match=r"a dict in memory, which no file holds \(test\)[\s\S]*test=\.\.\."):
        dw.resume(run)
    assert dw.resume(run, test=test).path == run
    with pytest.raises(UsageError, match="train again with the same object"):
        dw.train(replay=run, out=str(tmp_path / "again"))


def test_of_many_pictures_the_one_that_changed_is_named(tmp_path: Path, at_step: Any) -> None:
    draw = np.random.default_rng(0)
    for number in range(80):
        folder = tmp_path / "pictures" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8), np.uint8)).save(folder / f"{number:02d}.png")
    at_step(3, die)
    with pytest.raises(Stopped):
        dw.train(str(tmp_path / "pictures"), out=str(tmp_path / "runs"), **ASKED)
    changed = tmp_path / "pictures" / "b" / "79.png"
    Image.fromarray(draw.integers(0, 255, (8, 8), np.uint8)).save(changed)
    with pytest.raises(DataError, match=r"79\.png is new or has changed"):
        dw.resume(tmp_path / "runs" / "image_classification" / "001")


def test_a_schema_file_that_changed_is_named(tmp_path: Path, at_step: Any) -> None:
    data, schema = write_csv(tmp_path / "data.csv", columns_of(160)), tmp_path / "schema.json"
    dw.check(str(data), target="label", save=str(schema))
    at_step(8, die)
    with pytest.raises(Stopped):
        dw.train(str(data), schema=str(schema), out=str(tmp_path / "runs"), **ASKED)
    schema.write_text(schema.read_text() + "\n")
    with pytest.raises(DataError, match="the file of --schema has changed") as caught:
        dw.resume(tmp_path / "runs" / "tabular" / "001")
    assert caught.value.where == str(schema)


def test_a_time_limit_counts_what_an_earlier_life_used(
    tmp_path: Path, at_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died before its first checkpoint, so it begins anew; its time is gone all the same."""
    from deepwell.runs import fitting

    at_step(8, die)
    data = str(write_csv(tmp_path / "data.csv", columns_of(160)))
    asked = {n: v for n, v in ASKED.items() if n != "steps"} | {"save_every": "1h", "time": "40s", "epochs": 5}
    with pytest.raises(Stopped):
        dw.train(data, target="label", out=str(tmp_path / "runs"), **asked)
    run = tmp_path / "runs" / "tabular" / "001"
    with (run / "events.jsonl").open("a") as file:
        told = {"event": "progress", "step": 8, "of": 99, "loss": 1.0, "losses": {}, "wall": {"seconds": 25.0}}
        file.write(json.dumps(told) + "\n")
    seen: list[float | None] = []
    fit = fitting.fit

    def watched(*given: Any) -> Any:
        seen.append(given[4])
        return fit(*given)

    monkeypatch.setattr(fitting, "fit", watched)
    dw.resume(run)
    assert seen[0] is not None
    assert 1.0 <= seen[0] < 15.0
