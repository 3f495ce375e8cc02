"""Cells of raw columns: which are missing, which are numbers, and the one text by which a category knows a value.

Unusual: whole numbers have the same text in every storage form (1, 1.0 and "1"), because one missing cell is enough to make
a reader store integers as floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.core.table import Column

BoolArray = NDArray[np.bool_]
BLOCK = 1 << 16
"""Rows that are worked on at a time."""
FITTED_ROWS = 1 << 18
"""Rows by which the scale of a number is judged, at the most."""


def is_missing(cell: Any) -> bool:
    """Whether one cell has no value: None, NaN, or text of nothing but blanks."""
    if isinstance(cell, str):
        return not cell or cell.isspace()
    return cell is None or (isinstance(cell, (float, np.floating)) and bool(cell != cell))


def missing(column: Column) -> BoolArray:
    """(rows,): which cells have no value."""
    if column.dtype.kind == "f":
        return np.asarray(np.isnan(column).all(axis=tuple(range(1, column.ndim))), np.bool_)
    if column.dtype.kind in "Mm":
        return np.isnat(column)
    if column.dtype.kind in "OU":
        return np.fromiter((is_missing(cell) for cell in column.tolist()), np.bool_, len(column))
    return np.zeros(len(column), np.bool_)


def numbers(column: Column) -> tuple[NDArray[np.float64], BoolArray]:
    """(rows,) float64 with NaN for missing cells, and (rows,) which cells have a value that is not a number.

    The first may be the column itself: it is not to be written.
    """
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False), np.zeros(len(column), np.bool_)
    if column.dtype.kind == "O":
        try:
            return column.astype(np.float64), np.zeros(len(column), np.bool_)
        except (ValueError, TypeError, OverflowError):
            pass  # at least one cell is no number: find out which
    read: dict[str, float | None] = {}
    values = np.full(len(column), np.nan)
    bad = np.zeros(len(column), np.bool_)
    for row, cell in enumerate(column.tolist()):
        if is_missing(cell):
            continue
        if isinstance(cell, str):
            if cell not in read:
                read[cell] = _number(cell)
            number = read[cell]
        else:
            number = _number(cell)
        if number is None:
            bad[row] = True
        else:
            values[row] = number
    return values, bad


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (ValueError, TypeError, OverflowError):
        return None


def key(cell: Any) -> str | None:
    """The text by which a category knows a value; None for a missing one."""
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, (int, np.integer)):
        return str(int(cell))
    if isinstance(cell, (float, np.floating)):
        return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
    return str(cell)


def factorise(column: Column) -> tuple[list[str | None], IntArray]:
    """The different keys of a column (None for missing, if any), and (rows,) the index of each row's key.

    Numeric columns give their keys in ascending order, others in order of first appearance.
    """
    raw = np.zeros(len(column), np.int64)
    cells: list[Any]
    if column.dtype.kind in "fiub":
        different = [np.unique(block) for _, block in _blocks(column)]
        unique = np.unique(np.concatenate(different)) if different else column
        for rows, block in _blocks(column):
            raw[rows] = np.searchsorted(unique, block)  # NaN is the last of them
        cells = unique.tolist()
    else:
        codes: dict[Any, int] = {}
        try:
            for rows, block in _blocks(column):
                raw[rows] = [codes.setdefault(cell, len(codes)) for cell in block.tolist()]
        except TypeError:  # a cell that cannot be hashed, e.g. a list
            codes = {}
            for rows, block in _blocks(column):
                raw[rows] = [codes.setdefault(key(cell), len(codes)) for cell in block.tolist()]
        cells = list(codes)
    merged: dict[str | None, int] = {}
    index = np.array([merged.setdefault(key(cell), len(merged)) for cell in cells], np.int64)
    return list(merged), raw if len(merged) == len(cells) else index[raw]


def _blocks(column: Column) -> Iterator[tuple[slice, Column]]:
    """A column in pieces with their places, so that a large one is never copied as a whole."""
    for start in range(0, len(column), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, column[rows]


def sampled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """All values, or FITTED_ROWS of more: one drawn from each of so many equal stretches, always the same ones.

    Quantiles of so many rows are right to a few thousandths of a share, whatever the number of rows.
    """
    if len(values) <= FITTED_ROWS:
        return values
    places = np.arange(FITTED_ROWS) + Key(0).fold("sampled", len(values)).numpy().random(FITTED_ROWS)
    return values[(places * (len(values) / FITTED_ROWS)).astype(np.int64)]


def value_type(column: Column) -> str:
    """What the present values of a column are: bool, int (also whole floats), float or text."""
    if column.dtype.kind == "b":
        return "bool"
    if column.dtype.kind in "iu":
        return "int"
    if column.dtype.kind == "f":
        present = column[~np.isnan(column)]
        return "int" if np.isfinite(present).all() and (present == np.round(present)).all() else "float"
    kinds = {type(cell) for cell in column.tolist() if not is_missing(cell)}
    if kinds and kinds <= {bool, np.bool_}:
        return "bool"
    if kinds and all(issubclass(k, (int, np.integer)) and k is not bool for k in kinds):
        return "int"
    if kinds and all(issubclass(k, (int, float, np.integer, np.floating)) and k is not bool for k in kinds):
        return value_type(numbers(column)[0])
    return "text"
