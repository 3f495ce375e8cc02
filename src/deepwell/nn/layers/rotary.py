"""Rotary positions: queries and keys are turned by angles that grow with their place, so that attention sees distances.

Su et al. 2021, arXiv:2104.09864, equation 34. Unusual: the pairs that turn together are (i, i + d/2), not neighbours, which is
the same up to the order of the columns; and the two halves change places by a product with a permutation, which is
several times faster on a CPU than moving them. Angles are computed where they are needed, so a network carries no table and
knows no longest text.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BASE = 10000.0
"""The slowest pair turns once in about 2 pi BASE places."""


def angles(positions: Tensor, width: int) -> Tensor:
    """(..., T) places -> (2, ..., T, width) float32: cosines, and sines with the sign that they have in `rotate`.

    Pair i turns by place / BASE^(2 i / width). width: of one head, even.
    """
    pairs = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32)
    turns = positions.float()[..., None] * torch.exp(pairs * (-math.log(BASE) / width))
    sine = turns.sin()
    return torch.stack([torch.cat([turns.cos()] * 2, -1), torch.cat([-sine, sine], -1)])


def rotate(x: Tensor, turned: Tensor) -> Tensor:
    """x (..., T, d) with its pairs turned. turned: what `angles` gave for the T places, broadcast to (2, ..., T, d).

    With halves a, b of x: a cos - b sin, b cos + a sin.
    """
    cosine, sine = turned.to(x.dtype)
    swapped = x @ torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).roll(x.shape[-1] // 2, 0)
    return torch.addcmul(x * cosine, swapped, sine)
