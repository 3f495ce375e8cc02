"""UNet: a picture -> the logits of a class for each of its pixels.

A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of our own: the encoder that pictures share (nn/layers/pictures.py) makes maps
that are coarser and coarser; the decoder goes back, and at each fineness reads the encoder's map of the same fineness beside what
comes from below. Unusual: sides are halved upwards, and what was added is cut off where they are doubled again, so pictures of
any size go through without padding, and one network serves tiles of every size. The finest map has half the picture's sides,
which saves most of the work; its logits are enlarged bilinearly. In training coarser maps of the decoder have to name the
classes, too (deep supervision, Lee et al. 2015, arXiv:1409.5185): from few pictures it learns faster.

What was tried and found no better on street scenes: means over the whole picture or pyramid pooling (arXiv:1612.01105) at the
coarsest map; logits of each pixel's own (sub-pixel convolution, arXiv:1609.05158), without which lines of one pixel survive, too.

Legend: n pictures, K classes, h x w pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers import pictures
from deepwell.nn.layers.convolutions import ConvNorm, Residual
from deepwell.nn.layers.pictures import PictureEncoder, PictureShape, layout
from deepwell.nn.networks.image import module_name

DEEPEST = 4
"""Stages of the encoder at the most: the coarsest map then has 1/32 of the picture's sides."""
COARSEST = 4
"""The shorter side of the coarsest map, at the least, where the picture allows it."""


def stages(height: int, width: int) -> int:
    """How many stages follow the stem for pictures of this size."""
    count = 1
    while count < DEEPEST and min(height, width) >= COARSEST * 2 ** (count + 2):
        count += 1
    return count


def multiplications(size: tuple[int, int, int], classes: int, shape: PictureShape) -> int:
    """Multiply-adds of one forward pass over one picture. size: (channels, height, width)."""
    count = stages(*size[1:])
    plan = layout(size[1], size[2], shape, count)
    total = pictures.multiplications(size, shape, count)
    areas = [math.prod(side) for side in plan.sides[1:]]
    for fine, coarse, area, below in zip(plan.widths, plan.widths[1:], areas, areas[1:], strict=False):
        total += coarse * fine * below + 9 * (2 * fine + 2 * fine) * fine * area + fine * classes * area
    return total


class UNet(nn.Module):
    """Array `<image>` (n, c, h, w), uint8 or floats in 0..255, any h and w -> `<target>.logits` (n, K, h, w).

    In training also `<target>.coarse.1`, ... (n, K, h', w'), finest first: logits of pictures with sides halved twice or more.

    size: (channels, height, width) of the pictures it is trained on. dropout: share of the channels that the head reads.
    Attributes:
        class_weights: (K,) what a pixel of each class counts in the loss; ones, until the task fills it.
    """

    class_weights: Tensor

    def __init__(
        self, image: str, target: str, size: tuple[int, int, int], classes: int, shape: PictureShape, dropout: float
    ) -> None:
        super().__init__()
        self.image, self.target = image, target
        self.module = module_name(image)
        encoder = PictureEncoder(size, shape, stages(*size[1:]))
        self.encoder = nn.ModuleDict({self.module: encoder})
        widths = encoder.widths
        self.decoder = nn.ModuleList(
            _Up(coarse, fine) for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths[:-1])
        self.register_buffer("class_weights", torch.ones(classes))

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        seen = arrays[self.image]
        maps = cast(PictureEncoder, self.encoder[self.module]).maps(seen)
        x = maps.pop()
        read = [x := up(x, maps.pop()) for up in self.decoder]
        logits = _doubled(self.heads[0](self.dropout(x)))[:, :, : seen.shape[2], : seen.shape[3]]
        outputs = {f"{self.target}.logits": logits}
        if self.training:
            for number, coarse in enumerate(read[-2::-1], 1):
                outputs[f"{self.target}.coarse.{number}"] = self.heads[number](coarse)
        return outputs, state


class _Up(nn.Module):
    """What comes from a coarser map, doubled, beside the encoder's map of the finer size: (n, fine, h, w) of the latter."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(coarse, fine, 1)
        self.join = ConvNorm(2 * fine, fine)
        self.block = Residual(fine)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """See the class."""
        x = functional.interpolate(functional.relu(self.narrow(x)), scale_factor=2.0, mode="nearest")
        x = torch.cat([x[:, :, : beside.shape[2], : beside.shape[3]], beside], 1)
        mixed: Tensor = self.block(functional.relu(self.join(x)))
        return mixed


def _doubled(logits: Tensor) -> Tensor:
    """Bilinearly to twice the sides, float32."""
    double: Tensor = functional.interpolate(logits.float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    return double
