"""PictureEncoder: raw pictures -> one vector each, or maps of several finenesses, by a compact residual network.

Unusual: it reads uint8 as it comes from the file, and scales it inside, so a bundle answers on raw pixels. For vectors it fits
itself to the picture's size and pools early: the stem brings the longer side to 32 or less before anything wide runs, and the
widths double only as the sides halve. Both the mean and the largest value of each channel are handed on (concatenated
pooling, as in fastai): a mark may be small.

    side 28: stem 14 x W -> 7 x 2W -> 4 x 4W -> 8W values       side 8: stem 8 x W -> 4 x 2W -> 4W values
    side 128: stem 64 x W, pooled to 32 x W -> 16 x 2W -> 8 x 4W -> 4 x 8W -> 16W values

For maps the number of stages is given and nothing is pooled early, as what is looked for may be small. Names and shapes of the
weights are the same, so that those of one use can begin another.

    four stages: 1/2 x W, 1/4 x 2W, 1/8 x 4W, 1/16 x 8W, 1/32 x 8W
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.convolutions import ConvNorm, Residual
from deepwell.nn.layers.halving import halved

STRIDE_ABOVE = 16
"""A longer side above this is halved by the stem."""
POOL_ABOVE = 32
"""After the stem, the picture is pooled until its longer side is no longer than this."""
LAST_SIDE = 4
"""Stages follow until the longer side is no longer than this."""
WIDEST = 8
"""Where maps are asked for, no stage is wider than so many times the stem: the last ones are for what is large, and few."""


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


def layout(height: int, width: int, shape: PictureShape, stages: int | None = None) -> Layout:
    """The stages for pictures of this size; sides are halved upwards (7 -> 4). stages: how many, for maps."""
    stride = 2 if stages is not None or max(height, width) > STRIDE_ABOVE else 1
    side = (math.ceil(height / stride), math.ceil(width / stride))
    sides, pools = [side], 0
    while stages is None and max(side) > POOL_ABOVE:
        side, pools = _halved(side), pools + 1
    sides.append(side)
    widths = [shape.width]
    while max(side) > LAST_SIDE if stages is None else len(widths) <= stages:
        side = _halved(side)
        sides.append(side)
        widths.append(2 * widths[-1] if stages is None else min(2 * widths[-1], WIDEST * shape.width))
    return Layout(5 if stride == 2 else 3, stride, pools, tuple(widths), tuple(sides))


def _halved(side: tuple[int, int]) -> tuple[int, int]:
    return math.ceil(side[0] / 2), math.ceil(side[1] / 2)


def multiplications(size: tuple[int, int, int], shape: PictureShape, stages: int | None = None) -> int:
    """Multiply-adds of one forward pass over one picture. size: (channels, height, width). stages: as of PictureEncoder."""
    plan = layout(size[1], size[2], shape, stages)
    total = plan.kernel**2 * size[0] * shape.width * math.prod(plan.sides[0])
    for (narrow, wide), side in zip(zip(plan.widths, plan.widths[1:], strict=False), plan.sides[2:], strict=True):
        total += 9 * wide * (narrow + 2 * shape.blocks * wide) * math.prod(side)
    return total


class PictureEncoder(nn.Module):
    """Pictures (n, channels, height, width), uint8 or floats in 0..255, -> (n, features). See the top of this file.

    size: (channels, height, width). stages: for `maps`, how many follow the stem, each halving the sides; None: as the size asks.
    Attributes:
        features: twice the channels of the last stage.
        widths: (stages + 1,) channels of the stem and of each stage.
    """

    def __init__(self, size: tuple[int, int, int], shape: PictureShape, stages: int | None = None) -> None:
        super().__init__()
        channels, height, width = size
        plan = layout(height, width, shape, stages)
        self.stem = ConvNorm(channels, shape.width, plan.kernel, plan.stride)
        self.pools = plan.pools
        built: list[nn.Module] = []
        for narrow, wide in zip(plan.widths, plan.widths[1:], strict=False):
            blocks = [Residual(wide) for _ in range(shape.blocks)]
            built.append(nn.Sequential(_Halve(), ConvNorm(narrow, wide), nn.ReLU(), *blocks))
        self.stages = nn.Sequential(*built)
        self.widths = plan.widths
        self.features = 2 * plan.widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        x = self.maps(pictures)[-1]
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """What the stem and each stage see, finest first: (n, widths[i], height / 2^(i + 1), width / 2^(i + 1)), rounded up.

        Without `stages` the maps begin after the early pooling. All are channels-last.
        """
        x = (pictures.float() - 127.5) / 64.0  # about -2 to 2
        x = functional.relu(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for _ in range(self.pools):
            x = _halve(x)
        found = [x]
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class _Halve(nn.Module):
    """Max pooling by 2; odd sides are rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return _halve(x)


def _halve(x: Tensor) -> Tensor:
    return halved(x.permute(0, 2, 3, 1), ceil=True).permute(0, 3, 1, 2)
