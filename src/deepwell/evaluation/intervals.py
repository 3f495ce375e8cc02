"""Intervals by resampling units: how far a score, or the difference of two, could move with another test part.

Unusual: the resampled values of a metric (Replicates) are kept and reused. Two models measured under the same key are
resampled together, so the difference of their Replicates is the paired bootstrap, at no further cost.

Method: the cluster bootstrap. U units are drawn with replacement, all examples of a unit get the same weight (Davison and
Hinkley 1997, section 3.8), and the 95% interval lies between percentiles of the resampled values. Three corrections, each
against false certainty:
- few units: the percentiles are those of the expanded interval (Hesterberg 2015, section 3.3), which is to the percentile
  interval what Student's t is to the normal; with one unit there is no interval (NaN).
- a share whose interval reaches 0 or 1 is widened to Wilson's limits (1927) with Metric.trials trials, at most one a unit:
  resampling 60 right answers shows no spread at all, Wilson says 0.940 to 1.
- the difference of two plain shares (one example, one unit, one trial) is widened to Bonett and Price's limits (2012),
  which add one pair to each kind of disagreement: four answers against none are no proof (sign test p = 0.125).
Number of resamples: 1,000; above 200,000 examples 2e8 / examples, at least 200, so time is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.core.scores import Columns, Metric, Score

Z = NormalDist().inv_cdf(0.975)
RESAMPLES = 1000
MOST_WORK = 200_000_000
CHUNK = 1_000_000
"""Weights held at a time: 8 MB, a few times that inside a metric."""


@dataclass(frozen=True)
class Difference:
    """A metric of the network minus that of a baseline on the same units. low, high: paired 95% interval.

    better: who is better beyond the interval; "neither" if it holds 0 or is undefined.
    """

    name: str
    value: float
    low: float
    high: float
    direction: str
    better: Literal["network", "baseline", "neither"]

    def to_json(self) -> dict[str, Any]:
        """The difference as JSON values; null for an undefined number."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Replicates:
    """A metric's value and its resampled values.

    values: (resamples,), NaN where undefined. units, trials: behind the value, see Metric.trials (None: not a share).
    plain: the metric is a plain share of examples, each its own unit.
    """

    metric: Metric
    value: float
    values: NDArray[np.float64]
    units: int
    trials: float | None
    plain: bool


def replicate(
    metrics: Sequence[Metric], columns: Columns, units: IntArray | None, key: Key, most: int = RESAMPLES
) -> dict[str, Replicates]:
    """Each metric by name, with its resampled values; the same key, units, count and most give the same resamples.

    columns: name -> (n, ...). units: (n,) unit of each example, any integers; None: each is its own. most: resamples.
    """
    count = len(next(iter(columns.values()), ()))
    if not count:
        return {m.name: Replicates(m, math.nan, np.full(1, math.nan), 0, None, False) for m in metrics}
    number, index = (count, None) if units is None else _numbered(units)
    resampled: dict[str, list[NDArray[np.float64]]] = {m.name: [] for m in metrics}
    # BLAS threads spin while they wait: on such narrow products two take four times the work of one, and more beside a busy
    # process. One also gives the same bits on every machine.
    with threadpool_limits(limits=1, user_api="blas"):
        for weights in _weights(count, number, index, key, most):
            for metric in metrics:
                resampled[metric.name].append(metric.finish(columns, weights))
    found = {}
    for metric in metrics:
        trials = metric.trials(columns) if metric.trials else None
        plain = trials == count == number
        behind = number if metric.looked is None else min(number, metric.looked(columns))
        found[metric.name] = Replicates(
            metric, metric.value(columns), np.concatenate(resampled[metric.name]), behind, trials, plain
        )
    return found


def interval(found: Replicates) -> Score:
    """The score with its 95% interval; NaN limits where it cannot be told (undefined value, or a single unit)."""
    metric, value = found.metric, found.value
    low, high = _limits(found.values, found.units) if math.isfinite(value) else (math.nan, math.nan)
    if found.trials is not None and (low <= 0 or high >= 1):
        wilson_low, wilson_high = wilson(value, min(found.trials, found.units))
        low, high = min(low, wilson_low), max(high, wilson_high)
    return Score(metric.name, value, low, high, found.units, metric.unit, metric.direction)


