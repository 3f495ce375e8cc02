"""Metrics of a target of tags: any number of them for each example. Vectorised over resamples as classification.py says.

Columns read: TARGET.present (n, K) and TARGET.answered (n, K), bool: which tags are true and which were answered;
TARGET.chances (n, K): the probability of each; TARGET.unknown (n,): how many true tags there are beside these K, which no
answer can hold; TARGET.nll (n,): nats, summed over the K tags. Legend: n examples, K tags, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]


def micro_f1(target: str) -> Metric:
    """F1 = 2 tp / (2 tp + fp + fn) over all tags of all examples: every tag that is given or missed counts the same."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        both, given = _agreed(columns, target)
        return _ratio(2 * (weights @ both.sum(axis=1)), weights @ (given.sum(axis=1) + columns[f"{target}.unknown"]))

    return Metric("micro_f1", "share", "higher", finish, lambda columns: _trials(columns, target))


def macro_f1(target: str) -> Metric:
    """Mean over the K tags of the F1 of each; tags that neither truth nor answers hold are left out."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        both, given = _agreed(columns, target)
        each = _ratio(2 * (weights @ both), weights @ given)
        defined = ~np.isnan(each)
        return _ratio(np.where(defined, each, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))

    return Metric("macro_f1", "share", "higher", finish, lambda columns: _trials(columns, target))


def label_ranking_average_precision(target: str) -> Metric:
    """How far up true tags stand when tags are put in order of their probability (Schapire and Singer 2000), 0 to 1.

    For each true tag the share of true ones among all that stand at least as high, for one beside the K 0; the mean over the
    true tags of an example, then over examples. An example with no tag, or with all of them, counts 1, as in scikit-learn.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        present, unknown = columns[f"{target}.present"].astype(np.bool_), columns[f"{target}.unknown"]
        known = present.sum(axis=1)
        values = _ranked(columns[f"{target}.chances"], present)
        values *= np.where(unknown > 0, known / np.maximum(1, known + unknown), 1.0)
        return _ratio(weights @ values, weights.sum(axis=1))

    return Metric(
        "label_ranking_average_precision", "share", "higher", finish, lambda c: float(len(c[f"{target}.present"]))
    )


def log_loss(target: str) -> Metric:
    """Mean negative log probability of the truth about all tags of an example, in nats."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _ratio(weights @ columns[f"{target}.nll"].astype(np.float64), weights.sum(axis=1))

    return Metric("log_loss", "nats", "lower", finish)


def _agreed(columns: Columns, target: str) -> tuple[Floats, Floats]:
    """(n, K): tags that are both true and answered; and how often each is either, both counting twice."""
    truth, answer = (columns[f"{target}.{what}"].astype(np.float64) for what in ("present", "answered"))
    return truth * answer, truth + answer


def _ranked(chances: NDArray[Any], present: NDArray[np.bool_]) -> Floats:
    """(n,) the average precision of each example's order of tags; ties stand at the worse place."""
    values = np.ones(len(present))
    for row in np.flatnonzero(present.any(axis=1) & ~present.all(axis=1)):
        scores, true = chances[row], present[row]
        everything, ours = np.sort(scores), np.sort(scores[true])
        as_high = len(everything) - np.searchsorted(everything, ours)  # of all, counted from above, itself included
        values[row] = np.mean((len(ours) - np.searchsorted(ours, ours)) / as_high)
    return values


def _trials(columns: Columns, target: str) -> float:
    """Tags that are true: about how many yes/no outcomes stand behind an F1."""
    return max(1.0, float(np.count_nonzero(columns[f"{target}.present"]) + columns[f"{target}.unknown"].sum()))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    filled = np.full(np.shape(top), np.nan)
    np.divide(top, bottom, out=filled, where=bottom > 0)
    return filled
