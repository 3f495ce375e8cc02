"""What training series tell: their scales, their season, how far to look back, and how large a naive forecast's error is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import BundleError
from deepwell.data.series.frequency import Frequency, season_of
from deepwell.data.series.grid import Grid

Floats = NDArray[np.float64]
LOOKED_AT = 40
"""Sequences whose season is looked for, the longest ones."""
SHORT_SEASON = 200
"""Of longer seasons (a year of days) the past need not hold two."""
LONG_PAST = 512
HORIZONS = 3.5
"""So many horizons are looked back on at the least, as published comparisons do (336 hours for 96)."""


@dataclass(frozen=True)
class Scales:
    """offset, factor, naive: (series, T), see SeriesPipeline; NaN where a series has no value of a target."""

    offset: Floats
    factor: Floats
    naive: Floats


def scales(grid: Grid, values: Floats, season: int) -> Scales:
    """Of flat values (total, T), NaN in gaps: mean, standard deviation and the error of the seasonal naive forecast.

    A series that does not change has the factor 1; the error is the mean of |y(t) - y(t - season)| in factors.
    """
    count, targets = len(grid.first), values.shape[1]
    seen = np.isfinite(values)
    found = np.full((3, count, targets), np.nan)
    for target in range(targets):
        there = seen[:, target]
        y, owner = values[there, target], grid.owner[there]
        size = np.bincount(owner, minlength=count)
        some = size > 0
        mean = np.bincount(owner, y, count)[some] / size[some]
        offset = np.zeros(count)
        offset[some] = mean
        square = np.bincount(owner, (y - offset[owner]) ** 2, count)[some] / size[some]
        factor = np.sqrt(square)
        factor = np.where(factor > 1e-12 * np.maximum(np.abs(mean), 1e-300), factor, 1.0)
        found[0, some, target], found[1, some, target] = mean, factor
        error, pairs = np.zeros(count), np.zeros(count)
        if season < len(values):
            gap = np.abs(values[season:, target] - values[:-season, target])
            gap[grid.owner[season:] != grid.owner[:-season]] = np.nan
            both = np.isfinite(gap)
            later = grid.owner[season:][both]
            error[:] = np.bincount(later, gap[both], count)
            pairs[:] = np.bincount(later, minlength=count)
        measured = some & (pairs > 0)
        found[2, measured, target] = error[measured] / pairs[measured] / found[1, measured, target]
    return Scales(*found)


def earlier(grid: Grid, values: Floats, own: NDArray[np.bool_], context: int) -> Floats:
    """Flat values (total, T) of history; of a series that has none, those before its first window asks. NaN where truths may be.

    own: (rows,) which are not history.
    """
    mine = np.append(own, False)[grid.rows]
    low, _ = grid.ranges(own)
    begin = np.where(low > grid.start[:-1], low, grid.start[:-1] + context)
    history = np.zeros(len(begin), np.bool_)
    history[grid.owner[np.isfinite(values).any(axis=1) & ~mine]] = True
    used = np.where(history[grid.owner], ~mine, np.arange(len(mine)) < begin[grid.owner])
    return np.where(used[:, None], values, np.nan)


def season(grid: Grid, values: Floats, frequency: Frequency) -> int:
    """The season of flat values (total, T): the usual one, or that which more than half of the longest sequences show."""
    longest = np.argsort(-grid.lengths, kind="stable")[: max(1, LOOKED_AT // values.shape[1])]
    votes = []
    for one in longest:
        for target in range(values.shape[1]):
            y = values[grid.start[one] : grid.start[one + 1], target]
            there = np.flatnonzero(np.isfinite(y))
            if len(there) > len(y) / 2:
                whole = np.interp(np.arange(len(y)), there, y[there])
                votes.append(season_of(whole, frequency.season, frequency.longer))
    others = [vote for vote in votes if vote != frequency.season]
    return int(np.median(others)) if len(others) > len(votes) / 2 else frequency.season


def context(lengths: NDArray[np.int64], horizon: int, season: int, frequency: Frequency) -> int:
    """Steps to look back on: several horizons and two seasons where the series are long enough.

    At most half of what three quarters of the series have beside a horizon, so that a short series still gives many windows.
    lengths: (series,) places of the training series.
    """
    longer = frequency.longer if frequency.longer <= SHORT_SEASON else 1
    wanted = max(round(HORIZONS * horizon), 2 * longer, min(2 * season, max(season + horizon, LONG_PAST)))
    usual = int(np.quantile(lengths[lengths > 0], 0.25)) if (lengths > 0).any() else 0
    return max(1, min(wanted, (usual - horizon) // 2))


def from_lists(lists: Any, shape: tuple[int, int]) -> list[Floats]:
    """Offset, factor and naive error out of a bundle. Raises BundleError."""
    found = []
    for place in range(3):
        rows: Any = lists[place] if len(lists) == 3 and isinstance(lists[place], list) else []
        fits = len(rows) == shape[0] and all(type(r) is list and len(r) == shape[1] for r in rows)
        if not fits or any(v is not None and type(v) not in (int, float) for r in rows for v in r):
            raise BundleError(f"the scales of series must be three tables of {shape[0]} rows and {shape[1]} numbers")
        array = np.array([[np.nan if v is None else v for v in r] for r in rows], np.float64).reshape(shape)
        if np.isinf(array).any() or (place == 1 and (array <= 0).any()):
            raise BundleError("the scales of series are not finite, or not above 0")
        found.append(array)
    return found
