"""Optimisers: the steps of torch's own, decay only where it belongs, sums divided once, bad steps skipped whole."""

import math

import pytest
import torch
from torch import nn

from deepwell.core.config import OPTIMISERS, Recipe, options
from deepwell.core.errors import ConfigError
from deepwell.nn.treatment import Treatment, treat, treatment
from deepwell.training.muon import QUINTIC, ROUNDS, hidden, orthogonal
from deepwell.training.optimisers import gradient_norm, make, matrices, moments

DECAY = 0.1
MUON = {"adjust_lr_fn": "match_rms_adamw", "weight_decay": DECAY}
CASES = {
    # recipe, torch's optimiser, its settings: the same thing said twice
    "adamw": ({}, torch.optim.AdamW, {"weight_decay": DECAY}),
    "adam": ({}, torch.optim.Adam, {}),
    "sgd": ({}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": DECAY}),
    "sgd plain": ({"momentum": 0.0}, torch.optim.SGD, {"weight_decay": DECAY}),
    "sgd heavy ball": ({"momentum": 0.8, "nesterov": False}, torch.optim.SGD, {"momentum": 0.8, "weight_decay": DECAY}),
    "rmsprop": ({}, torch.optim.RMSprop, {"weight_decay": DECAY}),
    "rmsprop momentum": ({"momentum": 0.9}, torch.optim.RMSprop, {"momentum": 0.9, "weight_decay": DECAY}),
    "muon": ({}, torch.optim.Muon, MUON),
    "muon heavy ball": ({"nesterov": False, "momentum": 0.9}, torch.optim.Muon, {**MUON, "momentum": 0.9, "nesterov": False}),
}  # fmt: skip
ways = pytest.mark.parametrize("way", ["fused", "foreach", "fused device", "foreach device"])
"""Torch's kernels, or lists of operations; device: the host must not read the flag, as on a CUDA device."""


class Two(nn.Module):
    """Two matrices of unequal sides, so that both ways of making one orthogonal are taken."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.wide = nn.Linear(5, 3, bias=False)
        self.tall = nn.Linear(3, 4, bias=False)
        self.head = nn.Linear(4, 2, bias=False)


def optimiser(network, name="adamw", way="fused", **recipe):
    """One for all parameters. way: see `ways`."""
    names = [n for n, _ in network.named_parameters()]
    found = make(network, names, Recipe(optimiser=name, weight_decay=DECAY, **recipe), way.startswith("fused"))
    found.reads_flag = not way.endswith("device")
    return found


def give(network, seed, scale=1.0):
    """Fresh gradients times scale."""
    draws = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draws) * scale


def step(network, ours, seed, scale=64.0, bad=False):
    """One step on sums of `scale` units; a bad one has a NaN among its gradients."""
    give(network, seed, scale)
    if bad:
        next(iter(network.parameters())).grad[0, 0] = torch.nan
    ours.step(0.01, torch.tensor(scale), torch.tensor(float(bad)))


@ways
@pytest.mark.parametrize("case", CASES)
def test_takes_the_steps_that_torch_takes(case, way, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # in which torch's Muon always computes
    recipe, theirs_class, settings = CASES[case]
    name = case.split()[0]
    network, other = Two(), Two()
    ours = optimiser(network, name, way, **recipe)
    inside = ["wide", "tall"] if name == "muon" else ["wide", "tall", "head"]
    theirs = theirs_class([getattr(other, n).weight for n in inside], lr=0.01, **settings)
    for seed in range(5):
        step(network, ours, seed)
        give(other, seed)
        theirs.step()
    for n in inside:
        torch.testing.assert_close(getattr(network, n).weight, getattr(other, n).weight)


@ways
def test_muon_leaves_the_rest_to_adamw(way):
    network, other = Two(), Two()
    ours, theirs = (
        optimiser(network, "muon", way),
        torch.optim.AdamW(other.head.parameters(), lr=0.01, weight_decay=0.1),
    )
    for seed in range(3):
        step(network, ours, seed)
        give(other, seed)
        theirs.step()
    torch.testing.assert_close(network.head.weight, other.head.weight)


@ways
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("bad", [{0}, {1, 3}])
def test_a_bad_step_changes_no_bit(name, way, bad):
    network, other = Two(), Two()
    ours, theirs = optimiser(network, name, way), optimiser(other, name, way)
    for number in range(5):
        step(network, ours, number, bad=number in bad)
        if number not in bad:
            step(other, theirs, number)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    mine, wanted = ours.state(), theirs.state()
    assert mine.keys() == wanted.keys()
    assert all(torch.equal(mine[key], wanted[key]) for key in mine)


@ways
@pytest.mark.parametrize("name", OPTIMISERS)
def test_state_goes_on_bit_for_bit(name, way):
    network, other = Two(), Two()
    ours, restored = optimiser(network, name, way), optimiser(other, name, way)
    for seed in range(2):
        step(network, ours, seed)
    state = ours.state()
    other.load_state_dict(network.state_dict())
    restored.restore(state)
    step(network, ours, 2)
    step(other, restored, 2)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert any(not torch.equal(state[key], tensor) for key, tensor in ours.state().items())  # it was a copy


def test_what_is_remembered_has_torchs_names():
    assert set(optimiser(nn.Linear(1, 1, bias=False)).state()) == {"step.weight", "exp_avg.weight", "exp_avg_sq.weight"}
    assert set(optimiser(nn.Linear(1, 1, bias=False), "sgd").state()) == {"momentum.weight"}
    assert optimiser(nn.Linear(1, 1, bias=False), "sgd", momentum=0.0).state() == {}


@ways
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_parameter_without_gradient_stays_and_counts_no_step(name, way):
    network, alone = Two(), Two()
    ours, theirs = optimiser(network, name, way), optimiser(alone, name, way)
    before = network.tall.weight.detach().clone()
    give(network, 0)
    network.tall.weight.grad = None
    ours.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
    assert torch.equal(network.tall.weight, before)
    give(network, 1)
    ours.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
    give(alone, 1)
    theirs.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
    assert torch.equal(network.tall.weight, alone.tall.weight)
    assert not torch.equal(network.wide.weight, alone.wide.weight)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_lr_scale_of_a_parameter(name):
    network, start = Two(), Two()
    treat(network.tall.weight, lr_scale=0.0)
    step(network, optimiser(network, name), 0)
    assert torch.equal(network.tall.weight, start.tall.weight)
    assert not torch.equal(network.wide.weight, start.wide.weight)


def test_how_a_parameter_is_treated_is_read_as_it_was_written():
    parameter = nn.Parameter(torch.zeros(2))
    assert treatment(parameter) == Treatment(lr_scale=1.0, decays=True, head=False)
    treat(parameter, lr_scale=0.1, head=True)
    assert treatment(parameter) == Treatment(lr_scale=0.1, decays=True, head=True)
    treat(parameter, decays=False)
    assert treatment(parameter) == Treatment(lr_scale=1.0, decays=False, head=False)


def test_lr_scale_is_a_factor_of_the_step():
    network = nn.ParameterDict({n: nn.Parameter(torch.ones(2)) for n in "ab"})
    treat(network["b"], lr_scale=0.5)
    adam = optimiser(network)
    for weight in network.values():
        weight.grad = torch.ones(2)
    adam.step(0.1, torch.tensor(1.0), torch.tensor(0.0))
    assert network["a"][0].item() == pytest.approx(0.9)
    assert network["b"][0].item() == pytest.approx(0.95)


class Net(nn.Module):
    """One of each kind of parameter."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 3)
        self.conv = nn.Conv2d(1, 2, 3)
        self.table = nn.Embedding(4, 3)
        self.norm = nn.LayerNorm([2, 3])
        self.bias = nn.Parameter(torch.zeros(4, 3))
        self.centres = nn.Parameter(torch.zeros(4, 3))
        treat(self.centres, decays=False)


def test_only_matrices_decay():
    assert matrices(Net()) == {"line.weight", "conv.weight"}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_only_matrices_shrink(name):
    network = Net()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    ours = optimiser(network, name)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    ours.step(0.5, torch.tensor(1.0), torch.tensor(0.0))
    changed = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert changed == (set() if name == "adam" else {"line.weight", "conv.weight"})


def test_muon_is_for_what_lies_inside():
    def found(network, *names):
        return hidden(network, names or [n for n, _ in network.named_parameters()], matrices(network))

    assert found(Net()) == {"line.weight"}  # the convolution was built last
    named = nn.ModuleDict({"a": nn.Linear(2, 2), "heads": nn.ModuleList([nn.Linear(2, 1)]), "b": nn.Linear(2, 2)})
    assert found(named) == {"a.weight", "b.weight"}
    told = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    assert found(told) == {"0.weight", "1.weight"}
    treat(told[0].weight, head=True)
    assert found(told) == {"1.weight", "2.weight"}
    assert found(told, "1.weight", "2.weight") == {"1.weight"}  # another update has its own last matrix
    depthwise = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1), nn.Linear(4, 4))
    assert found(depthwise) == {"1.weight"}
    stack = nn.ParameterDict({"members": nn.Parameter(torch.zeros(2, 3, 3)), "last": nn.Parameter(torch.zeros(2, 2))})
    assert found(stack) == set()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_orthogonal_keeps_directions_and_evens_out_sizes(shape):
    """Against the definition, by the singular value decomposition in double precision."""
    matrices = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.norm(dim=1, keepdim=True)
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        s = a * s + b * s**3 + c * s**5
    torch.testing.assert_close(orthogonal(matrices), u @ torch.diag_embed(s) @ v)
    assert s.min() > 0.6
    assert s.max() < 1.3


