"""What interleaved measurements say: the median of paired figures, with an interval that assumes nothing but pairs alike.

Unusual: the interval is that of the sign test (order statistics), exact for any distribution. With fewer than six pairs no
such interval covers 95%; then it is the whole range, and `coverage` says how little that is worth.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Median:
    """The median of paired figures. low, high: ends of the interval; coverage: the probability that it holds the truth."""

    value: float
    low: float
    high: float
    coverage: float
    pairs: int

    def __str__(self) -> str:
        little = "" if self.coverage >= LEVEL else f", covers {self.coverage:.0%}"
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g}, {self.pairs} pairs{little})"

    def to_json(self) -> dict[str, float]:
        """The fields by name."""
        return asdict(self)


def median(values: Sequence[float]) -> Median:
    """The median of independent figures with the narrowest sign-test interval of at least LEVEL.

    The interval from the k-th smallest to the k-th largest of n holds the median unless fewer than k figures fall on one
    side of it: coverage 1 - 2 P(Binomial(n, 1/2) < k). Raises ValueError for no figures.
    """
    if not values:
        raise ValueError("no figures")
    ordered, n = sorted(values), len(values)
    k = 1
    while k + 1 <= (n + 1) // 2 and _coverage(n, k + 1) >= LEVEL:
        k += 1
    return Median(statistics.median(ordered), ordered[k - 1], ordered[n - k], _coverage(n, k), n)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Median:
    """The median of ours / theirs, pair by pair. Raises ValueError where they are not pairs."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Median:
    """The median of ours - theirs, pair by pair. Raises ValueError where they are not pairs."""
    return median([a - b for a, b in zip(ours, theirs, strict=True)])


def _coverage(n: int, k: int) -> float:
    return 1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / 2.0**n
