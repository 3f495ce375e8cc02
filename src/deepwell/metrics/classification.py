"""Metrics of a category target. A metric's name is the name of the function that makes it.

Unusual: every metric is computed for many resamples at once. `finish(columns, weights)` gets weights (R, n), R resamples
of n examples, and gives (R,); a weight of 2 means "this example twice", so one call of ones is the plain value and a block
of bootstrap counts is a block of resampled values. A class that a resample does not hold is left out of averages over
classes; a value that has no meaning (one class only) is NaN, never a made-up number.

Legend: n examples, K classes, R resamples. Columns read: TARGET.truth (n,), TARGET.answer (n,) class indices,
TARGET.probabilities (n, K), TARGET.nll (n,) nats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]
MOST_MATMUL_CLASSES = 16


def accuracy(target: str) -> Metric:
    """Share of examples whose answer is the truth."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        hits = columns[f"{target}.truth"] == columns[f"{target}.answer"]
        return _mean(hits, weights)

    return Metric("accuracy", "share", "higher", finish, lambda columns: float(len(columns[f"{target}.truth"])))


def balanced_accuracy(target: str) -> Metric:
    """Mean over classes of the share of a class that is found (macro recall): each class counts the same."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        truth, answer = columns[f"{target}.truth"], columns[f"{target}.answer"]
        classes = _classes(truth, answer)
        found = _sums(weights * (truth == answer), truth, classes)
        return _mean_defined(_ratio(found, _sums(weights, truth, classes)))

    return Metric("balanced_accuracy", "share", "higher", finish, lambda columns: _rarest(columns, target))


def f1(target: str, positive: int | None = None) -> Metric:
    """F1 = 2 tp / (2 tp + fp + fn): of the class with index `positive`, or the mean over all classes (macro) for None.

    Classes that neither truth nor answers hold are left out of the mean, as scikit-learn does.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        truth, answer = columns[f"{target}.truth"], columns[f"{target}.answer"]
        classes = max(_classes(truth, answer), 0 if positive is None else positive + 1)
        both = _sums(weights * (truth == answer), truth, classes)
        values = _ratio(2 * both, _sums(weights, truth, classes) + _sums(weights, answer, classes))
        return _mean_defined(values) if positive is None else values[:, positive]

    def trials(columns: Columns) -> float:
        if positive is None:
            return _rarest(columns, target)
        return max(1.0, float(np.count_nonzero(columns[f"{target}.truth"] == positive)))

    return Metric("f1", "share", "higher", finish, trials)


def log_loss(target: str) -> Metric:
    """Mean negative log probability of the truth, in nats."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _mean(columns[f"{target}.nll"], weights)

    return Metric("log_loss", "nats", "lower", finish)


def brier(target: str) -> Metric:
    """Mean squared distance between the probabilities and the truth (Brier 1950).

    Summed over classes; halved for two classes, so that it is the familiar (p - y)^2 of the positive class.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        truth, shares = columns[f"{target}.truth"], columns[f"{target}.probabilities"]
        at_truth = shares[np.arange(len(truth)), truth].astype(np.float64)
        distance = np.einsum("nk,nk->n", shares, shares, dtype=np.float64) - 2 * at_truth + 1
        return _mean(distance / 2 if shares.shape[1] == 2 else distance, weights)

    return Metric("brier", "squared share", "lower", finish)


def area_under_curve(target: str, positive: int | None = None) -> Metric:
    """Area under the ROC curve: the chance that a positive example gets a higher probability than a negative one.

    Ties count half (the Mann-Whitney statistic), exactly. positive: index of the positive class; None: of two classes the
    second, of more the mean over classes of one against the rest.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        truth, shares = columns[f"{target}.truth"], columns[f"{target}.probabilities"]
        chosen = positive if positive is not None else (1 if shares.shape[1] == 2 else None)
        if chosen is not None:
            return _area(shares[:, chosen], truth == chosen, weights)
        present = np.unique(truth)
        return _mean_defined(np.stack([_area(shares[:, k], truth == k, weights) for k in present], axis=1))

    def trials(columns: Columns) -> float:
        truth, classes = columns[f"{target}.truth"], columns[f"{target}.probabilities"].shape[1]
        if positive is None and classes > 2:
            return _rarest(columns, target)
        positives = np.count_nonzero(truth == (1 if positive is None else positive))
        return max(1.0, float(min(positives, len(truth) - positives)))

    return Metric("area_under_curve", "share", "higher", finish, trials)


def _area(scores: NDArray[Any], positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """(R,): weighted Mann-Whitney statistic of scores (n,) for positive (n,); NaN without positives or negatives.

    Each positive beats the weight below it and half of the weight beside it, itself included. Of what all positives beat
    so, half the square of their own weight is among themselves; the rest are negatives (rank-sum form, ties exact).
    """
    order = np.argsort(scores, kind="stable")
    ranked, places = scores[order], np.flatnonzero(positive[order])
    reached = np.zeros((len(weights), len(scores) + 1))
    np.cumsum(np.take(weights, order, axis=1), axis=1, out=reached[:, 1:])
    first = np.searchsorted(ranked, ranked[places], side="left")
    behind = np.searchsorted(ranked, ranked[places], side="right")
    beaten = (np.take(reached, first, axis=1) + np.take(reached, behind, axis=1)) / 2
    own = np.take(weights, order[places], axis=1)
    total = own.sum(axis=1)
    won = np.einsum("rp,rp->r", own, beaten) - total**2 / 2
    return _ratio(won, total * (weights.sum(axis=1) - total))


def _mean(values: NDArray[Any], weights: Floats) -> Floats:
    """(R,): weighted means of values (n,)."""
    return _ratio(weights @ values.astype(np.float64), weights.sum(axis=1))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    filled = np.full(np.shape(top), np.nan)
    np.divide(top, bottom, out=filled, where=bottom > 0)
    return filled


def _mean_defined(values: Floats) -> Floats:
    """(R,): the mean over classes (R, K) of what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _sums(weights: Floats, labels: NDArray[Any], classes: int) -> Floats:
    """(R, K): the weight of each class, labels (n,) in 0..K-1."""
    if classes <= MOST_MATMUL_CLASSES:  # a small matrix product is faster than gathering; many classes would not fit
        one_hot = (labels[:, None] == np.arange(classes)).astype(np.float64)
        return np.asarray(weights @ one_hot)
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = np.zeros((len(weights), classes))
    sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def _classes(*labels: NDArray[Any]) -> int:
    """One more than the highest class index."""
    return 1 + max(int(array.max(initial=0)) for array in labels)


def _rarest(columns: Columns, target: str) -> float:
    """Trials behind a mean over classes: classes times the examples of the rarest one."""
    counts = np.unique(columns[f"{target}.truth"], return_counts=True)[1]
    return float(len(counts) * counts.min())
