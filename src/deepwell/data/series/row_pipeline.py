"""RowPipeline: rows of one or many series -> for each row the window that ends with it; for tasks that ask for no future.

Unusual: times without a frequency are no hindrance. Where recognition found one, rows stand on its grid and gaps are missing
values; where it found none (a sensor that reports when it likes), rows follow one another, each by one step, and only the
calendar knows how far apart they are. Numbers are standardised by mean and deviation of each series' training rows, without what
lies ten quartile distances outside, so that one absurd value does not make all others equal; a series that training never saw by
those of its first window, so that what is said of a later row rests on that row and the past alone.
A target is a label of the row: it is given beside the window and never in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Encoded, IntArray
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Part, Table
from deepwell.data.fields.category import Category
from deepwell.data.fields.kind import Kind, checked
from deepwell.data.fields.time import DAY, NEVER, Time
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.series import frequency as frequencies
from deepwell.data.series import inputs, scales
from deepwell.data.series.frequency import WEEK, Frequency, settled
from deepwell.data.series.grid import GAP, Grid
from deepwell.data.series.reading import Columns, Rows, read
from deepwell.data.series.row_windows import FlatRows, RowPlaces, RowWindows

MOST_NUMBERS = 100_000
"""Names and scales of series that a bundle's pipeline.json may hold; of more series the longest are known."""
LONGEST = 512
"""Steps of a window, unless the user says; never more than most series have."""
SEASONS = 1.25
"""So many seasons are in a window where they fit."""
CYCLES = 2.0
"""A calendar's day, week or year is told where training saw it so often."""
LENGTHS: Mapping[str, float] = {"hour of the day": DAY, "day of the week": WEEK, "time of the year": 365.25 * DAY}
FAR = 10.0
"""Distances of the quartiles beyond which a value does not tell the scale of its series."""
LARGEST = 1e6
"""Deviations beyond which a value is cut off."""
STATE = {
    "fields": dict, "time": dict, "frequency": dict, "regular": bool, "window": int, "season": int, "calendar": list,
    "series": list, "scales": list,
}  # fmt: skip
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WantedRows:
    """What the user wants. window: steps that a row is judged by, itself included; season: steps; 0: found out.

    least: steps of a window that is found out, where series are long enough; more where a season is longer. short: share of the
    series that may be shorter than it, where what is missing at their beginning does no harm.
    """

    window: int = 0
    season: int = 0
    least: int = 32
    short: float = 0.25


