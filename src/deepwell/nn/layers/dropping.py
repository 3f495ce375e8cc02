"""Noise during training: values dropped, or disturbed. At prediction nothing happens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.byte_dropout import STEPS, ByteDropout

NEAR = 0.02
"""A rate may be this share of it (and of what is left) beside a 256th, for byte_dropout.py to take its place: it is faster."""


class Drop(nn.Module):
    """Each value is 0 with probability `rate`, the others grow by 1 / (1 - rate) (Srivastava et al. 2014). Any shape, the same.

    together: axes along which values are dropped or kept together, such as (1, 2) for whole channels of pictures.
    """

    def __init__(self, rate: float, together: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.rate, self.together = rate, together
        beside = abs(round(rate * STEPS) / STEPS - rate)
        self.fast = ByteDropout(rate) if beside <= NEAR * min(rate, 1 - rate) else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training or self.rate == 0.0:
            return x
        if not self.together:
            return functional.dropout(x, self.rate) if self.fast is None else self.fast(x)
        shape = [1 if axis in self.together else length for axis, length in enumerate(x.shape)]
        return x * functional.dropout(x.new_ones(shape), self.rate)


class AddNoise(nn.Module):
    """x + normal noise. Any shape, the same shape. deviation: of the noise."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training or self.deviation == 0.0:
            return x
        return x + self.deviation * torch.randn_like(x)


class ScaleNoise(nn.Module):
    """x times noise of mean 1 and variance rate / (1 - rate), as dropping has it (Srivastava et al. 2014). The same shape."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.deviation = math.sqrt(rate / (1.0 - rate))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training or self.deviation == 0.0:
            return x
        return x * (1.0 + self.deviation * torch.randn_like(x))
