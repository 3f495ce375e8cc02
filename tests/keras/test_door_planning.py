"""How a machine runs a fit: short fits are not measured, trials change nothing, bfloat16 needs a measurement."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepwell.keras import Layer, Model, Sequential, engine, layers, planning
from deepwell.training import plan as plans
from deepwell.training import probe
from deepwell.training.trial import Trial

rng = np.random.default_rng(2)
X, Y = rng.random((640, 5)).astype("float32"), rng.random((640, 1)).astype("float32")


def net() -> Any:
    model = Sequential([layers.Dense(4, input_shape=(5,)), layers.Dropout(0.1), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def test_a_short_fit_is_run_by_rule_and_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("nothing may be timed")

    monkeypatch.setattr(Trial, "turn", never)
    monkeypatch.setattr(plans, "has_bfloat16", lambda device: True)
    model = Sequential([layers.Conv1D(2, 3, input_shape=(5, 1)), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=64, epochs=3, verbose=0)
    plan = model.training.plans[64]
    assert plan.precision == "float32"
    assert plan.reasons["precision"] == "nothing was measured"


@pytest.mark.parametrize(("several", "threads"), [(0.02, 2), (0.9, 1)])
def test_threads_that_are_a_disaster_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, several: float, threads: int
) -> None:
    """Beside a busy process two threads can be a hundred times slower; one step of each shows it."""
    model = net()
    seen: list[Any] = []
    monkeypatch.setattr(
        Trial, "turn", lambda trial, *_: trial.seconds.append(several if trial.plan.threads > 1 else 0.03)
    )
    monkeypatch.setattr(planning, "measured", lambda job, *rest: seen.append((job, *rest)) or job.plan)
    model.fit(X, Y, epochs=3, verbose=0)
    monkeypatch.undo()
    monkeypatch.setattr(
        Trial, "turn", lambda trial, *_: trial.seconds.append(several if trial.plan.threads > 1 else 0.03)
    )
    job = replace(seen[0][0], plan=replace(seen[0][0].plan, threads=2))
    assert planning.measured(job, 60, {}, False).threads == threads
    assert planning.measured(job, 60, {"threads": 2}, False).threads == 2
    assert planning.measured(job, 30, {}, False).threads == 2


def test_what_the_user_fixes_stays() -> None:
    model = net()
    model.compile("adam", "mse", plan={"threads": 1, "precision": "float32", "fused": False})
    model.fit(X, Y, verbose=0)
    plan = model.training.plans[32]
    assert (plan.threads, plan.precision, plan.fused, plan.reasons["fused"]) == (1, "float32", False, "asked for")


def test_trials_leave_model_and_optimizer_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    true = planning.measured

    def watched(job: Any, steps: int, fixed: Any, own: bool) -> Any:
        before = [p.detach().clone() for p in job.network.parameters()]
        plan = true(job, steps, fixed, own)
        seen["steps"], seen["same"] = (
            steps,
            all(bool((a == b).all()) for a, b in zip(before, job.network.parameters(), strict=True)),
        )
        return plan

    monkeypatch.setattr(planning, "measured", watched)
    monkeypatch.setattr(planning, "LEAST_SECONDS", -1e9)  # measure, however short it is
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: False)
    measured, plain = net(), net()
    plain.set_weights(measured.get_weights())
    measured.fit(X, Y, batch_size=32, epochs=8, shuffle=False, verbose=0)
    assert seen == {"steps": 160, "same": True}
    assert measured.optimizer.iterations == 160
    assert list(measured.training.plans) == [32]
    measured.fit(X, Y, batch_size=32, epochs=8, shuffle=False, verbose=0)  # not measured again
    assert measured.optimizer.iterations == 320


class Counting(Layer):  # type: ignore[misc]
    """Counts the steps that it is trained in, in a weight that does not learn."""

    def build(self, input_shape: Any) -> None:
        self.seen = self.add_weight(initializer="zeros", trainable=False, name="seen")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            self.seen.assign_add(1.0)
        return inputs


class Written(Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.counting, self.ends = Counting(), [layers.Dense(1)]

    def call(self, inputs: Any) -> Any:
        return self.ends[0](self.counting(inputs))


def test_trials_copy_what_a_user_has_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", -1e9)
    model = Written()
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=8, verbose=0)
    assert float(model.counting.seen) == model.optimizer.iterations == 160


def test_a_measured_fit_ends_as_one_with_the_same_plan_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials draw and train on copies: neither the key of the fit nor the optimizer's memory may know of them."""
    import torch

    def trained(plan: dict[str, Any]) -> list[Any]:
        torch.manual_seed(4)
        model = net()
        model.compile("adam", "mse", plan=plan)
        model.fit(X, Y, batch_size=32, epochs=8, verbose=0)
        return model.get_weights()  # type: ignore[no-any-return]

    fixed = {"threads": 1, "precision": "float32", "fused": True}
    monkeypatch.setattr(planning, "LEAST_SECONDS", -1e9)
    first = trained(fixed)
    monkeypatch.setattr(planning, "FEWEST_STEPS", 10**9)
    second = trained(fixed)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_memory_is_kept_where_there_are_enough_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    @contextlib.contextmanager
    def kept() -> Iterator[bool]:
        seen.append(1)
        yield True

    monkeypatch.setattr(engine, "kept", kept)
    model = net()
    model.fit(X, Y, batch_size=64, epochs=9, verbose=0)
    assert not seen, "90 steps are few"
    model.fit(X, Y, batch_size=64, epochs=10, verbose=0)
    assert seen == [1]
