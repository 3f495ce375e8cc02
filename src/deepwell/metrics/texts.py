"""How written answers are measured: which metrics suit which targets, and their lines for a batch of texts.

The rule (style): targets of few words are answers to questions, right or wrong: F1 of their words and exact match. Longer ones
that are much shorter than their sources are summaries: ROUGE. All others are translations: BLEU and chrF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Metric
from deepwell.metrics import summaries, translation

ORACLE = "rouge_l of the best sentence read"
"""No metric of the answers: what a system could reach that copies one sentence of what is read of the source."""
STYLES: Mapping[str, tuple[str, ...]] = {
    "translations": ("bleu", "bleu_lower", "chrf"),
    "summaries": ("rouge_l", "rouge_1", "rouge_2", ORACLE),
    "answers": ("f1", "exact_match", "chrf"),
}
"""What targets are like -> how answers are measured, the primary metric first."""
NAMES = ("bleu", "bleu_lower", "chrf", *summaries.COMPARISONS)
"""What can be asked for."""
FEW_WORDS = 5.0
"""Targets with no more words than this on average are answers."""
MUCH_SHORTER = 0.5
"""Longer targets with at most this share of the source's words are summaries."""


def style(source_words: float, target_words: float) -> str:
    """One of STYLES, by the words of a training source and target on average."""
    if target_words <= FEW_WORDS:
        return "answers"
    return "summaries" if target_words <= MUCH_SHORTER * source_words else "translations"


def metric(name: str, column: str) -> Metric:
    """A metric from a column of lines."""
    if name == "chrf":
        return translation.chrf(column)
    if name.startswith("bleu"):
        return translation.bleu(column, name)
    return summaries.average(name, column)


def described(name: str, tokens: str, several: bool) -> str:
    """A metric with the signature that sacreBLEU would print, where it has one. See Compared; several: more references."""
    if name == "chrf":
        return f"chrf ({translation.chrf_signature(several)})"
    if name.startswith("bleu"):
        return f"{name} ({translation.bleu_signature(tokens, name == 'bleu_lower', several)})"
    return name


@dataclass(frozen=True)
class Compared:
    """Answers beside what they are compared with; words are cut once, when a metric first needs them.

    answers, sources: a text each. references: at least one each. sentences: of each source. tokens: how BLEU cuts text.
    """

    answers: Sequence[str]
    references: Sequence[Sequence[str]]
    sentences: Sequence[Sequence[str]]
    tokens: str = "13a"

    def lines(self, name: str) -> NDArray[Any]:
        """(n, ...): what the metric reads, one line per answer."""
        if name == "chrf":
            width = 3 * translation.CHARACTERS
            rows = [translation.chrf_counts(a, r) for a, r in zip(self.answers, self.references, strict=True)]
            return np.array(rows, np.int64).reshape(len(rows), width)
        if name.startswith("bleu"):
            return self._bleu(name == "bleu_lower")
        if name == ORACLE:
            cut = [[summaries.words(sentence) for sentence in some] for some in self.sentences]
            return np.array([summaries.oracle(s, r) for s, (_, r) in zip(cut, self._words, strict=True)], np.float64)
        return np.array([summaries.best(name, answer, references) for answer, references in self._words], np.float64)

    def _bleu(self, lower: bool) -> NDArray[np.int64]:
        def cut(text: str) -> list[str]:
            return translation.words(text.lower() if lower else text, self.tokens)

        pairs = zip(self.answers, self.references, strict=True)
        rows = [translation.bleu_counts(cut(answer), [cut(text) for text in texts]) for answer, texts in pairs]
        return np.array(rows, np.int64).reshape(len(rows), 2 + 2 * translation.WORDS)

    @cached_property
    def _words(self) -> list[tuple[list[str], list[list[str]]]]:
        """Words of each answer and of its references."""
        pairs = zip(self.answers, self.references, strict=True)
        return [(summaries.words(answer), [summaries.words(text) for text in texts]) for answer, texts in pairs]
