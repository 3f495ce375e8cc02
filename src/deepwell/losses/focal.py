"""Focal losses: questions of which almost all are easy, such as the many places of a picture where no object is.

Li et al. 2020, arXiv:2006.04388 (quality focal loss): what is asked for is not yes or no but a quality from 0 to 1, such as how
well a box fits, so that scores rank boxes by it. With qualities 0 and 1 it is the focal loss of Lin et al. 2017,
arXiv:1708.02002, without its balancing factor. quality_focal is a sum over places and classes; `binary` and `categorical`
are Lin's, not summed over examples.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from deepwell.losses import likelihood

LEAST = 1e-12
"""What remains to be learned of an answer counts as this at least, so that its power has a slope."""


def quality_focal(logits: Tensor, quality: Tensor, *, gamma: float = 2.0, weights: Tensor | None = None) -> Tensor:
    """Sum of w |q - p|^gamma * (softplus(z) - q z) with p = sigmoid(z), scalar, float32, in nats.

    logits, quality: (..., classes); weights: (...), 0 where nothing is asked.
    """
    wide, asked = logits.float(), quality.float()
    loss = functional.softplus(wide) - asked * wide
    loss = (loss * (asked - wide.sigmoid()).abs().pow(gamma)).sum(-1)
    return (loss if weights is None else loss * weights).sum()


def binary(
    loss: Tensor, probabilities: Tensor, target: Tensor, *, gamma: float = 2.0, alpha: float | None = None
) -> Tensor:
    """(1 - p_t)^gamma * loss, p_t = q p + (1 - q)(1 - p), element by element; times q alpha + (1 - q)(1 - alpha).

    loss: their cross-entropy (likelihood.binary). probabilities, target: one shape, 0 to 1. alpha: None: no balance.
    """
    p, q = probabilities.float(), target.float()
    left = (1.0 - (q * p + (1.0 - q) * (1.0 - p))).clamp(min=LEAST)
    balance = 1.0 if alpha is None else q * alpha + (1.0 - q) * (1.0 - alpha)
    return left.pow(gamma) * loss * balance


def categorical(
    log_p: Tensor, target: Tensor, *, gamma: float = 2.0, alpha: float | Tensor = 0.25, smoothing: float = 0.0
) -> Tensor:
    """-sum_c alpha_c (1 - p_c)^gamma q_c log_p_c: (..., K), (..., K) -> (...), nats.

    log_p: as log_softmax or likelihood.log_probabilities give. alpha: one for all classes or (K,). q: target, smoothed.
    """
    left = (-log_p.expm1()).clamp(min=LEAST)
    return -(alpha * left.pow(gamma) * likelihood.smoothed(target, smoothing) * log_p).sum(-1)
