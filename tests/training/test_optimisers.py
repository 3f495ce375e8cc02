"""AdamW: decay only where it belongs, sums divided once, bad steps skipped whole."""

import pytest
import torch
from torch import nn

from deepwell.training.optimisers import AdamW, gradient_norm, matrices


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 3)
        self.conv = nn.Conv2d(1, 2, 3)
        self.table = nn.Embedding(4, 3)
        self.norm = nn.LayerNorm([2, 3])
        self.bias = nn.Parameter(torch.zeros(4, 3))
        self.centres = nn.Parameter(torch.zeros(4, 3))
        self.centres.decays = False


def test_only_matrices_decay():
    assert matrices(Net()) == {"line.weight", "conv.weight"}


def reference(scale, fused, skip=()):
    """Weights after 4 steps with sums of `scale` units, and after the same steps of torch's own AdamW on means."""
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(3, 2))
    theirs = nn.Parameter(ours.detach().clone())
    adam = AdamW({"w": ours}, {"w"}, 0.1, fused)
    other = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for step in range(4):
        gradient = torch.randn(3, 2)
        ours.grad = gradient * scale
        adam.step(0.01, torch.tensor(scale), torch.tensor(float(step in skip)))
        if step not in skip:
            theirs.grad = gradient
            other.step()
    return ours, theirs


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("skip", [(), (1,), (0, 3)])
def test_agrees_with_torch_and_skips_whole_steps(fused, skip):
    ours, theirs = reference(64.0, fused, skip)
    torch.testing.assert_close(ours, theirs)


def test_lr_scale_of_a_parameter():
    weights = {n: nn.Parameter(torch.ones(2)) for n in "ab"}
    weights["b"].lr_scale = 0.5
    adam = AdamW(weights, set(), 0.0, True)
    for weight in weights.values():
        weight.grad = torch.ones(2)
    adam.step(0.1, torch.tensor(1.0), torch.tensor(0.0))
    assert weights["a"][0].item() == pytest.approx(0.9)
    assert weights["b"][0].item() == pytest.approx(0.95)


@pytest.mark.parametrize("fused", [True, False])
def test_state_goes_on_bit_for_bit(fused):
    def make():
        weight = nn.Parameter(torch.ones(2, 2))
        return weight, AdamW({"a.b": weight}, {"a.b"}, 0.1, fused)

    def step(weight, adam, gradient):
        weight.grad = gradient.clone()
        adam.step(0.1, torch.tensor(2.0), torch.tensor(0.0))

    torch.manual_seed(0)
    first, second = torch.randn(2, 2), torch.randn(2, 2)
    weight, adam = make()
    step(weight, adam, first)
    other, restored = make()
    with torch.no_grad():
        other.copy_(weight)
    restored.restore(adam.state())
    step(weight, adam, second)
    step(other, restored, second)
    assert torch.equal(weight, other)
    assert set(adam.state()) == {"step.a.b", "exp_avg.a.b", "exp_avg_sq.a.b"}


def test_gradient_norm():
    assert gradient_norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]).item() == 5
