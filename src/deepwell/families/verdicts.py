"""Verdict: a column that says which rows are anomalous, for measuring only: 1 anomalous, 0 usual, -1 nobody said.

Unusual: which class is the anomalous one is found by counting, not by its name: of two the rarer one. A column of more classes
needs to be told. Rows without a label stay, since nothing is learnt from labels. Where labels say that very many
training rows are anomalous, it is said, because a model of what is usual would learn them as usual. A label that training
never saw is neither: its row is rejected with the reason.
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
        self._unseen = False
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
            self._unseen = True
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
        if len(found) > MOST_CLASSES:
            raise DataError(
                f"the label column {field.name!r} has {len(found):,} classes, more than {MOST_CLASSES:,}",
                repair="choose another --target",
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

    def stop_if_never(self, column: Column) -> None:
        """For a class that was asked for and stands in no training row. Raises ConfigError if `column` lacks it, too.

        column: labels of the test part; where it has none, nothing is said.
        """
        found = [key for key in factorise(column)[0] if key is not None]
        if self._unseen and found and self.odd_ not in found:
            near = nearest(self.odd_, [key for key in found if key not in self.usual_])
            raise ConfigError(
                f"no row of {self._name!r} is {self.odd_!r}, neither in training nor in the test part{near}",
                repair=f"name a class that is there: --positive CLASS; or leave the labels out (--role {self._name}=ignore), "
                "then anomalies are planted to measure by",
            )

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """int64 (rows,): 1 anomalous, 0 usual, -1 no label, or one that training never saw, which is a problem."""
        keys, index = factorise(column)
        known = dict.fromkeys(self.usual_, 0) | {self.odd_: 1}
        if {name.lower() for name in known} <= {"true", "false"}:  # readers differ in how they write these
            known |= {
                form(name): code for name, code in known.items() for form in (str.lower, str.upper, str.capitalize)
            }
        codes = np.array([-1 if key is None else known.get(key, -1) for key in keys], np.int64)
        texts = {place: self._why(key) for place, key in enumerate(keys) if key is not None and key not in known}
        problems = {int(row): texts[int(index[row])] for row in np.flatnonzero(np.isin(index, list(texts)))}
        return {"": codes[index] if len(codes) else np.zeros(0, np.int64)}, problems

    def _why(self, key: str) -> str:
        near = nearest(key[:100], [self.odd_, *self.usual_[:LISTED]])
        return f"the label {key[:100]!r} was never seen in training (--map 'OLD -> NEW' renames labels){near}"

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
        return {"odd": self.odd_, "usual": self.usual_}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a label of anomalies", {"odd": str, "usual": list})
        if len(values["usual"]) > MOST_CLASSES or not all(type(name) is str for name in values["usual"]):
            raise BundleError("the usual classes of a label of anomalies must be texts")
        self.odd_, self.usual_ = values["odd"], list(values["usual"])
        return self
