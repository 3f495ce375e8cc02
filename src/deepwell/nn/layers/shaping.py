"""Layers that only move values: reshape, permute, repeat, pad, crop, enlarge. Examples stay what they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.borders import Edge, padded
from deepwell.nn.layers.convolution import first, last


class Reshape(nn.Module):
    """(n, ...) -> (n, *shape); one length may be -1: whatever fits."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.reshape(x.shape[0], *self.shape)


class Permute(nn.Module):
    """(n, ...) -> (n, ...): axis i of what comes out is axis order[i - 1] of what goes in; axes are counted from 1."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.permute(0, *self.order)


class Repeat(nn.Module):
    """(n, channels) -> (n, times, channels)."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.unsqueeze(1).expand(-1, self.times, -1)


class Pad(nn.Module):
    """(n, *lengths, channels) -> the same with zeros before and after each axis."""

    def __init__(self, sides: tuple[Edge, ...]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return padded(x, self.sides)


class Crop(nn.Module):
    """(n, *lengths, channels) -> the same without so many places before and after each axis."""

    def __init__(self, sides: tuple[Edge, ...]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for axis, (before, after) in enumerate(self.sides, start=1):
            x = x.narrow(axis, before, x.shape[axis] - before - after)
        return x


class Enlarge(nn.Module):
    """(n, *lengths, channels) -> (n, *lengths times sizes, channels).

    Each value is repeated; linear: for pictures, what comes between is linear in its neighbours.
    """

    def __init__(self, sizes: tuple[int, ...], linear: bool = False) -> None:
        super().__init__()
        self.sizes, self.linear = sizes, linear

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if len(self.sizes) == 1:
            return x.repeat_interleave(self.sizes[0], dim=1)
        factors = [float(size) for size in self.sizes]
        if self.linear:
            return last(functional.interpolate(first(x), scale_factor=factors, mode="bilinear"), 4)
        return last(functional.interpolate(first(x), scale_factor=factors), 4)


class Resize(nn.Module):
    """(n, height, width, channels) -> (n, *size, channels) by linear (or nearest) values between the pixels' centres."""

    def __init__(self, size: tuple[int, int], linear: bool = True) -> None:
        super().__init__()
        self.size, self.linear = size, linear

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        seen = first(x if x.is_floating_point() else x.float())
        if self.linear:
            return last(functional.interpolate(seen, self.size, mode="bilinear"), 4)
        return last(functional.interpolate(seen, self.size, mode="nearest-exact"), 4)


class Flat(nn.Module):
    """(n, ...) -> (n, all of it), the last axis fastest: a view, as long as the values lie in this order."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.unsqueeze(1) if x.dim() == 1 else torch.flatten(x, 1)
