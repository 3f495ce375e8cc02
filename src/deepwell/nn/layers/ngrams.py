"""GramBag: the sum of a trained vector for each entry of a set, such as the word pairs of a text.

Bags of n-grams: Joulin et al. 2017, arXiv 1607.01759. Unusual: the sum is divided by the root of how many entries there are, so
that neither long nor short sets stand out in size; and whole entries are dropped in training, which keeps frequent ones from
explaining everything (Iyyer et al. 2015, word dropout).

Legend: n rows, E entries of all rows, V entries of the vocabulary, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class GramBag(nn.Module):
    """Entries (E,) from 0 to V - 1 and the row of each (E,), ascending, -> (n, D); a row without entries gives zeros.

    std: of the vectors at the start. dropout: share of the entries that are dropped in training.
    """

    def __init__(self, entries: int, width: int, std: float, dropout: float) -> None:
        super().__init__()
        self.table = nn.Parameter(std * torch.randn(entries, width))
        self.dropout = dropout

    def begin(self, weights: NDArray[np.float64]) -> None:
        """Start the first entries of every vector from `weights` (V, up to D)."""
        with torch.no_grad():
            self.table[:, : weights.shape[1]] = torch.from_numpy(weights).to(self.table)

    def forward(self, entries: Tensor, row: Tensor, rows: int) -> Tensor:
        """See the class. rows: n."""
        edges = torch.searchsorted(row, torch.arange(rows + 1, device=row.device, dtype=row.dtype))
        kept = torch.ones(len(entries), device=entries.device, dtype=self.table.dtype)
        if self.training and self.dropout:
            kept = (torch.rand_like(kept) >= self.dropout).to(kept.dtype) / (1 - self.dropout)
        found: Tensor = functional.embedding_bag(
            entries.long(), self.table, edges[:-1].long(), mode="sum", per_sample_weights=kept
        )
        scale: Tensor = torch.diff(edges).clamp(min=1).to(found.dtype).rsqrt()
        return found * scale[:, None]
