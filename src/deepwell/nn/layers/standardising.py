"""Fixed scales: scale x + offset, and (x - mean) / deviation with a mean that is learned from data before training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepwell.nn.layout import Weight

LEAST = 1e-7
"""A deviation is never taken for less."""


class Affine(nn.Module):
    """scale x + offset, in float32. Any shape, the same shape.

    scale, offset: numbers, or one for each channel (the last axis).
    """

    def __init__(self, scale: float | tuple[float, ...], offset: float | tuple[float, ...]) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        seen = x if x.is_floating_point() else x.float()
        return seen * _number(self.scale, seen) + _number(self.offset, seen)


def _number(value: float | tuple[float, ...], beside: Tensor) -> Tensor | float:
    return torch.tensor(value, dtype=beside.dtype, device=beside.device) if isinstance(value, tuple) else value


class Standardise(nn.Module):
    """(x - mean) / deviation along some axes, or, inverted, x deviation + mean. Any shape, the same shape.

    axes: those that have a mean each, rising, counted with that of the examples; lengths: theirs.
    given: (mean, variance) where they are known, of these lengths; else `adapt` learns them.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(
        self,
        axes: tuple[int, ...],
        lengths: tuple[int, ...],
        given: tuple[Tensor, Tensor] | None = None,
        invert: bool = False,
    ) -> None:
        super().__init__()
        self.axes, self.invert = axes, invert
        self.register_buffer(
            "mean", torch.zeros(lengths) if given is None else given[0].float().expand(lengths).clone()
        )
        self.register_buffer(
            "variance", torch.ones(lengths) if given is None else given[1].float().expand(lengths).clone()
        )
        self.register_buffer("count", torch.zeros(()))
        names = () if given is not None else ("mean", "variance", "count")
        self.layout = tuple(Weight(name, name, trainable=False) for name in names)

    @torch.no_grad()
    def adapt(self, x: Tensor) -> None:
        """Take mean and variance from all examples x (n, ...)."""
        others = tuple(axis for axis in range(x.dim()) if axis not in self.axes)
        seen = x.double()
        self.mean.copy_(seen.mean(others) if others else seen)
        if others:
            self.variance.copy_(seen.var(others, correction=0))
        else:
            self.variance.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        shape = [x.shape[axis] if axis in self.axes else 1 for axis in range(x.dim())]
        mean, deviation = self.mean.view(shape), self.variance.view(shape).sqrt().clamp(min=LEAST)
        return x * deviation + mean if self.invert else (x - mean) / deviation
