"""PictureEncoder: raw pictures -> one vector each, by a compact residual network that fits itself to the picture's size.

Unusual: it reads uint8 as it comes from the file, and scales it inside, so a bundle answers on raw pixels. It pools early: the
stem brings the longer side to 32 or less before anything wide runs, and the widths double only as the sides halve. Both
the mean and the largest value of each channel are handed on (concatenated pooling, as in fastai): a mark may be small.

    side 28: stem 14 x W -> 7 x 2W -> 4 x 4W -> 8W values       side 8: stem 8 x W -> 4 x 2W -> 4W values
    side 128: stem 64 x W, pooled to 32 x W -> 16 x 2W -> 8 x 4W -> 4 x 8W -> 16W values
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.convolutions import ConvNorm, Residual

STRIDE_ABOVE = 16
"""A longer side above this is halved by the stem."""
POOL_ABOVE = 32
"""After the stem, the picture is pooled until its longer side is no longer than this."""
LAST_SIDE = 4
"""Stages follow until the longer side is no longer than this."""


@dataclass(frozen=True)
class PictureShape:
    """How large the encoder is. width: channels after the stem. blocks: residual pairs in each later stage."""

    width: int
    blocks: int


@dataclass(frozen=True)
class Layout:
    """What a picture's size makes of a shape.

    kernel, stride: of the stem. pools: halvings after it. widths: channels after the stem and after each stage.
    sides: the (height, width) that goes with each, and before them the stem's own output.
    """

    kernel: int
    stride: int
    pools: int
    widths: tuple[int, ...]
    sides: tuple[tuple[int, int], ...]


def layout(height: int, width: int, shape: PictureShape) -> Layout:
    """The stages for pictures of this size; sides are halved upwards (7 -> 4)."""
    stride = 2 if max(height, width) > STRIDE_ABOVE else 1
    side = (math.ceil(height / stride), math.ceil(width / stride))
    sides, pools = [side], 0
    while max(side) > POOL_ABOVE:
        side, pools = _halved(side), pools + 1
    sides.append(side)
    widths = [shape.width]
    while max(side) > LAST_SIDE:
        side = _halved(side)
        sides.append(side)
        widths.append(2 * widths[-1])
    return Layout(5 if stride == 2 else 3, stride, pools, tuple(widths), tuple(sides))


def _halved(side: tuple[int, int]) -> tuple[int, int]:
    return math.ceil(side[0] / 2), math.ceil(side[1] / 2)


def multiplications(size: tuple[int, int, int], shape: PictureShape) -> int:
    """Multiply-adds of one forward pass over one picture. size: (channels, height, width)."""
    plan = layout(size[1], size[2], shape)
    total = plan.kernel**2 * size[0] * shape.width * math.prod(plan.sides[0])
    for (narrow, wide), side in zip(zip(plan.widths, plan.widths[1:], strict=False), plan.sides[2:], strict=True):
        total += 9 * wide * (narrow + 2 * shape.blocks * wide) * math.prod(side)
    return total


class PictureEncoder(nn.Module):
    """Pictures (n, channels, height, width), uint8 or floats in 0..255, -> (n, features). See the top of this file.

    size: (channels, height, width). features: twice the channels of the last stage.
    """

    def __init__(self, size: tuple[int, int, int], shape: PictureShape) -> None:
        super().__init__()
        channels, height, width = size
        plan = layout(height, width, shape)
        self.stem = ConvNorm(channels, shape.width, plan.kernel, plan.stride)
        self.pools = plan.pools
        stages: list[nn.Module] = []
        for narrow, wide in zip(plan.widths, plan.widths[1:], strict=False):
            blocks = [Residual(wide) for _ in range(shape.blocks)]
            stages.append(nn.Sequential(_Halve(), ConvNorm(narrow, wide), nn.ReLU(), *blocks))
        self.stages = nn.Sequential(*stages)
        self.features = 2 * plan.widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        x = (pictures.float() - 127.5) / 64.0  # about -2 to 2
        x = functional.relu(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for _ in range(self.pools):
            x = _halve(x)
        x = self.stages(x)
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)


class _Halve(nn.Module):
    """Max pooling by 2; odd sides are rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return _halve(x)


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, ceil_mode=True)
