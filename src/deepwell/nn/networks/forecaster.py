"""Forecaster: the past of a series -> the mean of each step ahead, and quantiles around it. Two families in one network.

    future.linear    V x: weights of each past step for each step ahead, whose columns sum to one, so that a change of level
                     passes through (NLinear, Zeng et al. 2023, arXiv:2205.13504); of the values or of their logarithms.
                     Effects of features that are known ahead are taken off the past and added to the future. Counted, not
                     trained: evaluation/lag_regression.py finds them in closed form, and `fill` puts them here. Unfilled, it
                     repeats the last value.
    future.patches   the linear answer and what a transformer over patches (PatchTST, Nie et al. 2023, arXiv:2211.14730)
                     has to say beyond it, in deviations of the window. Steps that are asked for are places, too.
    future.value     the mean of both: half of what the transformer says is believed.
    future.quantiles around the value, from the places of the future; never crossing.

Unusual: every target of every window is a sequence of its own and all share the weights (channel independence). The quantiles
learn around a value that they cannot move, so that intervals cost the mean nothing. What the last layers add is zero at first.

Legend: n windows, C context, H horizon, T targets, s = n * T sequences, K features known ahead, P steps of a patch, W width,
Q levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers import patches
from deepwell.nn.layers.byte_dropout import ByteDropout
from deepwell.nn.layers.transformer import Transformer, TransformerShape, View, multiplications
from deepwell.nn.layers.windows import deviation, filled, level

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""The quantiles that are given; 0.1 and 0.9 bound the 80% interval."""
BELIEVED = 0.5
"""Share of the transformer in `future.value`, as long as no share was chosen on data that training did not use."""
TINY, LARGEST = 1e-6, 20.0
"""The least value of which a logarithm is taken, and the largest logarithm that is answered."""
LANES = 16
"""Numbers that processors work on at once, at the most."""
OWN_FEATURES = 2
"""What a window says of itself beside its shape: how wide it is, and how rough."""


@dataclass(frozen=True)
class ForecasterShape:
    """How large a Forecaster is.

    context: C. horizon: H. targets: T. known: K features of every step, past and future. beside: features of past steps only.
    static: features of a series. patch: P. blocks: of the transformer.
    """

    context: int
    horizon: int
    targets: int
    patch: int
    blocks: TransformerShape
    known: int = 0
    beside: int = 0
    static: int = 0

    @property
    def places(self) -> int:
        """Patches of the past and the future."""
        return patches.count(self.context, self.patch) + patches.count(self.horizon, self.patch)

    def multiplications(self) -> float:
        """Multiply-adds of one window, forward; the heads and features of other kinds than values are small beside them."""
        past = patches.count(self.context, self.patch)
        own = self.context * self.horizon + past * 2 * self.patch * self.blocks.width
        return self.targets * (own + self.places * multiplications(self.blocks, self.places))


class LinearFamily(nn.Module):
    """x (n, T, C) without gaps, known features of past (n, C, K) and future (n, H, K) -> (n, T, H).

        x' = x - effect * known     answer = V x' + effect * known of the future

    Buffers: weight (C, H) = V; effect (K, T), only where K > 0; growth (): 1 where all this is about the logarithms of own
    values, so that a season grows with its level, else 0. shift (n, T, 1): the own value of x = 0, in units of x.
    """

    weight: Tensor
    effect: Tensor
    growth: Tensor

    def __init__(self, context: int, horizon: int, targets: int, known: int) -> None:
        super().__init__()
        last = torch.zeros(context, horizon)
        last[-1] = 1
        self.register_buffer("weight", last)
        self.register_buffer("growth", torch.zeros(()))
        if known:
            self.register_buffer("effect", torch.zeros(known, targets))

    def forward(self, x: Tensor, shift: Tensor, past: Tensor | None, future: Tensor | None) -> Tensor:
        """See the class."""
        grows = self.growth > 0
        x = torch.where(grows, (x + shift).clamp(min=TINY).log(), x)
        if past is None or future is None:
            answer = _times(x, self.weight)
        else:
            behind, ahead = (_times(known, self.effect).transpose(1, 2) for known in (past, future))
            answer = _times(x - behind, self.weight) + ahead
        return torch.where(grows, answer.clamp(max=LARGEST).exp() - shift, answer)


def _times(rows: Tensor, matrix: Tensor) -> Tensor:
    """rows @ matrix, where a row's answer depends on no other row: of fewer columns than LANES, or such as do not fill them, some
    libraries add up the terms of a row in another order where it stands elsewhere."""
    columns = matrix.shape[1]
    return (rows @ functional.pad(matrix, (0, -columns % LANES)))[..., :columns]


