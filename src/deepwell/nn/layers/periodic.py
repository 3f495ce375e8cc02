"""Periodic embedding of numbers with trained frequencies: the PBLD of RealMLP (Holzmüller et al. 2024, arXiv 2407.04491).

    y(x) = b + W cos(2 pi f x + c)            f ~ N(0, sigma^2), c ~ U(-pi, pi); f, c, W, b for each column apart

Legend: n rows, F columns, H frequencies, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Periodic(nn.Module):
    """Scaled numbers (n, F) -> (n, F, D)."""

    def __init__(self, columns: int, width: int, frequencies: int = 16, sigma: float = 0.1) -> None:
        super().__init__()
        self.frequency = nn.Parameter(2 * math.pi * sigma * torch.randn(columns, frequencies))
        self.phase = nn.Parameter(math.pi * (2 * torch.rand(columns, frequencies) - 1))
        bound = 1 / math.sqrt(frequencies)
        self.weight = nn.Parameter(bound * (2 * torch.rand(columns, frequencies, width) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(columns, width) - 1))

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        wave_nfh = torch.cos(numbers.unsqueeze(-1) * self.frequency + self.phase)
        return torch.einsum("nfh,fhd->nfd", wave_nfh, self.weight) + self.bias