def difference(network: Replicates, baseline: Replicates) -> Difference:
    """The paired difference network - baseline of one metric; both replicated with the same key, units and count."""
    metric, value = network.metric, network.value - baseline.value
    paired_values = network.values - baseline.values
    low, high = _limits(paired_values, network.units) if math.isfinite(value) else (math.nan, math.nan)
    if network.plain and math.isfinite(low):
        spread = float(np.var(paired_values))
        low, high = _widened_by_pseudo_pairs(value, spread, network.units, low, high)
    sign = 1 if metric.direction == "higher" else -1
    better: Literal["network", "baseline", "neither"] = "neither"
    if min(sign * low, sign * high) > 0:
        better = "network"
    elif max(sign * low, sign * high) < 0:
        better = "baseline"
    return Difference(metric.name, value, low, high, metric.direction, better)


def scores(metrics: Sequence[Metric], columns: Columns, units: IntArray | None, key: Key) -> list[Score]:
    """Each metric with its interval, in order."""
    return [interval(found) for found in replicate(metrics, columns, units, key).values()]


def score(metric: Metric, columns: Columns, units: IntArray | None, key: Key) -> Score:
    """One metric with its interval."""
    return scores([metric], columns, units, key)[0]


def paired(metric: Metric, columns_a: Columns, columns_b: Columns, units: IntArray | None, key: Key) -> Difference:
    """The difference of a metric between network (a) and baseline (b), measured on the same examples in the same order."""
    a, b = (replicate([metric], columns, units, key)[metric.name] for columns in (columns_a, columns_b))
    return difference(a, b)


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Wilson's 95% limits of a share seen in a number of independent trials (Wilson 1927); share in [0, 1], trials > 0."""
    shrink = Z * Z / trials
    centre = (share + shrink / 2) / (1 + shrink)
    half = Z / (1 + shrink) * math.sqrt(share * (1 - share) / trials + shrink / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def _limits(values: NDArray[np.float64], units: int) -> tuple[float, float]:
    """Percentiles of the defined resampled values, expanded for few units; NaN for one unit or nothing defined."""
    defined = values[np.isfinite(values)]
    if units < 2 or not len(defined):
        return math.nan, math.nan
    tail = 100 * NormalDist().cdf(-math.sqrt(units / (units - 1)) * _student(units - 1))
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)


def _student(freedom: int) -> float:
    """The 97.5% quantile of Student's t, by the Cornish-Fisher series (Abramowitz and Stegun 26.7.5).

    Within 0.5% from 4 degrees of freedom; below that it is too small, and resampling so few units says little anyway.
    """
    powers = [Z**p for p in (1, 3, 5, 7)]
    terms = ((1, 1), (3, 16, 5), (-15, 17, 19, 3))
    t = Z
    for degree, (coefficients, divisor) in enumerate(zip(terms, (4, 96, 384), strict=True), start=1):
        t += sum(c * z for c, z in zip(coefficients, powers, strict=False)) / (divisor * freedom**degree)
    return t


def _widened_by_pseudo_pairs(value: float, variance: float, units: int, low: float, high: float) -> tuple[float, float]:
    """The interval of a difference of two paired shares, at least as wide as Bonett and Price's (2012).

    With b pairs that only the one got right and c that only the other did, value = (b - c) / n and the variance of the
    difference is ((b + c) / n - value^2) / n, which gives b and c back: exactly so where they are few, because both are
    whole numbers and resampling blurs the variance by some percent only. One is added to each, two to n.
    """
    surplus = round(units * abs(value))
    other = max(units * (units * variance + value**2) - surplus, 0.0) / 2  # the smaller of b and c
    share, shifted = (surplus + 2 * round(other) + 2) / (units + 2), units * value / (units + 2)
    half = Z * math.sqrt(max(share - shifted**2, 0.0) / (units + 2))
    return min(low, shifted - half), max(high, shifted + half)


def _numbered(units: IntArray) -> tuple[int, IntArray | None]:
    """How many units there are, and each example's unit as 0..U-1; None where each example is its own unit."""
    names, index = np.unique(units, return_inverse=True)
    return len(names), None if len(names) == len(units) else index.astype(np.int64)


def _weights(
    count: int, units: int, index: IntArray | None, key: Key, most: int = RESAMPLES
) -> Iterator[NDArray[np.float64]]:
    """Blocks (r, n) of bootstrap counts of each example, together all resamples; the same for every block size."""
    resamples = min(most, RESAMPLES if count <= MOST_WORK // RESAMPLES else max(RESAMPLES // 5, MOST_WORK // count))
    draws = key.fold("bootstrap").numpy()
    block = max(1, CHUNK // count)
    for start in range(0, resamples, block):
        weights = np.empty((min(block, resamples - start), units))
        for row in weights:
            row[:] = np.bincount(draws.integers(0, units, units, dtype=np.int64), minlength=units)
        yield weights if index is None else weights[:, index]
