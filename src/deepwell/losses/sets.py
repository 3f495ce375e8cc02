"""Losses of overlap: one minus how much of two soft sets is shared, whatever share of the picture they take.

Unusual: memberships are taken as they are, 0 to 1, so the caller decides by the axes what a set is: a picture, one class of it
or the whole batch. Where the batch is among them examples are coupled. dice.py has the pixels of several classes from logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST = 1e-7


def soft_dice(
    value: Tensor, target: Tensor, axes: Sequence[int] | int | None = None, *, least: float = LEAST
) -> Tensor:
    """1 - 2 sum(v t) / (sum v + sum t + least): the axes are gone, all of them for None (Milletari et al. 2016).

    value, target: one shape, memberships 0 to 1. arXiv:1606.04797, with v and t instead of their squares. float32.
    """
    v, t = value.float(), target.float()
    return 1.0 - 2.0 * _sum(v * t, axes) / (_sum(v, axes) + _sum(t, axes) + least)


def tversky(
    value: Tensor,
    target: Tensor,
    axes: Sequence[int] | int | None = None,
    *,
    missed: float = 0.5,
    wrong: float = 0.5,
    least: float = LEAST,
) -> Tensor:
    """1 - both / (both + missed sum t (1 - v) + wrong sum v (1 - t) + least), both = sum(v t): arXiv:1706.05721.

    With missed = wrong = 1/2 it is soft_dice; a larger `missed` asks for less to be overlooked (Salehi et al. 2017).
    """
    v, t = value.float(), target.float()
    both = _sum(v * t, axes)
    return 1.0 - both / (both + missed * _sum(t * (1.0 - v), axes) + wrong * _sum(v * (1.0 - t), axes) + least)


def _sum(x: Tensor, axes: Sequence[int] | int | None) -> Tensor:
    return x.sum() if axes is None else torch.sum(x, tuple(axes) if isinstance(axes, Sequence) else axes)
