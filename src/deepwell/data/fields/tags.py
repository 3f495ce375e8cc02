"""tags: any number of labels a row. One column of 0 and 1 for each tag.

Cells are lists of texts, or texts in which a sign stands between the tags: of `|`, `;`, `,` the one that most training
cells hold. A text in square brackets is read as the list that it was written from. Tags come back from `decode` in the form
of the training cells, in the order of the tags' names.

A tag that training rows do not have is left out: as an input it says nothing. In a truth it cannot be answered, so the part
`unknown` of a target counts such tags of each row, for the metrics to know what was missed. A row without tags is a row
like any other; a target cell without a value (None, NaN, blank) is a problem, since it is not known whether a tag is
missing or the answer; to say that there is none, write an empty list or `[]`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, DataError
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
# An entry of a list as Python writes it, in quotes or without, and the comma behind it.
_PART = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]+)\s*(?:,|$)""")


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
        """See Kind. Raises DataError for a target without any tag."""
        self.target_, self.sign_ = is_target, _sign(column)
        counts = Counter(tag for cell in column for tag in set(self.split(cell)) if len(tag) <= LONGEST)
        kept = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: self.most]
        if is_target and not kept:
            raise DataError(
                f"the target column {field.name!r} has no tag in any of {len(column):,} rows, so there is nothing to learn",
                repair="choose another --target, or read the files that hold tags too",
            )
        self._take(in_order([tag for tag, _ in kept]))
        return self

    def _take(self, tags: list[str]) -> None:
        self.tags_ = tags
        self._index = {tag: index for index, tag in enumerate(tags)}

    def split(self, cell: Any) -> list[str]:
        """The tags of one cell."""
        if isinstance(cell, str):
            parts: Any = _listed(cell)
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
        """uint8 (rows, tags): 1 where the row has the tag; of a target int32 (rows,) other tags under "unknown"."""
        found = np.zeros((len(column), len(self.tags_)), np.uint8)
        unknown = np.zeros(len(column), np.int32)
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            if self.target_ and not isinstance(cell, list | tuple | np.ndarray | set | frozenset) and is_missing(cell):
                problems[row] = "the tags are missing; [] says that there are none"
                continue
            tags = set(self.split(cell))
            known = [self._index[tag] for tag in tags if tag in self._index]
            found[row, known] = 1
            unknown[row] = len(tags) - len(known)
        return {"": found, **({"unknown": unknown} if self.target_ else {})}, problems

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
    """The sign that most training cells hold, the first of equals; LISTS where no cell is plain text."""
    texts = [cell for cell in column if isinstance(cell, str) and not is_missing(cell) and _listed(cell) is None]
    if not texts:
        return LISTS
    return max(SIGNS, key=lambda sign: sum(sign in text for text in texts))


def _listed(text: str) -> list[Any] | None:
    """The list that a text such as `["a", "b"]`, `['a', "it's"]` or `[a, b]` was written from; None for other texts."""
    text = text.strip()
    if text[:1] != "[" or text[-1:] != "]":
        return None
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError):
        parts = [found[1].strip() for found in _PART.finditer(text[1:-1])]
    quoted = [part[:1] in ("'", '"') and part[-1:] == part[:1] != part for part in parts]
    return [re.sub(r"\\(.)", r"\1", part[1:-1]) if q else part for part, q in zip(parts, quoted, strict=True)]
