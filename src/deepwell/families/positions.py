"""Positions: a number as an input of the prediction family: the scaled value, and its place among the training values.

Unusual: the companion `position` says where a value lies on a scale of K knots, 0 to K - 1, linear in between. Knots are the
different training values where these are few, else values with about equally many rows between them; a value that many rows
share gets a knot of its own. Over positions, bins of width 1 are quantile bins, so a network can be piecewise linear in each
column (Gorishniy et al. 2022, arXiv 2203.05556, section 3.2) and see single values, such as a tax threshold, without ever
seeing the data when it is built. What boosted trees get from their histograms, networks get from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.number import Number
from deepwell.data.fields.values import numbers, sampled

MOST_KNOTS = 128
MOST_STORED = 4096


class PositionedNumber(Kind):
    """A data.fields.number.Number with the companion `position`. For inputs only.

    Attributes:
        number: the plain number. most: knots at the most. knots_: (K,) float64, strictly ascending, K >= 1.
        absent_: position of a missing value.
    """

    def __init__(self, most: int = MOST_KNOTS) -> None:
        self.most = most
        self.number = Number()
        self.knots_: NDArray[np.float64] = np.zeros(1)
        self.absent_ = 0.0

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        self.number.fit(column, field, is_target=is_target)
        values = sampled(numbers(column)[0])
        values = values[np.isfinite(values)]
        self.knots_ = knots(values, self.most) if len(values) else np.zeros(1)
        self.absent_ = float(self._positions(np.median(values, keepdims=True))[0]) if len(values) else 0.0
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """The parts of a number, and float32 (rows,) from 0 to K - 1 under "position"; a missing value is at the median."""
        parts, problems = self.number.encode(column)
        values, _ = numbers(column)
        positions = self._positions(values)
        positions[np.isnan(values)] = self.absent_
        return {**parts, "position": positions.astype(np.float32)}, problems

    def _positions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        last = len(self.knots_) - 1
        # Between knots closer than the smallest normal number the slope is infinite: the clip keeps positions on the scale.
        return np.clip(np.interp(values, self.knots_, np.arange(last + 1)), 0.0, last).astype(np.float64)

    def decode(self, array: EncodedColumn) -> Column:
        """As a number decodes its main array."""
        return self.number.decode(array)

    def sizes(self) -> tuple[int, ...]:
        """(columns, K): 2 columns where training had missing values (value and indicator), else 1."""
        return (2 if self.number.missing_ else 1, len(self.knots_))

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"number": self.number.state(), "knots": self.knots_.tolist(), "absent": self.absent_}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        what = "a number field with positions"
        values = checked(state, what, {"number": dict, "knots": list, "absent": float})
        if not 1 <= len(values["knots"]) <= MOST_STORED:
            raise BundleError(f"{what} needs 1 to {MOST_STORED} knots; got {len(values['knots'])}")
        knots_ = [checked({"knot": k}, what, {"knot": float})["knot"] for k in values["knots"]]
        if any(b <= a for a, b in pairwise(knots_)):
            raise BundleError(f"the knots of {what} are not in ascending order")
        if not 0 <= values["absent"] <= len(knots_) - 1:
            raise BundleError(f"the position of missing values of {what} is not on the scale: {values['absent']}")
        self.number.restore(values["number"])
        self.knots_, self.absent_ = np.array(knots_, np.float64), values["absent"]
        return self


def knots(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most `most` (>= 2) of the finite values (n >= 1), ascending, first and last included, about equally many rows apart.

    Greedy from the left: a knot is set as soon as the rows since the last one reach an equal share of all that are left, so
    a frequent value ends its bin, and what it takes beyond its share makes the other bins finer.
    """
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) <= most:
        return unique
    chosen, behind = [0], int(counts[0])
    reached = np.cumsum(counts)
    total = int(reached[-1])
    while len(chosen) < most - 1:
        share = (total - behind) / (most - len(chosen))
        nearest = int(np.searchsorted(reached, behind + share))
        index = min(max(nearest, chosen[-1] + 1), len(unique) - 1)
        if index == len(unique) - 1:
            break
        chosen.append(index)
        behind = int(reached[index])
    chosen.append(len(unique) - 1)
    result: NDArray[np.float64] = unique[chosen]
    return result
