"""category: one index per row. As an input, level 0 stands for missing, unknown and rare; as a target, there is no level 0.

A value becomes a level of its own if at least `least` training rows have it, `least` = 1 below 100 rows, else rows / 5000
within 2 and 10; of more than `most` such values the most frequent stay. Rare values train level 0, which unknown ones then use.
Levels stand in ascending order (numbers by value). Values come back from `decode` in their type: whole numbers as int64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, nearest
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.values import factorise, value_type

MOST = 5_000
LONGEST = 1_000
MOST_CLASSES = 1_000_000
_READ: Mapping[str, Callable[[str], Any]] = {
    "text": str, "int": int, "float": float, "bool": lambda text: text.lower() == "true",
}  # fmt: skip


def least_rows(rows: int) -> int:
    """How many training rows a value needs to become a level of its own."""
    return 1 if rows < 100 else int(np.clip(rows // 5_000, 2, 10))


def in_order(keys: list[str]) -> list[str]:
    """Keys by value where all are numbers, else by text."""
    try:
        return sorted(keys, key=lambda k: (float(k), k))
    except (ValueError, OverflowError):
        return sorted(keys)


class Category(Kind):
    """See the top of this file.

    Args:
        most: how many levels an input has at most.
    Attributes:
        target_: whether the column is a target. type_: text, int, float or bool. levels_: the keys, without level 0.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.target_ = False
        self.type_ = "text"
        self.levels_: list[str] = []
        self._index: dict[str | None, int] = {}

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        keys, inverse = factorise(column)
        counts = np.bincount(inverse, minlength=len(keys))
        found = [(key, int(count)) for key, count in zip(keys, counts, strict=True) if key is not None]
        if not is_target:
            least = least_rows(len(column))
            found = [(key, count) for key, count in found if count >= least and len(key) <= LONGEST]
            found = sorted(found, key=lambda pair: (-pair[1], pair[0]))[: self.most]
        self.target_, self.type_ = is_target, value_type(column)
        self._take([key for key, _ in found])
        return self

    def _take(self, levels: list[str]) -> None:
        self.levels_ = in_order(levels)
        first = 0 if self.target_ else 1
        self._index = {key: index + first for index, key in enumerate(self.levels_)}
        if {key.lower() for key in levels} <= {"true", "false"}:  # readers differ in how they store these
            for key, index in list(self._index.items()):
                for other in (str(key).lower(), str(key).upper(), str(key).capitalize()):
                    self._index.setdefault(other, index)

    @property
    def classes_(self) -> list[str]:
        """The class names of a target, in the order of their indices."""
        return list(self.levels_)

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """int64 (rows,): level (inputs) or class (targets)."""
        keys, inverse = factorise(column)
        levels = np.array([self._index.get(key, -1) for key in keys], np.int64)
        problems: dict[int, str] = {}
        if self.target_:
            texts = [self._why(key) if level < 0 else "" for key, level in zip(keys, levels, strict=True)]
            problems = {int(row): texts[inverse[row]] for row in np.flatnonzero((levels < 0)[inverse])}
        return {"": np.maximum(levels, 0)[inverse]}, problems

    def _why(self, key: str | None) -> str:
        if key is None:
            return "the label is missing"
        return f"the label {key[:100]!r} was never seen in training{nearest(key[:100], self.levels_)}"

    def decode(self, array: EncodedColumn) -> Column:
        """Values in the type of the training column; level 0 of an input gives None, or NaN for numbers."""
        if isinstance(array, Ragged):
            raise TypeError("categories are never ragged")
        values = [_READ[self.type_](key) for key in self.levels_]
        values = values if self.target_ else [None, *values]
        table = np.empty(len(values), object)
        table[:] = values
        column: Column = table[array]
        if self.type_ == "text":
            return column
        if any(cell is None for cell in (table[level] for level in np.unique(array))):
            return column if self.type_ == "bool" else column.astype(np.float64)
        try:
            return column.astype({"int": np.int64, "float": np.float64, "bool": np.bool_}[self.type_])
        except OverflowError:  # whole numbers beyond 64 bits stay Python integers
            return column

    def sizes(self) -> tuple[int, ...]:
        """(classes,) for a target, (levels + 1,) for an input."""
        return (len(self.levels_) + (0 if self.target_ else 1),)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"target": self.target_, "type": self.type_, "levels": list(self.levels_)}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a category field", {"target": bool, "type": str, "levels": list})
        levels = values["levels"]
        if len(levels) > MOST_CLASSES or not all(type(level) is str for level in levels):
            raise BundleError(f"the levels of a category field must be at most {MOST_CLASSES:,} texts")
        if len(set(levels)) != len(levels):
            raise BundleError("two levels of a category field are equal")
        if values["type"] not in _READ:
            raise BundleError(f"a category field has values of the unknown type {values['type']!r}")
        self.target_, self.type_ = values["target"], values["type"]
        try:
            for level in levels:
                _READ[self.type_](level)
        except ValueError:
            raise BundleError(f"a category field of type {self.type_} has a level that is no number") from None
        self._take(levels)
        if self.levels_ != levels:
            raise BundleError("the levels of a category field are not in order")
        return self
