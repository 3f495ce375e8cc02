"""Updater: a step of its own parameters; sums, clipping, and a bad batch that leaves no trace, buffers included."""

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.batch import Batch
from deepwell.core.config import OPTIMISERS, Recipe
from deepwell.core.errors import ConfigError
from deepwell.core.keys import Key
from deepwell.core.task import Loss, Update
from deepwell.losses import squared_error
from deepwell.training.averaging import tensors
from deepwell.training.plan import Plan
from deepwell.training.updates import Updater

ROWS = 8


class Counter(nn.Module):
    """Replaces its buffer at every pass, keeps one that never moves, and makes a cache when it is first needed."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(1))
        self.register_buffer("knots", torch.ones(3))
        self.register_buffer("cache", None)

    def forward(self, x):
        self.passes = self.passes + 1 + 0 * x.detach().mean()
        self.cache = torch.zeros(len(x)) if self.cache is None else torch.zeros(len(self.cache) + 1)
        return x


class Statistics(nn.Module):
    """Running statistics without a counter, which only torch's kernel moves."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))

    def forward(self, x):
        return nn.functional.batch_norm(x, self.mean, self.variance, training=True)


class Net(nn.Module):
    def __init__(self, *middle):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.last = nn.Linear(3, 4), nn.Sequential(*middle), nn.Linear(4, 1)

    def forward(self, arrays, state=None):
        return {"y": self.last(self.middle(self.first(arrays["x"]))).squeeze(1)}, state


KINDS = {
    "no buffers": lambda: (),
    "batch norm": lambda: (nn.BatchNorm1d(4),),
    "statistics": lambda: (Statistics(4),),
    "replaced": lambda: (Counter(), nn.BatchNorm1d(4)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def loss(network, batch, draw):
    outputs, _ = network(batch.arrays)
    return Loss(squared_error(outputs["y"], batch.arrays["y"]), len(outputs["y"]))


def batch(seed, bad=False, factor=1.0):
    draws = torch.Generator().manual_seed(seed)
    x, y = torch.randn(ROWS, 3, generator=draws) * factor, torch.randn(ROWS, generator=draws)
    if bad:
        x[2, 1] = torch.nan
    return Batch({"x": x, "y": y}, np.arange(ROWS))


def updater(network, update=None, plan=None, loss_function=loss, reads_flag=True, **recipe):
    """reads_flag False: the host must not read the flag, as on a CUDA device."""
    one = Updater(network, update or Update(), loss_function, Recipe(**recipe), plan or Plan())
    one.optimiser.reads_flag = reads_flag
    return one


def step(one, *batches, rate=0.1):
    one.begin()
    sums = None
    for part in batches:
        sums = one.micro_step(part, Key(0), sums)
    one.finish(sums, rate)
    return sums


def everything(network, one):
    found = {n: t.detach().clone() for n, t in tensors(network).items() if not n.endswith("cache")}
    return {**found, **{f"optimiser.{n}": t for n, t in one.optimiser.state().items()}}


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert [n for n in first if not torch.equal(first[n], second[n])] == []


@kinds
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("bad_at", [0, 3])
@pytest.mark.parametrize("reads_flag", [True, False])
def test_a_poisoned_batch_leaves_no_trace(kind, name, bad_at, reads_flag):
    network, other = Net(*KINDS[kind]()), Net(*KINDS[kind]())
    ours = updater(network, optimiser=name, reads_flag=reads_flag)
    theirs = updater(other, optimiser=name, reads_flag=reads_flag)
    for seed in range(6):
        sums = step(ours, batch(seed, bad=seed == bad_at))
        assert sums.found.item() == (seed == bad_at)
        if seed != bad_at:
            step(theirs, batch(seed))
    assert all(bool(t.isfinite().all()) for t in everything(network, ours).values())
    assert_same(everything(network, ours), everything(other, theirs))


def test_a_poisoned_micro_batch_takes_the_whole_step_back():
    network, other = Net(nn.BatchNorm1d(4)), Net(nn.BatchNorm1d(4))
    ours, theirs = updater(network), updater(other)
    step(ours, batch(0), batch(1))
    step(theirs, batch(0), batch(1))
    assert step(ours, batch(2), batch(3, bad=True)).found.item() == 1
    assert_same(everything(network, ours), everything(other, theirs))


def test_a_gradient_that_overflows_is_found_although_the_loss_is_finite():
    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * torch.inf

    def cliff(network, part, draw):
        return Loss(Cliff.apply(network(part.arrays)[0]["y"]).sum(), 1.0)

    network = Net(nn.BatchNorm1d(4))
    one = updater(network, loss_function=cliff)
    before = everything(network, one)
    sums = step(one, batch(0))
    assert bool(sums.total.isfinite())
    assert sums.found.item() == 1
    assert_same(everything(network, one), before)


@kinds
def test_undo_takes_back_what_the_forward_passes_did(kind):
    network, other = Net(*KINDS[kind]()), Net(*KINDS[kind]())
    ours, theirs = updater(network), updater(other)
    for seed in range(3):
        ours.begin()
        ours.micro_step(batch(100 + seed, factor=9.0), Key(0), None)
        ours.undo()
        assert all(p.grad is None for p in network.parameters())
        step(ours, batch(seed))
        step(theirs, batch(seed))
    assert_same(everything(network, ours), everything(other, theirs))


@pytest.mark.parametrize("reads_flag", [True, False])
def test_buffers_that_begin_to_move_later_are_guarded_too(reads_flag):
    network = Net(nn.BatchNorm1d(4))
    one = updater(network, reads_flag=reads_flag)
    network.middle.eval()
    step(one, batch(0))
    network.middle.train()
    step(one, batch(1))
    before = everything(network, one)
    step(one, batch(2, bad=True))
    assert_same(everything(network, one), before)


def test_guards_of_two_updates_do_not_hide_moves_from_each_other():
    network = Net(nn.BatchNorm1d(4))
    pair = [updater(network, Update(name, parameters=f"{name}.*")) for name in ("first", "last")]
    for seed in range(2):
        for one in pair:
            step(one, batch(seed))
    before = everything(network, pair[0])
    for one in pair:
        step(one, batch(5, bad=True))
    assert_same(everything(network, pair[0]), before)


def test_only_its_own_parameters_move():
    network = Net()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    step(updater(network, Update("tail", parameters="last.*")), batch(0))
    changed = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"last.weight", "last.bias"}
    assert all(p.grad is None for p in network.first.parameters())


def test_no_parameter_of_that_name():
    with pytest.raises(ConfigError, match=r"update 'x' has no parameter to train: 'tail\.\*' matches none of .*first"):
        updater(Net(), Update("x", parameters="tail.*"))


def test_a_loss_that_depends_on_nothing():
    def constant(network, part, draw):
        return Loss(torch.zeros((), requires_grad=True) * 1.0, 1.0)

    one = updater(Net(), loss_function=constant)
    one.begin()
    sums = one.micro_step(batch(0), Key(0), None)
    with pytest.raises(ConfigError, match="does not depend on any of its parameters"):
        one.finish(sums, 0.1)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.5, 1e6])
