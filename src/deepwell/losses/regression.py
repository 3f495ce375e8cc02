"""Losses of numbers, as sums over elements."""

from __future__ import annotations

from torch import Tensor


def squared_error(value: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Sum of weights * (value - target)^2, scalar, float32. All of one shape, or broadcast to value's."""
    loss = (value.float() - target.float()) ** 2
    return (loss if weights is None else loss * weights).sum()


def absolute_error(value: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Sum of weights * |value - target|, scalar, float32. All of one shape, or broadcast to value's."""
    loss = (value.float() - target.float()).abs()
    return (loss if weights is None else loss * weights).sum()
