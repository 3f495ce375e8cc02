"""A training that is cut at any step, saved, and taken up in another loop is the training that was never cut.

Compared are all weights, the whole state, and every event but wall time; for each optimiser, schedule, and whatever else
keeps a memory. Also here: each example is seen once an epoch, numbers that are not finite, and memory that does not suffice.
"""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.batch import Encoded, Ragged
from deepwell.core.config import OPTIMISERS, SCHEDULES, Recipe
from deepwell.core.errors import RunError
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.core.task import Loss, Update
from deepwell.losses import squared_error
from deepwell.training.budget import Budget
from deepwell.training.checkpoints import Checkpoint, Checkpoints, latest
from deepwell.training.decisions import Decision, Decisions
from deepwell.training.loop import Job, Loop, fit
from deepwell.training.plan import Plan

ROWS, BATCH = 72, 8


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Net(nn.Module):
    """All that draws or moves by itself: dropout, batch norm, a matrix for Muon, a bias."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.normal, self.drop, self.last = (
            nn.Linear(3, 6),
            nn.BatchNorm1d(6),
            nn.Dropout(0.3),
            nn.Linear(6, 1),
        )

    def forward(self, arrays, state=None):
        return {"y": self.last(self.drop(self.normal(self.first(arrays["x"])).relu())).squeeze(1)}, state


def loss(network, batch, draw):
    return Loss(squared_error(network(batch.arrays)[0]["y"], batch.arrays["y"]), len(batch))


def rows(count=ROWS):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, 3)).astype(np.float32)
    return RowExamples(Encoded({"x": x, "y": (x.sum(1) ** 2).astype(np.float32)}, np.arange(count)))


class Line(nn.Module):
    """What also trains on a single example."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, arrays, state=None):
        return {"y": self.line(arrays["x"]).squeeze(1)}, state


