"""Baselines of text to text: the source copied, its first sentences, the usual answer, and a dictionary by co-occurrence.

Each rewrites text by a rule; what makes it a Runner is the same for all: `encode` reads the sources and keeps the tokens of
the rewritten texts, `step` says the next of them with certainty. So searching and measuring treat it like a network.

Unusual: the dictionary is learnt from the pairs alone. It is IBM model 1 (Brown et al. 1993, "The Mathematics of Statistical
Machine Translation", section 4.2) with a bounded number of co-occurrences, and answers word by word in the source's order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray, Ragged
from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.metrics.summaries import unspaced
from deepwell.metrics.translation import words

Rewrite = Callable[[str], str]

ROUNDS = 5
"""Of expectation and maximisation; model 1 hardly changes after so many."""
MOST_TOGETHER = 5_000_000
"""Pairs of words that are counted at the most: about two seconds and 300 MB."""
AT_ONCE = 512
NOBODY = 0
"""The source word that stands for none: what is said without a word to say it for."""

_SENTENCE_END = re.compile(r"[.!?]+[\"')\]»”’]*(?=\s)|[。！？]+[」』”’]*")


class Reader(Protocol):
    """How arrays of examples and texts become each other."""

    @property
    def size(self) -> int:
        """Of the target's vocabulary."""
        ...

    def sources(self, arrays: Arrays) -> list[str]:
        """The source texts of a batch."""
        ...

    def targets(self, arrays: Arrays) -> list[str]:
        """The target texts of a batch."""
        ...

    def tokens(self, texts: Sequence[str]) -> Ragged:
        """Target tokens of texts, without beginning and end."""
        ...


Reads = Callable[[Pipeline], Reader]


def copy(reads: Reads) -> Baseline:
    """Answers the source as it is."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        return speaker(reads(pipeline), lambda text: text)

    return Baseline("copy", "trivial", fit)


def lead(reads: Reads) -> Baseline:
    """Answers the first sentences of the source, as many as training targets have on average."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        reader = reads(pipeline)
        count = 0
        for _, target in _pairs(examples, reader, key):
            count += max(1, len(sentences(target)))
        first = max(1, round(count / max(1, examples.count or 0)))
        return speaker(reader, lambda text: " ".join(sentences(text)[:first]))

    return Baseline("lead", "trivial", fit)


def usual(reads: Reads) -> Baseline:
    """Answers the most frequent training target; the first of equals."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        reader = reads(pipeline)
        counts = Counter(target for _, target in _pairs(examples, reader, key))
        answer = counts.most_common(1)[0][0]
        return speaker(reader, lambda text: answer)

    return Baseline("usual answer", "trivial", fit)


def dictionary(reads: Reads) -> Baseline:
    """Answers word by word, each by the word it most often stands for in training; unknown words are copied."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        reader = reads(pipeline)
        count = examples.count or 0
        pairs = _affordable(_pairs(examples, reader, key, permutation(count, key)))
        table = learn(pairs)
        joint = "" if _without_spaces(target for _, target in pairs[:AT_ONCE]) else " "
        note = f"learnt from {len(pairs):,} of {count:,} pairs, to bound its time" if len(pairs) < count else ""

        def rewrite(text: str) -> str:
            return joint.join(table.get(word.lower(), word) for word in words(_parted(text)))

        return speaker(reader, rewrite, (note,) if note else ())

    return Baseline("dictionary", "classical", fit)


