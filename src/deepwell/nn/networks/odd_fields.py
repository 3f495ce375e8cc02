"""OddFields: how odd each field of a row is, by itself and given the other fields; and two older ways beside it.

Every field is a choice among steps: a number among the places of a scale (families/graded.py), shared by two neighbours where it
lies between them; a category among its levels. A step more stands for a missing number, and level 0 for an unheard-of
category, so that both have a chance, and may be odd. One network says the chances of each field from whichever other
fields it is shown, as in order-agnostic autoregressive models (Uria et al. 2014, arXiv:1310.1757).

Unusual: what counts is not the density but the tail: how often a value this far out occurs, of numbers on either
side, of categories among those at most as frequent, as -log. So every field speaks in the same unit, whatever its spread, and a
field's part of the score is the larger of what it is by itself and given all others: rows that are far out and rows
that break a rule between fields are both found, and anomalies that training held, which the network learnt to
predict, are still far out.

Also unusual: what is learnt of a step of a number is learnt of its neighbours too, in part (`near`), both where a value is read
and where its chances are written. Any function of the steps can still be learnt, the smooth ones sooner.

Legend: n rows, F fields, K steps of the longest field, k codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.treatment import treat

FLOOR = 1e-3
"""Of the chances this share is spread evenly over all steps, so that no value is impossible."""
EMBEDDING = 16
SMALL = 0.05
"""Deviation of what stands for each step at first, so that the plain value is read before the single steps are."""
QUICK = 2.5
"""Factor of the learning rate where fields are told from each other."""
NEAR = ((2.0, 0.3), (6.0, 0.1))
"""Steps over which neighbours of a scale learn from one another, and how much; with QUICK, what took 200 steps takes 80."""
MOST_ASKED = 64
"""More fields are hidden in so many groups, not one by one."""
NEVER = -1e4
FEATURES = 64
"""Of the random function of one-class networks..."""
BANDWIDTH = 1.0
"""... how quickly it changes: turns by about so many radians over the distance of a number's quartiles..."""
QUARTILES = 3.0
"""... so many of which are between the middle of a scale and its end."""


