"""A trial times real steps on a copy, gives up what is hopeless, and reads only the examples that it needs."""

import math

import numpy as np
import pytest
import torch
from tests.training.test_loop import Net, data, job

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.training import trial
from deepwell.training.plan import Plan

FOREVER = math.inf


def test_a_turn_times_a_few_steps_after_one_that_does_not_count() -> None:
    one = trial.Trial(job(), Plan(batch_size=20))
    assert (one.rate, one.median, one.least) == (0.0, math.inf, math.inf)
    one.turn(FOREVER, FOREVER)
    one.turn(FOREVER, FOREVER)
    assert len(one.seconds) == 2 * trial.TURN
    assert one.least == min(one.seconds) <= one.median
    assert one.rate == pytest.approx(20 / sorted(one.seconds)[trial.TURN - 1], rel=0.5)


@pytest.mark.parametrize(("end", "best"), [(0.0, FOREVER), (FOREVER, 1e-9)])
def test_a_turn_without_time_or_hope_is_short(end, best, monkeypatch) -> None:
    monkeypatch.setattr(trial, "ONCE", 0.0)
    one = trial.Trial(job(), Plan(batch_size=20))
    one.turn(end, best)
    assert len(one.seconds) == 1


@pytest.mark.parametrize(("taken", "counted"), [([0.2, *[0.01] * 5], 5), ([0.01, 0.2], 1), ([0.5], 1)])
def test_what_only_the_first_step_costs_is_forgiven(taken, counted, monkeypatch) -> None:
    one, waiting = trial.Trial(job(), Plan(batch_size=20)), iter(taken)
    monkeypatch.setattr(one, "step", lambda: next(waiting))
    one.turn(FOREVER, 0.02)
    assert len(one.seconds) == counted
    assert not list(waiting), "all steps were taken"


def test_a_later_turn_forgives_nothing() -> None:
    one = trial.Trial(job(), Plan(batch_size=20))
    one.step()
    one.turn(FOREVER, 1e-9)
    assert len(one.seconds) == 1


def test_steps_happen_on_a_copy_with_the_plans_threads() -> None:
    start = job(Net(4))
    seen = []
    patched = pytest.MonkeyPatch()
    before = {n: t.clone() for n, t in start.network.state_dict().items()}
    with patched.context() as patch:
        patch.setattr(trial.Loop, "step", lambda loop: seen.append(torch.get_num_threads()))
        trial.Trial(start, Plan(threads=2, batch_size=20)).step()
    assert seen == [2]
    trial.Trial(start, Plan(batch_size=20)).turn(FOREVER, FOREVER)
    assert all(torch.equal(t, before[n]) for n, t in start.network.state_dict().items())
    assert (start.sink.events, start.sink.decisions) == ([], [])


def test_a_loss_that_is_not_finite_fails_the_trial() -> None:
    examples = data(400)
    examples.columns["y"][:] = np.nan
    one = trial.Trial(job(examples=examples), Plan(batch_size=20))
    for _ in range(5):
        one.turn(FOREVER, FOREVER)
    assert one.failed
    assert one.rate == 0.0


def test_only_the_first_examples_are_read() -> None:
    whole = RowExamples(Encoded({"x": np.arange(100.0)}, np.arange(100)))
    whole.costs = np.arange(100.0)
    first = trial.First(whole, 7)
    assert (first.count, len(first.columns["x"]), len(first.costs)) == (7, 7, 7)
    assert first.take(np.array([3]), Key(0)).arrays["x"] == [3.0]
    assert trial.First(whole, 1000).count == 100
    assert trial.copied(job(), Plan(batch_size=1)).examples.count == trial.BATCHES


def test_off_the_cpu_steps_are_timed_together(monkeypatch) -> None:
    """The loop and the waiting are pretended: there is no such device here."""
    steps, waits = [], []

    class Pretended:
        def __init__(self, job):
            assert job.plan.device == "cuda"

        def step(self):
            steps.append(len(waits))

    monkeypatch.setattr(trial, "Loop", Pretended)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: waits.append(str(device)))
    trial.Trial(job(), Plan(device="cuda", batch_size=20)).step()
    assert steps == [1] * trial.TOGETHER, "after the device is idle"
    assert waits == ["cuda", "cuda"]
