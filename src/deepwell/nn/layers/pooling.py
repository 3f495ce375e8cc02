"""Pooling over one or two axes, channels last: the largest value or the mean of windows, or of everything.

Unusual: at the edges a mean counts only what is there, as TensorFlow has it. See convolution.py for the views.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.borders import edges, even, padded
from deepwell.nn.layers.convolution import first, flat, last
from deepwell.nn.layers.halving import halved


class Pool(nn.Module):
    """(n, *lengths, channels) -> (n, *windows, channels): the largest value (or the mean) of each channel in each window.

    sizes, strides: one for each axis. padding: see borders.py.
    """

    def __init__(self, sizes: tuple[int, ...], strides: tuple[int, ...], padding: str, largest: bool) -> None:
        super().__init__()
        self.sizes, self.strides, self.padding, self.largest = sizes, strides, padding, largest

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        sides = edges(x.shape[1:-1], self.sizes, self.strides, self.padding)
        within = even(sides)
        size, stride = flat(self.sizes, 1), flat(self.strides, 1)
        pad = flat(tuple(before for before, _ in sides), 0) if within else (0, 0)
        two = set(self.sizes) == {2} and self.strides == self.sizes
        if self.largest and two and not any(map(any, sides)):
            return halved(x)
        if self.largest:
            seen = x if within else padded(x, sides, float("-inf"))
            return last(functional.max_pool2d(first(seen), size, stride, pad), x.dim())
        seen = x if within else padded(x, sides)
        found = functional.avg_pool2d(first(seen), size, stride, pad, count_include_pad=False)
        if not within:  # what was added counted as well: take it out
            there = padded(torch.ones_like(x[:1, ..., :1]), sides)
            found = found / functional.avg_pool2d(first(there), size, stride)
        return last(found, x.dim())


class PoolAll(nn.Module):
    """(n, *lengths, channels) -> (n, channels): the largest value or the mean of each channel; keep: (n, 1, ..., channels).

    mask: (n, length) True where a step counts; only for means over one axis. A row without any gives 0 (Keras: 0 / 0).
    """

    def __init__(self, largest: bool, keep: bool) -> None:
        super().__init__()
        self.largest, self.keep = largest, keep

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See the class."""
        places = tuple(range(1, x.dim() - 1))
        if self.largest:
            return x.amax(places, keepdim=self.keep)
        if mask is None:
            return x.mean(places, keepdim=self.keep)
        counts = mask.unsqueeze(-1).to(x.dtype)
        return (x * counts).sum(1, keepdim=self.keep) / counts.sum(1, keepdim=self.keep).clamp(min=1)
