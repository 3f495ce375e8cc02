"""Pyramid: maps of several finenesses -> maps of one width, each of which also knows what the coarser ones saw.

Lin et al. 2017, arXiv:1612.03144: each map is brought to one width by a 1 x 1 convolution, the coarser sum is added to it,
enlarged, and a 3 x 3 convolution smooths the result. Unusual: normalised, and a path back from fine to coarse (Liu et al. 2018,
arXiv:1803.01534), so that what is large is placed by fine edges, too.

`places` says where the values of such maps stand in the picture.

Legend: L places of all maps together, finest map first, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.convolutions import ConvNorm


class Pyramid(nn.Module):
    """Maps [(n, widths[i], h_i, w_i)] -> [(n, width, h_i, w_i)]; finest first, sides halved from each to the next, rounded up."""

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(w, width, 1) for w in widths)
        self.smooth = nn.ModuleList(ConvNorm(width, width) for _ in widths)
        self.down = nn.ModuleList(ConvNorm(width, width, stride=2) for _ in widths[1:])
        self.mix = nn.ModuleList(ConvNorm(width, width) for _ in widths[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """See the class."""
        sums = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for i in range(len(sums) - 2, -1, -1):
            sums[i] = sums[i] + functional.interpolate(sums[i + 1], size=sums[i].shape[-2:], mode="nearest")
        smooth = [functional.relu(layer(functional.relu(x))) for layer, x in zip(self.smooth, sums, strict=True)]
        found = smooth[:1]
        for down, mix, x in zip(self.down, self.mix, smooth[1:], strict=True):
            found.append(functional.relu(mix(functional.relu(x + down(found[-1])))))
        return found


def places(height: int, width: int, strides: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """(L, 3) float32: x and y of the centre of each value's cell, in pixels, and the stride of its map.

    height, width: of the picture; a map of stride s has ceil(height / s) rows and ceil(width / s) columns.
    """
    found = []
    for stride in strides:
        y = torch.arange(math.ceil(height / stride), device=device) + 0.5
        x = torch.arange(math.ceil(width / stride), device=device) + 0.5
        grid = torch.stack(
            [x.repeat(len(y)), y.repeat_interleave(len(x)), torch.ones(len(x) * len(y), device=device)], 1
        )
        found.append(grid * stride)
    return torch.cat(found)
