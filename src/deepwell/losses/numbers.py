"""How far a number is from its target, element by element: (...) and (...) -> (...), broadcast, float32.

Unusual: nothing is summed here, so the same formula serves a sum with units (regression.py, quantile.py), the mean over an axis
that the Keras-style face asks for, and a measure. `least` keeps logarithms and quotients finite; it is Keras's 1e-7.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LEAST = 1e-7


def squared(value: Tensor, target: Tensor) -> Tensor:
    """(value - target)^2."""
    return (value.float() - target.float()).square()


def absolute(value: Tensor, target: Tensor) -> Tensor:
    """|value - target|."""
    return (value.float() - target.float()).abs()


def percentage(value: Tensor, target: Tensor, *, least: float = LEAST) -> Tensor:
    """100 |value - target| / max(|target|, least): percent of the target."""
    wide = target.float()
    return 100.0 * (value.float() - wide).abs() / wide.abs().clamp(min=least)


def squared_logarithmic(value: Tensor, target: Tensor, *, least: float = LEAST) -> Tensor:
    """(ln(1 + value) - ln(1 + target))^2, both taken as `least` where they are less: for sizes that span decades."""
    return (value.float().clamp(min=least).log1p() - target.float().clamp(min=least).log1p()).square()


def huber(value: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    """e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2, e = value - target (Huber 1964)."""
    return functional.huber_loss(value.float(), target.float(), reduction="none", delta=delta)


def log_cosh(value: Tensor, target: Tensor) -> Tensor:
    """ln cosh(value - target) = |e| + softplus(-2 |e|) - ln 2, which no error is too large for."""
    error = (value.float() - target.float()).abs()
    return error + functional.softplus(-2.0 * error) - math.log(2.0)


def quantile(value: Tensor, target: Tensor, level: float | Tensor) -> Tensor:
    """max(q e, (q - 1) e), e = target - value: least where `value` is the quantile q = `level` (Koenker and Bassett 1978)."""
    error = target.float() - value.float()
    return torch.maximum(level * error, (level - 1) * error)


def poisson(rate: Tensor, count: Tensor, *, least: float = LEAST) -> Tensor:
    """rate - count ln(rate + least): minus the log-likelihood of a count, without what no rate changes. rate >= 0."""
    wide = rate.float()
    return wide - count.float() * (wide + least).log()
