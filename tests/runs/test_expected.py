"""What a run says first, and what it keeps for its end: the figures against what then happens."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import columns_of

from deepwell.core.errors import RunError
from deepwell.core.examples import First
from deepwell.core.keys import Key
from deepwell.reports import render
from deepwell.runs import expected, fitting
from deepwell.runs.evaluation import fit_baselines
from deepwell.runs.expected import Closing, announce, checkpoint_bytes, expect, refuse_full_disk
from deepwell.runs.fitting import Memory
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.prepare import Prepared, prepare
from deepwell.runtime.predictor import Predictor
from deepwell.tracking.record import Record
from deepwell.training.budget import Budget
from deepwell.training.checkpoints import KEEP, Checkpoints
from deepwell.training.decisions import Decision, Decisions
from deepwell.training.job import Job, Retime
from deepwell.training.loop import fit
from deepwell.training.sample import convolutional

Disk = namedtuple("Disk", "total used free")


class Unopened:
    """A test part that nobody may look into."""

    count = 5000

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test part was opened: {name}")


def job_of(budget: Budget, ema: float = 0.05, judged: bool = True, checkpoints: Checkpoints | None = None) -> Job:
    job = convolutional(32, "cpu")
    judge = (lambda module: {"loss": 1.0}) if judged else None
    recipe = replace(job.recipe, ema=ema)
    return replace(job, budget=budget, recipe=recipe, judge=judge, watch="loss", checkpoints=checkpoints)


def told(job: Job, spent: float = 0.0) -> dict[str, Any]:
    memory = Memory()
    announce(replace(job, sink=memory), spent, every=30.0)
    (event,) = memory.events
    assert event["event"] == "expected"
    return dict(event["wall"])


# what is said first ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ema", "judged"), [(0.05, True), (0.0, True), (0.05, False)])
def test_a_checkpoint_is_as_large_as_was_said(tmp_path: Path, ema: float, judged: bool) -> None:
    checkpoints = Checkpoints(tmp_path, 0.0)
    job = job_of(Budget(steps=9), ema, judged, checkpoints)  # the first check comes after eight steps
    said = checkpoint_bytes(job)
    fit(job)
    newest = max(tmp_path.iterdir())
    written = sum(path.stat().st_size for path in newest.iterdir())
    assert said == pytest.approx(written, rel=0.03)


def test_the_time_of_given_steps_is_estimated() -> None:
    job = job_of(Budget(steps=60), judged=False)
    wall = told(job, spent=100.0)
    assert (wall["at_most"], wall["steps"]) == (False, 60)
    one = expected._step_seconds(job)
    assert one is not None
    assert 0 < wall["seconds"] - 100.0 < 60 * 20 * one  # the same order, whatever else the machine does
    assert "checkpoint" not in wall  # none are saved


def test_a_limit_that_will_end_the_run_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "_step_seconds", lambda job: 0.5)
    short = told(job_of(Budget(seconds=40.0, reserve=6.0), judged=False), spent=20.0)
    assert (short["seconds"], short["at_most"]) == (60.0, True)
    assert "steps" not in short  # nobody knows yet
    exact = told(job_of(Budget(seconds=40.0, steps=20, reserve=6.0), judged=False), spent=20.0)
    assert (exact["seconds"], exact["at_most"], exact["steps"]) == (20 + 10 + 6, False, 20)
    judged = told(job_of(Budget(steps=18), judged=True))
    assert judged["seconds"] == pytest.approx(18 * 0.5 / 0.9)  # checks take a tenth
    monkeypatch.setattr(expected, "_step_seconds", lambda job: None)
    assert told(job_of(Budget(seconds=40.0)), spent=1.0)["seconds"] == 41.0
    assert "seconds" not in told(job_of(Budget(steps=20)))


def test_nothing_is_tried_where_trying_would_change_something() -> None:
    job = job_of(Budget(steps=20))
    assert expected._step_seconds(replace(job, plan=replace(job.plan, compile=True))) is None
    measured = Retime(lambda job, seconds: pytest.fail("measured again"), 2, promised=4.0)
    assert expected._step_seconds(replace(job, retime=measured)) == 0.25  # the plan was measured
    before = {n: p.clone() for n, p in job.network.named_parameters()}
    expected._step_seconds(job)
    assert all(torch.equal(p, before[n]) for n, p in job.network.named_parameters())


def test_memory_holds_the_step_and_what_is_there_already() -> None:
    there = expected._resident()
    small, large = (told(replace(job_of(Budget(steps=2)), plan=p)) for p in plans(32, 2048))
    assert small["memory"] >= 0.9 * there
    # Activations of 2048 pictures: the first convolution alone saves its output, 32 x 26 x 26 floats each, twice (ReLU, pool).
    assert large["memory"] - small["memory"] > 2000 * 32 * 26 * 26 * 4
    micro = replace(job_of(Budget(steps=2)), plan=replace(next(iter(plans(2048))), micro_batch=32))
    assert told(micro)["memory"] < large["memory"]


def plans(*sizes: int) -> list[Any]:
    plan = convolutional(32, "cpu").plan
    return [replace(plan, batch_size=size) for size in sizes]


def test_a_disk_without_room_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "run" / "checkpoints"  # not there yet
    monkeypatch.setattr(expected.shutil, "disk_usage", lambda path: Disk(10**9, 0, 29_999_999))
    with pytest.raises(RunError) as refused:
        refuse_full_disk(directory, 10_000_000)
    assert "3 checkpoints need 30.0 MB, 30.0 MB are free" in refused.value.what
    assert "--out on another disk" in str(refused.value.repair)
    assert refused.value.where == str(tmp_path)
    directory.mkdir(parents=True)
    (directory / "state").write_bytes(b"x" * 10)  # what a resumed run has saved counts
    refuse_full_disk(directory, 10_000_000)
    job = job_of(Budget(steps=9), checkpoints=Checkpoints(directory))
    monkeypatch.setattr(
        expected.shutil, "disk_usage", lambda path: Disk(10**9, 0, (KEEP + 1) * checkpoint_bytes(job) - 11)
    )
    with pytest.raises(RunError, match="no room"):
        told(job)


# what follows training -------------------------------------------------------------------------------------------------
def expecting(job: Job, rehearse: Any, resumed: bool = False) -> tuple[Budget, list[Any]]:
    memory = Memory()
    found = expect(replace(job, sink=memory), rehearse, resumed, spent=10.0)
    return found.budget, [event["event"] for event in memory.events]


def test_the_kept_time_is_a_decision_and_is_taken_again() -> None:
    written: list[Any] = []
    value = {"seconds": 6.0, "baselines": 4.0}
    job = replace(job_of(Budget(seconds=50.0)), decisions=Decisions(lambda *d: written.append(d)))
    first, events = expecting(job, lambda left: (value, f"rehearsed with {left:g}"))
    assert written == [(0, "closing", value, "rehearsed with 50")]
    assert (first.reserve, events) == (6.0, ["expected"])
    assert 45.0 < (first.seconds or 0) < 50.0  # telling takes time, which is taken off
    again = Decisions(recorded=[Decision(0, "closing", value)])
    resumed, events = expecting(
        replace(job, decisions=again), lambda left: pytest.fail("rehearsed again"), resumed=True
    )
    assert (resumed.reserve, events) == (10.0, [])  # it fits the baselines once more, and said before what to expect
    assert again.left == 0


def test_training_always_has_half_of_the_time() -> None:
    found, _ = expecting(job_of(Budget(seconds=10.0)), lambda left: ({"seconds": 99.0, "baselines": 0.0}, ""))
    assert found.reserve == (found.seconds or 0) / 2


def test_without_a_limit_nothing_is_rehearsed() -> None:
    job = job_of(Budget(steps=5))
    assert expecting(job, lambda left: pytest.fail("rehearsed")) == (job.budget, ["expected"])
    assert expecting(job_of(Budget(seconds=9.0)), None)[0].reserve == 0.0  # nothing follows


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(columns_of(300), parse(TrainOptions, {"target": "label", "size": "tiny", "device": "cpu"}))


@pytest.fixture(scope="module")
def predictor(prepared: Prepared) -> Predictor:
    options = parse(TrainOptions, {"target": "label", "steps": 1, "size": "tiny", "device": "cpu"})
    return fitting.fit(prepared, options, Memory(), lambda: False, None)[0]


def closing_of(prepared: Prepared, tmp_path: Path) -> Closing:
    with Record(tmp_path / "events.jsonl") as writing:
        fitted = fit_baselines(prepared, Key(0), writing, lambda: False, None, Decisions())
    return Closing(prepared, fitted, Key(0), ({"event": "run", "task": "tabular"},), 2.5)


def test_the_end_is_rehearsed_without_opening_the_test_part(
    prepared: Prepared, predictor: Predictor, tmp_path: Path
) -> None:
    closed = replace(prepared, examples={**prepared.examples, "test": Unopened()})
    value, why = closing_of(closed, tmp_path).rehearse(predictor, 1000.0)
    assert 0.1 < value["seconds"] < 500  # bootstrap of 5,000 rows, four models, a page with figures
    assert value["baselines"] == 2.5
    assert "rehearsed on 1,024 examples" in why
    assert prepared.examples["test"].count == 60


def test_a_straight_line_carries_the_rehearsal_on(
    prepared: Prepared, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_seen = []

    def fake(self: Closing, untrained: Predictor, rows: int, drawn: bool = True) -> tuple[float, float]:
        rows_seen.append(rows)
        return 0.2 + 0.001 * rows, 0.5 if drawn else 0.0

    monkeypatch.setattr(Closing, "_rehearse", fake)
    closed = replace(prepared, examples={**prepared.examples, "test": Unopened()})
    value, _ = closing_of(closed, tmp_path).rehearse(predictor, 1000.0)
    calibrate = prepared.examples["calibrate"].count or 0
    assert value["seconds"] == pytest.approx(0.2 + 0.001 * (5000 + 0.25 * calibrate) + 3 * 0.5, abs=0.01)
    assert rows_seen == [64, 64, 1024]
    rows_seen.clear()
    value, _ = closing_of(prepared, tmp_path).rehearse(predictor, 1000.0)
    assert rows_seen == [60, 60]  # the whole test part is smaller than a rehearsal
    assert value["seconds"] == pytest.approx(0.2 + 0.001 * 60 + 3 * 0.5, abs=0.01)
    assert closing_of(closed, tmp_path).rehearse(predictor, 13.0)[0]["seconds"] == 6.5  # at most half


def test_examples_that_are_no_rows_are_rehearsed_too(prepared: Prepared, predictor: Predictor, tmp_path: Path) -> None:
    windows = First(prepared.examples["train"], 10**9)
    assert windows.rows is None
    examples = {**prepared.examples, "train": windows, "test": Unopened()}
    closing = closing_of(replace(prepared, examples=examples), tmp_path)
    value, why = closing.rehearse(predictor, 1000.0)
    assert 0.1 < value["seconds"] < 500
    assert "rehearsed on 1,024 examples" in why


def test_dear_examples_are_rehearsed_on_fewer(
    prepared: Prepared, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Closing, "_rehearse", lambda self, untrained, count, drawn=True: (0.1 * count, 0.5))
    closed = replace(prepared, examples={**prepared.examples, "test": Unopened()})
    value, why = closing_of(closed, tmp_path).rehearse(predictor, 1000.0)
    assert "rehearsed on 500 examples" in why  # 64 took 6.4 s, and 50 s may be spent
    assert value["seconds"] == pytest.approx(500.0)


def test_with_little_time_a_share_is_kept(prepared: Prepared, predictor: Predictor, tmp_path: Path) -> None:
    closing = closing_of(prepared, tmp_path)
    value, why = closing.rehearse(predictor, 5.0)
    assert (value["seconds"], "too little time" in why) == (1.5, True)
    self_made = First(prepared.examples["train"], 1)
    self_made.count = None
    endless = replace(prepared, examples={**prepared.examples, "train": self_made})
    value, _ = replace(closing, prepared=endless).rehearse(predictor, 100.0)
    assert value["seconds"] == 24.0  # 9, and 15% of what is left, for such tests are whole games
    value, _ = replace(closing, prepared=endless).rehearse(predictor, 3600.0)
    assert value["seconds"] == 99.0
    assert [expected.for_training(seconds) for seconds in (100.0, 10.0, None)] == [91.0, 7.0, None]


def test_the_page_of_the_rehearsal_has_curves(prepared: Prepared, tmp_path: Path) -> None:
    page = render(closing_of(prepared, tmp_path)._curves())
    assert page.count("<svg") >= 6  # loss, four metrics and the learning rate
    assert "cannot be drawn" not in page


def test_a_sample_is_made_of_training_rows(prepared: Prepared, tmp_path: Path) -> None:
    sample = closing_of(prepared, tmp_path)._sample(400)
    train = prepared.parts.train.rows
    assert sample.examples["test"].count == 400
    assert np.array_equal(sample.parts.test.rows["height"][: len(train)], train["height"])
    assert sample.parts.test.rows["height"][len(train)] == train["height"][0]
