"""Piecewise-linear embedding of positions, a separate function for each column (Gorishniy et al. 2022, arXiv 2203.05556).

    t_j(p) = clip(p - j, 0, 1)                for j = 0 .. K - 2: how much of bin j lies below position p
    y(p) = b + sum_j t_j(p) w_j               w_j in R^D: continuous, linear within a bin, a slope of its own in each

Legend: n rows, F columns, K knots of the longest scale, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PiecewiseLinear(nn.Module):
    """Positions (n, F), column f from 0 to knots[f] - 1, -> (n, F, D). Slopes beyond a column's own scale stay unused."""

    def __init__(self, knots: Sequence[int], width: int) -> None:
        super().__init__()
        bins = max([1, *(k - 1 for k in knots)])
        self.slope = nn.Parameter(torch.randn(len(knots), bins, width) / (2 * math.sqrt(bins)))
        self.bias = nn.Parameter(torch.zeros(len(knots), width))

    def forward(self, positions: Tensor) -> Tensor:
        """See the class."""
        start = torch.arange(self.slope.shape[1], device=positions.device, dtype=positions.dtype)
        t_nfk = (positions.unsqueeze(-1) - start).clamp(0, 1)
        return torch.einsum("nfk,fkd->nfd", t_nfk, self.slope) + self.bias