class RowPipeline:
    """A core.task.Pipeline. See the top of this file.

    Attributes:
        numbers: inputs that windows hold; other inputs, and what is known ahead, are features of their steps.
        time_, frequency_: how moments are written, and the grid; regular_: whether there is one. window_, season_: steps.
        calendar_: what the calendar tells of each step. names_: the training series, each by its keys in the group columns.
        offset_, factor_: (series, T) mean and deviation of each number.
    """

    def __init__(self, schema: Schema, wanted: WantedRows, kinds: Mapping[str, Kind] | None = None) -> None:
        """kinds: target -> an unfitted Kind other than that of its column."""
        self.schema, self.wanted = schema, wanted
        self.numbers = [f for f in schema.inputs if f.kind == "number"]
        self.beside = [
            f for f in schema.fields
            if (f.role == "input" and f.kind == "category") or (f.role == "known_future" and f.kind in ("number", "category"))
        ]  # fmt: skip
        order = schema.of("order")
        self.order: Field | None = order[0] if order else None
        groups = tuple(f.name for f in schema.of("group"))
        self.columns = Columns(groups, self.order.name if self.order else "", tuple(f.name for f in self.numbers))
        read_ = [*schema.targets, *self.numbers, *(replace(f, role="input") for f in self.beside)]
        levels: dict[str, Kind] = {f.name: Category(inputs.MOST_LEVELS) for f in self.beside if f.kind == "category"}
        self.fields_ = FieldPipeline(Schema(tuple(read_)), {**levels, **(kinds or {})})
        self.time_, self.frequency_, self.regular_ = Time(), Frequency("step", 1), False
        self.window_, self.season_ = max(1, wanted.window), max(1, wanted.season)
        self.calendar_: tuple[str, ...] = ()
        self.names_: list[tuple[str, ...]] = []
        self.offset_ = self.factor_ = self.naive_ = np.zeros((0, len(self.numbers)))

    # learning --------------------------------------------------------------------------------------------------------
    def fit(self, table: Table) -> RowPipeline:
        """Learn from the training rows; returns self. Raises DataError: no numbers; a moment twice on a grid."""
        if not self.numbers:
            raise DataError(
                "no column is a number that changes with time", repair="--kind COLUMN=number says that one is"
            )
        self.fields_.fit(table)
        if self.order is not None:
            self.time_.fit(table[self.order.name], self.order)
        found = settled(self.order.facts) if self.order is not None else None
        self.frequency_, self.regular_ = found or Frequency("step", 1), found is not None
        rows, grid = self._laid(Part("train", table))
        values = grid.spread(rows.values)
        self.season_, self.window_ = self._lengths(grid, values)
        self.calendar_ = self._calendar(rows)
        most = MOST_NUMBERS // (1 + len(self.columns.groups) + 3 * len(self.numbers))
        known = np.sort(np.argsort(-grid.lengths, kind="stable")[:most])
        self.names_ = [rows.names[one] for one in known]
        all_ = scales.scales(grid, _tamed(grid, values), self.season_)
        self.offset_, self.factor_, self.naive_ = all_.offset[known], all_.factor[known], all_.naive[known]
        return self

    def _lengths(self, grid: Grid, values: Floats) -> tuple[int, int]:
        """Season and window. A season found in the values that no window holds is of no use: then the calendar's, or none."""
        season = self.wanted.season
        for tried in (season,) if season else (scales.season(grid, values, self.frequency_), self.frequency_.season, 1):
            season, window = tried, self.wanted.window or _window(grid.lengths, tried, self.wanted)
            if season <= window:
                break
        return season, window

    def _calendar(self, rows: Rows) -> tuple[str, ...]:
        """What the calendar tells that the training rows saw often enough."""
        there = rows.seconds != NEVER
        if self.order is None or self.order.kind != "time" or not there.any():
            return ()
        first, last = np.full(len(rows.names), np.inf), np.full(len(rows.names), -np.inf)
        np.minimum.at(first, rows.owner[there], rows.seconds[there])
        np.maximum.at(last, rows.owner[there], rows.seconds[there])
        span = np.maximum(last - first, 0.0)
        each = span / np.maximum(np.bincount(rows.owner[there], minlength=len(span)) - 1, 1)
        usual, step = float(np.median(span)), float(np.median(each))
        names = (name for name, length in LENGTHS.items() if usual >= CYCLES * length and 2 * step <= length)
        return tuple(names)

    def _laid(self, part: Part) -> tuple[Rows, Grid]:
        """Rows of a part after its history, and their places."""
        rows = read(part, self.columns, self.time_)
        if self.regular_:
            return rows, rows.grid(self.frequency_, self.time_)
        there = np.flatnonzero(rows.seconds != NEVER)
        order = there[np.lexsort((rows.seconds[there], rows.owner[there]))]
        owner = rows.owner[order]
        rank = np.full(len(rows.seconds), NEVER)
        rank[order] = np.arange(len(order)) - np.searchsorted(owner, owner)
        return rows, replace(rows, seconds=rank).grid(self.frequency_, self.time_)

    # windows ---------------------------------------------------------------------------------------------------------
    def windows(self, part: Part, every: int = 1) -> RowWindows:
        """One window for each row of the part that has a value; rows of its history stand in windows alone.

        every: only of the last row of each series and each so many rows before it, where a loss is of all steps of a window.
        Raises DataError: no row of the training part has a value.
        """
        rows, grid = self._laid(part)
        values = grid.spread(rows.values)
        seen = np.isfinite(values).astype(np.uint8)
        flat = self._flat(rows, grid, values, seen)
        mine = np.append(rows.own, False)[grid.rows]
        place = np.flatnonzero(mine & seen.any(axis=1))
        place = place[
            (np.searchsorted(grid.owner[place], grid.owner[place], side="right") - 1 - np.arange(len(place))) % every
            == 0
        ]
        row = grid.rows[place]
        for one in np.flatnonzero(mine & ~seen.any(axis=1)).tolist():
            rows.problems.setdefault(
                int(grid.rows[one]), f"none of {', '.join(map(repr, self.columns.targets))} has a value"
            )
        labels, kept = self._labels(rows, row) if part.name != "predict" else ({}, np.ones(len(row), np.bool_))
        owner = grid.owner[place]
        block = (place - grid.start[owner]) // self.window_
        unit = owner * (int(block.max(initial=0)) + 1) + block
        places = RowPlaces(place[kept], owner[kept], row[kept] - rows.before, unit[kept], labels)
        unused = np.delete(np.arange(len(part.rows)), places.row).tolist()
        problems = {one: rows.problems[one + rows.before] for one in unused if one + rows.before in rows.problems}
        if part.name == "train" and not len(places.row):
            raise DataError(f"no row can be trained on: {next(iter(problems.values()), 'there are none')}")
        return RowWindows(flat, places, self.window_, problems)

    def _flat(self, rows: Rows, grid: Grid, values: Floats, seen: NDArray[np.uint8]) -> FlatRows:
        number = {name: place for place, name in enumerate(self.names_)}
        series = np.array([number.get(name, -1) for name in rows.names], np.int64)
        offset, factor = self._scales(series, grid, values)
        scaled = (np.nan_to_num(values) - offset[grid.owner]) / factor[grid.owner]
        known = [grid.laid(inputs.features(rows, self.beside, self.fields_))]
        if self.calendar_:
            known.insert(0, frequencies.features(self.calendar_, self._moments(rows, grid)))
        return FlatRows(
            value=np.where(seen > 0, np.clip(scaled, -LARGEST, LARGEST), 0).astype(np.float32),
            seen=seen,
            known=np.concatenate(known, axis=1),
            offset=offset,
            factor=factor,
            series=series,
            start=grid.start,
        )

    def _moments(self, rows: Rows, grid: Grid) -> IntArray:
        """(total,) seconds of each place."""
        if self.regular_:
            return self.frequency_.moment(grid.index)
        return np.where(grid.rows != GAP, rows.seconds[grid.rows], 0)

    def _scales(self, series: IntArray, grid: Grid, values: Floats) -> tuple[Floats, Floats]:
        """(series, T) offset and factor: of training where known, else of the first window, else what is usual in training."""
        first = np.arange(len(values)) < grid.start[grid.owner] + self.window_
        fresh = scales.scales(grid, _tamed(grid, np.where(first[:, None], values, np.nan)), self.season_)
        found: list[Floats] = []
        for stored, own, default in ((self.offset_, fresh.offset, 0.0), (self.factor_, fresh.factor, 1.0)):
            usual = [float(np.median(c[~np.isnan(c)])) if not np.isnan(c).all() else default for c in stored.T]
            known = np.where((series >= 0)[:, None], stored[series] if len(stored) else np.nan, np.nan)
            known = np.where(np.isnan(known), own, known)
            found.append(np.where(np.isnan(known), np.array(usual), known))
        return found[0], found[1]

    def _labels(self, rows: Rows, row: IntArray) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """Each target of the rows (count,), encoded, of those that have all; and (count,) which they are."""
        encoded: dict[str, NDArray[Any]] = {}
        kept = np.ones(len(row), np.bool_)
        for target in self.schema.targets:
            parts, bad = self.fields_.kinds_[target.name].encode(rows.table[target.name][row])
            for place, why in bad.items():
                kept[place] = False
                rows.problems[int(row[place])] = f"column {target.name!r}: {why}"
            encoded[target.name] = np.asarray(parts[""])
        return {name: column[kept] for name, column in encoded.items()}, kept

    # Pipeline --------------------------------------------------------------------------------------------------------
    def encode(self, table: Table, *, targets: bool = True) -> Encoded:
        """Each usable row by itself, as its kinds have it."""
        return self.fields_.encode(table, targets=targets)

    def decode(self, name: str, array: NDArray[Any]) -> Column:
        """See Pipeline."""
        return self.fields_.decode(name, array)

    def classes(self, name: str) -> list[str]:
        """The classes of a label."""
        return self.fields_.classes(name)

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Of windows (steps, T), of features of a step, of the season, how many series there are; and those of labels."""
        known = 2 * len(self.calendar_) + sum(inputs.width(f, self.fields_) for f in self.beside)
        labels = {f.name: self.fields_.sizes()[f.name] for f in self.schema.targets}
        window = (self.window_, len(self.numbers))
        return {**labels, "window": window, "known": (known,), "season": (self.season_,), "series": (len(self.names_),)}

    def state(self) -> dict[str, Any]:
        """See Pipeline. A scale that is not known is null."""
        arrays = (self.offset_, self.factor_, self.naive_)
        lists = [[[None if v != v else v for v in row] for row in array.tolist()] for array in arrays]
        return {
            "fields": self.fields_.state(), "time": self.time_.state(), "frequency": self.frequency_.to_json(),
            "regular": self.regular_, "window": self.window_, "season": self.season_, "calendar": list(self.calendar_),
            "series": [list(name) for name in self.names_], "scales": lists,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> RowPipeline:
        """See Pipeline."""
        values = checked(state, "the transforms of series", STATE)
        for name in ("window", "season"):
            if not 0 < values[name] < 2**20:
                raise BundleError(f"the transforms of series have the {name} {values[name]!r}")
        self.fields_.restore(values["fields"])
        self.time_.restore(values["time"])
        self.frequency_ = Frequency.from_json(values["frequency"])
        self.regular_, self.window_, self.season_ = values["regular"], values["window"], values["season"]
        if values["calendar"] != [name for name in LENGTHS if name in values["calendar"]]:
            raise BundleError("the transforms of series name parts of the calendar that there are not")
        self.calendar_ = tuple(values["calendar"])
        names, groups = values["series"], len(self.columns.groups)
        if not all(type(n) is list and len(n) == groups and all(type(k) is str for k in n) for n in names):
            raise BundleError(f"each of the series must have a text for each of {list(self.columns.groups)}")
        self.names_ = [tuple(name) for name in names]
        self.offset_, self.factor_, self.naive_ = scales.from_lists(values["scales"], (len(names), len(self.numbers)))
        return self

    def said(self) -> Sequence[str]:
        """How far a row is judged by, and how times are read."""
        season = f"; a season of {self.season_:,} steps" if 1 < self.season_ <= self.window_ else ""
        steps = (
            ""
            if self.regular_ or self.order is None
            else "; the times are not regular: each row is one step after the last"
        )
        return [
            f"each row is judged by a window of {self.window_:,} steps that ends with it{season}{steps}",
            *self.fields_.said(),
        ]

    def kept(self) -> Mapping[str, NDArray[Any]]:
        """Nothing: rows that are asked about bring their past with them."""
        return {}

    def restore_kept(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See Pipeline."""
        if arrays:
            raise BundleError("these transforms of series keep no rows")


def _window(lengths: IntArray, season: int, wanted: WantedRows) -> int:
    """Steps of a window: somewhat more than a season, at most what enough of the series have."""
    usual = int(np.quantile(lengths[lengths > 0], wanted.short)) if (lengths > 0).any() else 1
    return max(1, min(max(wanted.least, round(SEASONS * season)), max(wanted.least, LONGEST), usual))


def _tamed(grid: Grid, values: Floats) -> Floats:
    """Flat values (total, T) of which those far outside of the quartiles of their series are brought to the edge."""
    found = values.copy()
    for start, end in itertools.pairwise(grid.start.tolist()):
        for column in found[start:end].T:
            there = column[np.isfinite(column)]
            if len(there):
                low, high = np.quantile(there, (0.25, 0.75))
                reach = FAR * (high - low)
                if reach > 0:
                    np.clip(column, low - reach, high + reach, out=column)
    return found
