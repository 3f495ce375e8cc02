"""Grid: the rows of one or many series, laid end to end, one place for each step of their frequency.

Unusual: nothing is copied. A grid says which row stands at which place (-1: no row, a gap), so that any column becomes a flat
array by one index, and a window is a stretch of places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.data.fields.time import HOUR, Seconds
from deepwell.data.series.frequency import SPARSE, Frequency

Ints = NDArray[np.int64]
GAP = -1
FEW_PLACES = 1_000_000
"""A grid of so few places is laid however sparse it is."""


@dataclass(frozen=True)
class Grid:
    """Places of series, one after the other.

    rows: (total,) the row at each place, GAP where there is none. place: (rows,) the place of each row, GAP where it has none.
    owner: (total,) the series of each place. start: (series + 1,) where each series begins. first: (series,) the index of the
    frequency at which each begins.
    """

    rows: Ints
    place: Ints
    owner: Ints
    start: Ints
    first: Ints

    @property
    def index(self) -> Ints:
        """(total,) the index of the frequency of each place."""
        return np.arange(len(self.rows)) - self.start[self.owner] + self.first[self.owner]

    @property
    def lengths(self) -> Ints:
        """(series,) places of each series."""
        return np.diff(self.start)

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(total, ...) values (rows, ...) at their places, NaN in gaps."""
        flat = np.full((len(self.rows), *values.shape[1:]), np.nan)
        there = self.rows != GAP
        flat[there] = values[self.rows[there]]
        return flat

    def laid(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(total, features) of rows at their places, 0 in gaps."""
        flat = np.zeros((len(self.rows), features.shape[1]), np.float32)
        there = self.rows != GAP
        flat[there] = features[self.rows[there]]
        return flat

    def ranges(self, own: NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """(series,) the first place with a row of `own` (rows,), and the place after the last; equal where there is none."""
        count = len(self.start) - 1
        places = self.place[own]
        places = places[places != GAP]
        low, high = np.full(count, len(self.rows)), np.zeros(count, np.int64)
        np.minimum.at(low, self.owner[places], places)
        np.maximum.at(high, self.owner[places], places + 1)
        return np.where(high > 0, low, 0), high


def lay(
    frequency: Frequency,
    seconds: Seconds,
    series: Ints,
    where: Callable[[int], str],
    name: Callable[[int], str],
    ahead: int = 0,
) -> Grid:
    """The grid of moments (rows,) that belong to series (rows,), numbered from 0, of which each has a row on the grid or none.

    Moments beside the frequency have no place. where: row -> file and line. name: series -> `the series 'a'`. ahead: places
    that are added to the end of each series.

    Raises DataError: a moment twice in one series; so many gaps that the grid would not fit.
    """
    index, off = frequency.index(seconds)
    used = np.flatnonzero(~off)
    order = used[np.lexsort((index[used], series[used]))]
    again = np.flatnonzero((np.diff(index[order]) == 0) & (np.diff(series[order]) == 0))
    if len(again):
        rows = sorted(int(row) for row in order[again[0] : again[0] + 2])
        _refuse_doubled(frequency, seconds, rows, where, name(int(series[rows[0]])))
    count = int(series.max()) + 1 if len(series) else 0
    first, last = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    first[series[order[::-1]]] = index[order[::-1]]
    last[series[order]] = index[order]
    there = np.zeros(count, np.bool_)
    there[series[order]] = True
    lengths = np.where(there, last - first + 1 + ahead, 0)
    start = np.concatenate([[0], np.cumsum(lengths)])
    total = int(start[-1])
    if total > max(FEW_PLACES, SPARSE * max(1, len(order))):
        worst = int(lengths.argmax())
        raise DataError(
            f"{frequency.words}, {name(worst)} has {int(lengths[worst]):,} moments from its first to its last row, and all "
            f"series together {total:,}, but there are {len(order):,} rows: nearly all would be missing",
            repair="bring the rows to a longer step of time, such as sums of days",
        )
    at, place = np.full(total, GAP), np.full(len(seconds), GAP)
    place[order] = start[series[order]] + index[order] - first[series[order]]
    at[place[order]] = order
    return Grid(at, place, np.repeat(np.arange(count), lengths), start, first)


def _refuse_doubled(
    frequency: Frequency, seconds: Seconds, rows: list[int], where: Callable[[int], str], name: str
) -> None:
    """Raise DataError that names both rows, and what is likely where a clock was set back."""
    moment = np.datetime64(int(seconds[rows[0]]), "s")
    sunday = (moment.astype("datetime64[D]").astype(np.int64) + 3) % 7 == 6
    month = int(moment.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    hour = int(moment.astype("datetime64[h]").astype(np.int64)) % 24
    set_back = frequency.unit == "second" and frequency.step <= HOUR and sunday and month in (3, 4, 10, 11) and hour < 4
    repair = "keep one row of each moment, or name the column that tells the series apart: --role COLUMN=group"
    if set_back:
        repair = "these look like local times, whose clock was set back here: write them in UTC, or with their offset (+02:00)"
    what = str(moment).replace("T", " ") if frequency.unit != "step" else str(int(seconds[rows[0]]))
    raise DataError(
        f"{name} has the moment {what} twice", where=" and ".join(where(row) for row in rows), repair=repair
    )
