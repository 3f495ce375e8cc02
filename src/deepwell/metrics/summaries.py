"""ROUGE, exact match and token F1: how much of a reference a short answer says; one share per example, against the best one.

Unusual: words are found in any script: runs of letters, marks and digits, lower-cased; in scripts without spaces (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) each sign is a word. Nothing is stemmed and no word is left out, so figures lie a
little below those of ROUGE-1.5.5 with its stemmer, the same way for every system that is compared.

ROUGE-N and ROUGE-L are F1 (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"); ROUGE-L takes the whole
text as one sequence. Of several references the one with the best value counts, for each metric by itself.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Compare = Callable[[Sequence[str], Sequence[str]], float]

_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Code points of scripts without spaces between words: Thai and Lao, Burmese, Khmer, kana, Han."""


def unspaced(sign: str) -> bool:
    """Whether a character belongs to a script without spaces between words."""
    code = ord(sign)
    return code >= _UNSPACED[0][0] and any(low <= code <= high for low, high in _UNSPACED)


def words(text: str) -> list[str]:
    """The lower-cased words of a text, see the top of this file."""
    found: list[str] = []
    inside = False
    for sign in text.lower():
        if unspaced(sign):
            found.append(sign)
            inside = False
        elif sign.isalnum() or unicodedata.category(sign)[0] == "M":
            if inside:
                found[-1] += sign
            else:
                found.append(sign)
            inside = True
        else:
            inside = False
    return found


def rouge_n(answer: Sequence[str], reference: Sequence[str], order: int) -> float:
    """F1 of the runs of `order` words that both have; 0 where either has none."""
    runs = [Counter(zip(*(side[i:] for i in range(order)), strict=False)) for side in (answer, reference)]
    return _f1((runs[0] & runs[1]).total(), runs[0].total(), runs[1].total())


def rouge_l(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words; 0 where either has none."""
    return _f1(common(answer, reference), len(answer), len(reference))


def common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence.

    Bit by bit in whole numbers (Hyyro 2004, "Bit-parallel LCS-length computation revisited"): bit i of `open_` is 0 where a
    longest subsequence grows at place i of the first.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(first)) - 1
    open_ = every
    for word in second:
        hits = open_ & places.get(word, 0)
        open_ = ((open_ + hits) | (open_ - hits)) & every
    return len(first) - open_.bit_count()


def exact_match(answer: Sequence[str], reference: Sequence[str]) -> float:
    """1 where both have the same words, else 0: case, spaces and signs do not count."""
    return float(list(answer) == list(reference))


def token_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the words that both have (Rajpurkar et al. 2016, section 6.1, here with articles); 1 where neither has any."""
    if not answer and not reference:
        return 1.0
    return rouge_n(answer, reference, 1)


COMPARISONS: dict[str, Compare] = {
    "rouge_1": lambda answer, reference: rouge_n(answer, reference, 1),
    "rouge_2": lambda answer, reference: rouge_n(answer, reference, 2),
    "rouge_l": rouge_l,
    "exact_match": exact_match,
    "f1": token_f1,
}
"""Metric -> how it compares the words of an answer with those of a reference: a share."""


def best(name: str, answer: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The share that a metric of COMPARISONS gives against the best reference. references: at least one."""
    return max(COMPARISONS[name](answer, reference) for reference in references)


def average(name: str, column: str) -> Metric:
    """The mean of a column of shares (n,), as a metric called `name`."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ columns[column]) / weights.sum(axis=1), np.float64)

    return Metric(name, "share", "higher", finish, trials=lambda columns: float(len(columns[column])))


def oracle(sentences: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """The best ROUGE-L that any one sentence of the source gives: what a system that picks one could reach at the most."""
    return max((best("rouge_l", sentence, references) for sentence in sentences), default=0.0)


def _f1(both: int, answered: int, wanted: int) -> float:
    return 2.0 * both / (answered + wanted) if both else 0.0