def speaker(reader: Reader, rewrite: Rewrite, notes: tuple[str, ...] = ()) -> NumpyRunner:
    """A Runner with the calls `encode` and `step` that answers the rewritten source, token by token, then the end (0)."""

    def encode(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        planned = reader.tokens([rewrite(text) for text in reader.sources(arrays)])
        longest = int(planned.lengths.max(initial=0)) + 1  # at least one 0 stands behind every row
        rows = np.zeros((len(planned), longest), np.int64)
        rows[np.arange(longest) < planned.lengths[:, None]] = planned.values
        return {}, {"planned": rows, "place": np.zeros(len(rows), np.int64)}

    def step(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        planned, place = state["planned"], state["place"]
        each = np.arange(len(place))
        logits = np.full((len(place), reader.size), -np.inf, np.float32)
        logits[each, planned[each, np.minimum(place, planned.shape[1] - 1)]] = 0.0
        return {"logits": logits}, {"planned": planned, "place": place + 1}

    return NumpyRunner({"encode": encode, "step": step}, notes)


def sentences(text: str) -> list[str]:
    """The sentences of a text: each ends with a full stop, question or exclamation mark that white space follows."""
    ends = [0, *(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]
    pieces = (text[start:end].strip() for start, end in pairwise(ends))
    return [piece for piece in pieces if piece]


def learn(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, str]:
    """Source word -> the target word that it most likely stands for, by IBM model 1; the first of equals in sorted order."""
    together = _Together.of(pairs)
    if not len(together.pair):
        return {}
    chance = np.ones(len(together.source))
    for _ in range(ROUNDS):
        seen = chance[together.pair]
        share = seen / np.bincount(together.place, seen)[together.place]
        counts = np.bincount(together.pair, share, len(chance))
        chance = counts / np.bincount(together.source, counts)[together.source]
    order = np.lexsort((together.target, -chance, together.source))
    first = np.unique(together.source[order], return_index=True)[1]
    best = {int(together.source[i]): int(together.target[i]) for i in order[first]}
    return {together.sources[s]: together.targets[t] for s, t in best.items() if s != NOBODY}


@dataclass(frozen=True)
class _Together:
    """Which words stand together in a pair of texts.

    source, target: (u,) the words of each different pair. pair: (c,) the pair of each co-occurrence. place: (c,) the place
    in a target text that it explains. sources, targets: the words.
    """

    source: IntArray
    target: IntArray
    pair: IntArray
    place: IntArray
    sources: Sequence[str]
    targets: Sequence[str]

    @staticmethod
    def of(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> _Together:
        """All co-occurrences; each target word also stands together with NOBODY."""
        sources = ["", *sorted({word for source, _ in pairs for word in source})]
        targets = sorted({word for _, target in pairs for word in target})
        index_s, index_t = ({word: i for i, word in enumerate(known)} for known in (sources, targets))
        codes, places, places_before = [], [], 0
        for source, target in pairs:
            left = np.array([NOBODY, *(index_s[word] for word in source)], np.int64)
            right = np.array([index_t[word] for word in target], np.int64)
            codes.append((left[None, :] * len(targets) + right[:, None]).ravel())
            places.append(np.repeat(np.arange(len(right)) + places_before, len(left)))
            places_before += len(right)
        every, pair = np.unique(np.concatenate([np.zeros(0, np.int64), *codes]), return_inverse=True)
        source_of, target_of = np.divmod(every, max(1, len(targets)))
        place = np.concatenate([np.zeros(0, np.int64), *places])
        return _Together(source_of, target_of, pair.astype(np.int64), place, sources, targets)


def _pairs(examples: Examples, reader: Reader, key: Key, order: IntArray | None = None) -> Iterator[tuple[str, str]]:
    """Source and target text of every example, in this order; each is made when it is asked for."""
    order = np.arange(examples.count or 0) if order is None else order
    for start in range(0, len(order), AT_ONCE):
        arrays = examples.take(order[start : start + AT_ONCE], key).arrays
        yield from zip(reader.sources(arrays), reader.targets(arrays), strict=True)


def _affordable(pairs: Iterator[tuple[str, str]]) -> list[tuple[Sequence[str], Sequence[str]]]:
    """The words of the first pairs, as many as MOST_TOGETHER allows."""
    found: list[tuple[Sequence[str], Sequence[str]]] = []
    cost = 0
    for source, target in pairs:
        read, said = words(_parted(source).lower()), words(_parted(target))
        cost += (len(read) + 1) * len(said)
        if cost > MOST_TOGETHER:
            break
        found.append((read, said))
    return found


def _parted(text: str) -> str:
    """The text with spaces around the signs of scripts that have none between words."""
    return "".join(f" {sign} " if unspaced(sign) else sign for sign in text)


def _without_spaces(texts: Iterator[Sequence[str]]) -> bool:
    """Whether most words are single signs of a script without spaces."""
    found = [len(word) == 1 and unspaced(word) for text in texts for word in text]
    return sum(found) > len(found) / 2
