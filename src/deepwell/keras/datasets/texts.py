"""Texts as lists of word numbers, prepared as Keras prepares IMDB and Reuters: shuffled, marked, cut to the frequent words.

Unusual: all texts are worked on as one flat array of numbers and a row of ends, so millions of words take a moment; what comes
out are lists again, in an array of Python values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """What Keras's load_data may be asked for; see there."""

    num_words: int | None
    skip_top: int
    maxlen: int | None
    start_char: int | None
    oov_char: int | None
    index_from: int | None


@dataclass(frozen=True)
class Texts:
    """words: flat, int64. ends: (texts + 1,), where each begins and the last ends. labels: (texts,)."""

    words: NDArray[np.int64]
    ends: NDArray[np.int64]
    labels: Labels

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each text."""
        return np.diff(self.ends)

    def rows(self) -> NDArray[np.object_]:
        """(texts,) lists of numbers."""
        found = np.empty(len(self.labels), object)
        for i, (begin, end) in enumerate(zip(self.ends[:-1].tolist(), self.ends[1:].tolist(), strict=True)):
            found[i] = self.words[begin:end].tolist()
        return found

    def kept(self, words: NDArray[np.bool_]) -> Texts:
        """Only these words."""
        counts = np.concatenate([[0], np.cumsum(words)])
        return Texts(self.words[words], counts[self.ends], self.labels)


def shuffled(texts: Sequence[Sequence[int]], labels: Any, draws: np.random.RandomState) -> Texts:
    """The texts in the order that Keras draws: `draws` begins at its seed. Raises DataError for labels that are not as many."""
    answers = np.asarray(labels)
    if len(answers) != len(texts) or not len(texts):
        raise DataError(f"the file has {len(texts)} texts and {len(answers)} labels")
    order = np.arange(len(texts))
    draws.shuffle(order)
    drawn = [texts[i] for i in order.tolist()]
    ends = np.concatenate([[0], np.cumsum([len(text) for text in drawn])])
    words = np.fromiter(chain.from_iterable(drawn), np.int64, int(ends[-1]))
    return Texts(words, ends, answers[order])


def prepared(texts: Texts, wanted: Wanted) -> Texts:
    """Numbers raised by index_from, start_char in front, and only texts shorter than maxlen.

    Raises DataError where no text is short enough.
    """
    words, ends = texts.words + (wanted.index_from or 0), texts.ends
    if wanted.start_char is not None:
        words = np.insert(words, ends[:-1], wanted.start_char)
        ends = ends + np.arange(len(ends))
    found = Texts(words, ends, texts.labels)
    if not wanted.maxlen:
        return found
    short = found.lengths < wanted.maxlen
    if not short.any():
        raise DataError(f"no text is shorter than maxlen={wanted.maxlen}; the shortest has {found.lengths.min()} words")
    words = words[np.repeat(short, found.lengths)]
    return Texts(words, np.concatenate([[0], np.cumsum(found.lengths[short])]), texts.labels[short])


def most(parts: Sequence[Texts], num_words: int | None) -> int:
    """num_words, or the highest number of all parts."""
    return num_words or max(int(part.words.max(initial=0)) for part in parts)


def limited(texts: Texts, wanted: Wanted, num_words: int) -> Texts:
    """Words outside [skip_top, num_words) become oov_char, or are left out where that is None."""
    known = (texts.words >= wanted.skip_top) & (texts.words < num_words)
    if wanted.oov_char is None:
        return texts.kept(known)
    return Texts(np.where(known, texts.words, wanted.oov_char), texts.ends, texts.labels)
