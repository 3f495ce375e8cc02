"""Language: documents as one stream of tokens, what tasks that write text share.

Unusual: documents are packed end to end and cut into windows of equal length, so nothing is padded and no document is too long.
Each document begins with BEGIN and ends with END (the turns of a dialogue bring their own); BEGIN is read, never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError
from deepwell.core.examples import Windows, spread
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.dialogue import Dialogue
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.text import Text
from deepwell.data.fields.tokeniser import BEGIN, END, FIRST_MERGE, SPECIALS, Tokeniser
from deepwell.evaluation import ngrams
from deepwell.evaluation.ngrams import NGrams

TOKENS, FROM, UNTIL, COUNTED = "tokens", "tokens.from", "tokens.until", "counted"
SMALL = 2_000_000
"""Characters of text below which a vocabulary of characters is chosen; of dialogues words are always joined, so that more turns
are seen at once (DailyDialog, after the same short training: 1.005 nats per character, 1.065 with characters)."""
PER_TOKEN = 500
"""Characters of text for each token of a vocabulary of joined characters."""
BLOCKS = 100
"""Of few long documents so many stretches are the units of intervals."""
MOST_GRAMS = 1_500_000
"""Counted grams that a network keeps at the most; each takes about 16 bytes of its file."""
MANY = 50
"""So many documents are units themselves, and a network has learnt how they begin."""


class Corpus(Kind):
    """A column of documents or dialogues with a vocabulary chosen by how much text there is.

    Args:
        inner: the plain kind. level: character, byte or bpe; auto: by SMALL. most: tokens of the vocabulary at the most; joined
            ones are fewer where there is little text.
    Attributes:
        documents_: how many training documents there were. grams_: how many grams of each length were counted.
        counted_: the n-gram model of the training documents, as long as the kind that was fitted is there; a network keeps
            its tables.
    """

    def __init__(self, inner: Text | Dialogue, level: str, most: int) -> None:
        self.inner, self.level, self.most = inner, level, most
        self.documents_ = 0
        self.grams_: list[int] = []
        self.counted_: NGrams | None = None

    @property
    def dialogue(self) -> bool:
        """Whether the column holds dialogues."""
        return isinstance(self.inner, Dialogue)

    @staticmethod
    def documents(parts: Parts) -> Ragged:
        """The tokens of each row, as `encode` gives them."""
        return cast(Ragged, parts[""])

    @property
    def tokeniser(self) -> Tokeniser:
        """The learnt vocabulary."""
        return self.inner.tokeniser_

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises MissingExtra where the level is bpe and the library `tokenizers` is not installed."""
        size = sum(len(str(cell)) for cell in column)
        by_size = "character" if size < SMALL and not self.dialogue else "bpe"
        self.inner.level = by_size if self.level == "auto" else self.level
        enough = max(FIRST_MERGE, size // PER_TOKEN) if self.inner.level == "bpe" else self.most
        self.inner.most = min(self.most, enough)
        self.inner.fit(column, field, is_target=is_target)
        self.documents_ = len(column)
        tokens, _ = stream(self.documents(self.inner.encode(column)[0]), self.dialogue)
        self.counted_, _ = ngrams.fit(tokens[-ngrams.MOST_TOKENS :].astype(np.int64), self.tokeniser.size, MOST_GRAMS)
        self.grams_ = [len(level.codes) for level in self.counted_.levels]
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """See the inner kind."""
        return self.inner.encode(column)

    def seconds(self, column: Column) -> float:
        """See the inner kind."""
        return self.inner.seconds(column)

    def decode(self, array: EncodedColumn) -> Column:
        """See the inner kind."""
        return self.inner.decode(array)

    def sizes(self) -> tuple[int, ...]:
        """(tokens of the vocabulary, counted grams of one token, of two, ...)."""
        return (*self.inner.sizes(), *self.grams_)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"documents": self.documents_, "grams": list(self.grams_), "inner": self.inner.state()}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "documents", {"documents": int, "grams": list, "inner": dict})
        if values["documents"] < 0:
            raise BundleError(f"documents cannot be {values['documents']}")
        grams = values["grams"]
        if len(grams) > ngrams.MOST_ORDER or not all(type(count) is int and 0 < count <= MOST_GRAMS for count in grams):
            raise BundleError(
                f"the numbers of grams must be up to {ngrams.MOST_ORDER} whole numbers; got {str(grams)[:60]}"
            )
        self.inner.restore(values["inner"])
        self.documents_, self.grams_ = values["documents"], grams
        return self


def stream(documents: Ragged, dialogue: bool) -> tuple[NDArray[np.int32], IntArray]:
    """All documents end to end, those without text left out: (total,) tokens and (documents + 1,) where each begins."""
    kept = np.flatnonzero(documents.lengths)
    bounds = np.concatenate([[0], np.cumsum(documents.lengths[kept] + (1 if dialogue else 2))]).astype(np.int64)
    tokens = np.full(int(bounds[-1]), END, np.int32)
    for begin, row in zip(bounds[:-1].tolist(), kept.tolist(), strict=True):
        own = documents.values[documents.offsets[row] : documents.offsets[row + 1]]
        tokens[begin] = BEGIN
        tokens[begin + 1 : begin + 1 + len(own)] = own
    return tokens, bounds


def held_out_counts(tokens: NDArray[np.int32], model: NGrams) -> NDArray[np.float16]:
    """(total, 3) of each token of the training text, as nn/layers/gram_counts.py gives them: log of its probability, length of
    the longest known gram, log of how often that was counted; counted on the rest of the text only.
    """
    share, longest, known = ngrams.held_out(tokens.astype(np.int64), model.vocabulary, model.order)
    return np.stack([np.log(share), longest, np.log(np.maximum(known, 1.0))], axis=1).astype(np.float16)


def training_windows(tokens: NDArray[np.int32], context: int, counted: NDArray[np.float16] | None) -> Windows:
    """Windows of `context` + 1 tokens that begin `context` apart and move with each epoch; all of their tokens count."""
    count = max(1, (len(tokens) - 1) // context) if len(tokens) > 1 else 0
    starts = np.arange(count, dtype=np.int64) * context
    beside = {FROM: np.zeros(count, np.int64), UNTIL: np.full(count, context, np.int64)}
    flat: dict[str, NDArray[Any]] = {TOKENS: tokens} if counted is None else {TOKENS: tokens, COUNTED: counted}
    return Windows(flat, starts, context + 1, beside, shift=context)


def asked_windows(tokens: NDArray[np.int32], bounds: IntArray, context: int, fresh: int) -> Windows:
    """Windows in which each token of a text but its first counts exactly once, the last `fresh` of each window.

    bounds: (documents + 1,) where documents begin. Units are the documents, or stretches of few long ones.
    """
    starts, since, until = spread(len(tokens), context + 1, fresh)
    first = starts + since + 1
    if len(bounds) > MANY:
        units = np.searchsorted(bounds, first, side="right")
    else:
        units = np.arange(len(starts)) * min(BLOCKS, len(starts)) // max(1, len(starts))
    return Windows({TOKENS: tokens}, starts, context + 1, {FROM: since, UNTIL: until}, units.astype(np.int64))


def lengths(tokeniser: Tokeniser) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(V,) characters and (V,) bytes of each token, as metrics/language.py counts them: 1 for signs, 0 for BEGIN."""
    characters, octets = tokeniser.character_counts.copy(), tokeniser.byte_counts.copy()
    for counts in (characters, octets):
        counts[:SPECIALS] = 1
        counts[BEGIN] = 0
    return characters, octets
