"""Metric and Score: how per-example measures become one number with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
Finish = Callable[[Columns, NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Metric:
    """How measured columns become one number.

    Attributes:
        name: e.g. "accuracy".
        unit: of the value, e.g. "share", "nats", "EUR".
        direction: which way is better.
        finish: (columns, weights) -> values. columns: name -> (examples, ...); weights: (resamples, examples), all ones
            for the plain value; returns (resamples,), NaN where undefined. Being linear in resamples is what makes
            intervals cheap.
        trials: for a share between 0 and 1: columns -> how many examples' worth of yes/no outcomes stand behind it, i.e.
            one over the most that a single example can move it (accuracy: all examples; area under the curve: those of
            the rarer class). Intervals need it at 0 and 1, where resampling shows no spread. None: not such a share.
        looked: columns -> how many examples are looked at, where it is not all of them: this is the number that is told.
    """

    name: str
    unit: str
    direction: Literal["higher", "lower"]
    finish: Finish
    trials: Callable[[Columns], float] | None = None
    looked: Callable[[Columns], int] | None = None

    def value(self, columns: Columns) -> float:
        """The plain value over all examples."""
        count = len(next(iter(columns.values())))
        return float(self.finish(columns, np.ones((1, count)))[0])

    def better(self, a: float, b: float) -> bool:
        """Whether value `a` is strictly better than `b`; NaN is never better."""
        return a > b if self.direction == "higher" else a < b


@dataclass(frozen=True)
class Score:
    """One measured figure. low, high: a 95% interval over units; n: units behind it. NaN: undefined on these units."""

    name: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    direction: str

    def to_json(self) -> dict[str, Any]:
        """The score as JSON values; null for an undefined number, because JSON has no NaN."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} ({self.low:.4g} to {self.high:.4g}, n = {self.n:,})"
