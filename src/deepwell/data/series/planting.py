"""Anomalies planted into series, where nobody has labelled real ones: something to calibrate by and to be measured on.

Four forms, each in one number of one series: a spike of few rows; for a longer stretch a shift, noise, or a value that stays as
it is. How far they go is drawn between what a careful eye would see and what nobody would miss, in deviations of the series.
Unusual: the rows themselves stay as they are. Each anomaly stands in a copy of the windows that end within it, so that none is
in the past of another, or of a row that counts as usual. What is measured on them is how well these forms are found, not how well
the anomalies of the data would be; whoever shows the figure must say so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.data.series.row_windows import FlatRows, RowPlaces, RowWindows

FORMS = ("spike", "shift", "noise", "standstill")
EACH = 100
"""Rows of a series for one anomaly, on average."""
MOST_ANOMALIES = 2_000
FEWEST = 20
"""Rows that a series must have in the part to get one."""
SPIKE, STRETCH = (1, 3), (8, 30)
"""Rows of an anomaly, from and to; at most half of those that there are for each."""
REACH = {"spike": (3.0, 8.0), "shift": (2.0, 5.0), "noise": (1.5, 4.0)}
"""Deviations of the series."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Copy:
    """A stretch of flat places with an anomaly. since: its first place in the flat arrays; value: (steps, T) spoilt;
    changed: (rows,) examples whose rows were changed."""

    since: int
    value: NDArray[np.float32]
    changed: IntArray


def planted(windows: RowWindows, key: Key) -> tuple[RowWindows, NDArray[np.int64]]:
    """The windows of all rows, and after them those of rows with an anomaly; and (count,) 1 for the latter, else 0.

    The windows must be in the order of time within each series, as RowPipeline gives them, and of all rows of the part. Only
    answers to the rows themselves are to be kept (`answered`). Always the same for a key.
    """
    copies = list(_copies(windows, key.numpy()))
    flat, places, count = windows.flat, windows.places, len(windows.places.place)
    index = np.concatenate([np.arange(count), *(c.changed for c in copies)])
    owner, place = places.owner[index], places.place[index]
    begin, done = len(flat.value), count
    for number, copy in enumerate(copies):
        end = done + len(copy.changed)
        owner[done:end] = len(flat.series) + number
        place[done:end] += begin - copy.since
        begin, done = begin + len(copy.value), end
    labels = {name: label[index] for name, label in places.labels.items()}
    found = RowWindows(
        _extended(flat, copies, places.owner),
        RowPlaces(place, owner, places.row[index], places.unit[index], labels),
        windows.width,
        windows.problems,
    )
    found.answered = np.arange(count)
    return found, (np.arange(len(index)) >= count).astype(np.int64)


def _copies(windows: RowWindows, draws: np.random.Generator) -> Iterator[_Copy]:
    """One for each anomaly."""
    flat, places = windows.flat, windows.places
    each = max(EACH, len(places.place) // MOST_ANOMALIES)
    bounds = np.flatnonzero(np.diff(places.owner, prepend=-1, append=-1))
    for low, high in itertools.pairwise(bounds.tolist()):
        rows = high - low
        if rows < FEWEST:
            continue
        start = int(flat.start[places.owner[low]])
        series = slice(start, int(places.place[high - 1]) + 1)
        deviation = [_deviation(v[s > 0]) for v, s in zip(flat.value[series].T, flat.seen[series].T, strict=True)]
        many = max(1, round(rows / each))
        room = rows // many
        for number in range(many):
            column, form = int(draws.integers(len(deviation))), str(draws.choice(FORMS))
            least, most = (min(end, room // 2) for end in (SPIKE if form == "spike" else STRETCH))
            length = int(draws.integers(least, most, endpoint=True))
            first = low + number * room + int(draws.integers(0, room - length, endpoint=True))
            stretch = np.arange(first, first + length)
            since = max(start, int(places.place[first]) - windows.width + 1)
            value = flat.value[since : int(places.place[stretch[-1]]) + 1].copy()
            inside = places.place[stretch] - since
            inside, stretch = (a[flat.seen[places.place[stretch], column] > 0] for a in (inside, stretch))
            before = value[inside, column]
            value[inside, column] = _spoilt(form, before.astype(np.float64), deviation[column], draws)
            changed = stretch[value[inside, column] != before]
            if len(changed):
                yield _Copy(since, value, changed)


def _extended(flat: FlatRows, copies: list[_Copy], owner: IntArray) -> FlatRows:
    """The flat arrays with each copy behind them as a series of its own. owner: (rows,) the series of each example."""
    of = np.array([owner[c.changed[0]] for c in copies], np.int64)
    ends = len(flat.value) + np.cumsum([len(c.value) for c in copies], dtype=np.int64)

    def beside(column: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.concatenate([column, *(column[c.since : c.since + len(c.value)] for c in copies)])

    return FlatRows(
        value=np.concatenate([flat.value, *(c.value for c in copies)]),
        seen=beside(flat.seen).astype(np.uint8),
        known=beside(flat.known).astype(np.float32),
        offset=np.concatenate([flat.offset, flat.offset[of]]),
        factor=np.concatenate([flat.factor, flat.factor[of]]),
        series=np.concatenate([flat.series, flat.series[of]]),
        start=np.concatenate([flat.start, ends]),
    )


def _spoilt(form: str, values: Floats, deviation: float, draws: np.random.Generator) -> Floats:
    """Values (n,) with an anomaly of this form."""
    if form == "standstill" or not len(values):
        return np.repeat(values[:1], len(values))
    reach = float(draws.uniform(*REACH[form])) * deviation
    if form == "noise":
        return values + draws.normal(0.0, reach, len(values))
    return values + (reach if draws.random() < 0.5 else -reach)


def _deviation(values: NDArray[np.float32]) -> float:
    """The spread of a standardised series by its quartiles, else its deviation; 1 where it never changes."""
    if not len(values):
        return 1.0
    low, high = np.quantile(values, (0.25, 0.75))
    return float((high - low) / 1.349 or values.std(dtype=np.float64) or 1.0)
