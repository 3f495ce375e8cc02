"""Losses of two networks against each other, as sums over pairs: relativistic, with zero-centred gradient penalties.

A real and a made picture are judged against each other, so that the critic is always asked about the difference and no
kind of picture can be left out for nothing (Jolicoeur-Martineau 2019, arXiv:1807.00734); with penalties on both sides the pair
converges locally (Huang et al. 2024, arXiv:2501.05441).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def critic_loss(real: Tensor, made: Tensor) -> Tensor:
    """Sum of log(1 + exp(made - real)): the critic wants real pictures (n,) above made ones (n,), scores in nats."""
    return functional.softplus(made.float() - real.float()).sum()


def generator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Sum of log(1 + exp(real - made)): what the generator wants is the opposite."""
    return functional.softplus(real.float() - made.float()).sum()


def gradient_penalty(scores: Tensor, pictures: Tensor) -> Tensor:
    """Sum over pictures of the squared length of the score's gradient (Mescheder et al. 2018, arXiv:1801.04406, R1 and R2).

    scores: (n,), computed from pictures (n, ...), which require gradients, each score from its own picture alone; the penalty
    can be differentiated itself.
    """
    (slope,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return slope.float().square().sum()
