"""Cross-entropies of single examples, in nats, float32: from logits, or from probabilities where there are no logits.

Unusual: nothing is summed over examples here; classification.py does, and the Keras-style face takes means. From logits they are
stable however large the logits are. Probabilities have lost what lies below `least`, and where they are clipped nothing is
learned: so logits are to be preferred wherever a network has them.

Legend: K classes, on the last axis.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

LEAST = 1e-7
"""Probabilities are clipped to [LEAST, 1 - LEAST]; Keras's value."""


def log_probabilities(probabilities: Tensor, *, least: float = LEAST) -> Tensor:
    """ln of probabilities (..., K), made to sum to one and clipped: (..., K)."""
    wide = probabilities.float()
    return (wide / wide.sum(-1, keepdim=True)).clamp(least, 1.0 - least).log()


def sparse(log_p: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """-sum_c q_c log_p_c with q = (1 - smoothing) on the target + smoothing / K on all: (...).

    log_p: (..., K), as log_softmax or log_probabilities give; target: (...) integers. Szegedy et al. 2016, arXiv:1512.00567.
    """
    loss = -log_p.gather(-1, target.long().unsqueeze(-1)).squeeze(-1)
    return (1.0 - smoothing) * loss - smoothing * log_p.mean(-1) if smoothing else loss


def dense(log_p: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """-sum_c q_c log_p_c with q = (1 - smoothing) target + smoothing / K: (...). log_p, target: (..., K)."""
    asked = smoothed(target, smoothing)
    return -(asked * log_p).sum(-1)


def smoothed(target: Tensor, smoothing: float) -> Tensor:
    """(1 - smoothing) target + smoothing / K, float32. target: (..., K)."""
    wide = target.float()
    return wide * (1.0 - smoothing) + smoothing / wide.shape[-1] if smoothing else wide


def binary(logits: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """softplus(z) - q z with q = (1 - smoothing) target + smoothing / 2, element by element. target: 0 to 1."""
    wide = logits.float()
    return functional.softplus(wide) - ((1.0 - smoothing) * target.float() + smoothing / 2) * wide


def binary_of_probabilities(
    probabilities: Tensor, target: Tensor, *, smoothing: float = 0.0, least: float = LEAST
) -> Tensor:
    """-q ln p - (1 - q) ln(1 - p), p clipped, q as in `binary`, element by element."""
    p = probabilities.float().clamp(least, 1.0 - least)
    asked = (1.0 - smoothing) * target.float() + smoothing / 2
    return -(asked * p.log() + (1.0 - asked) * (-p).log1p())


def divergence(probabilities: Tensor, target: Tensor, *, least: float = LEAST) -> Tensor:
    """Kullback-Leibler: sum_c q_c ln(q_c / p_c), both clipped to [least, 1]: (...). probabilities, target: (..., K)."""
    p, q = probabilities.float().clamp(least, 1.0), target.float().clamp(least, 1.0)
    return (q * (q.log() - p.log())).sum(-1)
