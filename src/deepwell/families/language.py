"""Language: documents as one stream of tokens, what tasks that write text share.

Unusual: documents are packed end to end and cut into windows of equal length, so nothing is padded and no document is too long.
Each document begins with BEGIN and ends with END (the turns of a dialogue bring their own); BEGIN is read, never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError
from deepwell.core.examples import Windows, spread
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data import positions
from deepwell.data.fields.dialogue import IN_TURN, Dialogue, part
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.text import Text
from deepwell.data.fields.tokeniser import BEGIN, END, FIRST_MERGE, SPECIALS, Tokeniser
from deepwell.data.fields.values import is_missing
from deepwell.evaluation import ngrams
from deepwell.evaluation.ngrams import NGrams

TOKENS, FROM, UNTIL, COUNTED, HELD = "tokens", "tokens.from", "tokens.until", "counted", "held"
SMALL = 2_000_000
"""Characters of text below which a vocabulary of characters is chosen; of dialogues words are always joined, so that more turns
are seen at once (DailyDialog, after the same short training: 1.005 nats per character, 1.065 with characters)."""
PER_TOKEN = 500
"""Characters of text for each token of a vocabulary of joined characters."""
FEW, BLOCKS = 10, 100
"""Intervals resample documents; where there are fewer than FEW, so many stretches of them."""
MOST_GRAMS = 1_500_000
"""Counted grams that a network keeps at the most; each takes about 16 bytes of its file."""
LONG_TOKEN = 16
"""Characters of a token: three times those of the mean one of English."""
HELD_SHARE, HELD_WINDOWS = 20, 6
"""One stretch in HELD_SHARE is set apart, of so many windows, so that what the network learnt around it says little about it."""
MANY = 50
"""Of so many documents a network has learnt how they begin."""


class Corpus(Kind):
    """A column of documents or dialogues with a vocabulary chosen by how much text there is.

    Args:
        inner: the plain kind. level: character, byte or bpe; auto: by SMALL. most: tokens of the vocabulary at the most; joined
            ones are fewer where there is little text. counts: whether a network takes an n-gram model of the text in.
    Attributes:
        documents_: how many training documents there were. grams_: how many grams of each length a network takes in.
        counted_: the n-gram model that it takes in; best_: the best one without a bound on its grams, with notes. Both are
            there only as long as the kind that was fitted is.
    """

    def __init__(self, inner: Text | Dialogue, level: str, most: int, counts: bool = True) -> None:
        self.inner, self.level, self.most, self.counts = inner, level, most, counts
        self.documents_ = 0
        self.grams_: list[int] = []
        self.counted_: NGrams | None = None
        self.best_: tuple[NGrams, tuple[str, ...]] | None = None

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
        lengths = np.array([positions.characters(cell, self.dialogue) for cell in column], np.int64)
        size = int(lengths.sum())
        by_size = "character" if size < SMALL and not self.dialogue else "bpe"
        self.inner.level = by_size if self.level == "auto" else self.level
        enough = max(FIRST_MERGE, size // PER_TOKEN) if self.inner.level == "bpe" else self.most
        self.inner.most = min(self.most, enough)
        self.inner.fit(column, field, is_target=is_target)
        self.documents_ = len(column)
        if self.counts:
            tokens = self._last_tokens(column, np.cumsum(lengths))
            best, self.counted_, notes = ngrams.fit(tokens, self.tokeniser.size, MOST_GRAMS)
            self.best_, self.grams_ = (best, notes), self.counted_.grams
        return self

    def _last_tokens(self, column: Column, ends: IntArray) -> NDArray[np.int32]:
        """The stream of the documents that are counted, from the last one backwards: of a long text little else is encoded.

        ends: (rows,) characters up to the end of each row.
        """
        found: list[NDArray[np.int32]] = []
        missing = ngrams.MOST_TOKENS + 1  # one more, by which it is seen that some are left out
        stop = len(column)
        while stop and missing > 0:
            start = int(np.searchsorted(ends, ends[stop - 1] - missing, side="right"))
            documents = column[start:stop].copy()
            if isinstance(documents[0], str) and not self.dialogue:
                documents[0] = documents[0][-LONG_TOKEN * missing :]
            parts, problems = self.encode(documents)
            usable = np.delete(np.arange(len(documents)), list(problems))
            found.append(stream(self.documents(parts).take(usable), self.dialogue)[0])
            missing -= len(found[-1])
            stop = start
        return np.concatenate([np.zeros(0, np.int32), *reversed(found)])

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """See the inner kind. Rows without text are problems."""
        parts, problems = self.inner.encode(column)
        empty = self.documents(parts).lengths == 0
        blank = {row: "there is no text" for row, cell in enumerate(column) if empty[row] or is_missing(cell)}
        return parts, {**blank, **problems}

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
        counted = all(type(count) is int and 0 < count <= MOST_GRAMS for count in grams)
        if not counted or len(grams) > ngrams.MOST_ORDER or bool(grams) != self.counts:
            wanted = f"1 to {ngrams.MOST_ORDER} whole numbers" if self.counts else "none"
            raise BundleError(f"the numbers of grams must be {wanted}; got {str(grams)[:60]}")
        self.inner.restore(values["inner"])
        if grams and grams[0] > self.tokeniser.size:
            raise BundleError(f"{grams[0]:,} single tokens were counted, but there are only {self.tokeniser.size:,}")
        self.documents_, self.grams_ = values["documents"], grams
        return self


def stream(documents: Ragged, dialogue: bool) -> tuple[NDArray[np.int32], IntArray]:
    """All documents end to end, those without text left out: (total,) tokens and (documents + 1,) where each begins."""
    lengths = documents.lengths[documents.lengths > 0]
    bounds = np.concatenate([[0], np.cumsum(lengths + (1 if dialogue else 2))]).astype(np.int64)
    tokens = np.full(int(bounds[-1]), END, np.int32)
    tokens[bounds[:-1]] = BEGIN
    own = np.ones(len(tokens), np.bool_)
    own[bounds[:-1]] = False
    if not dialogue:
        own[bounds[1:] - 1] = False
    tokens[own] = documents.values
    return tokens, bounds


def held_out_counts(tokens: NDArray[np.int32], model: NGrams) -> NDArray[np.float16]:
    """(total, 3) of each token of the training text, as nn/layers/gram_counts.py gives them: log of its probability, length of
    the longest known gram, log of how often that was counted; counted on the rest of the text only.
    """
    counts = np.zeros((len(tokens), 3), np.float16)
    counts[:, 0] = -np.log(model.vocabulary)
    for start, (share, longest, known) in ngrams.held_out(tokens, model.vocabulary, model.order):
        block = counts[start : start + len(share)]
        block[:, 0], block[:, 1], block[:, 2] = np.log(share), longest, np.log(np.maximum(known, 1.0))
    return counts


def training_windows(tokens: NDArray[np.int32], context: int, counted: NDArray[np.float16] | None) -> Windows:
    """Windows of `context` + 1 tokens that begin `context` apart and move with each epoch; all of their tokens count.

    A text that is shorter than a window is read as a ring, and each of its tokens counts once. With counts each token also
    tells whether it is set apart (HELD): a network that reads the text often learns from those only how far to trust counts.
    """
    count = max(1, (len(tokens) - 1) // context) if len(tokens) > 1 else 0
    starts = np.arange(count, dtype=np.int64) * context
    beside = {FROM: np.zeros(count, np.int64), UNTIL: np.full(count, min(context, len(tokens) - 1), np.int64)}
    flat: dict[str, NDArray[Any]] = {TOKENS: tokens}
    if counted is not None:
        flat |= {COUNTED: counted, HELD: set_apart(len(tokens), context)}
    return Windows(flat, starts, context + 1, beside, shift=context)


def set_apart(count: int, context: int) -> NDArray[np.uint8]:
    """(count,) 1 for tokens of every HELD_SHARE-th stretch of a text; there is one such stretch at least, if it has 20 tokens."""
    stretch = max(1, min(HELD_WINDOWS * context, count // HELD_SHARE))
    stretches = np.arange(count) // stretch
    return np.asarray(stretches % HELD_SHARE == HELD_SHARE // 2, np.uint8)


def asked_windows(tokens: NDArray[np.int32], bounds: IntArray, context: int, fresh: int) -> Windows:
    """Windows in which each token of a text but its first counts exactly once, the last `fresh` of each window.

    bounds: (documents + 1,) where documents begin. Units are the documents, or stretches where there are fewer than FEW.
    """
    starts, since, until = spread(len(tokens), context + 1, fresh)
    first = starts + since + 1
    if len(bounds) > FEW:
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


def voices(before: Sequence[str], prompt: str) -> tuple[str, str]:
    """Who says the prompt, and who answers, after turns by the speakers `before`.

    The model has the part that names say is its, else that of who spoke last, for then it is another's turn. Without a
    prompt it answers whoever spoke last. What a system says is no turn.
    """
    names = [name for name in before if part(name) != "system"]
    if not names:
        return IN_TURN

    def other(than: str) -> str:
        """Who spoke last beside one."""
        left = [name for name in names if name != than]
        return left[-1] if left else IN_TURN[part(than) != "assistant"]

    models = [name for name in names if part(name) == "assistant"]
    users = [name for name in names if part(name) == "user"]
    if not prompt:
        return names[-1], other(names[-1])
    if users and not models:
        return users[-1], other(users[-1])
    model = models[-1] if models else names[-1]
    return other(model), model
