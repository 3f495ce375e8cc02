"""vector: an array of numbers per row, all of one shape, kept as it is: decode(encode(v)) is v in float32 or int32.

Unusual: nothing is scaled, for who gives arrays has prepared them; whole numbers (indices, classes) stay whole. Whole numbers of
a target are classes where they count from 0 and each has enough rows; else they are numbers like others. A row whose array has
another shape, or a number that float32 or the model cannot hold, cannot be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked

MOST_AXES = 8
LARGEST = np.iinfo(np.int32).max
MOST_CLASSES = 1_000
ROWS_PER_CLASS = 5


class Vector(Kind):
    """See the top of this file.

    Args:
        shape: of a row, where it is known beforehand; 0 in it: any length, the same for all rows of a table.
    Attributes:
        shape_: of a row; whole_: whether the numbers are whole; classes_: how many classes they are, 0: none.
    """

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        self._given = shape
        self.shape_: tuple[int, ...] = shape or ()
        self.whole_, self.classes_ = False, 0

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """Learn the shape that most rows have, and whether all numbers are whole. Raises DataError without a usable row."""
        if self._given is None:
            self.shape_ = column.shape[1:] if column.dtype != object else _usual(column, field.name)
        self.whole_, self.classes_ = False, 0
        rows, problems = self._rows(column)
        usable = np.delete(rows, list(problems), axis=0) if problems else rows
        if usable.dtype.kind not in "iub" or not len(usable):
            return self
        held = usable[_each(np.abs(usable.astype(np.float64)) <= LARGEST)]
        self.whole_ = 2 * len(held) > len(usable)
        if is_target and self.whole_ and held.min() >= 0 and held.max() < MOST_CLASSES:
            classes = max(2, int(held.max()) + 1)
            self.classes_ = classes if len(held) >= ROWS_PER_CLASS * classes else 0
        return self

    def said(self) -> Sequence[str]:
        """That whole numbers of a target are classes."""
        return [f"whole numbers, learned as the classes 0 to {self.classes_ - 1}"] if self.classes_ else []

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """(rows, *shape) float32, or int32 where training held whole numbers."""
        rows, problems = self._rows(column)
        with np.errstate(invalid="ignore", over="ignore"):
            wide = rows if rows.dtype.kind in "iub" else rows.astype(np.float32, copy=False)
            bad = (
                {}
                if wide.dtype.kind in "iub"
                else {"a number in it is not finite: missing, or beyond what float32 holds": ~np.isfinite(wide)}
            )
            if self.whole_:
                bad["training held whole numbers, and a number in it is not whole"] = np.isfinite(rows) & (
                    rows % 1 != 0
                )
                bad[f"a number in it is beyond {LARGEST:,}"] = np.abs(rows.astype(np.float64)) > LARGEST
            if self.classes_:
                known = f"a class in it is not one of 0 to {self.classes_ - 1}, which training held"
                bad[known] = (rows < 0) | (rows >= self.classes_)
        for why, places in bad.items():
            for row in np.flatnonzero(~_each(~places)):
                problems.setdefault(int(row), why)
        if problems and self.whole_:
            rows = rows.copy()
            rows[list(problems)] = 0
        encoded = np.asarray(rows, np.int32) if self.whole_ else np.asarray(wide, np.float32)
        if np.shares_memory(encoded, column):
            encoded = encoded.view()
            encoded.flags.writeable = False
        return {"": encoded}, dict(sorted(problems.items()))

    def _rows(self, column: Column) -> tuple[NDArray[Any], dict[int, str]]:
        """All rows as one array, zeros in those that cannot be used, and why they cannot."""
        if column.dtype != object:
            if column.dtype.kind not in "biuf":
                raise DataError(f"arrays of numbers are needed; these are of type {column.dtype}")
            if not self._suits(column.shape[1:]):
                why = f"its shape is {column.shape[1:]}; in training it was {self._shown}"
                return np.zeros((len(column), *self._sides), np.float32), dict.fromkeys(range(len(column)), why)
            return column, {}
        given = [_array(cell) for cell in column]
        problems = {row: why for row, (_, why) in enumerate(given) if why}
        sides = next((a.shape for a, _ in given if a is not None and self._suits(a.shape)), self._sides)
        for row, (array, _) in enumerate(given):
            if array is not None and array.shape != sides:
                wanted = (
                    f"the rows before have {sides}" if self._suits(array.shape) else f"in training it was {self._shown}"
                )
                problems[row] = f"its shape is {array.shape}; {wanted}"
        kinds = [a.dtype for row, (a, _) in enumerate(given) if a is not None and row not in problems]
        blank = np.zeros(sides, kinds[0] if kinds else np.float32)
        stacked = [blank if a is None or row in problems else a for row, (a, _) in enumerate(given)]
        return np.stack(stacked) if stacked else np.zeros((0, *sides), np.float32), problems

    def _suits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape_) and all(a in (0, b) for a, b in zip(self.shape_, shape, strict=True))

    @property
    def _sides(self) -> tuple[int, ...]:
        return tuple(side or 1 for side in self.shape_)

    @property
    def _shown(self) -> str:
        return str(tuple(side or None for side in self.shape_))

    def decode(self, array: EncodedColumn) -> Column:
        """The rows as they are."""
        if not isinstance(array, np.ndarray):
            raise TypeError("vectors are never ragged")
        return array

    def sizes(self) -> tuple[int, ...]:
        """(1 where numbers are whole, how many classes they are, *shape)."""
        return (int(self.whole_), self.classes_, *self.shape_)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"shape": list(self.shape_), "whole": self.whole_, "classes": self.classes_}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a field of arrays", {"shape": list, "whole": bool, "classes": int})
        shape, classes = values["shape"], values["classes"]
        if len(shape) > MOST_AXES or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
            raise BundleError(f"a field of arrays has a shape that cannot be: {shape!r}")
        if not 0 <= classes < LARGEST or (classes and not values["whole"]):
            raise BundleError(f"a field of arrays has a number of classes that cannot be: {classes!r}")
        self.shape_, self.whole_, self.classes_ = tuple(shape), values["whole"], classes
        return self


def _each(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(rows,): whether all places of a row hold."""
    return np.asarray(places.reshape(len(places), -1).all(axis=1))


def _usual(column: Column, name: str) -> tuple[int, ...]:
    """The shape that most rows have."""
    shapes = Counter(array.shape for array, why in map(_array, column) if array is not None and not why)
    if not shapes:
        raise DataError(f"no row of {name!r} holds an array of numbers", repair="give each row an array of one shape")
    return shapes.most_common(1)[0][0]


def _array(cell: Any) -> tuple[NDArray[Any] | None, str]:
    """The numbers of one cell, and why there are none."""
    if cell is None:
        return None, "the array is missing"
    try:
        array = np.asarray(cell)
    except ValueError:
        return None, "it is no array of one shape"
    if array.dtype.kind not in "biuf" or array.ndim > MOST_AXES:
        return None, f"{str(cell)[:60]!r} is no array of numbers"
    return array, ""