class OddFields(nn.Module):
    """inputs.number (n, N) places from 0 to steps - 1, -1 missing; inputs.category (n, C) levels ->

        nats (n,)            without `hidden`: the same as score; with `hidden` (n, F), 1 where a field is hidden: nats of the
                             hidden fields given the others, as if all were, and nothing else
        score (n,), share (n, F)   -log of how often a row, a field is as odd as this one; score is the sum of shares
        expected (n, F)      the most likely step of each field given the others; that of missing is the last

    numbers: N. levels: of each category. way: "fields", see the top of this file; "reconstruction": all fields are
    shown, but pass through `codes` codes (an autoencoder); "one_class": it learns what a fixed random function says of
    usual rows, random Fourier features (Rahimi & Recht 2007), and misses it for others (Burda et al. 2019,
    arXiv:1810.12894). There are no codes that could fall together, as those of one-class networks do. A field's share
    is then what an ordinary value in its place takes away, and nothing is expected of it.
    """

    def __init__(self, numbers: int, steps: int, levels: Sequence[int], width: int, way: str, codes: int) -> None:
        super().__init__()
        self.numbers, self.steps, self.way = numbers, steps, way
        sizes = [steps + 1] * numbers + list(levels)
        self.fields, self.longest = len(sizes), max(sizes)
        self.near: Tensor
        self.table = nn.Parameter(torch.randn(self.fields, self.longest, EMBEDDING) * SMALL)
        self.read = nn.Linear(self.fields * (EMBEDDING + 1) + numbers, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.squeeze = (
            nn.Sequential(nn.Linear(width, codes), nn.Linear(codes, width)) if way == "reconstruction" else None
        )
        self.write = nn.Linear(width, FEATURES if way == "one_class" else self.fields * self.longest)
        self.sizes = tuple(sizes)
        self.register_buffer("near", _near(steps, self.longest))
        if way == "fields":
            for parameter in self.parameters():
                treat(parameter, lr_scale=QUICK)
        if way != "one_class":
            nn.init.zeros_(self.write.weight)
            nn.init.zeros_(self.write.bias)
            treat(self.write.bias, lr_scale=5.0, decays=False)  # how often each step is at all, which is soon known
            return
        scale = BANDWIDTH / self.fields**0.5
        self.random = nn.Parameter(torch.randn(self.fields, self.longest, FEATURES) * scale, requires_grad=False)
        self.slopes = nn.Parameter(torch.randn(numbers, FEATURES) * scale, requires_grad=False)
        self.turns = nn.Parameter(torch.rand(FEATURES) * 2 * math.pi, requires_grad=False)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        truth = self._steps(arrays)
        if self.way == "one_class":
            return self._missed(truth), state
        if self.way == "reconstruction":
            chances = self._chances(truth, torch.ones_like(truth[:, :, 0]))
            return {"nats": _nats(chances, truth).sum(1), **self._scored(self._odd(chances, truth), chances)}, state
        if "hidden" in arrays:
            hidden = arrays["hidden"].float()
            nats = _nats(self._chances(truth, 1 - hidden), truth) * hidden
            return {"nats": nats.sum(1) * self.fields / hidden.sum(1).clamp_min(1)}, state
        alone = self._odd(self._chances(truth, torch.zeros_like(truth[:, :, 0])), truth)
        share, chances = torch.zeros_like(alone), torch.zeros_like(truth)
        for group in range(min(self.fields, MOST_ASKED)):
            asked = (torch.arange(self.fields, device=truth.device) % MOST_ASKED == group).float()
            found = self._chances(truth, (1 - asked).expand(len(truth), -1))
            share = share + self._odd(found, truth) * asked
            chances = chances + found * asked[:, None]
        found_odd = self._scored(torch.maximum(alone, share), chances)
        return {"nats": found_odd["score"], **found_odd}, state

    def _steps(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """(n, F, K): the shares of the steps, 1 in all, of which at most two neighbours have any."""
        parts = []
        if self.numbers:
            place = arrays["inputs.number"].float()
            missing = place < 0
            place = torch.where(missing, torch.full_like(place, float(self.steps)), place)
            steps = torch.arange(self.longest, device=place.device, dtype=place.dtype)
            parts.append((1 - (place[:, :, None] - steps).abs()).clamp_min(0))
        if self.fields > self.numbers:
            level = arrays["inputs.category"].long()
            parts.append(functional.one_hot(level, self.longest).float())
        return torch.cat(parts, dim=1)

    def _hidden_layer(self, truth: Tensor, shown: Tensor) -> Tensor:
        table = torch.cat([self.near @ self.table[: self.numbers], self.table[self.numbers :]])
        read = torch.einsum("nfk,fke->nfe", truth, table) * shown[:, :, None]
        parts = [read.flatten(1), shown]
        if self.numbers:
            parts.append(self._plain(truth) * shown[:, : self.numbers])
        x: Tensor = self.read(torch.cat(parts, dim=1))
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed

    def _chances(self, truth: Tensor, shown: Tensor) -> Tensor:
        """(n, F, K): of each step of each field, from the fields that are shown (n, F)."""
        x = self._hidden_layer(truth, shown)
        if self.squeeze is not None:
            x = self.squeeze(x)
        logits = self.write(functional.silu(x)).float().view(-1, self.fields, self.longest)
        logits = torch.cat([logits[:, : self.numbers] @ self.near, logits[:, self.numbers :]], dim=1)
        sizes = torch.tensor(self.sizes, device=logits.device)[:, None]
        exists = torch.arange(self.longest, device=logits.device) < sizes
        chances: Tensor = (1 - FLOOR) * logits.masked_fill(~exists, NEVER).softmax(2) + FLOOR * exists / sizes
        return chances

    def _odd(self, chances: Tensor, truth: Tensor) -> Tensor:
        """(n, F): -log of how often a value is as far out as this one.

        Of numbers twice the smaller side, half of the own step counted to either; missing ones and categories: the chances of all
        that are at most as likely.
        """
        own = (chances * truth).sum(2)
        rarer = (chances * (chances <= own[:, :, None])).sum(2).clamp_min(own)
        odd = -rarer.clamp(1e-9, 1.0).log()
        if not self.numbers:
            return odd
        places = chances[:, : self.numbers, : self.steps]
        places = places / places.sum(2, keepdim=True)
        given = truth[:, : self.numbers, : self.steps]
        below = ((places.cumsum(2) - 0.5 * places) * given).sum(2)
        sides = -(2 * torch.minimum(below, 1 - below)).clamp(1e-9, 1.0).log()
        missing = truth[:, : self.numbers, self.steps] > 0
        return torch.cat([torch.where(missing, odd[:, : self.numbers], sides), odd[:, self.numbers :]], dim=1)

    def _scored(self, share: Tensor, chances: Tensor) -> dict[str, Tensor]:
        return {"score": share.sum(1), "share": share, "expected": chances.argmax(2).float()}

    def _missed(self, truth: Tensor) -> dict[str, Tensor]:
        """See "one_class" in the class."""

        def missed(rows: Tensor) -> Tensor:
            found = self.write(functional.silu(self._hidden_layer(rows, torch.ones_like(rows[:, :, 0])))).float()
            off: Tensor = (found - self._random_features(rows)).square().mean(1)
            return off

        score = missed(truth)
        if self.training:
            return {"nats": score}
        share, usual = torch.zeros_like(truth[:, :, 0]), self._ordinary(truth)
        for group in range(min(self.fields, MOST_ASKED)):
            asked = (torch.arange(self.fields, device=truth.device) % MOST_ASKED == group).float()
            without = missed(truth + (usual - truth) * asked[:, None])
            share = share + (score - without).clamp_min(0)[:, None] * asked
        return {"nats": score, "score": score, "share": share, "expected": torch.zeros_like(share)}

    def _random_features(self, truth: Tensor) -> Tensor:
        """(n, FEATURES) from -1 to 1: smooth in numbers, any for levels and what is missing."""
        numbers = self.numbers
        turned = torch.einsum("nfk,fkr->nr", truth[:, numbers:], self.random[numbers:]) + self.turns
        if numbers:
            missing = truth[:, :numbers, self.steps]
            turned = turned + self._plain(truth) * QUARTILES @ self.slopes + missing @ self.random[:numbers, 0]
        return turned.cos()

    def _plain(self, truth: Tensor) -> Tensor:
        """(n, N): numbers from -1 to 1; 0 where missing."""
        steps = torch.linspace(-1.0, 1.0, self.steps, device=truth.device)
        return truth[:, : self.numbers, : self.steps] @ steps

    def _ordinary(self, truth: Tensor) -> Tensor:
        """(F, K): the middle of each scale, and a bit of every level."""
        sizes = torch.tensor(self.sizes, device=truth.device)[:, None]
        usual = (torch.arange(self.longest, device=truth.device) < sizes) / sizes
        if self.numbers:
            middle = torch.full((self.numbers,), (self.steps - 1) // 2, device=truth.device)
            usual[: self.numbers] = functional.one_hot(middle, self.longest).to(usual.dtype)
        return usual


def _near(steps: int, longest: int) -> Tensor:
    """(longest, longest) how much each step of a scale takes from each other one: all of itself, less of those around it."""
    place = torch.arange(longest, dtype=torch.float32)
    square = (place[:, None] - place).square()
    shared = sum((much * torch.exp(-0.5 * square / width**2) for width, much in NEAR), torch.zeros_like(square))
    on_scale = (place < steps).float()
    return torch.eye(longest) + shared * on_scale * on_scale[:, None]


class _Block(nn.Module):
    """x -> x + two layers of its normalised self."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        more: Tensor = self.layers(self.norm(x))
        return x + more


def _nats(chances: Tensor, truth: Tensor) -> Tensor:
    """(n, F): cross-entropy of the shares of the steps."""
    return -(chances.clamp_min(1e-12).log() * truth).sum(2)