def test_orthogonal_of_nothing_is_nothing():
    assert torch.equal(orthogonal(torch.zeros(1, 3, 2)), torch.zeros(1, 3, 2))


def test_muon_moves_a_kernel_as_a_matrix_in_any_memory_layout():
    def moved(layout):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 2, bias=False), nn.Linear(2, 2, bias=False)).to(memory_format=layout)
        before = network[0].weight.detach().clone()
        step(network, optimiser(network, "muon"), 0, scale=1.0)
        return network[0].weight.detach() - (1 - 0.01 * DECAY) * before

    moves = moved(torch.contiguous_format)
    torch.testing.assert_close(moved(torch.channels_last), moves)
    give(network := nn.Conv2d(3, 4, 2, bias=False), 0)
    u, _, v = torch.linalg.svd(network.weight.grad.flatten(1), full_matrices=False)
    whole = -0.01 * 0.2 * math.sqrt(12) * (u @ v)
    assert nn.functional.cosine_similarity(moves.flatten(), whole.flatten(), dim=0) > 0.95


def test_optimisers_by_name():
    knob = next(o for o in options(Recipe) if o.name == "optimiser")
    assert knob.knob.choices == OPTIMISERS
    with pytest.raises(ConfigError, match="there is no optimiser 'adamm'; did you mean 'adam"):
        optimiser(Two(), "adamm")


