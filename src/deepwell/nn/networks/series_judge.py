"""SeriesJudge: how unusual the last row of a window is, against all that the window had before it.

Four statistics are followed through the window, for each column: how far a value is from the mean of those before it (level), how
much the last values spread, how little they do (flatness), and how far a value is from what a network forecast, in widths that it
forecast, too. Two questions are asked of each:

    score    by how many deviations is it above what it was earlier in the window? High in all rows of an anomaly
    onset    by what factor is it above the largest that it was before, the last row included? High where an anomaly begins.
             Not asked of forecasts, which miss by a little more than ever too often

Rows after one wrong value are not to pay for it: a value that is again what it was before the last one is no surprise, and what
spreads in the score is cut off at TAME deviations.

Unusual: what is normal is read from the window itself, as in conformal detectors (Burnaev & Ishimtsev 2016, arXiv:1608.04585), so
that scores mean the same in every series, and a series that drifts becomes its own measure. Only the forecast is learnt: a
nonlinear autoregression with Laplace errors (their likelihood bears training rows that are anomalies themselves).

Legend: n windows, W steps, T columns, K features of a step, R statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

REASONS = ("level", "spread", "flatness", "forecast")
WEIGHTS = (1.0, 0.7, 0.5, 0.7)
"""Of their deviations in the score: so weighted, all are about as often high where nothing is unusual."""
LARGEST = 1e4
"""Deviations: values further away are as unusual as these."""
LARGEST_MISS = 20.0
"""Deviations beyond which a miss does not count more in training."""
LEAST = 0.02
"""Added to statistics before they are compared: differences of so few deviations are none."""
LEAST_SPREAD = 0.1
"""Added to a spread before its inverse, flatness, is taken."""
LEAST_SCALE = 0.01
FEW = 8
"""Values that must come before one that is compared with them."""
TAME = 2.0
NONE = -10.0
"""Onset of rows where nothing begins, or too little came before: below that of any other."""


@dataclass(frozen=True)
class JudgeShape:
    """window: W; numbers: T; known: K; season: steps, 1: none. width: of hidden layers."""

    window: int
    numbers: int
    known: int = 0
    season: int = 1
    width: int = 32

    @property
    def lags(self) -> int:
        """Values before a step that its forecast reads."""
        return max(1, min(32, self.window // 4))

    @property
    def stretch(self) -> int:
        """Values whose spread is looked at."""
        return max(4, self.window // 20)

    @property
    def apart(self) -> int:
        """Steps between a row and the last one that it is compared with: an anomaly is not its own measure for so long."""
        return max(1, self.window // 16)

    @property
    def recent(self) -> int:
        """Steps within which a row is the beginning of an anomaly only if none was as unusual."""
        return max(1, self.window // 8)


class SeriesJudge(nn.Module):
    """Arrays as RowWindows gives them: window (n, W, T), window.seen (n, W, T), window.known (n, W, K) ->

    parts (n, T, R)     weighted deviations of each statistic, in the order of REASONS; score (n,) the largest of them
    onset (n,)          log of the largest factor; NONE where a row shortly before had as large a one
    expected (n, T)     the forecast of the last row
    nats (n,)           minus log likelihood of the values of the window, of which there are counted (n,)
    """

    calls = ("forward",)

    def __init__(self, shape: JudgeShape) -> None:
        super().__init__()
        self.shape = shape
        self.seasonal = 1 < shape.season <= shape.window // 2
        self.past = nn.Conv1d(3 * shape.numbers, shape.width, shape.lags)
        beside = shape.known + (2 * shape.numbers if self.seasonal else 0)
        self.beside = nn.Conv1d(beside, shape.width, 1) if beside else None
        self.hidden = nn.Conv1d(shape.width, shape.width, 1)
        self.out = nn.Conv1d(shape.width, 2 * shape.numbers, 1)
        self.again = nn.Parameter(torch.zeros(shape.numbers, 1))

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        seen = arrays["window.seen"].float().transpose(1, 2).contiguous()
        y = arrays["window"].float().transpose(1, 2).clamp(-LARGEST, LARGEST) * seen
        before, mean = _before(y, seen)
        forecast, scale = self._forecast(y, seen, mean, arrays.get("window.known"))
        known = seen * (before > 0)
        miss = (y - forecast).abs()
        nats = miss.clamp(max=LARGEST_MISS) / scale + (2 * scale).log()
        two_before = functional.pad(_last(y, seen), (1, 0))[:, :, :-1]
        surprise = seen * torch.minimum(miss, (y - two_before).abs()) / scale * (before >= FEW)
        _, spread, flatness = self._plain(_tamed(y, seen, before, mean), seen, before, mean)
        deviations = [_deviations(y, seen, before, mean), *(self._above(s, seen) for s in (spread, flatness, surprise))]
        parts = torch.stack([w * d for w, d in zip(WEIGHTS, deviations, strict=True)], dim=-1)
        plain = self._plain(y, seen, before, mean)
        factors = torch.stack([self._beyond(s, seen) for s in plain], dim=-1).amax(dim=(1, 3))  # (n, recent + 1)
        begins = (factors[:, -1:] > factors[:, :-1]).all(dim=1)
        return {
            "parts": parts,
            "score": parts.amax(dim=(1, 2)),
            "onset": factors[:, -1].where(begins, NONE),
            "expected": forecast[:, :, -1],
            "nats": (nats * known).sum(dim=(1, 2)),
            "counted": known.sum(dim=(1, 2)),
        }, state

    def _forecast(self, y: Tensor, seen: Tensor, mean: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """(n, T, W) what each value is expected to be by those before it, and how far it may well be from that."""
        last = _last(y, seen)
        read = torch.cat([(y - mean).asinh() * seen, (y - last).asinh() * seen, seen], dim=1)
        hidden = self.past(functional.pad(read, (self.shape.lags, 0))[:, :, :-1])
        moved = torch.zeros_like(y)
        beside = [] if known is None else [known.float().transpose(1, 2)]
        if self.seasonal:
            s = self.shape.season
            there = functional.pad(seen, (s, 0))[:, :, :-s]
            moved = there * (functional.pad(y, (s, 0))[:, :, :-s] - last)
            beside += [moved.asinh(), there]
        if self.beside is not None:
            hidden = hidden + self.beside(torch.cat(beside, dim=1))
        change, width = self.out(functional.silu(self.hidden(functional.silu(hidden)))).float().chunk(2, dim=1)
        return last + change + self.again * moved, functional.softplus(width) + LEAST_SCALE

    def _plain(self, y: Tensor, seen: Tensor, before: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, T, W) level, spread and flatness of each step."""
        k = self.shape.stretch
        level = seen * (y - mean).abs() * (before >= FEW)
        many, total, squares = (_window_sum(x, k) for x in (seen.double(), y.double(), y.double() ** 2))
        there = many >= k / 2
        several = many.clamp(min=1)
        spread = (squares / several - (total / several) ** 2).clamp(min=0).sqrt().float()
        return level, spread * there, there / (spread + LEAST_SPREAD)

    def _above(self, statistic: Tensor, seen: Tensor) -> Tensor:
        """(n, T) by how many deviations the last of a statistic (n, T, W) is above the earlier ones; less where these are few."""
        earlier = max(self.shape.window - self.shape.apart, 0)
        valid = (seen * (seen.cumsum(dim=2) > FEW))[:, :, :earlier].double()
        past = statistic[:, :, :earlier].double()
        many = valid.sum(dim=2)
        mean = (past * valid).sum(dim=2) / many.clamp(min=1)
        square = ((past - mean[:, :, None]) ** 2 * valid).sum(dim=2) / many.clamp(min=1)
        above = (statistic[:, :, -1] - mean) / (square.sqrt() + LEAST) * (many / (many + self.shape.apart))
        return (above * (many >= FEW)).float()

    def _beyond(self, statistic: Tensor, seen: Tensor) -> Tensor:
        """(n, T, recent + 1) log factors of the last steps over the largest before; lower where that is the largest of few."""
        last = min(self.shape.recent + 1, self.shape.window)
        shifted = functional.pad(statistic.cummax(dim=2).values, (1, 0))[:, :, :-1]
        many = functional.pad((seen.cumsum(dim=2) - FEW).clamp(min=0), (1, 0))[:, :, :-1]
        now, most, many = (x[:, :, -last:] for x in (statistic, shifted, many))
        doubt = torch.log1p(self.shape.window / 4 / (many + 1))
        factor: Tensor = (now + LEAST).log() - (most + LEAST).log() - doubt
        return factor.where(many >= FEW, NONE)


