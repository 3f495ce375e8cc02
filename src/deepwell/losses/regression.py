"""Losses of numbers, as sums over elements; numbers.py has the formulas and more of them."""

from __future__ import annotations

from torch import Tensor

from deepwell.losses import numbers


def squared_error(value: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Sum of weights * (value - target)^2, scalar, float32. All of one shape, or broadcast to value's."""
    loss = numbers.squared(value, target)
    return (loss if weights is None else loss * weights).sum()


def absolute_error(value: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Sum of weights * |value - target|, scalar, float32. All of one shape, or broadcast to value's."""
    loss = numbers.absolute(value, target)
    return (loss if weights is None else loss * weights).sum()
