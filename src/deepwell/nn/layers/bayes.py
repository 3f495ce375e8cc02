"""Bayes: what the training rows say about each entry of a set by itself, as the first weights of a bag (ngrams.py).

Wang and Manning 2012 (Baselines and Bigrams): log-count ratios of naive Bayes make a linear model of n-grams hard to beat. There
they scale the features, here they are where training begins, so they are in the weights and nowhere else.

    class      log p(entry | class), less its mean over the classes
    tag        log p(entry | tag) - log p(entry | not that tag)
    number     mean of the rows with the entry, less the mean of all

p counts rows, with SMOOTHING more for every entry; a mean is taken over SMOOTHING rows more that are like all. Legend: n rows, E
entries of all rows, V entries of the vocabulary, K classes or tags.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMOOTHING = 1.0

TargetKind = Literal["category", "tags", "number"]


class Bayes:
    """Counts of one vocabulary, and the weights that follow.

    entries: V. outputs: K; 1 for a number. kind: of the target, as its truth comes: (n,) classes, (n, K) tags, (n,) numbers.
    """

    def __init__(self, entries: int, outputs: int, kind: TargetKind) -> None:
        self.kind = kind
        self._sums = np.zeros((outputs, entries))
        self._rows, self._sum, self._count = np.zeros(entries), np.zeros(outputs), 0

    def add(self, entries: NDArray[Any], row: NDArray[Any], truth: NDArray[Any]) -> None:
        """Some rows: entries (E,), the row of each (E,), and the truth about each row."""
        np.add.at(self._rows, entries, 1.0)
        if self.kind == "category":
            np.add.at(self._sums.reshape(-1), truth[row].astype(np.int64) * self._sums.shape[1] + entries, 1.0)
            return
        self._count += len(truth)
        self._sum += truth.sum(axis=0, dtype=np.float64)
        for total, values in zip(self._sums, truth.reshape(len(truth), -1).T, strict=True):
            each = values[row]
            used = np.flatnonzero(each)
            np.add.at(total, entries[used], each[used].astype(np.float64))

    def weights(self) -> Floats:
        """(V, K)."""
        if self.kind == "number":
            mean = self._sum / max(1, self._count)
            found = (self._sums - mean[:, None] * self._rows) / (self._rows + SMOOTHING)
        elif self.kind == "tags":
            found = _log_shares(self._sums) - _log_shares(self._rows - self._sums)
        else:
            found = _log_shares(self._sums)
            found -= found.mean(axis=0)
        weights: Floats = found.T
        return weights


def _log_shares(counts: Floats) -> Floats:
    """(K, V) log of each entry's share of the counts of its line."""
    smooth = counts + SMOOTHING
    shares: Floats = np.log(smooth / smooth.sum(axis=1, keepdims=True))
    return shares
