"""BLEU and chrF of corpora: how near answers are to one or several references, as counts per example that add up.

Unusual: an example gives counts, not a score, and a metric sums them before it divides. So every resample of the bootstrap
is one matrix product, and values are those of the whole corpus, as papers print them. Definitions and defaults are
sacreBLEU's (Post 2018, arXiv:1804.08771), which the tests compare on any text, but nothing of it is needed; signatures are
those that sacreBLEU would print, without its version.

    bleu columns (n, 10)   words answered, words of the reference of the nearest length, matches of 1 to 4 words, runs of
                           1 to 4 words answered
    chrf columns (n, 18)   for 1 to 6 characters: runs answered, runs in the reference, matches
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

WORDS = 4
"""Longest run of words that BLEU counts."""
CHARACTERS = 6
"""Longest run of characters that chrF counts."""
BETA = 2.0
"""Recall counts BETA times as much as precision in chrF."""
TOKENS = ("13a", "char")
"""How BLEU cuts text: words and signs, or characters where a language puts no spaces between words."""

_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_SIGNS = re.compile(f"([{re.escape(''.join(sorted(set(string.punctuation) - set(chr(39) + ',-.'))))}])")
_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


def words(text: str, tokens: str = "13a") -> list[str]:
    """The text cut for BLEU.

    13a: the rules of NIST's mteval-v13a: signs stand alone, full stops and commas except between digits, and dashes after
    a digit; apostrophes stay. char: every character that is no white space.
    """
    text = text.rstrip()
    if tokens == "char":
        return [sign for sign in text if not sign.isspace()]
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES.items():
        text = text.replace(entity, sign)
    text = _SIGNS.sub(r" \1 ", f" {text} ")
    text = _AFTER_NO_DIGIT.sub(r"\1 \2 ", text)
    text = _BEFORE_NO_DIGIT.sub(r" \1 \2", text)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", text).split()


def bleu_counts(answer: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """(10,): the counts of one example, see the top of this file.

    A run matches as often as it stands in the reference that has it most often (Papineni et al. 2002, section 2.1). Of two
    references of equally near length the shorter one counts. references: at least one, cut like the answer.
    """
    length = min((abs(len(r) - len(answer)), len(r)) for r in references)[1]
    matches, totals = [], []
    for order in range(1, WORDS + 1):
        found = _runs(answer, order)
        most: Counter[Hashable] = Counter()
        for reference in references:
            most |= _runs(reference, order)
        matches.append((found & most).total())
        totals.append(found.total())
    return np.array([len(answer), length, *matches, *totals], np.int64)


def bleu(column: str, name: str = "bleu") -> Metric:
    """BLEU in points (0 to 100) from a column of `bleu_counts`."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _bleu(weights @ columns[column])

    return Metric(name, "points", "higher", finish)


def bleu_signature(tokens: str, lower: bool, several: bool) -> str:
    """How BLEU is measured. tokens: as for words; lower: of lower-cased text; several: examples have several references."""
    return f"nrefs:{'var' if several else 1}|case:{'lc' if lower else 'mixed'}|eff:no|tok:{tokens}|smooth:exp"


def _bleu(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r, 10) summed counts -> (r,): 100 * brevity * geometric mean of the precisions of 1 to 4 words.

    The k-th order without a match counts 1 / 2^k matches (NIST's smoothing, Chen and Cherry 2014, method 3); nothing
    matched at all, or no run of four words answered: 0.
    """
    answered, reference = sums[:, 0], sums[:, 1]
    matches, totals = sums[:, 2 : 2 + WORDS], sums[:, 2 + WORDS :]
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=1))
    defined = np.asarray((totals > 0).all(axis=1) & (matches > 0).any(axis=1))
    precisions = np.divide(smoothed, totals, out=np.ones_like(totals), where=defined[:, None])
    shortfall = np.minimum(0.0, 1.0 - reference / np.where(answered > 0, answered, 1.0))
    return np.where(defined, 100.0 * np.exp(np.log(precisions).mean(axis=1) + shortfall), 0.0)


def chrf_counts(answer: str, references: Sequence[str]) -> NDArray[np.int64]:
    """(18,): the counts of one example, see the top of this file, against the reference that gives the best chrF.

    White space is not counted (Popovic 2015, chrF2). references: at least one.
    """
    found = [_runs("".join(answer.split()), order) for order in range(1, CHARACTERS + 1)]
    best, best_score = np.zeros(3 * CHARACTERS, np.int64), -1.0
    for reference in references:
        plain = "".join(reference.split())
        counts: list[int] = []
        for order, runs in enumerate(found, start=1):
            wanted = _runs(plain, order)
            counts += [runs.total() if wanted else 0, wanted.total(), (runs & wanted).total()]
        line = np.array(counts, np.int64)
        score = float(_chrf(line[None].astype(np.float64))[0])
        if score > best_score:
            best, best_score = line, score
    return best


def chrf(column: str) -> Metric:
    """chrF2 in points (0 to 100) from a column of `chrf_counts`."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _chrf(weights @ columns[column])

    return Metric("chrf", "points", "higher", finish)


def chrf_signature(several: bool) -> str:
    """How chrF is measured. several: examples have several references."""
    return f"nrefs:{'var' if several else 1}|case:mixed|eff:yes|nc:{CHARACTERS}|nw:0|space:no"


def _chrf(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r, 18) summed counts -> (r,): 100 * F of precision and recall, each averaged over the orders that both sides have."""
    answered, wanted, matched = (sums[:, part::3] for part in range(3))
    both = (answered > 0) & (wanted > 0)
    orders = np.maximum(both.sum(axis=1), 1)
    precision, recall = (
        np.where(both, matched / np.where(both, side, 1.0), 0.0).sum(axis=1) / orders for side in (answered, wanted)
    )
    divisor = BETA**2 * precision + recall
    return np.where(divisor > 0, 100.0 * (1 + BETA**2) * precision * recall / np.where(divisor > 0, divisor, 1.0), 0.0)


def _runs(sequence: Sequence[Any], order: int) -> Counter[Hashable]:
    """How often each run of `order` neighbours stands in a sequence (of a text: each piece of that many characters)."""
    if isinstance(sequence, str):
        return Counter(sequence[i : i + order] for i in range(len(sequence) - order + 1))
    return Counter(zip(*(sequence[i:] for i in range(order)), strict=False))
