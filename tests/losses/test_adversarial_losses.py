"""Losses of adversaries by hand, and the penalty on a critic whose gradient is known."""

import math

import pytest
import torch

from deepwell.losses.adversarial import critic_loss, generator_loss, gradient_penalty


def test_the_losses_by_hand():
    real, made = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 3.0])
    # softplus(-1) + softplus(3), and softplus(1) + softplus(-3)
    assert critic_loss(real, made).item() == pytest.approx(math.log1p(math.exp(-1)) + math.log1p(math.exp(3)))
    assert generator_loss(real, made).item() == pytest.approx(math.log1p(math.exp(1)) + math.log1p(math.exp(-3)))
    assert torch.isfinite(critic_loss(torch.tensor([-1e4]), torch.tensor([1e4])))


def test_the_penalty_of_a_linear_critic_is_the_length_of_its_weights():
    weights = torch.tensor([3.0, 4.0], requires_grad=True)
    pictures = torch.randn(5, 2, requires_grad=True)
    penalty = gradient_penalty(pictures @ weights, pictures)
    assert penalty.item() == pytest.approx(5 * 25)
    penalty.backward()
    assert weights.grad.tolist() == pytest.approx([2 * 5 * 3.0, 2 * 5 * 4.0])


def test_a_penalty_can_be_checked_by_differences():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    pictures = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(network(pictures).squeeze(1), pictures).item()
    step, slopes = 1e-6, []
    with torch.no_grad():
        for row in range(2):
            for axis in range(3):
                moved = pictures.detach().clone()
                moved[row, axis] += step
                slopes.append((network(moved) - network(pictures))[row].item() / step)
    assert penalty == pytest.approx(sum(s**2 for s in slopes), rel=1e-3)