@pytest.mark.parametrize("name", OPTIMISERS)
@ways
def test_finds_the_least_of_a_bowl(name, way):
    network = Two()
    ours = optimiser(network, name, way, momentum=0.9)
    target = [torch.randn_like(p) for p in network.parameters()]
    first = None
    for number in range(200):
        value = sum(((p - t) ** 2).sum() for p, t in zip(network.parameters(), target, strict=True))
        first = first or value.item()
        for p, t in zip(network.parameters(), target, strict=True):
            p.grad = 2 * (p - t).detach()
        ours.step(0.05 * (1 - number / 200), torch.tensor(1.0), torch.tensor(0.0))
    assert value < 0.1 * first


def test_gradient_norm():
    assert gradient_norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]).item() == 5


@pytest.mark.parametrize(
    ("name", "momentum", "count"),
    [
        ("adamw", None, 2),
        ("adam", None, 2),
        ("sgd", None, 1),
        ("sgd", 0.0, 0),
        ("rmsprop", None, 1),
        ("rmsprop", 0.5, 2),
    ],
)
def test_what_an_optimiser_remembers_is_as_many_tensors_as_said(name, momentum, count):
    network, recipe = torch.nn.Linear(3, 2), Recipe(optimiser=name, momentum=momentum)
    state = make(network, ["weight", "bias"], recipe, fused=True).state()
    assert moments(recipe) == count == sum(1 for n, t in state.items() if n.endswith(".weight") and t.shape == (2, 3))
