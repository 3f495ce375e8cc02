"""n-grams: a language model that counts, the classical baseline of text generation.

Interpolated Kneser-Ney smoothing with three discounts a level (Kneser and Ney 1995; Chen and Goodman 1999, "modified").
Unusual: a gram is a number, that of its context times the vocabulary plus its last token. So the grams of a level are one
sorted array, those of a context stand side by side in it, and everything is numpy. The order is the one that predicts the
last tenth of the training text best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.runner import Arrays, NumpyRunner, State

Reals = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
MOST_ORDER = 8
MOST_TOKENS = 2_000_000
"""Of longer texts the last so many are counted, since memory grows with them."""
HELD_OUT = 0.1
STRETCHES = 5
"""Pieces of a text that are left out in turn."""
BLOCK = 1 << 19
"""Tokens of a long text that are looked up at a time."""
LEAST = 0.1
"""Of a count, what is taken off at the least."""
NONE = -1
"""The number of a gram that never occurred."""


@dataclass(frozen=True)
class Counts:
    """The counts of a level's grams as probabilities need them.

    less: (grams,) counts less their discount. total, back: (contexts,) the sum of a context's counts, and what the
    discounts keep back of it for the shorter context to share out.
    """

    less: Reals
    total: Reals
    back: Reals

    @staticmethod
    def of(counts: IntArray, context: IntArray, contexts: int) -> Counts:
        """counts: (grams,), above 0. context: (grams,) of each, from 0 to contexts - 1."""
        discount = discounts(counts)[np.minimum(counts, 3)]
        total, back = (np.bincount(context, each, contexts).astype(np.float64) for each in (counts, discount))
        return Counts(counts - discount, total, back)

    def mixed(self, places: IntArray, contexts: IntArray, shorter: Reals) -> Reals:
        """Probabilities of tokens: places (...) of their grams, contexts (...); shorter: what the shorter contexts say."""
        total = np.where(contexts == NONE, 0.0, self.total[contexts])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (np.where(places == NONE, 0.0, self.less[places]) + self.back[contexts] * shorter) / total
        return np.where(total > 0, found, shorter)


@dataclass(frozen=True)
class Level:
    """The grams of one length. codes: (grams,) ascending. counts: what counts of them in a model."""

    codes: IntArray
    counts: Counts

    def places(self, contexts: IntArray, tokens: IntArray, vocabulary: int) -> IntArray:
        """The numbers of the grams that tokens (...) make behind contexts (...); NONE for those that never occurred."""
        codes = contexts * vocabulary + tokens
        found = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where((contexts != NONE) & (self.codes[found] == codes), found, NONE)


class NGrams:
    """Grams of up to `order` tokens out of a vocabulary."""

    def __init__(self, levels: Sequence[Level], vocabulary: int) -> None:
        self.order, self.vocabulary = len(levels), vocabulary
        self.levels = levels

    @property
    def grams(self) -> list[int]:
        """How many grams of each length there are."""
        return [len(level.codes) for level in self.levels]

    def surprise(self, tokens: IntArray) -> Reals:
        """(n, T + 1) tokens -> (n, T): nats of each token after the first, given those before it in its row."""
        return -np.log(self.seen(tokens)[0])

    def seen(self, tokens: IntArray) -> tuple[Reals, IntArray, Reals]:
        """Of each token after the first of (n, T + 1), all (n, T): its probability, the length of the longest gram whose
        context is known (0: none), and how often that context was counted.
        """
        share = np.full((len(tokens), tokens.shape[1] - 1), 1.0 / self.vocabulary)
        longest, known = np.zeros(share.shape, np.int64), np.zeros(share.shape)
        for number, (level, contexts, places) in enumerate(self._walk(tokens)):
            share = level.counts.mixed(places, contexts, share)
            total = np.where(contexts == NONE, 0.0, level.counts.total[contexts])
            longest, known = np.where(total > 0, number + 1, longest), np.where(total > 0, total, known)
        return share, longest, known

    def distribution(self, recent: IntArray) -> Reals:
        """(t,) tokens, the latest last -> (V,) probabilities of the next one."""
        share = np.full(self.vocabulary, 1.0 / self.vocabulary)
        for size in range(min(len(recent), self.order - 1) + 1):
            level, counts = self.levels[size], self.levels[size].counts
            context = self._context(recent[len(recent) - size :])
            if context == NONE or counts.total[context] <= 0:
                break
            first, last = np.searchsorted(level.codes, [context * self.vocabulary, (context + 1) * self.vocabulary])
            share *= counts.back[context] / counts.total[context]
            share[level.codes[first:last] % self.vocabulary] += counts.less[first:last] / counts.total[context]
        return share

    def runner(self, notes: tuple[str, ...] = ()) -> NumpyRunner:
        """The calls of a language model: `forward` tokens (n, T + 1) -> nll (n, T); `step` token -> logits (n, V)."""

        def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
            return {"nll": self.surprise(arrays["tokens"].astype(np.int64))}, state

        def step(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
            new = arrays["token"].astype(np.int64).reshape(len(arrays["token"]), -1)
            recent = new if state is None else np.concatenate([state["recent"], new], axis=1)
            recent = recent[:, -max(1, self.order - 1) :]
            return {"logits": np.log([self.distribution(row) for row in recent])}, {"recent": recent}

        return NumpyRunner({"forward": forward, "step": step}, notes)

    def _walk(self, tokens: IntArray) -> Iterator[tuple[Level, IntArray, IntArray]]:
        """For each level, of each token after the first of the rows (n, T + 1): its context and its gram, both (n, T).

        The grams that end at each place are the contexts of the next level; before a row stands what never occurred.
        """
        ending = np.zeros(tokens.shape, np.int64)  # the empty gram
        for number, level in enumerate(self.levels):
            contexts = np.concatenate([np.full((len(tokens), 1), 0 if number == 0 else NONE), ending[:, :-1]], axis=1)
            ending = level.places(contexts, tokens, self.vocabulary)
            yield level, contexts[:, 1:], ending[:, 1:]

    def _context(self, tokens: IntArray) -> int:
        """The number of a gram; NONE where it never occurred."""
        number = np.zeros(1, np.int64)
        for level, token in zip(self.levels, tokens, strict=False):
            number = level.places(number, np.array([token]), self.vocabulary)
        return int(number[0])


class Counted:
    """All grams of up to `order` tokens of a text (N,), N >= order: the models of every order up to it.

    In a model the longest grams count as often as they occur, shorter ones once for each token that stands before them. So
    models of all orders share their levels but for the last.
    """

    def __init__(self, tokens: Integers, vocabulary: int, order: int) -> None:
        tokens = tokens.astype(np.int64)
        self.vocabulary = vocabulary
        self._shorter: list[Level] = []
        self._last: list[Level] = []
        # The gram that ends at each token, and how many there are.
        ending, contexts = np.zeros(len(tokens), np.int64), 1
        for number in range(order):
            before = ending[:-1] if number else ending
            codes, first, places, raw = np.unique(
                before * vocabulary + tokens[number:], return_index=True, return_inverse=True, return_counts=True
            )
            if number:  # without its first token a gram is the one that ended there on the level before
                self._add_shorter(np.bincount(ending[1:][first], minlength=contexts))
            self._last.append(Level(codes, Counts.of(raw, codes // vocabulary, contexts)))
            ending, contexts = places, len(codes)

    def _add_shorter(self, behind: IntArray) -> None:
        """behind: (grams,) how many tokens those of the latest level stand behind."""
        level = self._last[-1]
        # A gram at the very beginning stands behind no token; it counts as standing behind one.
        counts = Counts.of(np.maximum(behind, 1), level.codes // self.vocabulary, len(level.counts.total))
        self._shorter.append(Level(level.codes, counts))

    def model(self, order: int) -> NGrams:
        """The model of grams of up to `order` tokens."""
        return NGrams([*self._shorter[: order - 1], self._last[order - 1]], self.vocabulary)

    def by_order(self, tokens: IntArray) -> list[float]:
        """Mean nats of the tokens after the first of one text (T + 1,), as the models of order 1, 2, ... have them."""
        longest = self.model(len(self._last))
        found = []
        shorter = np.full((1, len(tokens) - 1), 1.0 / self.vocabulary)
        for number, (level, contexts, places) in enumerate(longest._walk(tokens[None])):
            found.append(float(-np.log(self._last[number].counts.mixed(places, contexts, shorter)).mean()))
            shorter = level.counts.mixed(places, contexts, shorter)
        return found


def count(tokens: Integers, vocabulary: int, order: int) -> NGrams:
    """The model of grams of up to `order` tokens of a text (N,), N >= order."""
    return Counted(tokens, vocabulary, order).model(order)


def fit(tokens: Integers, vocabulary: int, most_grams: float = math.inf) -> tuple[NGrams, NGrams, tuple[str, ...]]:
    """The best model of a training text (N,), the best with at most so many grams, and what a reader should know of the first.

    The two share their levels but for the last. Single tokens are counted in any case.
    """
    notes: list[str] = []
    if len(tokens) > MOST_TOKENS:
        notes.append(f"counted on the last {MOST_TOKENS:,} tokens of the text")
        tokens = tokens[-MOST_TOKENS:]
    most = min(MOST_ORDER, len(tokens) // 2)
    if most < 2:
        model = count(tokens, vocabulary, 1)
        return model, model, (*notes, "single tokens: the text is too short for more")
    cut = len(tokens) - max(2, int(HELD_OUT * len(tokens)))
    tried = Counted(tokens[:cut], vocabulary, min(most, cut)).by_order(tokens[cut:].astype(np.int64))
    order = int(np.argmin(tried)) + 1
    counted = Counted(tokens, vocabulary, order)
    best = counted.model(order)
    small = max(1, int(np.searchsorted(np.cumsum(best.grams), most_grams, side="right")))
    notes.append(f"grams of up to {order} tokens, which predict the last tenth of the training text best")
    return best, best if small >= order else counted.model(small), tuple(notes)


def held_out(tokens: Integers, vocabulary: int, order: int) -> Iterator[tuple[int, tuple[Reals, IntArray, Reals]]]:
    """NGrams.seen of the tokens of a text (N,), counted on the text without the stretch that each lies in.

    So a network learns how far counts can be trusted on text that was not counted. Of a long text only the last MOST_TOKENS
    are counted, as in `fit`. Comes in blocks, each with its first token's place, since all of it would take 24 bytes a
    token. Nothing is known of the first token, nor of any where the text is too short to count: these are in no block.
    """
    first = max(0, len(tokens) - MOST_TOKENS)
    bounds = np.linspace(first, len(tokens), STRETCHES + 1).astype(np.int64)
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        rest = np.concatenate([tokens[first:start], tokens[stop:]])
        if len(rest) < order or stop == start:
            continue
        model = count(rest, vocabulary, order)
        since = 0 if start == first else start  # the first model also speaks for what is not counted at all
        for low in range(since, stop, BLOCK):
            before = max(0, low - order)
            asked = max(low, before + 1)
            found = model.seen(tokens[None, before : min(low + BLOCK, stop)].astype(np.int64))
            new = (0, slice(asked - before - 1, None))
            yield asked, (found[0][new], found[1][new], found[2][new])


def unigrams(tokens: Integers, vocabulary: int) -> NGrams:
    """How often each token occurs, whatever stands before it."""
    return count(tokens, vocabulary, 1)


def discounts(counts: IntArray) -> Reals:
    """(4,): what is taken off a count of 0, 1, 2, and 3 or more (Chen and Goodman 1999, equation 26).

    Half a count, where too few grams are rare for the formula. Never nothing, else what never occurred would be impossible.
    """
    n1, n2, n3, n4 = (float(np.count_nonzero(counts == c)) for c in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    found = [0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.clip(found, [0.0, LEAST, LEAST, LEAST], [0.0, 0.99, 1.99, 2.99])
