"""Graded: a number as a place on a scale of equal steps, for networks that answer with the chances of each step.

The value is scaled as data.fields.number.Number does (robustly, clipped smoothly to -3 .. 3) and told as a place from 0 to
STEPS - 1, linear in between. Unusual: a missing value is told as -1, also where training had none, so that a gap
where there never was one can be called odd; and far outliers, 1e30 as well, stand at the ends of the scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.number import CLIP, Number
from deepwell.data.fields.values import numbers

STEPS = 49
"""Places of the scale."""
MISSING = -1.0


class Graded(Kind):
    """See the top of this file. For inputs only. number: the plain number."""

    def __init__(self) -> None:
        self.number = Number()

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        self.number.fit(column, field)
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """float32 (rows,) from 0 to STEPS - 1; -1 where the value is missing."""
        parts, problems = self.number.encode(column)
        scaled = np.asarray(parts[""], np.float64)
        places = ((scaled / CLIP + 1) / 2 * (STEPS - 1)).clip(0, STEPS - 1)
        places[np.isnan(numbers(column)[0])] = MISSING
        return {"": places.astype(np.float32)}, problems

    def decode(self, array: EncodedColumn) -> Column:
        """float64 values in the column's own unit; NaN for -1."""
        if isinstance(array, Ragged):
            raise TypeError("numbers are never ragged")
        places = array.astype(np.float64)
        values = self.number.decode((places.clip(0, STEPS - 1) / (STEPS - 1) * 2 - 1) * CLIP)
        return np.where(places < 0, np.nan, values)

    def sizes(self) -> tuple[int, ...]:
        """(STEPS,)."""
        return (STEPS,)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"number": self.number.state()}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        self.number.restore(checked(state, "a graded number field", {"number": dict})["number"])
        return self
