"""points: any number of (x, y) per row, kept as they are in float32: decode(encode(p)) is p exactly in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked


class Points(Kind):
    """Lists of (x, y), or arrays (points, 2); an empty list is a row without points. Learns nothing."""

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Ragged float32 (total, 2)."""
        rows: list[NDArray[np.float32]] = []
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            points, why = _points(cell)
            rows.append(points)
            if why:
                problems[row] = why
        lengths = [len(points) for points in rows]
        values = np.concatenate(rows) if rows else np.zeros((0, 2), np.float32)
        return {"": Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))}, problems

    def decode(self, array: EncodedColumn) -> Column:
        """object of float32 (points, 2). `array` is the Ragged that encode gave."""
        if not isinstance(array, Ragged):
            raise TypeError("points are ragged: flat values and offsets")
        column = np.empty(len(array), object)
        for row in range(len(array)):
            column[row] = array.values[array.offsets[row] : array.offsets[row + 1]]
        return column

    def sizes(self) -> tuple[int, ...]:
        """(2,): the coordinates of a point."""
        return (2,)

    def state(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        checked(state, "a points field", {})
        return self


def _points(cell: Any) -> tuple[NDArray[np.float32], str]:
    """The points of one cell, and why there are none."""
    none = np.zeros((0, 2), np.float32)
    if cell is None:
        return none, "the points are missing"
    try:
        points = np.asarray(cell, np.float32)
    except (ValueError, TypeError):
        return none, f"{str(cell)[:60]!r} is not a list of (x, y)"
    if points.size == 0:
        return none, ""
    if points.ndim != 2 or points.shape[1] != 2:
        return none, f"a list of (x, y) must have the shape (points, 2); got {points.shape}"
    if not np.isfinite(points).all():
        return none, "a point has a coordinate that is not a finite number"
    return points, ""