class Forecaster(nn.Module):
    """See the top of this file. Arrays in:

    past (n, C, T), past.seen (n, C, T), future.factor, future.offset (n, T); where the shape has such features past.known
    (n, C, K), future.known (n, H, K), past.beside (n, C, features), static (n, features). Out, all (n, H, T) and standardised as
    `past` is: future.value, future.linear, future.patches; future.quantiles (n, H, T, Q).
    """

    calls = ("forward",)
    usual: Tensor

    def __init__(self, shape: ForecasterShape) -> None:
        super().__init__()
        self.shape = shape
        width, patch = shape.blocks.width, shape.patch
        self.linear = LinearFamily(shape.context, shape.horizon, shape.targets, shape.known)
        self.register_buffer("usual", torch.ones(shape.horizon))
        self.values = nn.Linear(2 * patch, width, bias=False)
        self.asked = nn.Parameter(torch.zeros(width))
        self.own = nn.Linear(OWN_FEATURES + shape.static, width)
        if shape.known:
            self.known = nn.Linear(patch * shape.known, width, bias=False)
        if shape.beside:
            self.beside = nn.Linear(shape.beside, width, bias=False)
        self.dropout = ByteDropout(shape.blocks.dropout)
        self.transformer = Transformer(shape.blocks)
        self.correction = nn.Linear(width, patch)
        self.spread = nn.Linear(width, patch)
        self.form = nn.Linear(width, len(LEVELS))
        for layer in (self.correction, self.spread, self.form):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def fill(self, weight: Any, effect: Any = None, growth: bool = False, spread: Any = None) -> None:
        """Take over the linear family, as arrays or tensors: weight (C, H), effect (K, T) or None for none; see LinearFamily.

        spread (H,): how much it misses at each step, in deviations of a window; quantiles begin with it. None: one deviation.
        """
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(weight))
            self.linear.growth.fill_(float(growth))
            self.usual.fill_(1.0) if spread is None else self.usual.copy_(torch.as_tensor(spread))
            if self.shape.known:
                self.linear.effect.zero_() if effect is None else self.linear.effect.copy_(torch.as_tensor(effect))

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        shape = self.shape
        past, seen = (arrays[name].float().transpose(1, 2) for name in ("past", "past.seen"))  # (n, T, C)
        known = [arrays[name].float() if shape.known else None for name in ("past.known", "future.known")]
        x, there = past.flatten(0, 1), seen.flatten(0, 1)  # (s, C)
        middle, scale, x = level(x, there), deviation(x, there), filled(x, there)
        shift = (arrays["future.offset"] / arrays["future.factor"]).float()[..., None]
        linear = self.linear(x.view(past.shape), shift, *known).flatten(0, 1)  # (s, H)
        places = self._future(self._embed((x - middle) / scale, there, scale, arrays))
        beyond = scale * patches.joined(self.correction(places).float(), shape.horizon)
        value = linear + BELIEVED * beyond
        around = scale[..., None] * self._around(places)  # (s, H, Q)

        def by_window(found: Tensor) -> Tensor:
            return found.view(-1, shape.targets, *found.shape[1:]).transpose(1, 2)  # (n, H, T, ...)

        outputs = {
            "future.value": value, "future.linear": linear, "future.patches": linear + beyond,
            "future.quantiles": value.detach()[..., None] + around,
        }  # fmt: skip
        return {name: by_window(found) for name, found in outputs.items()}, state

    def _embed(self, x: Tensor, seen: Tensor, scale: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
        """(s, places, W) of the normalised past x (s, C) and of the future that is asked for."""
        shape = self.shape
        rough = (functional.pad(x.diff(dim=1), (1, 0)) ** 2).mean(1, keepdim=True)
        own = torch.cat([scale.log(), (rough + 1e-4).log()], 1)
        if shape.static:
            own = torch.cat([own, arrays["static"].float().repeat_interleave(shape.targets, 0)], 1)
        pairs = torch.stack([x, 1 - seen], -1)
        embedded = self.values(patches.cut(pairs, shape.patch, at_front=True))
        asked = self.asked.expand(len(x), patches.count(shape.horizon, shape.patch), -1)
        places: Tensor = torch.cat([embedded, asked.to(embedded.dtype)], 1) + self.own(own)[:, None]
        shared = self._shared(arrays)
        if shared is not None:
            places = places + shared.repeat_interleave(shape.targets, 0)
        return places

    def _shared(self, arrays: Mapping[str, Tensor]) -> Tensor | None:
        """(n, places, W): what all targets of a window have in common; None where there are no such features."""
        shape, found = self.shape, None
        ahead = patches.count(shape.horizon, shape.patch)
        if shape.known:
            past = patches.cut(arrays["past.known"].float(), shape.patch, at_front=True)
            future = patches.cut(arrays["future.known"].float(), shape.patch, at_front=False)
            found = self.known(torch.cat([past, future], 1))
        if shape.beside:
            steps = patches.cut(arrays["past.beside"].float(), shape.patch, at_front=True)
            mean = steps.view(*steps.shape[:2], shape.patch, shape.beside).mean(2)
            beside = functional.pad(self.beside(mean), (0, 0, 0, ahead))
            found = beside if found is None else found + beside
        return found

    def _future(self, places: Tensor) -> Tensor:
        """(s, places of the future, W): what the transformer sees there."""
        positions = torch.arange(places.shape[1], device=places.device)
        view = View(self.transformer.angles(positions), mask=None, causal=False)
        seen, _ = self.transformer(self.dropout(places), view)
        ahead: Tensor = seen[:, patches.count(self.shape.context, self.shape.patch) :]
        return ahead

    def _around(self, places: Tensor) -> Tensor:
        """(s, H, Q): quantiles of what is missed, in deviations of the window, rising along Q.

        At first they are normal, as wide as the linear family was seen to miss on hold-outs. The lowest is free and each other
        lies a positive step above the one before; steps of a patch share this form and have widths of their own.
        """
        normal = [NormalDist().inv_cdf(p) for p in LEVELS]
        first = torch.tensor(normal, device=places.device)
        steps = first.diff().expm1().log()  # softplus of it is the step again
        form = self.form(places).float()
        lowest = first[:1] + form[..., :1]
        rising = torch.cat([lowest, functional.softplus(steps + form[..., 1:])], -1).cumsum(-1)
        width = patches.joined(self.spread(places).float(), self.shape.horizon).clamp(-8, 8).exp()
        each = rising.repeat_interleave(self.shape.patch, dim=1)[:, : self.shape.horizon]
        return (self.usual * width)[..., None] * each
