"""Autoencoder: pictures, numbers and categories -> few codes -> the same again; plain, or variational (Kingma & Welling 2014,
arXiv:1312.6114).

Everything of a row is one flat vector, read and written by dense layers with a straight path beside them, which can say what
principal components would; large pictures are first halved by convolutions until they are small, and doubled again on the way
back. Codes are a normal distribution whose mean is the answer; a plain autoencoder uses the mean alone.

Legend: n rows, k codes, s draws, D values of a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.categories import CategoryEncoder
from deepwell.nn.treatment import treat

DENSE_VALUES = 4096
"""Pictures of more values are read by convolutions."""
SMALL_SIDE = 8
LEAST_SCALE = 0.01
"""Of a normal distribution of values, so that values that never change do not cost everything."""
EMBEDDING = 8
LEAST_WIDTH, EVEN = 64, 16


@dataclass(frozen=True)
class Row:
    """What a row holds. pictures: name -> (channels, height, width). numbers: how many. missing: the number that each indicator
    of a missing value, which stand behind the numbers, is about. levels: of each category.
    """

    pictures: Mapping[str, tuple[int, int, int]]
    numbers: int = 0
    missing: Sequence[int] = ()
    levels: Sequence[int] = ()


class Autoencoder(nn.Module):
    """Arrays as the prediction family has them (`<picture>` (n, c, h, w) in 0..255, `inputs.number`, `inputs.category`) ->

        codes, spread (n, k)              mean and log variance of the codes
        <picture> (n, c, h, w) 0..1, numbers (n, N), categories (n, sum of levels) logits
                                          what the mean writes again; with `noise` not while gradients are taken
        log_likelihood, log_weight (n, s), divergence (n,)
                                          only with `noise` (n or 1, s, k), standard normal: of what is given under the codes
                                          mean + noise * deviation, in nats; log p(x, z) - log q(z | x); KL(q || prior)

    calls: `decode` writes rows from `codes` (n, k) alone. width: of hidden layers that read; those that write are half as wide.
    bernoulli: pictures are 0 or 1, given as chances in 0..255; else their values and all numbers are normal, with a deviation
    that is learnt for each picture and number. Without distributions of codes it is 1: what is learnt then are least squares,
    or the values that are easily written would take everything.
    """

    calls = ("forward", "decode")

    def __init__(self, row: Row, codes: int, width: int, bernoulli: bool, variational: bool) -> None:
        super().__init__()
        self.row, self.codes, self.bernoulli, self.variational = row, codes, bernoulli, variational
        self.readers, self.writers = nn.ModuleList(), nn.ModuleList()
        values, written = row.numbers + len(row.missing), row.numbers + sum(row.levels)
        for size in row.pictures.values():
            reader = _Reader(size) if math.prod(size) > DENSE_VALUES else nn.Flatten()
            inner = reader.values if isinstance(reader, _Reader) else math.prod(size)
            self.readers.append(reader)
            self.writers.append(_Writer(size) if isinstance(reader, _Reader) else nn.Unflatten(1, size))
            values, written = values + inner, written + inner
        self.levels = CategoryEncoder(list(row.levels), EMBEDDING) if row.levels else None
        values += self.levels.width if self.levels is not None else 0
        self.encode = _Dense(values, width, 2 * codes)
        self.write = _Dense(codes, max(LEAST_WIDTH, width // 2), written)  # it is asked for every importance sample
        if variational:
            self.scales = nn.Parameter(torch.zeros(len(row.pictures) + row.numbers))
            treat(self.scales, lr_scale=10.0, decays=False)  # few numbers on which all the likelihood depends

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        mean, spread = self.encode(self._flat(arrays)).chunk(2, dim=1)
        mean, spread = mean.float(), spread.float().clamp(-10.0, 10.0)
        outputs = {"codes": mean, "spread": spread}
        if "noise" not in arrays or not torch.is_grad_enabled():  # nobody reads it in training
            outputs |= self._shown(self.write(mean))
        if "noise" in arrays:
            outputs |= self._likelihood(arrays, mean, spread)
        return outputs, state

    def decode(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """Rows from codes (n, k)."""
        return self._shown(self.write(arrays["codes"])), state

    def _flat(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """(n, values) what is read: NAME.read where there is one, which may be spoilt, else NAME."""
        read = {name.removesuffix(".read"): arrays[name] for name in sorted(arrays)}  # NAME.read comes after NAME
        parts = [
            reader((read[name].float() - 127.5) / 127.5)
            for name, reader in zip(self.row.pictures, self.readers, strict=True)
        ]
        if self.row.numbers:
            parts.append(read["inputs.number"])
        if self.levels is not None:
            parts.append(self.levels(read["inputs.category"]))
        return torch.cat(parts, dim=1)

    def _likelihood(self, arrays: Mapping[str, Tensor], mean: Tensor, spread: Tensor) -> dict[str, Tensor]:
        """See the class; s draws for each of n rows are n * s rows of the writer."""
        noise = arrays["noise"].float()
        n, draws = len(mean), noise.shape[1]
        deviation = (0.5 * spread).exp() if self.variational else torch.zeros_like(spread)
        codes = mean[:, None] + noise * deviation[:, None]
        likelihood = self._log_likelihood(arrays, self.write(codes.flatten(0, 1)), n, draws)
        prior = -0.5 * (codes**2).sum(2)
        posterior = -0.5 * (noise**2).sum(2) - 0.5 * spread.sum(1, keepdim=True)
        divergence = 0.5 * (spread.exp() + mean**2 - 1 - spread).sum(1)
        if not self.variational:
            divergence = torch.zeros_like(divergence)
        return {"log_likelihood": likelihood, "log_weight": likelihood + prior - posterior, "divergence": divergence}

    def _log_likelihood(self, arrays: Mapping[str, Tensor], written: Tensor, n: int, draws: int) -> Tensor:
        """(n, s): of the true values under what was written (n * s, ...). Missing numbers, unknown categories count nothing."""
        pictures, numbers, categories = self._split(written)
        total = written.new_zeros(n, draws, dtype=torch.float32)
        if self.variational:
            scales = functional.softplus(self.scales.float()) + LEAST_SCALE
        else:
            scales = total.new_ones(len(self.row.pictures) + self.row.numbers)
        for place, (name, found) in enumerate(pictures.items()):
            truth = (arrays[name].float() / 255.0).flatten(1)[:, None]
            found = found.float().flatten(1).view(n, draws, -1)
            if self.bernoulli:
                total = total + (truth * found - functional.softplus(found)).sum(2)
            else:
                total = total + _normal(truth, found.sigmoid(), scales[place]).sum(2)
        if self.row.numbers:
            truth, known = self._known(arrays)
            each = _normal(truth[:, None], numbers.float().view(n, draws, -1), scales[len(self.row.pictures) :])
            total = total + (each * known[:, None]).sum(2)
        start = 0
        for place, levels in enumerate(self.row.levels):
            level = arrays["inputs.category"][:, place].long()
            shares = categories[:, start : start + levels].float().log_softmax(1).view(n, draws, levels)
            chosen = shares.gather(2, level[:, None, None].expand(-1, draws, 1)).squeeze(2)
            total = total + chosen * (level > 0)[:, None]
            start += levels
        return total

    def _known(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(n, N) true numbers, and 1 where they are known, 0 where they are missing."""
        given = arrays["inputs.number"].float()
        truth, known = given[:, : self.row.numbers], torch.ones_like(given[:, : self.row.numbers])
        if self.row.missing:
            known[:, list(self.row.missing)] = 1.0 - given[:, self.row.numbers :]
        return truth, known

    def _split(self, written: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        found, start = {}, 0
        for name, writer in zip(self.row.pictures, self.writers, strict=True):
            size = self.row.pictures[name]
            inner = writer.values if isinstance(writer, _Writer) else math.prod(size)
            found[name], start = writer(written[:, start : start + inner]), start + inner
        numbers = written[:, start : start + self.row.numbers]
        return found, numbers, written[:, start + self.row.numbers :]

    def _shown(self, written: Tensor) -> dict[str, Tensor]:
        pictures, numbers, categories = self._split(written)
        shown = {name: logits.float().sigmoid() for name, logits in pictures.items()}
        if self.row.numbers:
            shown["numbers"] = numbers
        if self.row.levels:
            shown["categories"] = categories
        return shown


class _Dense(nn.Module):
    """(n, inputs) -> (n, outputs): two hidden layers, and a straight path beside them.

    Unusual: that path reads a multiple of EVEN values, filled up with zeros. Products of few outputs and an odd number of inputs
    are summed in another order at the end of a batch on some processors: a row's answer would depend on where it stands.
    """

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
        )
        self.filling = -inputs % EVEN
        self.straight = nn.Linear(inputs + self.filling, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.layers(x) + self.straight(functional.pad(x, (0, self.filling)))
        return found


def _normal(truth: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log density in nats of a normal distribution."""
    return -0.5 * ((truth - mean) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)


def _halvings(size: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Sides from the picture's own down to SMALL_SIDE, halved upwards."""
    sides = [size[1:]]
    while max(sides[-1]) > SMALL_SIDE:
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides


class _Reader(nn.Module):
    """(n, c, h, w) -> (n, values): halved by convolutions of stride 2."""

    def __init__(self, size: tuple[int, int, int]) -> None:
        super().__init__()
        sides = _halvings(size)
        widths = _widths(len(sides))
        layers: list[nn.Module] = []
        for inputs, outputs in zip([size[0], *widths], widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.values = widths[-1] * math.prod(sides[-1])

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.layers(x)
        return found


class _Writer(nn.Module):
    """(n, values) -> (n, c, h, w): doubled by nearest neighbours, then convolved: no chequers (Odena et al. 2016)."""

    def __init__(self, size: tuple[int, int, int]) -> None:
        super().__init__()
        self.sides = _halvings(size)[::-1]
        widths = _widths(len(self.sides))[::-1]
        self.first = widths[0]
        self.values = widths[0] * math.prod(self.sides[0])
        outputs = [*widths[1:], size[0]]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths, outputs, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x.view(-1, self.first, *self.sides[0])
        for place, (side, layer) in enumerate(zip(self.sides[1:], self.layers, strict=True)):
            x = functional.silu(x) if place else x
            x = layer(functional.interpolate(x, size=side))
        return x


def _widths(sides: int) -> list[int]:
    """Channels after each halving."""
    return [min(128, 32 * 2**i) for i in range(sides - 1)]