def _deviations(y: Tensor, seen: Tensor, before: Tensor, mean: Tensor) -> Tensor:
    """(n, T) by how many deviations of the values before it the last value is from their mean."""
    past, many, centre = seen[:, :, :-1].double(), before[:, :, -1], mean[:, :, -1]
    square = ((y[:, :, :-1].double() - centre[:, :, None]) ** 2 * past).sum(dim=2) / many.clamp(min=1)
    away = (y[:, :, -1] - centre).abs() / (square.sqrt().float() + LEAST)
    return away * seen[:, :, -1] * (many >= FEW)


def _before(y: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """(n, T, W) how many values came before each step of the window, and their mean; 0 where there were none."""
    many = seen.cumsum(dim=2) - seen
    total = (y.double().cumsum(dim=2) - y).float()
    return many, total / many.clamp(min=1)


def _tamed(y: Tensor, seen: Tensor, before: Tensor, mean: Tensor) -> Tensor:
    """(n, T, W) values no further than TAME deviations of those before them from their mean."""
    squares = y.double() ** 2
    square = (squares.cumsum(dim=2) - squares) / before.clamp(min=1) - mean.double() ** 2
    reach = TAME * square.clamp(min=0).sqrt().float() + LEAST
    return torch.where(before >= FEW, torch.minimum(torch.maximum(y, mean - reach), mean + reach), y) * seen


def _last(y: Tensor, seen: Tensor) -> Tensor:
    """(n, T, W) the last value before each step; 0 where there was none."""
    steps = torch.arange(1, y.shape[2] + 1, device=y.device)
    place = (seen.long() * steps).cummax(dim=2).values  # 0: nothing yet
    filled = functional.pad(y, (1, 0)).gather(2, place)
    return functional.pad(filled, (1, 0))[:, :, :-1]


def _window_sum(x: Tensor, steps: int) -> Tensor:
    """(n, T, W) sums of the last `steps` values of each step."""
    total = x.cumsum(dim=2)
    earlier = functional.pad(total, (steps, 0))[:, :, : x.shape[2]]
    return total - earlier
