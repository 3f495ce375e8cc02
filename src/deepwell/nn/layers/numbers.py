"""NumberEncoder: all numbers of a row as one vector: as they are, piecewise linear in their position, and periodic."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deepwell.nn.layers.periodic import Periodic
from deepwell.nn.layers.piecewise_linear import PiecewiseLinear


class NumberEncoder(nn.Module):
    """Values (n, F + M), of F numbers and M missing indicators, and positions (n, F) -> (n, width).

    knots: of each number's scale. indicators: M. embedding: width D of each embedding of a number; the indicators are only
    passed on. width: F + M + 2 F D.
    """

    def __init__(self, knots: Sequence[int], indicators: int, embedding: int) -> None:
        super().__init__()
        self.columns = len(knots)
        self.bins = PiecewiseLinear(knots, embedding)
        self.waves = Periodic(self.columns, embedding)
        self.width = self.columns + indicators + 2 * self.columns * embedding

    def forward(self, values: Tensor, positions: Tensor) -> Tensor:
        """See the class."""
        waves = self.waves(values[:, : self.columns])
        return torch.cat([values, self.bins(positions).flatten(1), waves.flatten(1)], dim=1)
