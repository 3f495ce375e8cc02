"""OddPictures: how odd a picture is, and where: by what an autoencoder cannot write again, or by features that lie far off.

Unusual: what is written again is judged pixel by pixel by a normal distribution whose deviation is learnt for each
pixel, so that a spot in a place that is always empty counts more than one where strokes come and go. The other way is
a one-class network that learns what a fixed random one sees at each place of usual pictures, and misses it elsewhere
(after Bergmann et al. 2020, arXiv:1911.02357, whose teacher was trained): it says where, and has no codes to fall
together.

Legend: n pictures, c channels, h x w pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.treatment import treat

SMALL_SIDE = 4
"""Pictures are halved until their longer side is at most so long; for one-class features 8, which still say where."""
FEATURES = 32
"""Of the random network of one-class networks..."""
SLOPE = 4.0
"""... and how much what it sees is turned by before its cosine is taken: the more, the less the network knows of others."""
LEAST_DEVIATION = 0.1
"""Of a pixel from 0 to 1; with less, a usual stroke where there mostly is none outweighs all else."""


class OddPictures(nn.Module):
    """`<name>` (n, c, h, w) in 0..255 -> nats (n,) what is trained, score (n,), map (n, h, w) whose mean is the score, and
    expected (n, c, h, w) 0..255 what is written again (of a one-class network: what was read).

    way: "reconstruction" through `codes` codes, or "one_class". width: channels after the first halving.
    """

    def __init__(self, name: str, size: tuple[int, int, int], width: int, way: str, codes: int) -> None:
        super().__init__()
        self.name, self.size, self.way = name, size, way
        least = SMALL_SIDE if way == "reconstruction" else 2 * SMALL_SIDE
        sides = [size[1:]]
        while max(sides[-1]) > least:
            sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
        widths = [size[0], *(min(width * 2**i, 8 * width) for i in range(max(1, len(sides) - 1)))]
        strides = [2] * (len(sides) - 1) or [1]
        halvings: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], strides, strict=False):
            halvings += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.SiLU()]
        self.read = nn.Sequential(*halvings)
        self.sides, self.inner = sides[::-1], widths[-1]
        if way == "one_class":
            self.find = nn.Conv2d(widths[-1], FEATURES, 1)
            fixed = [nn.Conv2d(size[0], FEATURES, 5, padding=2), _Sine(), nn.Conv2d(FEATURES, FEATURES, 3, padding=1)]
            self.random = nn.Sequential(*fixed).requires_grad_(False)
            return
        values = widths[-1] * math.prod(sides[-1])
        self.squeeze, self.widen = nn.Linear(values, codes), nn.Linear(codes, values)
        up = [*widths[:0:-1], widths[1], size[0]]  # one convolution for each doubling, and one more at the full size
        self.write = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(up))
        self.deviation = nn.Parameter(torch.full(size, -1.0))
        treat(self.deviation, lr_scale=10.0, decays=False)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        given = arrays[self.name]
        x = given.float() / 255.0
        read = self.read((x - 0.5) * 2)
        if self.way == "one_class":
            found = self.find(read).float()
            true = functional.adaptive_avg_pool2d(self.random((x - 0.5) * 2).float() * SLOPE, found.shape[2:]).cos()
            far = (found - true).square().mean(1, keepdim=True)
            score = far.mean((1, 2, 3))
            where = functional.interpolate(far, size=self.size[1:])[:, 0]
            where = where * (score / where.mean((1, 2)).clamp_min(1e-12))[:, None, None]
            return {"nats": score, "score": score, "map": where, "expected": given.float()}, state
        written = self._written(read).float().sigmoid()
        deviation = functional.softplus(self.deviation.float()) + LEAST_DEVIATION
        odd = 0.5 * ((x - written) / deviation) ** 2
        where = odd.mean(1)
        nats = (odd + deviation.log()).sum((1, 2, 3))
        return {"nats": nats, "score": where.mean((1, 2)), "map": where, "expected": written * 255.0}, state

    def _written(self, read: Tensor) -> Tensor:
        x: Tensor = self.widen(self.squeeze(read.flatten(1))).view(-1, self.inner, *self.sides[0])
        for place, layer in enumerate(self.write):
            x = functional.silu(x)
            x = layer(functional.interpolate(x, size=self.sides[min(place + 1, len(self.sides) - 1)]))
        return x


class _Sine(nn.Module):
    """The sine of each value: of no use far from where it was learnt."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return (SLOPE * x).sin()
