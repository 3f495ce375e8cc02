"""Verdict: a column that says which rows are anomalous, for measuring only: 1 anomalous, 0 usual, -1 nobody said.

Unusual: which class is the anomalous one is found by counting, not by its name: of two the rarer one. A column of more classes
needs to be told. Rows without a label stay, since nothing is learnt from labels. Where labels say that very many
training rows are anomalous, it is said, because a model of what is usual would learn them as usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, ConfigError, DataError, nearest
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.category import in_order
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.values import factorise

MANY = 0.15
"""Share of anomalous training rows that is said."""
LISTED = 10
MOST_CLASSES = 10_000


class Verdict(Kind):
    """See the top of this file.

    Args:
        positive: the anomalous class; empty: of two the rarer one. expected: share of anomalous rows that training leaves out.
    Attributes:
        odd_: the anomalous class. usual_: the others.
    """

    def __init__(self, positive: str = "", expected: float = 0.0) -> None:
        self.positive, self.expected = positive, expected
        self.odd_ = ""
        self.usual_: list[str] = []
        self._share = 0.0
        self._name = ""

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises ConfigError for a positive class that is not there, DataError where it must be told which it is."""
        keys, index = factorise(column)
        counts = np.bincount(index, minlength=len(keys))
        found = {key: int(count) for key, count in zip(keys, counts, strict=True) if key is not None and count}
        self._name = field.name
        if self.positive and self.positive not in found:
            # Training rows that are all usual are the best ones; the anomalous class may stand in the test part alone.
            if len(found) != 1:
                raise ConfigError(f"no row of {field.name!r} is {self.positive!r}{nearest(self.positive, found)}")
            self.odd_ = self.positive
        elif self.positive:
            self.odd_ = self.positive
        elif len(found) == 2:
            self.odd_ = min(in_order(list(found)), key=lambda key: found[key])
        else:
            names = ", ".join(map(repr, in_order(list(found))[:LISTED])) + (", ..." if len(found) > LISTED else "")
            said = f"{len(found)} classes in training ({names})" if found else "no value in any training row"
            said = f"one class in training ({names})" if len(found) == 1 else said
            raise DataError(
                f"the label column {field.name!r} has {said}; which rows are anomalous can only be told of two classes",
                repair="name the anomalous class, all others are then usual: --positive CLASS; or leave the labels out "
                f"(--role {field.name}=ignore), then anomalies are planted to measure by",
            )
        self.usual_ = in_order([key for key in found if key != self.odd_])
        self._share = found.get(self.odd_, 0) / max(1, sum(found.values()))
        return self

    def said(self) -> Sequence[str]:
        """Which class is anomalous; and where many training rows are."""
        told = [
            f"{self.odd_!r} counts as anomalous ({self._share:.2%} of the labelled training rows); nothing is learnt from it"
        ]
        if self._share > MANY and self.expected < 0.8 * self._share:
            share = min(round(self._share, 2), 0.5)
            told.append(
                f"{self._share:.0%} of the training rows are labelled anomalous. The model learns what is usual from all "
                "training rows, so that so many anomalies count as usual, too: expect it to miss them. Take them out of "
                f"the training rows, or leave as many of the worst out of training: --set contamination={share:g}"
                + (f"; if {self.odd_!r} is the usual class, name the other: --positive" if self._share > 0.4 else "")
            )
        return told

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """int64 (rows,): 1 anomalous, 0 any other class, -1 no label."""
        keys, index = factorise(column)
        codes = np.array([-1 if key is None else int(key == self.odd_) for key in keys], np.int64)
        return {"": codes[index] if len(codes) else np.zeros(0, np.int64)}, {}

    def decode(self, array: EncodedColumn) -> Column:
        """The anomalous class, the first usual one, or None."""
        if isinstance(array, Ragged):
            raise TypeError("labels are never ragged")
        names = np.array([self.usual_[0] if self.usual_ else "", self.odd_, None], object)
        column: Column = names[array]
        return column

    def sizes(self) -> tuple[int, ...]:
        """(2,)."""
        return (2,)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"odd": self.odd_, "usual": self.usual_[:MOST_CLASSES]}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a label of anomalies", {"odd": str, "usual": list})
        if len(values["usual"]) > MOST_CLASSES or not all(type(name) is str for name in values["usual"]):
            raise BundleError("the usual classes of a label of anomalies must be texts")
        self.odd_, self.usual_ = values["odd"], list(values["usual"])
        return self
