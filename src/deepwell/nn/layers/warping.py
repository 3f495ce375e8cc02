"""Random changes of pictures during training: mirrored, turned, moved, zoomed. At prediction nothing happens.

Unusual: every example draws for itself, on the device where the batch lies. (n, height, width, channels) -> the same shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.convolution import first, last

FILLS = {"reflect": "reflection", "nearest": "border", "constant": "zeros"}
"""What lies beyond the edges: mirrored (d c b a | a b c d | d c b a), the last pixel, or a value. Ours: torch's name."""
Range = tuple[float, float]


class Mirror(nn.Module):
    """Each picture is mirrored with probability 1/2. across: left and right; down: top and bottom; both: each by itself."""

    def __init__(self, across: bool, down: bool) -> None:
        super().__init__()
        self.axes = (*([2] if across else []), *([1] if down else []))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.training:
            for axis in self.axes:
                turned = torch.rand(x.shape[0], 1, 1, 1, device=x.device) < 0.5
                x = torch.where(turned, x.flip(axis), x)
        return x


@dataclass(frozen=True)
class Extent:
    """How far a Warp goes: each number is drawn uniformly from a range (least, most).

    turn: in full turns, counter-clockwise. down, right: in heights and widths. tall, wide: 1 + this of the picture is seen, so
    above 0 things shrink; wide None: as tall.
    """

    turn: Range = (0.0, 0.0)
    down: Range = (0.0, 0.0)
    right: Range = (0.0, 0.0)
    tall: Range = (0.0, 0.0)
    wide: Range | None = None


class Warp(nn.Module):
    """Each picture turned about its middle, moved and zoomed. fill: one out of FILLS, value: for "constant".

    linear: values between pixels are linear in their four neighbours, else the nearest one.
    """

    def __init__(self, extent: Extent, fill: str = "reflect", value: float = 0.0, linear: bool = True) -> None:
        super().__init__()
        self.extent, self.fill, self.value, self.linear = extent, fill, value, linear

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training:
            return x
        seen = first(x.float()) - self.value
        grid = functional.affine_grid(self._matrices(x), list(seen.shape), align_corners=False)
        mode = "bilinear" if self.linear else "nearest"
        found = functional.grid_sample(seen, grid, mode, FILLS[self.fill], align_corners=False)
        return last(found + self.value, 4).to(x.dtype if x.is_floating_point() else torch.float32)

    def _matrices(self, x: Tensor) -> Tensor:
        """(n, 2, 3): where each pixel of what comes out lies in x, both between -1 and 1."""
        extent, (n, height, width) = self.extent, x.shape[:3]
        angle = 2 * math.pi * _drawn(extent.turn, n, x.device)
        tall = 1.0 + _drawn(extent.tall, n, x.device)
        wide = tall if extent.wide is None else 1.0 + _drawn(extent.wide, n, x.device)
        down, right = _drawn(extent.down, n, x.device), _drawn(extent.right, n, x.device)
        cos, sin = angle.cos(), angle.sin()
        across = torch.stack([cos * wide, -sin * tall * (height / width), -2.0 * right], -1)
        along = torch.stack([sin * wide * (width / height), cos * tall, -2.0 * down], -1)
        return torch.stack([across, along], 1)


def _drawn(between: Range, n: int, device: torch.device) -> Tensor:
    """(n,) uniform; no draw where there is nothing to draw."""
    least, most = between
    return (
        torch.full((n,), least, device=device) if least == most else torch.empty(n, device=device).uniform_(least, most)
    )
