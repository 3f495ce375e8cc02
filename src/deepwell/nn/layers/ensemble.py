"""Ensembles inside one network: members share their matrices and differ in cheap vectors.

TabM (Gorishniy et al. 2024, arXiv 2410.24210), its variant TabM-mini: each member scales the input by a random vector of its
own; from there on matrices are shared, biases are not, and each member has its own head. Trained on the mean of the members'
losses and answering with the mean of their answers, they correct each other almost like separate networks.

Legend: n rows, M members, I and O sizes of one member's input and output.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deepwell.nn.treatment import treat


class MemberScale(nn.Module):
    """x (n, I) -> (M, n, I): x times a trained vector per member, drawn from N(0, 1)."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(members, 1, size))
        treat(self.scale, decays=False)  # scales belong around 1 in size, not around 0

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * self.scale


class SharedLinear(nn.Module):
    """x (M, n, I) -> (M, n, O): one matrix for all members, a bias for each."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(bound * (2 * torch.rand(inputs, outputs) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(members, 1, outputs) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.matmul(x, self.weight) + self.bias


class MemberLinear(nn.Module):
    """x (M, n, I) -> (M, n, O): a matrix and a bias for each member."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(bound * (2 * torch.rand(members, inputs, outputs) - 1))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.baddbmm(self.bias, x, self.weight)