class Sums(nn.Module):
    """A network for examples of unequal length."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 1))

    def forward(self, arrays, state=None):
        value = torch.stack([arrays["v"], arrays["v"] ** 2], 1) @ self.weight
        return {"y": torch.zeros(len(arrays["y"])).index_add(0, arrays["v.row"], value.squeeze(1))}, state


def ragged():
    draw = np.random.default_rng(1)
    offsets = np.concatenate([[0], np.cumsum(draw.integers(1, 9, ROWS))])
    columns = {"v": Ragged(draw.normal(size=offsets[-1]).astype(np.float32), offsets)}
    y = np.add.reduceat(columns["v"].values, offsets[:-1]).astype(np.float32)
    examples = RowExamples(Encoded({**columns, "y": y}, np.arange(ROWS)))
    examples.costs = np.diff(offsets).astype(np.float64)
    return examples


def judged(examples, name="loss"):
    """The mean loss over examples."""

    def judge(network):
        with torch.no_grad():
            batch = examples.take(np.arange(examples.count), Key(0))
            arrays = {n: torch.as_tensor(a) for n, a in batch.arrays.items()}
            return {name: loss(network, replace(batch, arrays=arrays), Key(0)).total.item() / examples.count}

    return judge


def noisy(batch, key):
    return batch.replace(x=batch.arrays["x"] + 0.1 * torch.randn_like(batch.arrays["x"]))


class Ears:
    """Hears events; keeps decisions and a clock that ticks by an exact amount each time a step is asked for."""

    def __init__(self, tick=0.25):
        self.events, self.decided, self.now, self.tick = [], [], 0.0, tick

    def emit(self, event):
        if not event.get("live"):
            kept = {k: v for k, v in event.items() if k != "wall"}
            self.events.append(json.loads(json.dumps(kept)))

    def decide(self, step, what, value, why):
        self.decided.append(Decision(step, what, value, why))

    def stop(self):
        self.now += self.tick
        return False


def job(ears, **given):
    """A job whose recipe, budget and the rest a case may change."""
    budget = replace(given.pop("budget", Budget(steps=36)), clock=lambda: ears.now)
    examples = given.pop("examples", rows)()
    network = given.pop("network", Net)()
    rest = {
        "loss": loss,
        "recipe": Recipe(learning_rate=0.02, epochs=200.0),
        "plan": Plan(batch_size=BATCH),
        "key": Key(3),
        "decisions": Decisions(ears.decide),
        "stop": ears.stop,
        **given,
    }
    return Job(network=network, examples=examples, budget=budget, sink=ears, **rest)


def finished(loop):
    """The end of a loop: weights, state, and what was told of it."""
    trained = loop.run()
    tensors, facts = loop.state()
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    facts = {k: v for k, v in facts.items() if k != "keeper"}
    return trained, kept, facts


def same(one, two):
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert tensor.dtype == two[name].dtype
        assert torch.equal(tensor.nan_to_num(), two[name].nan_to_num()), name


def cut_and_joined(tmp_path, cuts, **given):
    """A training, and the same one cut after the given numbers of steps, each time with a new loop from the disk."""
    ears = Ears()
    whole = finished(Loop(job(ears, **given)))
    heard, clock, start = [], 0.0, None
    for number, cut in enumerate([*cuts, None]):
        other = Ears()
        other.now = 1000.0 * number  # another process has another clock
        loop = Loop(job(other, **given))
        if start is not None:
            loop.restore({n: torch.from_numpy(np.array(a)) for n, a in start.arrays.items()}, start.facts)
        if cut is None:
            parts = finished(loop)
            heard += other.events
            break
        if start is None:
            loop._follow("horizon", loop._horizon.steps, "steps of all epochs" + loop._limit())
        while loop._steps < cut:
            other.stop()
            loop.step()
        keeper = Checkpoints(tmp_path, 0.0)
        tensors, facts = loop.state()
        keeper.save(cut, {n: t.numpy() for n, t in tensors.items()}, json.loads(json.dumps(facts)))
        start = latest(tmp_path)
        heard += other.events
        clock += other.now
    same(whole[0].weights, parts[0].weights)
    same(whole[1], parts[1])
    assert whole[2] == parts[2]
    assert (whole[0].step, whole[0].chosen, whole[0].values) == (parts[0].step, parts[0].chosen, parts[0].values)
    assert heard == ears.events
    return whole[0]


def fails_at(steps):
    """A loss that is NaN at the given steps (counted from 0)."""
    bad = {Key(3).fold("step", s, "micro", 0, "process", 0).value for s in steps}

    def spoilt(network, batch, draw):
        good = loss(network, batch, draw)
        return Loss(good.total * math.nan, good.units) if draw.value in bad else good

    return spoilt


def against(network, batch, draw):
    return Loss(-0.1 * loss(network, batch, draw).total, len(batch))


def recipe(**knobs):
    return Recipe(**{"learning_rate": 0.02, "epochs": 200.0, **knobs})


WATCHED = {"judge": judged(rows(40)), "watch": "loss"}
CASES = {
    **{f"{name}": {"recipe": recipe(optimiser=name), **WATCHED} for name in OPTIMISERS},
    **{f"sgd momentum {m}": {"recipe": recipe(optimiser="sgd", momentum=m, nesterov=bool(m))} for m in (0.0, 0.8)},
    "rmsprop with momentum": {"recipe": recipe(optimiser="rmsprop", momentum=0.5)},
    **{schedule: {"recipe": recipe(schedule=schedule), **WATCHED} for schedule in SCHEDULES},
    "no average": {"recipe": recipe(ema=0.0), **WATCHED},
    "no checks": {"recipe": recipe()},
    "no clipping, l1, decay": {"recipe": recipe(clip=0.0, l1=0.01, weight_decay=0.2)},
    "micro-batches": {"plan": Plan(batch_size=BATCH, micro_batch=4), **WATCHED},
    "augmentation": {"transforms": [noisy], **WATCHED},
    "bfloat16": {"plan": Plan(batch_size=BATCH, precision="bfloat16")},
    "unfused": {"plan": Plan(batch_size=BATCH, fused=False)},
    "costs": {"examples": ragged, "network": Sums},
    "two updates": {"updates": (Update("one", "[!l]*", every=2), Update("two", "last.*", loss=against))},
    "steps skipped": {"loss": fails_at({4, 11, 12}), "recipe": recipe(nonfinite="skip"), **WATCHED},
    "patience": {
        "recipe": recipe(patience=2, epochs=8.0),
        "budget": Budget(),
        "judge": judged(rows(9)),
        "watch": "loss",
    },
    "open budget": {"budget": Budget(seconds=8.0), **WATCHED},
    "epochs": {"budget": Budget(epochs=4.5), **WATCHED},
}


@pytest.mark.parametrize("case", CASES)
def test_cut_and_joined_is_as_never_cut(case, tmp_path):
    """Cut after the first step, in the middle of an epoch, and once more."""
    trained = cut_and_joined(tmp_path, (1, 11, 17), **CASES[case])
    assert trained.steps >= 20


@pytest.mark.parametrize("at", range(1, 36, 5))
def test_cut_at_any_step(at, tmp_path):
    cut_and_joined(tmp_path, (at,), **WATCHED, transforms=[noisy], plan=Plan(batch_size=BATCH, micro_batch=4))


def test_the_comparison_finds_what_is_forgotten(tmp_path, monkeypatch):
    """A loop that forgets its average is not the same."""
    monkeypatch.setattr("deepwell.training.averaging.Average.restore", lambda self, state, progress: None)
    with pytest.raises(AssertionError):
        cut_and_joined(tmp_path, (11,), **WATCHED)


# T7: the cursor --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("count", "batch"), [(52, 8), (64, 8), (100, 10), (7, 8), (1000, 10)])
def test_every_example_once_an_epoch_across_cuts(count, batch):
    """The order of what is taken is the same with and without cuts, and no epoch has an example twice."""
    taken = []

    class Watched(RowExamples):
        def __init__(self, encoded):
            super().__init__(encoded)
            self.columns = None  # else they are gathered on the device, and nobody is asked

        def take(self, index, key):
            taken.append(np.array(index))
            return super().take(index, key)

    def make():
        encoded = Encoded(rows(count).columns, np.arange(count))
        return job(Ears(), examples=lambda: Watched(encoded), plan=Plan(batch_size=batch), budget=Budget(epochs=3.0))

    fit(make())
    whole, taken[:] = list(taken), []
    loop = Loop(make())
    for steps in itertools.cycle([1, 2, 5]):
        for _ in range(steps):
            if not loop.finished:
                loop.step()
        tensors, facts = loop.state()
        if loop.finished:
            break
        kept = {n: t.clone() for n, t in tensors.items()}
        loop = Loop(make())
        loop.restore(kept, facts)
    assert [list(index) for index in taken] == [list(index) for index in whole]
    per_epoch = len(whole) // 3
    for epoch in range(3):
        seen = np.concatenate(whole[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert len(set(seen)) == len(seen) >= 7 / 8 * count


# T8: numbers that are not finite ---------------------------------------------------------------------------------------
def saved_finite(directory):
    """The steps that lie on the disk, all of them finite."""
    steps = sorted(directory.glob("step-*"))
    for path in steps:
        found = latest(directory)
        assert all(np.isfinite(a).all() for a in found.arrays.values() if a.dtype.kind == "f"), path
    return [int(path.name[5:]) for path in steps]


class Spoilt(nn.Module):
    """The network above, whose layer gives NaN from step 9 on."""

    def __init__(self, where):
        super().__init__()
        self.net, self.where, self.passes = Net(), where, 0

    def forward(self, arrays, state=None):
        self.passes += self.training
        if self.passes == 9 and self.where == "buffer":
            self.net.normal.running_mean[0] = math.nan
        if self.passes >= 9 and self.where == "layer":
            hidden = self.net.first(arrays["x"]) * math.nan
            return {"y": self.net.last(self.net.normal(hidden).relu()).squeeze(1)}, state
        return self.net(arrays, state)


def spoilt_row():
    examples = rows()
    examples.columns["x"][30, 1] = math.inf
    return examples


NOT_FINITE = {
    "data": ({"examples": spoilt_row}, "the input 'x' of example 30 is not finite"),
    "loss": ({"loss": fails_at({8})}, "the loss became nan at step 9"),
    "layer": ({"network": lambda: Spoilt("layer")}, r"the layer 'net\.normal' \(BatchNorm1d\)"),
    "learning rate": (
        {"recipe": recipe(learning_rate=1e30, optimiser="sgd", clip=0.0, schedule="constant", warmup=0.0)},
        "became (nan|inf) at step [23]",
    ),
}


@pytest.mark.parametrize("where", NOT_FINITE)
def test_what_is_not_finite_stops_the_training_and_is_never_saved(where, tmp_path):
    given, words = NOT_FINITE[where]
    with pytest.raises(RunError, match=words) as caught:
        fit(job(Ears(), checkpoints=Checkpoints(tmp_path, 0.0), **WATCHED, **given))
    assert "at step" in caught.value.what
    assert "learning_rate" in caught.value.repair
    step = int(caught.value.what.partition("at step ")[2].split()[0])
    assert max(saved_finite(tmp_path), default=0) <= step


def test_a_buffer_that_is_not_finite_is_never_saved(tmp_path):
    """Running statistics that became NaN do not show in the loss of a training step."""
    with pytest.raises(RunError, match="running_mean' is not finite after step") as caught:
        fit(job(Ears(), network=lambda: Spoilt("buffer"), checkpoints=Checkpoints(tmp_path, 0.0)))
    assert "step 9" in caught.value.what
    assert saved_finite(tmp_path) == [7, 8]


@pytest.mark.parametrize("nan", [{"raw"}, {"ema"}, {"raw", "ema"}])
def test_a_judge_that_says_nan_never_chooses(nan, tmp_path):
    calls = itertools.count()

    def judge(network):
        value = judged(rows(40))(network)["loss"]
        name = ("ema", "raw")[next(calls) % 2]
        return {"loss": math.nan if name in nan and next(spoilt) > 3 else value}

    spoilt = itertools.count()
    ears = Ears()
    trained = fit(job(ears, judge=judge, watch="loss", checkpoints=Checkpoints(tmp_path, 0.0)))
    assert math.isfinite(trained.values["loss"])
    checks = [e for e in ears.events if e["event"] == "check"]
    assert all(e["values"]["loss"] is not None or not e["best"] for e in checks)
    assert saved_finite(tmp_path)


# T9: memory ------------------------------------------------------------------------------------------------------------
def hungry(most, where, error, first=0):
    """A loss that does not fit for more than `most` examples, in its forward or its backward pass, from step `first` on."""
    steps = []

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise error

    def value(network, batch, draw):
        steps.append(draw)
        found = loss(network, batch, draw)  # batch norm and dropout have moved by now
        too_large = len(batch) > most and len({d.value for d in steps}) > first
        if too_large and where == "forward":
            raise error
        return Loss(Fails.apply(found.total) if too_large else found.total, found.units)

    return value


ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to"),
)


@pytest.mark.parametrize("error", ERRORS, ids=["torch", "python", "allocator"])
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_memory_that_does_not_suffice_gives_the_bits_of_a_smaller_micro_batch(where, error):
    """8 -> 4 -> 2 examples at once: the same bits as a training that began with 2. Dropout and batch norm included."""
    ears = Ears()
    fallen = finished(Loop(job(ears, loss=hungry(2, where, error), **WATCHED)))
    began = finished(Loop(job(Ears(), plan=Plan(batch_size=BATCH, micro_batch=2), **WATCHED)))
    assert [(d.step, d.what[:11], d.value) for d in ears.decided] == [(1, "micro-batch", 4), (1, "micro-batch", 2)]
    assert "memory did not suffice for 8 examples" in ears.decided[0].why
    same(fallen[0].weights, began[0].weights)
    same(fallen[1], began[1])


@pytest.mark.parametrize("two", [False, True])
def test_later_it_gives_the_bits_of_its_own_replay(two, tmp_path):
    """From step 12 on 2 examples fit. The replay has memory enough, and cuts where the record says."""
    given = {"updates": (Update("one", "[!l]*"), Update("two", "last.*", loss=hungry(2, "backward", ERRORS[0], 12)))}
    given = given if two else {"loss": hungry(2, "forward", ERRORS[0], 12)}
    ears, again = Ears(), Ears()
    fallen = finished(Loop(job(ears, **given)))
    given = {"updates": (Update("one", "[!l]*"), Update("two", "last.*"))} if two else {}
    repeated = finished(Loop(job(again, decisions=Decisions(again.decide, ears.decided, replay=True), **given)))
    assert [(d.what[:11], d.value) for d in ears.decided] == [("micro-batch", 4), ("micro-batch", 2)]
    assert ears.decided[0].step > 1
    assert again.decided == ears.decided
    same(fallen[0].weights, repeated[0].weights)


def test_a_training_that_fell_goes_on_where_it_was_cut(tmp_path):
    """The smaller micro-batch is part of the state."""
    ears = Ears()
    loop = Loop(job(ears, loss=hungry(2, "forward", ERRORS[0])))
    for _ in range(5):
        loop.step()
    tensors, facts = loop.state()
    start = Checkpoint(5, {n: t.clone().numpy() for n, t in tensors.items()}, json.loads(json.dumps(facts)))
    first = loop.run()
    other = Ears()
    second = fit(job(other, loss=hungry(2, "forward", ERRORS[0])), start)
    same(first.weights, second.weights)
    assert other.decided == []


def test_memory_that_never_suffices_is_told():
    with pytest.raises(RunError, match="a single example does not fit into memory together with the network"):
        fit(job(Ears(), network=Line, loss=hungry(0, "forward", ERRORS[1])))
    coupled = (Update("all", "*", coupled=True),)
    with pytest.raises(
        RunError, match="a batch of 8 examples does not fit into memory, and it cannot be cut"
    ) as caught:
        fit(job(Ears(), loss=hungry(4, "backward", ERRORS[0]), updates=coupled))
    assert "batch_size=4" in caught.value.repair


def test_other_errors_are_not_taken_for_missing_memory():
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(job(Ears(), loss=hungry(2, "forward", RuntimeError("shapes do not match"))))


def test_decisions_of_many_lives_can_all_be_taken():
    """A run with a time limit that is killed again and again before its first checkpoint begins anew each time, with all
    that was decided; the revisions of its horizon add up, and it still ends."""
    recorded = []
    for life in range(8):
        ears = Ears(tick=0.25 * (1 + life % 3))
        loop = Loop(
            job(
                ears, budget=Budget(seconds=24.0), decisions=Decisions(ears.decide, recorded), recipe=recipe(epochs=1e4)
            )
        )
        for _ in range(12 + 9 * life):
            if not loop.finished:
                ears.stop()
                loop.step()
        recorded = [*recorded, *ears.decided]
    assert fit(job(Ears(), budget=Budget(seconds=24.0), decisions=Decisions(None, recorded))).steps > 20
