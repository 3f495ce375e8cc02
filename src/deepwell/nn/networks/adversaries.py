"""Adversaries: a generator of pictures and a critic of them (Goodfellow et al. 2014), both plain residual networks.

The recipe is that of Huang et al. 2024 (arXiv:2501.05441): no normalisation in either network, residual blocks that begin as the
identity, and a loss that needs no tricks (losses/adversarial.py). Pictures are doubled by nearest neighbours and halved by means.
Classes, where there are any, come in beside the noise, and the critic judges the match of picture and class by a
product (Miyato & Koyama 2018, arXiv:1802.05637).

Legend: n pictures, z noise values, K classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
FIRST_SIDE = 4
MOST_WIDTH = 256


def sides(height: int, width: int) -> list[tuple[int, int]]:
    """From the smallest map to the picture's own size, each twice the one before, less a row or column where a side is odd."""
    found = [(height, width)]
    while max(found[0]) > 3 * FIRST_SIDE // 2:
        found.insert(0, (math.ceil(found[0][0] / 2), math.ceil(found[0][1] / 2)))
    return found


def widths(count: int, width: int) -> list[int]:
    """Channels of each map, most at the smallest."""
    return [min(MOST_WIDTH, width * 2 ** (count - 1 - place)) for place in range(count)]


class Block(nn.Module):
    """x + f(x), f = three convolutions of which the middle one works on fewer channels and the last begins at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(8, channels // 2)
        self.down, self.mix = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, inner, 3, padding=1)
        self.up = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        inner = functional.leaky_relu(self.down(functional.leaky_relu(x, SLOPE)), SLOPE)
        found: Tensor = x + self.up(functional.leaky_relu(self.mix(inner), SLOPE))
        return found


class Generator(nn.Module):
    """Noise (n, z) and classes (n,) -> pictures (n, c, h, w), -1 to 1 but for what is clipped later."""

    def __init__(self, size: tuple[int, int, int], noise: int, width: int, classes: int) -> None:
        super().__init__()
        channels, height, side = size
        self.sides = sides(height, side)
        wide = widths(len(self.sides), width)
        self.classes = nn.Embedding(classes, noise) if classes else None
        self.first = nn.Linear(noise * (2 if classes else 1), wide[0] * math.prod(self.sides[0]))
        self.blocks = nn.ModuleList(nn.Sequential(Block(w), Block(w)) for w in wide)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(wide))
        self.last = nn.Conv2d(wide[-1], channels, 3, padding=1)

    def forward(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """See the class."""
        if self.classes is not None and labels is not None:
            noise = torch.cat([noise, self.classes(labels)], dim=1)
        x = self.first(noise).view(len(noise), -1, *self.sides[0]).contiguous(memory_format=torch.channels_last)
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place < len(self.steps):
                x = self.steps[place](functional.interpolate(x, size=self.sides[place + 1]))
        picture: Tensor = self.last(functional.leaky_relu(x, SLOPE))
        return picture


class Critic(nn.Module):
    """Pictures (n, c, h, w), -1 to 1, and classes (n,) -> (n,) how real they look; only differences mean anything."""

    def __init__(self, size: tuple[int, int, int], width: int, classes: int) -> None:
        super().__init__()
        channels, height, side = size
        maps = sides(height, side)[::-1]
        wide = widths(len(maps), width)[::-1]
        self.first = nn.Conv2d(channels, wide[0], 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(Block(w), Block(w)) for w in wide)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in itertools.pairwise(wide))
        features = wide[-1] * math.prod(maps[-1])
        self.features = nn.Linear(features, wide[-1])
        self.last = nn.Linear(wide[-1], 1)
        self.classes = nn.Embedding(classes, wide[-1]) if classes else None

    def forward(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """See the class."""
        x = self.first(pictures.contiguous(memory_format=torch.channels_last))
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place < len(self.steps):
                x = self.steps[place](functional.avg_pool2d(x, 2, ceil_mode=True))
        x = functional.leaky_relu(self.features(functional.leaky_relu(x, SLOPE).flatten(1)), SLOPE)
        score: Tensor = self.last(x).squeeze(1)
        if self.classes is not None and labels is not None:
            score = score + (x * self.classes(labels)).sum(1) / math.sqrt(x.shape[1])
        return score


class Adversaries(nn.Module):
    """Array `noise` (n, z), and `label` (n,) where there are classes -> `picture` (n, c, h, w) from 0 to 255, in training beyond.

    size: (channels, height, width). The critic is `critic(pictures, labels)`, for training alone. Call `features`: `picture`
    (n, c, h, w), 0 to 255 -> `features` (n, f), by the judge that is given; its parameters are not to be trained.
    """

    calls = ("forward", "features")

    def __init__(self, size: tuple[int, int, int], noise: int, width: int, classes: int, judge: nn.Module) -> None:
        super().__init__()
        self.generator = Generator(size, noise, width, classes)
        self.critic = Critic(size, width, classes)
        self.judge = judge.requires_grad_(False)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        made = self.generator(arrays["noise"], arrays.get("label")).float()
        if not self.training:  # where values are cut off nothing could be learnt
            made = made.clamp(-1.0, 1.0)
        return {"picture": (made + 1.0) * 127.5}, state

    def features(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        return {"features": self.judge(arrays["picture"])[0]}, state
