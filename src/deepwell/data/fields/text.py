"""text: a row of tokens for each cell, without BEGIN and END; `decode(encode(text))` is the text, exactly.

Cells are text; numbers stand for their digits; a list of texts is one text with spaces between as an input, and several
right answers as a target: the first is learnt, and the others are given as the part `references`, with END between, which
is empty for rows with one. A missing cell is an empty text; as a target, missing and blank cells are problems. Several
fields can share one vocabulary, learnt from all of them (as for the two languages of a translation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.tokeniser import END, Tokeniser
from deepwell.data.fields.tokeniser_learning import learn
from deepwell.data.fields.values import is_missing, key

MOST = 8_192
CHARACTERS_A_SECOND = 5e6
LOOKED_AT = 1_000
"""Cells by which the length of all is judged."""


class Text(Kind):
    """See the top of this file.

    Args:
        level: byte, character or bpe: see tokeniser_learning.py.
        most: how many tokens the vocabulary has at most.
        partner: another Text, with the same level and size, that shares its vocabulary: it is learnt when the last of all
            partners is fitted.
    Attributes:
        target_: whether the column is a target. several_: whether training cells were lists of right answers.
        tokeniser_: the vocabulary; that of plain bytes before it is learnt.
    """

    def __init__(self, level: str = "bpe", most: int = MOST, partner: Text | None = None) -> None:
        self.level, self.most = level, most
        self.target_ = self.several_ = False
        self.tokeniser_ = Tokeniser()
        self._heard: list[str] | None = None
        self._sharing: list[Text] = partner._sharing if partner is not None else []
        self._sharing.append(self)

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises MissingExtra where the level is bpe and the library `tokenizers` is not installed."""
        answers = [_answers(cell, is_target)[0] for cell in column]
        self.target_ = is_target
        self.several_ = is_target and any(isinstance(cell, list | tuple | np.ndarray) for cell in column)
        self._heard = [text for texts in answers for text in texts]
        heard = [one._heard for one in self._sharing if one._heard is not None]
        if len(heard) == len(self._sharing):
            learnt = learn([text for texts in heard for text in texts], self.level, self.most)
            for one in self._sharing:
                one.tokeniser_, one._heard = learnt, None
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Ragged int32 tokens under "", and of a target the right answers beside the first under "references"."""
        rows: list[list[str]] = []
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            texts, why = _answers(cell, self.target_)
            rows.append(texts)
            if why:
                problems[row] = why
        parts = {"": self.tokeniser_.encode_all([texts[0] if texts else "" for texts in rows])}
        if self.target_:
            parts["references"] = self._joined([texts[1:] for texts in rows])
        return parts, problems

    def _joined(self, rows: Sequence[list[str]]) -> Ragged:
        """The tokens of all texts of each row, END between them."""
        joined: list[NDArray[np.int32]] = []
        for texts in rows:
            each = [part for text in texts for part in (np.array([END], np.int32), self.tokeniser_.encode(text))]
            joined.append(np.concatenate(each[1:]) if each else np.zeros(0, np.int32))
        offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in joined])]).astype(np.int64)
        return Ragged(np.concatenate([np.zeros(0, np.int32), *joined]), offsets, padded=True)

    def seconds(self, column: Column) -> float:
        """By the length of some cells, evenly spaced."""
        rows = np.linspace(0, max(len(column) - 1, 0), min(LOOKED_AT, len(column))).astype(np.int64)
        lengths = [sum(map(len, _answers(cell, self.target_)[0])) for cell in column[rows]]
        return float(np.mean(lengths)) * len(column) / CHARACTERS_A_SECOND if lengths else 0.0

    def decode(self, array: EncodedColumn) -> Column:
        """object of str, from ragged tokens or from (rows, length) tokens; special tokens and padding are left out."""
        texts = np.empty(len(array), object)
        for row, tokens in enumerate(token_rows(array)):
            texts[row] = self.tokeniser_.decode(tokens)
        return texts

    def references(self, array: EncodedColumn) -> list[list[str]]:
        """The texts of each row of the part `references`."""
        found = []
        for tokens in token_rows(array):
            cuts = np.flatnonzero(tokens == END)
            found.append([self.tokeniser_.decode(one) for one in np.split(tokens, cuts)] if len(tokens) else [])
        return found

    def sizes(self) -> tuple[int, ...]:
        """(tokens of the vocabulary,)."""
        return (self.tokeniser_.size,)

    def state(self) -> dict[str, Any]:
        """See Kind. Fields that share a vocabulary store it each."""
        return {"target": self.target_, "several": self.several_, "tokeniser": self.tokeniser_.state()}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a text field", {"target": bool, "several": bool, "tokeniser": dict})
        self.target_, self.several_ = values["target"], values["several"]
        self.tokeniser_ = Tokeniser.restore(values["tokeniser"])
        return self


def token_rows(array: EncodedColumn) -> list[NDArray[Any]]:
    """The tokens of each row, of ragged or of padded ones."""
    if isinstance(array, Ragged):
        return np.split(array.values, array.offsets[1:-1]) if len(array) else []
    return list(array)


def text_of(cell: Any) -> str:
    """What one value is as text: none for a missing one. Raises DataError for what is neither text nor a number."""
    if isinstance(cell, str):
        return str(cell)
    if is_missing(cell):
        return ""
    if isinstance(cell, bool | int | float | np.generic) and not isinstance(cell, bytes):
        return key(cell) or ""
    raise DataError(f"{str(cell)[:60]!r} is not text but a value of type {type(cell).__name__}")


def _answers(cell: Any, is_target: bool) -> tuple[list[str], str]:
    """The texts of one cell (of an input: one), and why there are none."""
    several = isinstance(cell, list | tuple | np.ndarray)
    try:
        texts = [text_of(part) for part in cell] if several else [text_of(cell)]
    except DataError as error:
        return [], error.what
    if not is_target:
        return [" ".join(text for text in texts if text) if several else texts[0]], ""
    texts = [text for text in texts if not is_missing(text)]
    return texts, "" if texts else "the text is missing"
