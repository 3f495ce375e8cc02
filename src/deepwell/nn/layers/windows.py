"""What a window of a series says of itself: its level, its deviation, and values in place of those that are missing.

A network that reads windows relative to their own level and deviation, and gives answers back in these, need not have seen
a level before: drift of mean and scale is taken out (Kim et al. 2022, "Reversible instance normalization"). Unusual: missing
values count nowhere; a gap is filled from what is seen around it, the nearer the more, by two convolutions, so that the
same arithmetic runs in any graph; what is far from everything seen gets the level.

Legend: n sequences, C steps of a window.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 0.02
"""A window's deviation is never taken for less, in deviations of the training values: a flat window is not blown up."""
REACH, HALVES = 24, 2.0
"""A gap looks so many steps to both sides; what is this much farther away counts half."""
FAINT = 1e-3
"""What the level counts beside neighbours, whose weights are 1 and less."""


def level(x: Tensor, seen: Tensor) -> Tensor:
    """(n, 1): the mean of what is seen of x (n, C); 0 where nothing is. seen: (n, C), 1 or 0."""
    return (x * seen).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)


def deviation(x: Tensor, seen: Tensor) -> Tensor:
    """(n, 1): the standard deviation of what is seen of x (n, C) around its level, at least SMALLEST."""
    apart = (x - level(x, seen)) * seen
    variance = (apart * apart).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)
    return (variance + SMALLEST**2).sqrt()


def filled(x: Tensor, seen: Tensor) -> Tensor:
    """(n, C): x where it is seen; elsewhere the mean of its neighbours, weighted 2^(-distance / HALVES), or the level."""
    distance = torch.arange(-REACH, REACH + 1, device=x.device, dtype=x.dtype).abs()
    kernel = torch.exp2(-distance / HALVES)[None, None]
    around = functional.conv1d(torch.stack([x * seen, seen], 1).flatten(0, 1)[:, None], kernel, padding=REACH)
    total, weight = around.view(len(x), 2, -1).unbind(1)
    guess = (total + FAINT * level(x, seen)) / (weight + FAINT)
    return torch.where(seen > 0, x, guess)