def test_agrees_with_torchs_clipping_of_the_mean(clip, as_tensor):
    def measured(network, part, draw):
        found = loss(network, part, draw)
        return Loss(found.total, torch.tensor(ROWS)) if as_tensor else found

    network, other = Net(), Net()
    one = updater(network, loss_function=measured, optimiser="sgd", momentum=0.0, weight_decay=0.0, clip=clip)
    theirs = torch.optim.SGD(other.parameters(), lr=0.1)
    for seed in range(3):
        sums = step(one, batch(seed), batch(seed + 50))
        theirs.zero_grad()
        both = sum(loss(other, batch(s), Key(0)).total for s in (seed, seed + 50)) / (2 * ROWS)
        both.backward()
        norm = nn.utils.clip_grad_norm_(other.parameters(), clip or torch.inf)
        theirs.step()
        assert sums.norm.item() == pytest.approx(norm.item(), rel=1e-5)
        assert sums.total.item() == pytest.approx(both.item() * 2 * ROWS, rel=1e-5)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("units", [0, torch.tensor(0)])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_units_of_zero_move_nothing_and_divide_by_nothing(units, clip):
    def masked(network, part, draw):
        return Loss(loss(network, part, draw).total * 0.0, units)

    network = Net()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    sums = step(updater(network, loss_function=masked, weight_decay=0.0, clip=clip), batch(0))
    assert sums.found.item() == 0
    assert all(torch.equal(p, before[n]) for n, p in network.named_parameters())


def test_the_penalty_is_in_the_gradient_and_not_in_the_reported_loss():
    network, other = Net(), Net()
    one = updater(network, l1=0.1)
    plain = loss(other, batch(0), Key(0)).total
    (plain + 0.1 * ROWS * (other.first.weight.abs().sum() + other.last.weight.abs().sum())).backward()
    one.begin()
    assert one.micro_step(batch(0), Key(0), None).total.item() == pytest.approx(plain.item())
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_precision_of_the_plan():
    seen = []

    def watching(network, part, draw):
        outputs, _ = network(part.arrays)
        seen.append(outputs["y"].dtype)
        return Loss(outputs["y"].float().sum(), 1.0)

    for precision in ("float32", "bfloat16"):
        step(updater(Net(), plan=Plan(precision=precision), loss_function=watching), batch(0))
    assert seen == [torch.float32, torch.bfloat16]
