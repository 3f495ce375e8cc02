"""CategoryEncoder: a trained vector for each level of each category, looked up in one table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn


class CategoryEncoder(nn.Module):
    """Levels (n, C) integers, column c from 0 to levels[c] - 1, -> (n, width), width = C D.

    Row l of a trained table for level l (Guo and Berkhahn 2016, arXiv:1604.06737), columns side by side. Level 0
    (missing, unknown, rare) starts at the middle of the others, so one that training never shows stays neutral. embedding: D.
    """

    def __init__(self, levels: Sequence[int], embedding: int) -> None:
        super().__init__()
        self.first = tuple(accumulate(levels[:-1], initial=0))
        self.width = len(levels) * embedding
        self.table = nn.Embedding(sum(levels), embedding)
        nn.init.normal_(self.table.weight, std=0.5)
        with torch.no_grad():
            self.table.weight[list(self.first)] = 0

    def forward(self, levels: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.table(levels + torch.tensor(self.first, device=levels.device))
        return found.flatten(1)
