"""The loop on tiny problems: it converges, repeats bit for bit, and stops as it is told."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.batch import Batch, Encoded, Ragged
from deepwell.core.config import Recipe
from deepwell.core.errors import ConfigError, RunError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.keys import Key
from deepwell.core.task import Loss, Update
from deepwell.losses import squared_error
from deepwell.nn.runner import TorchRunner
from deepwell.training.budget import Budget
from deepwell.training.decisions import Decisions
from deepwell.training.loop import Job, Loop, fit
from deepwell.training.plan import Plan


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Net(nn.Module):
    """A line or a small network with dropout and batch norm."""

    def __init__(self, hidden=0):
        super().__init__()
        torch.manual_seed(0)
        if hidden:
            normal = nn.BatchNorm1d(hidden)
            self.body = nn.Sequential(nn.Linear(3, hidden), normal, nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 1))
        else:
            self.body = nn.Linear(3, 1)

    def forward(self, arrays, state=None):
        return {"y": self.body(arrays["x"]).squeeze(1)}, state


def loss(network, batch, draw):
    outputs, _ = network(batch.arrays)
    return Loss(squared_error(outputs["y"], batch.arrays["y"]), len(outputs["y"]))


def data(count=200, noise=0.5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] + 0.3 + noise * rng.normal(size=count)).astype(np.float32)
    return RowExamples(Encoded({"x": x, "y": y}, np.arange(count)))


class Record:
    """Sink, decisions and a clock that ticks once per step, when stop is asked."""

    def __init__(self, per_step=1.0, stop_at=None, check=0.0):
        self.events, self.decisions = [], []
        self.now, self.asked, self.per_step, self.stop_at, self.check = 0.0, 0, per_step, stop_at, check

    def emit(self, event):
        json.dumps(event)
        self.events.append(event)
        if event["event"] == "decision":
            self.decisions.append((event["step"], event["what"], event["value"], event["why"]))

    def decide(self, step, what, value, why):
        self.decisions.append((step, what, value, why))

    def clock(self):
        return self.now

    def stop(self):
        self.now += self.per_step if self.asked else 0.0
        self.asked += 1
        return self.stop_at is not None and self.asked > self.stop_at


def mean_loss(examples):
    def judge(module):
        with torch.no_grad():
            arrays = {n: torch.from_numpy(c) for n, c in examples.columns.items()}
            return {"loss": loss(module, Batch(arrays, np.arange(1)), Key(0)).total.item() / examples.count}

    return judge


def job(network=None, record=None, recipe=None, budget=None, plan=None, **rest):
    """A job with sensible tiny defaults; on a record, its clock and ears are used."""
    record = record or Record()
    budget = budget or Budget(steps=60)
    examples = rest.pop("examples", None) or data()
    given = {
        "network": network or Net(),
        "examples": examples,
        "loss": loss,
        "recipe": recipe or Recipe(learning_rate=0.03, weight_decay=0.0),
        "budget": replace(budget, clock=record.clock),
        "plan": plan or Plan(batch_size=20),
        "key": Key(7),
        "sink": record,
        "decisions": Decisions(record.decide),
        "stop": record.stop,
    }
    return Job(**{**given, **rest})


def flat(weights):
    return torch.cat([t.float().flatten() for t in weights.values()])


def test_linear_regression_reaches_the_least_squares_solution():
    examples = data(400)
    trained = fit(job(examples=examples, budget=Budget(steps=1000)))
    x = np.c_[examples.columns["x"], np.ones(400)]
    solution = np.linalg.lstsq(x, examples.columns["y"], rcond=None)[0]
    np.testing.assert_allclose(flat(trained.weights), solution, atol=5e-3)
    assert (trained.chosen, trained.steps, trained.step, trained.interrupted) == ("ema", 1000, 1000, False)


def test_same_seed_same_bits_another_seed_others():
    first, again, other = (
        fit(job(Net(8), key=Key(seed), judge=mean_loss(data(50)), watch="loss")).weights for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not torch.equal(flat(first), flat(other))


def test_weights_come_as_in_the_state_dict():
    trained = fit(job(Net(4)))
    assert {n: t.shape for n, t in trained.weights.items()} == {n: t.shape for n, t in Net(4).state_dict().items()}


def test_micro_batches_give_the_gradients_of_the_whole_batch():
    net = [Net(), Net(), Net()]
    recipe = Recipe(learning_rate=0.03, ema=0.0, l1=0.01)
    whole, ones, sevens = (
        fit(job(n, recipe=recipe, plan=Plan(batch_size=20, micro_batch=m))).weights
        for n, m in zip(net, (0, 1, 7), strict=True)
    )
    torch.testing.assert_close(flat(whole), flat(ones), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(flat(whole), flat(sevens), atol=1e-5, rtol=1e-4)


def test_units_divide_and_zero_units_are_harmless():
    def doubled(network, batch, draw):
        plain = loss(network, batch, draw)
        return Loss(2 * plain.total, torch.tensor(2.0 * plain.units))

    def empty(network, batch, draw):
        return Loss(0 * loss(network, batch, draw).total, torch.tensor(0.0))

    recipe = Recipe(ema=0.0, weight_decay=0.0)
    torch.testing.assert_close(
        flat(fit(job(recipe=recipe, loss=doubled)).weights), flat(fit(job(recipe=recipe)).weights)
    )
    assert torch.equal(flat(fit(job(recipe=recipe, loss=empty)).weights), flat(Net().state_dict()))


def test_clipping_bounds_the_gradient_of_the_mean_loss():
    seen = []

    class Spy(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("n", torch.zeros(1))

    net = Spy()
    loop = Loop(job(net, recipe=Recipe(clip=0.5, ema=0.0)))
    for _ in range(3):
        loop.step()
        seen.append(torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item())
    assert seen == pytest.approx([0.5] * 3, rel=1e-5)  # torch writes the divided gradient back


def test_l1_makes_useless_weights_vanish():
    plain = fit(job(budget=Budget(steps=400)))
    sparse = fit(job(budget=Budget(steps=400), recipe=Recipe(learning_rate=0.03, weight_decay=0.0, l1=1.0)))
    assert abs(plain.weights["body.weight"][0, 2]) > 0.4
    assert abs(sparse.weights["body.weight"][0, 2]) < 0.05


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.0]))
        self.b = nn.Parameter(torch.tensor([2.0]))
        self.still = nn.Parameter(torch.tensor([3.0]))


def test_two_updates_against_each_other_touch_only_their_own():
    def of(sign):
        def value(network, batch, draw):
            return Loss(sign * (network.a * network.b * network.still).sum(), 1)

        return value

    net = Pair()
    updates = (Update("down", "a", of(1)), Update("up", "b", of(-1), every=2))
    loop = Loop(job(net, updates=updates, recipe=Recipe(ema=0.0, clip=0.0)))
    loop.step()
    assert net.a < 1
    assert net.b > 2
    assert net.still == 3
    assert net.still.grad is None
    b = net.b.item()
    loop.step()
    assert net.b.item() == b
    loop.step()
    assert net.b.item() > b


def test_an_update_without_parameters_is_taught():
    with pytest.raises(ConfigError, match=r"update 'x' has no parameter to train: 'critic\.\*'"):
        fit(job(updates=(Update("x", "critic.*"),)))


def test_progress_events_tell_the_mean_loss():
    record = Record(per_step=0.2)
    fit(job(record=record, budget=Budget(steps=30), recipe=Recipe(learning_rate=1e-6)))
    progress = [e for e in record.events if e["event"] == "progress"]
    assert progress[-1]["step"] == progress[-1]["of"] == 30
    expected = mean_loss(data())(Net())["loss"]
    assert np.mean([e["loss"] for e in progress]) == pytest.approx(expected, rel=0.1)
    assert set(progress[0]["wall"]) == {"rate", "left", "seconds"}


@pytest.mark.parametrize(("steps", "per_step", "told"), [(500, 0.0, 50), (20, 0.0, 20), (500, 0.25, 250)])
def test_progress_is_told_fifty_times_a_run_and_twice_a_second(steps, per_step, told):
    record = Record(per_step=per_step)
    fit(job(record=record, budget=Budget(steps=steps)))
    assert sum(e["event"] == "progress" for e in record.events) == told


def test_open_budget_keeps_the_time_and_records_why():
    record = Record(per_step=0.01)
    trained = fit(job(record=record, budget=Budget(seconds=5.0), recipe=Recipe(epochs=1e4)))
    assert 450 < trained.steps <= 501
    assert [d[1] for d in record.decisions][:2] == ["horizon", "horizon"]
    assert "steps/s measured" in record.decisions[1][3]
    assert sum(d[1] == "horizon" for d in record.decisions) <= 9


def test_epochs_of_the_recipe_are_the_most():
    assert fit(job(budget=Budget(), recipe=Recipe(epochs=3.0))).steps == 30
    assert fit(job(budget=Budget(epochs=2.5))).steps == 25


def test_rate_reaches_its_end_with_the_last_step():
    loop = Loop(job(budget=Budget(steps=100), recipe=Recipe(learning_rate=1.0, schedule="linear", warmup=0.1)))
    rates = [loop.learning_rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.5 / 90)
    assert sum(rates) == pytest.approx(50)


def worse_after(steps):
    calls = []

    def judge(module):
        calls.append(module)
        return {"loss": max(0.0, steps - len(calls)) + 0.001 * len(calls)}

    return judge


def test_patience_cools_down_instead_of_breaking_off():
    record = Record(per_step=0.0)
    recipe = Recipe(learning_rate=0.01, epochs=40.0, patience=3, ema=0.0)
    trained = fit(job(record=record, recipe=recipe, budget=Budget(), judge=worse_after(5), watch="loss"))
    (step, what, steps, why) = record.decisions[-1]
    assert (what, why) == ("cool down to step", "3 checks without gain")
    assert steps == trained.steps == step + round(0.1 * step) < 400
    assert trained.step == 5 * 20
    progress = [e for e in record.events if e["event"] == "progress"][-1]
    assert progress["learning_rate"] < 1e-3
    exact = fit(job(recipe=recipe, budget=Budget(steps=400), judge=worse_after(5), watch="loss"))
    assert exact.steps == 400


def test_stop_seals_the_best_so_far():
    record = Record(stop_at=25)
    trained = fit(job(record=record, budget=Budget(steps=200), judge=mean_loss(data()), watch="loss"))
    assert (trained.interrupted, trained.steps, trained.step) == (True, 25, 20)
    assert trained.values["loss"] > 0
    assert record.decisions[-1][1] == "stop"
    early = fit(job(record=Record(stop_at=0)))
    assert (early.interrupted, early.steps) == (True, 0)


def test_watch_none_keeps_the_last_average():
    trained = fit(job(judge=mean_loss(data()), watch=None))
    assert (trained.chosen, trained.step, trained.values) == ("ema", 60, {})


def test_dear_checks_leave_time_to_train():
    record = Record(per_step=0.01)
    judge = mean_loss(data())

    def dear(module):
        record.now += 0.25
        return judge(module)

    trained = fit(job(record=record, budget=Budget(seconds=10.0), recipe=Recipe(epochs=1e4), judge=dear, watch="loss"))
    checks = [e for e in record.events if e["event"] == "check"]
    assert 2 <= len(checks) <= 4
    assert "checks" in [d[1] for d in record.decisions]
    assert record.now < 10.7
    assert trained.steps > 700


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_non_finite_step_changes_nothing_and_is_named(where):
    net = Net()

    def bad(network, batch, draw):
        good = loss(network, batch, draw)
        at_twenty = draw.value == Key(7).fold("step", 20, "micro", 0, "process", 0).value
        if not at_twenty:
            return good
        extra = network.body.bias.sum()
        return Loss(good.total + (math.nan * extra if where == "loss" else torch.sqrt(extra * 0)), good.units)

    loop = Loop(job(net, loss=bad, budget=Budget(steps=600)))
    for _ in range(20):
        loop.step()
    before = flat(net.state_dict())
    loop.step()
    assert torch.equal(flat(net.state_dict()), before)
    with pytest.raises(RunError, match=f"the {where} became nan at step 21"):
        loop.run()


def test_examples_in_ragged_columns_are_taken():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

    def ragged_loss(network, batch, draw):
        rows = torch.zeros(len(batch)).index_add(0, batch.arrays["v.row"], batch.arrays["v"] * network.w)
        return Loss(squared_error(rows, batch.arrays["y"]), len(batch))

    values, offsets = np.arange(1.0, 11.0), np.array([0, 3, 3, 6, 10])
    y = np.array([6.0, 0.0, 15.0, 34.0])
    examples = RowExamples(Encoded({"v": Ragged(values, offsets), "y": y}, np.arange(4)))
    recipe = Recipe(learning_rate=0.05, weight_decay=0.0)
    plan = Plan(batch_size=2, micro_batch=1)
    trained = fit(job(Sums(), examples=examples, loss=ragged_loss, budget=Budget(steps=300), recipe=recipe, plan=plan))
    assert trained.weights["w"].item() == pytest.approx(1.0, abs=1e-3)


class Endless(Examples):
    """Numbers that the examples make themselves, and a count of how often they grew."""

    def __init__(self):
        self.grown = np.zeros(1, np.int64)

    def advance(self, runner, step, key):
        outputs, _ = runner.run("forward", {"x": np.zeros((1, 3), np.float32)})
        assert outputs["y"].shape == (1,)
        self.grown += 1

    def take(self, index, key):
        x = np.stack([key.fold(int(i)).numpy().normal(size=3) for i in index])
        return Batch({"x": x, "y": x.sum(1) + 0.01 * self.grown}, index)

    def state(self):
        return {"grown": self.grown.copy()}

    def restore(self, state):
        self.grown = state["grown"].copy()


def test_endless_examples_grow_before_each_step():
    examples = Endless()
    trained = fit(job(examples=examples, budget=Budget(steps=40)))
    assert examples.grown == 40
    assert trained.steps == 40


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_examples_that_make_themselves_are_made_by_the_averaged_weights(ema):
    class Watched(Endless):
        def advance(self, runner, step, key):
            super().advance(runner, step, key)
            self.acting = runner.run("forward", {"x": np.eye(3, dtype=np.float32)})[0]["y"]

    examples = Watched()
    loop = Loop(job(examples=examples, budget=Budget(steps=60), recipe=Recipe(learning_rate=0.1, ema=ema)))
    for _ in range(50):
        loop.step()
    candidates = {name: TorchRunner(module) for name, module in loop._candidates().items()}
    examples.advance(loop._runner, 50, Key(0))
    now = {n: r.run("forward", {"x": np.eye(3, dtype=np.float32)})[0]["y"] for n, r in candidates.items()}
    assert np.array_equal(examples.acting, now["ema" if ema else "raw"])
    assert set(now) == ({"ema", "raw"} if ema else {"raw"})
    assert not ema or not np.allclose(now["ema"], now["raw"])


def noisy(batch, key):
    return batch.replace(x=batch.arrays["x"] + 0.1 * torch.randn_like(batch.arrays["x"]))


@pytest.mark.parametrize("budget", [Budget(steps=120), Budget(seconds=1.0)])
@pytest.mark.parametrize("at", [1, 37, 100])
@pytest.mark.parametrize("endless", [False, True])
def test_a_restored_loop_goes_on_bit_for_bit(budget, at, endless):
    def make():
        record = Record(per_step=0.008)
        made = job(
            Net(8),
            record,
            recipe=Recipe(learning_rate=0.01, epochs=1e3),
            budget=budget,
            plan=Plan(batch_size=20, micro_batch=8),
            examples=Endless() if endless else data(),
            transforms=[noisy],
            judge=mean_loss(data(40)),
            watch="loss",
            updates=(Update("one", "body.0.*"), Update("two", "body.[1-9]*", every=2)),
        )
        return Loop(made), record

    whole, record = make()
    for _ in range(at):
        record.stop()
        whole.step()
    tensors, facts = whole.state()
    facts = json.loads(json.dumps(facts))
    resumed, other = make()
    other.asked = 1
    resumed.restore({n: t.clone() for n, t in tensors.items()}, facts)
    first, second = whole.run(), resumed.run()
    assert (first.step, first.steps, first.chosen, first.values) == (
        second.step,
        second.steps,
        second.chosen,
        second.values,
    )
    assert all(torch.equal(first.weights[n], second.weights[n]) for n in first.weights)
    a, b = whole.state()[0], resumed.state()[0]
    assert a.keys() == b.keys()
    assert all(torch.equal(a[n], b[n]) for n in a)


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    inside = []
    fit(
        job(
            plan=Plan(threads=2, batch_size=20), judge=lambda m: inside.append(torch.get_num_threads()) or {"loss": 1.0}
        )
    )
    assert set(inside) == {2}
    assert torch.get_num_threads() == before


def test_bfloat16_trains_too():
    trained = fit(job(Net(8), plan=Plan(batch_size=20, precision="bfloat16"), budget=Budget(steps=200)))
    assert all(t.dtype in (torch.float32, torch.int64) for t in trained.weights.values())
    net = Net(8)
    net.load_state_dict(trained.weights)
    assert mean_loss(data())(net.eval())["loss"] < 0.5
