"""Table: raw data as named columns, and Part: the rows of it that one purpose may see.

A column is a numpy array whose first axis is the rows:
    float64 / int64 / bool      numbers; a missing one is NaN (so a column with missing values is float64)
    object of str | None        text and categories; None is missing
    object of ImageFile | None  heavy values stay references to files until a field asks for them
    object of MaskFile | None   pictures whose pixels are classes
    object of lists of dicts    boxes: {"label": "cat", "box": [left, top, right, bottom]} in pixels of the picture as it lies on
                                disk, edges not centres, so that a whole picture is [0, 0, width, height]; "ignore": true
                                where an object counts neither as found nor as missed; "score" in answers
    uint8 (rows, height, width[, channels])   pictures that came as arrays
    object of anything else     ragged or nested values (lists of points, token lists), each kind knows its own
Where a table is larger than the memory it may take, its numbers are read-only views of a mapped file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError, nearest

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture that stays on disk until it is asked for."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Legend:
    """What the pixels of masks mean. names: pixel -> class; void: pixels that say nothing.

    A pixel is written as its number ("7") in masks of one channel or with a palette, as "#rrggbb" in coloured ones.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    void: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A picture whose pixels are classes, on disk until it is asked for. legend: shared by all masks of a data set."""

    path: str
    legend: Legend | None = None

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Origin:
    """Where rows came from, for error texts: row i stands in files[file[i]] at line[i] (1-based; 0 = the whole file).

    unit: what `line` counts: "line" in text files, "row" or "picture" where a file has no lines.
    """

    files: tuple[str, ...]
    file: NDArray[np.int32]
    line: NDArray[np.int64]
    unit: str = "line"

    def where(self, row: int) -> str:
        """`adult.csv, line 17`, or the file alone where a row is a file."""
        name, line = self.files[self.file[row]], int(self.line[row])
        return f"{name}, {self.unit} {line}" if line else name

    def take(self, rows: NDArray[Any]) -> Origin:
        """The origin of some of the rows."""
        return Origin(self.files, self.file[rows], self.line[rows], self.unit)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row (or file) that was read and cannot be used, and why. Rows read = rows used + rows rejected."""

    where: str
    reason: str


@dataclass(frozen=True)
class Table:
    """Named columns of equal length. Immutable: methods return new Tables that share memory where they can.

    Attributes:
        columns: name -> array; see the top of this file for the forms a column can take.
        origin: where each row came from; None for rows that were made in memory.
        rejected: rows that the reader met and could not use; they are not among the columns.
        entry: key of the cache entry in whose mapped file number columns lie; empty: all columns are in memory. What is
            mapped under one name and entry is always the same.
        notes: what the reader has to say about what it read, as sentences (what it cut, or left out on purpose).
    """

    columns: Mapping[str, Column]
    origin: Origin | None = None
    rejected: Sequence[Rejected] = field(default_factory=tuple)
    entry: str = ""
    notes: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns have different lengths: {lengths}")

    def __len__(self) -> int:
        return next((len(c) for c in self.columns.values()), 0)

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return list(self.columns)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Column:
        """One column. Raises DataError with the nearest name if there is none."""
        if name not in self.columns:
            raise DataError(f"there is no column {name!r}{nearest(name, self.columns)}")
        return self.columns[name]

    def take(self, rows: NDArray[Any]) -> Table:
        """The rows at the given indices (or where a boolean mask is true), in that order; copied, also from a mapped file."""
        return Table({n: c[rows] for n, c in self.columns.items()}, self.origin and self.origin.take(rows))

    def chunks(self, rows: int) -> Iterator[Table]:
        """The table in pieces of at most `rows` rows, in order."""
        for start in range(0, len(self), rows):
            yield self.take(np.arange(start, min(start + rows, len(self))))

    def select(self, names: Sequence[str]) -> Table:
        """Only these columns, in this order."""
        return Table({n: self[n] for n in names}, self.origin, self.rejected, self.entry, self.notes)

    def with_columns(self, columns: Mapping[str, Column]) -> Table:
        """A copy with columns added or replaced."""
        return Table({**self.columns, **columns}, self.origin, self.rejected, self.entry, self.notes)

    def where(self, row: int) -> str:
        """Where a row came from, in words: file and line, or `row 17` for data made in memory (0-based)."""
        return self.origin.where(row) if self.origin else f"row {row}"


@dataclass(frozen=True)
class Part:
    """The rows that one purpose may see.

    Targets come from `rows` only; inputs may also read `history` (earlier rows, e.g. of the same series).
    Attributes:
        name: train, select, calibrate, test, or predict (rows without targets).
        rows: the part's own rows; empty where an application makes its own data.
        history: earlier rows, or None.
    """

    name: str
    rows: Table
    history: Table | None = None


PARTS = ("train", "select", "calibrate", "test")
