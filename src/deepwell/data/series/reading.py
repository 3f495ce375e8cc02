"""Reading: the rows of a part, after those that came before, as moments and values of series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError, nearest
from deepwell.core.table import Column, Part, Table
from deepwell.data.fields.time import NEVER, Time
from deepwell.data.fields.values import factorise, numbers
from deepwell.data.series.frequency import Frequency
from deepwell.data.series.grid import GAP, Grid, lay


@dataclass(frozen=True)
class Columns:
    """What is read of a table. groups: name the series. order: holds the times; empty: rows follow one another by one step."""

    groups: tuple[str, ...]
    order: str
    targets: tuple[str, ...]

    def owners(self, table: Table) -> tuple[IntArray, list[tuple[str, ...]]]:
        """(rows,) the number of each row's series, and the keys of each series."""
        owner = np.zeros(len(table), np.int64)
        names: list[tuple[str, ...]] = [()] if len(table) else []
        for group in self.groups:
            keys, codes = factorise(table[group])
            pairs, inverse = np.unique(owner * len(keys) + codes, return_inverse=True)
            owner = inverse.astype(np.int64)
            names = [(*names[pair // len(keys)], keys[pair % len(keys)] or "") for pair in pairs.tolist()]
        return owner, names

    def keys(self, table: Table) -> list[tuple[str, ...]]:
        """(rows,): what names the series of each row."""
        owner, names = self.owners(table)
        return [names[one] for one in owner.tolist()]


@dataclass(frozen=True)
class Rows:
    """Rows of a part as moments of series; those of its history stand first.

    table: all of them. before: how many are history. seconds, owner: (rows,) moment and series. names: (series,) their keys.
    values: (rows, targets) NaN where missing. problems: row -> why it, or a cell of it, cannot be used.
    """

    part: Part
    table: Table
    before: int
    seconds: IntArray
    owner: IntArray
    names: list[tuple[str, ...]]
    values: NDArray[np.float64]
    problems: dict[int, str] = field(default_factory=dict)

    @property
    def own(self) -> NDArray[np.bool_]:
        """(rows,): which are not history."""
        return np.arange(len(self.table)) >= self.before

    @property
    def last(self) -> IntArray:
        """(series,): the last row of each."""
        found = np.zeros(len(self.names), np.int64)
        np.maximum.at(found, self.owner, np.arange(len(self.owner)))
        return found

    def where(self, row: int) -> str:
        """The file and line of a row."""
        if self.part.history is not None and row < self.before:
            return self.part.history.where(row)
        return self.part.rows.where(row - self.before)

    def name(self, series: int) -> str:
        """See `named`."""
        return named(self.names[series])

    def grid(self, frequency: Frequency, time: Time, ahead: int = 0) -> Grid:
        """The grid of the rows; those beside it become problems. Raises DataError as `lay` does."""
        grid = lay(frequency, self.seconds, self.owner, self.where, self.name, ahead)
        for row in np.flatnonzero((grid.place == GAP) & (self.seconds != NEVER)).tolist():
            moment = time.decode(self.seconds[row : row + 1])[0]
            self.problems.setdefault(row, f"the time {moment} is not on the grid of the series ({frequency.words})")
        return grid


def named(keys: Sequence[str]) -> str:
    """`the series 'a', 'b'`, or `the series` where there is one."""
    return f"the series {', '.join(map(repr, keys))}" if keys else "the series"


def read(part: Part, columns: Columns, time: Time) -> Rows:
    """The rows of a part. A cell of a target that is no finite number is missing, and said. Raises DataError: no such column."""
    table, before = _joined(part)
    for name in (*columns.groups, *([columns.order] if columns.order else [])):
        if name not in table:
            raise DataError(f"the data lacks the column {name!r}, by which series are read{nearest(name, table.names)}")
    owner, names = columns.owners(table)
    seconds, problems = _counted(owner), {}
    if columns.order:
        parts, bad = time.encode(table[columns.order])
        seconds = np.asarray(parts[""])
        problems = {row: f"column {columns.order!r}: {why}" for row, why in bad.items()}
    values = np.full((len(table), len(columns.targets)), np.nan)
    for place, name in enumerate(columns.targets):
        column, bad_cells = numbers(table[name])
        finite = np.isfinite(column)
        values[finite, place] = column[finite]
        for row in np.flatnonzero(bad_cells | np.isinf(column)).tolist():
            problems.setdefault(row, f"column {name!r}: {table[name][row]!r} is not a finite number")
    return Rows(part, table, before, seconds, owner, names, values, problems)


def _counted(owner: IntArray) -> IntArray:
    """(rows,): how many rows of the same series stand before each."""
    order = np.argsort(owner, kind="stable")
    counted = np.empty(len(owner), np.int64)
    counted[order] = np.arange(len(owner)) - np.searchsorted(owner[order], owner[order])
    return counted


def _joined(part: Part) -> tuple[Table, int]:
    """History and rows as one table, and how many rows are history."""
    if part.history is None or not len(part.history):
        return part.rows, 0
    names = [name for name in part.rows.names if name in part.history]
    return Table({n: _both(part.history[n], part.rows[n]) for n in names}), len(part.history)


def _both(first: Column, second: Column) -> Column:
    if first.dtype == object or second.dtype == object:
        return np.concatenate([first.astype(object), second.astype(object)])
    return np.concatenate([first, second])
