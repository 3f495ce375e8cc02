"""Adversaries: a generator of pictures and a critic of them (Goodfellow et al. 2014, arXiv:1406.2661), small and fast.

Plain stacks of strided convolutions (Radford et al. 2015, arXiv:1511.06434), without batch normalisation in either, so that
a picture depends on its own noise alone and batches may be cut. Unusual: nothing is computed at the picture's full size but the
last and the first convolution, which go straight from and to half of it: at equal time this allows several times the steps, and
for adversaries steps count most. In the generator each place of a map is brought to length one (Karras et al. 2017,
arXiv:1710.10196, section 4.2), which keeps the two from driving each other's values up. Classes, where there are any, come in
beside the noise, and the critic judges the match of picture and class by a product (Miyato & Koyama 2018, arXiv:1802.05637).

    side 28: noise -> 7 x 4W -> 14 x 2W -> picture -> 14 x W -> 7 x 2W -> 4 x 4W -> score

Legend: n pictures, z noise values, (c, h, w) a picture's size, K classes, W width.
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
FIRST_SIDE, LAST_SIDE = 7, 4
"""The generator begins with a map whose sides are at most FIRST_SIDE; the critic ends with one of at most LAST_SIDE."""
FEWEST_DOUBLINGS = 2
MOST_CHANNELS = 512
TINY = 1e-8


def halved(side: tuple[int, int]) -> tuple[int, int]:
    """Half of each side, rounded up."""
    return math.ceil(side[0] / 2), math.ceil(side[1] / 2)


def doublings(height: int, width: int) -> list[tuple[int, int]]:
    """The sides of the generator's maps, from the first to the picture's own; each is half of the next, rounded up."""
    found = [(height, width)]
    while max(found[0]) > FIRST_SIDE or len(found) <= FEWEST_DOUBLINGS:
        found.insert(0, halved(found[0]))
    return found


def halvings(height: int, width: int) -> list[tuple[int, int]]:
    """The sides of the critic's maps, from half the picture's to the last."""
    found = [halved((height, width))]
    while max(found[-1]) > LAST_SIDE:
        found.append(halved(found[-1]))
    return found


def begun(layer: nn.Module, gain: float, inputs: float) -> None:
    """Draw a layer's weights so that values keep their size (He et al. 2015, arXiv:1502.01852); biases begin at 0."""
    weight, bias = layer.weight, layer.bias
    with torch.no_grad():
        if isinstance(weight, Tensor):
            weight.normal_(0.0, gain / math.sqrt(inputs))
        if isinstance(bias, Tensor):
            bias.zero_()


GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))


def unit(x: Tensor) -> Tensor:
    """Each place's values over the channels (second axis) brought to a mean square of 1."""
    return x * torch.rsqrt(x.float().square().mean(1, keepdim=True) + TINY).to(x.dtype)


class Generator(nn.Module):
    """Noise (n, z) and classes (n,) -> pictures (n, c, h, w), -1 to 1. Noise counts by its direction alone."""

    def __init__(self, size: tuple[int, int, int], noise: int, width: int, classes: int) -> None:
        super().__init__()
        channels, height, side = size
        self.sides = doublings(height, side)
        stages = len(self.sides) - 1
        wide = [min(MOST_CHANNELS, width * 2 ** (stages - place)) for place in range(stages)]
        self.classes = nn.Embedding(classes, noise) if classes else None
        inputs = noise * (2 if classes else 1)
        self.first = nn.Linear(inputs, wide[0] * math.prod(self.sides[0]))
        self.steps = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in itertools.pairwise(wide))
        self.last = nn.ConvTranspose2d(wide[-1], channels, 6, 2, 2)
        begun(self.first, GAIN, inputs)
        for layer, channels_in in zip(self.steps, wide, strict=False):
            begun(layer, GAIN, 4 * channels_in)  # of 16 taps, 4 meet a place
        begun(self.last, 0.5, 9 * wide[-1])

    def forward(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """See the class."""
        code = unit(noise)
        if self.classes is not None and labels is not None:
            code = torch.cat([code, unit(self.classes(labels))], dim=1)
        x = self.first(code).view(len(code), -1, *self.sides[0]).contiguous(memory_format=torch.channels_last)
        x = functional.leaky_relu(unit(x), SLOPE)
        for step, (height, width) in zip(self.steps, self.sides[1:], strict=False):
            x = functional.leaky_relu(unit(step(x)[:, :, :height, :width]), SLOPE)
        height, width = self.sides[-1]
        return torch.tanh(self.last(x)[:, :, :height, :width].float())


class Critic(nn.Module):
    """Pictures (n, c, h, w), -1 to 1, and classes (n,) -> (n,) how real they look; only differences mean anything."""

    def __init__(self, size: tuple[int, int, int], width: int, classes: int) -> None:
        super().__init__()
        channels, height, side = size
        maps = halvings(height, side)
        wide = [channels, *(min(MOST_CHANNELS, width * 2**place) for place in range(len(maps)))]
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 4, 2) for a, b in itertools.pairwise(wide))
        features = wide[-1] * math.prod(maps[-1])
        self.features = nn.Linear(features, wide[-1])
        self.last = nn.Linear(wide[-1], 1)
        self.classes = nn.Embedding(classes, wide[-1]) if classes else None
        for layer, channels_in in zip(self.steps, wide, strict=False):
            begun(layer, GAIN, 16 * channels_in)
        begun(self.features, GAIN, features)
        begun(self.last, 1.0, wide[-1])

    def forward(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """See the class."""
        x = pictures.contiguous(memory_format=torch.channels_last)
        for step in self.steps:
            height, width = x.shape[2:]
            x = functional.pad(x, (1, 1 + width % 2, 1, 1 + height % 2))
            x = functional.leaky_relu(step(x), SLOPE)
        x = functional.leaky_relu(self.features(x.flatten(1)), SLOPE).float()
        score: Tensor = self.last(x).float().squeeze(1)
        if self.classes is not None and labels is not None:
            score = score + (x * self.classes(labels)).sum(1) / math.sqrt(x.shape[1])
        return score


class Adversaries(nn.Module):
    """Array `noise` (n, z), and `label` (n,) where there are classes -> `picture` (n, c, h, w), 0 to 255.

    size: (channels, height, width). width: of the generator and of the critic alike. The critic is `critic(pictures, labels)`,
    for training alone. Call `features`: `picture` (n, c, h, w), 0 to 255 -> `features` (n, f), by the judge that is given,
    pictures -> features; its parameters are not to be trained.
    """

    calls = ("forward", "features")

    def __init__(self, size: tuple[int, int, int], noise: int, width: int, classes: int, judge: nn.Module) -> None:
        super().__init__()
        self.generator = Generator(size, noise, width, classes)
        self.critic = Critic(size, width, classes)
        self.judge = judge.requires_grad_(False)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        made = self.generator(arrays["noise"], arrays.get("label"))
        return {"picture": (made + 1.0) * 127.5}, state

    def features(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        return {"features": self.judge(arrays["picture"])}, state
