"""tags: any number of labels a row. One column of 0 and 1 for each tag.

Cells are lists of texts, or texts in which a sign stands between the tags: of `|`, `;`, `,` the first that training cells
hold, no sign where none does. A text in square brackets is read as the list that it was written from. Tags come back from
`decode` in the form of the training cells, in the order of the tags' names.

A tag that training rows do not have is left out: as an input it says nothing, in a truth it could not be answered. A row
without tags is a row like any other; a target cell without a value (None, NaN, blank) is a problem, since it is not known
whether a tag is missing or the answer; to say that there is none, write an empty list or `[]`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.category import in_order
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.values import is_missing, key

MOST = 1_000
"""Tags at the most: those of most rows stay."""
LONGEST = 1_000
SIGNS = ("|", ";", ",")
LISTS = ""
"""In the place of a sign: the cells are lists."""


class Tags(Kind):
    """See the top of this file.

    Args:
        most: how many tags there are at most.
    Attributes:
        target_: whether the column is a target. sign_: what stands between tags; LISTS for lists. tags_: their names.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.target_ = False
        self.sign_ = LISTS
        self.tags_: list[str] = []
        self._index: dict[str, int] = {}

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        self.target_, self.sign_ = is_target, _sign(column)
        counts = Counter(tag for cell in column for tag in set(self._split(cell)) if len(tag) <= LONGEST)
        kept = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: self.most]
        self._take(in_order([tag for tag, _ in kept]))
        return self

    def _take(self, tags: list[str]) -> None:
        self.tags_ = tags
        self._index = {tag: index for index, tag in enumerate(tags)}

    def _split(self, cell: Any) -> list[str]:
        """The tags of one cell."""
        if isinstance(cell, str):
            parts: Any = _listed(cell) if cell.strip()[:1] == "[" and cell.strip()[-1:] == "]" else None
            if parts is None:
                parts = cell.split(self.sign_) if self.sign_ else [cell]
        elif isinstance(cell, list | tuple | set | frozenset) or (isinstance(cell, np.ndarray) and cell.ndim == 1):
            parts = list(cell)
        else:
            parts = [cell]
        return [name for part in parts if (name := (key(part) or "").strip())]

    @property
    def classes_(self) -> list[str]:
        """The names of the tags, in the order of their columns."""
        return list(self.tags_)

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """uint8 (rows, tags): 1 where the row has the tag."""
        found = np.zeros((len(column), len(self.tags_)), np.uint8)
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            if self.target_ and not isinstance(cell, list | tuple | np.ndarray | set | frozenset) and is_missing(cell):
                problems[row] = "the tags are missing; [] says that there are none"
                continue
            found[row, [self._index[tag] for tag in self._split(cell) if tag in self._index]] = 1
        return {"": found}, problems

    def decode(self, array: EncodedColumn) -> Column:
        """object: a list of names for each row, or one text with the sign between them."""
        if isinstance(array, Ragged):
            raise TypeError("tags are never ragged")
        cells = np.empty(len(array), object)
        for row, present in enumerate(array):
            names = [self.tags_[index] for index in np.flatnonzero(present)]
            cells[row] = names if self.sign_ == LISTS else (self.sign_.join(names) or "[]")
        return cells

    def sizes(self) -> tuple[int, ...]:
        """(tags,)."""
        return (len(self.tags_),)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"target": self.target_, "sign": self.sign_, "tags": list(self.tags_)}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a field of tags", {"target": bool, "sign": str, "tags": list})
        tags = values["tags"]
        if len(tags) > MOST or not all(type(tag) is str and tag for tag in tags) or len(set(tags)) != len(tags):
            raise BundleError(f"the names of a field of tags must be at most {MOST:,} different texts")
        if values["sign"] not in (*SIGNS, LISTS):
            raise BundleError(f"the sign between tags must be one of {', '.join(SIGNS)}; got {values['sign'][:20]!r}")
        self.target_, self.sign_ = values["target"], values["sign"]
        self._take(tags)
        return self


def _sign(column: Column) -> str:
    """The sign between the tags of training cells; LISTS where no cell is plain text or none holds a sign."""
    texts = [cell for cell in column if isinstance(cell, str) and not is_missing(cell) and _listed(cell) is None]
    if not texts:
        return LISTS
    return next((sign for sign in SIGNS if any(sign in text for text in texts)), SIGNS[0])


def _listed(text: str) -> list[Any] | None:
    """The list that a text such as `["a", "b"]` or `['a', 'b']` was written from; None for other texts."""
    text = text.strip()
    if text[:1] != "[" or text[-1:] != "]":
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        inside = text[1:-1].strip()
        return [part.strip().strip("'\"") for part in inside.split(",")] if inside else []
    return list(found) if isinstance(found, list) else None
