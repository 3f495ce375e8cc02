"""Metrics of anomalies: how well scores rank the anomalous rows above the usual ones.

Columns read: score (n,), higher is odder; truth (n,): 1 anomalous, 0 usual, -1 nobody knows, which counts for nothing. As in
classification.py every metric is computed for R resamples at once from weights (R, n), and rows of equal score are one step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric
from deepwell.metrics import classification

Floats = NDArray[np.float64]
PLANTED = "planted_"
"""Begins the names of metrics whose anomalies were made."""


def metrics(rate: float, planted: bool) -> list[Metric]:
    """All of them, area under the ROC curve first. rate: share of usual rows that may be alarming. planted: see PLANTED."""
    made = PLANTED if planted else ""
    return [
        Metric(f"{made}area_under_curve", "share", "higher", _area, _trials),
        Metric(f"{made}average_precision", "share", "higher", _average_precision, _trials),
        Metric(f"{made}recall_at_alarm_rate", "share", "higher", lambda c, w: _recall(c, w, rate), _trials),
    ]


def _known(columns: Columns, weights: Floats) -> tuple[NDArray[Any], NDArray[np.bool_], Floats]:
    """score (m,), anomalous (m,) and weights (R, m) of the rows that somebody knows."""
    known = columns["truth"] >= 0
    return columns["score"][known], columns["truth"][known] == 1, weights[:, known]


def _area(columns: Columns, weights: Floats) -> Floats:
    """Chance that an anomalous row has a higher score than a usual one; ties count half."""
    score, odd, weights = _known(columns, weights)
    found = {"odd.truth": odd.astype(np.int64), "odd.probabilities": np.stack([-score, score], axis=1)}
    return np.asarray(classification.area_under_curve("odd", 1).finish(found, weights))


def _trials(columns: Columns) -> float:
    odd, usual = (np.count_nonzero(columns["truth"] == kind) for kind in (1, 0))
    return max(1.0, float(min(odd, usual)))


def _steps(columns: Columns, weights: Floats) -> tuple[Floats, Floats]:
    """(R, steps): weight of anomalous and of usual rows whose score is at least that of each step, highest first."""
    score, odd, weights = _known(columns, weights)
    order = np.argsort(-score, kind="stable")
    if not len(order):
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    ranked = score[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    sorted_weights = weights[:, order]
    found = np.cumsum(sorted_weights * odd[order], axis=1)[:, ends]
    wrong = np.cumsum(sorted_weights * ~odd[order], axis=1)[:, ends]
    return found, wrong


def _average_precision(columns: Columns, weights: Floats) -> Floats:
    """Mean over anomalous rows of the share of anomalous ones among all rows that are at least as odd."""
    found, wrong = _steps(columns, weights)
    gained = np.diff(found, axis=1, prepend=0.0)
    total = found[:, -1]
    above = found + wrong
    precision = np.divide(found, above, out=np.zeros_like(found), where=above > 0)
    mean = np.full(len(total), np.nan)
    np.divide((gained * precision).sum(axis=1), total, out=mean, where=(total > 0) & (wrong[:, -1] > 0))
    return mean


def _recall(columns: Columns, weights: Floats, rate: float) -> Floats:
    """Share of the anomalous rows that are found where at most `rate` of the usual ones are alarming with them."""
    found, wrong = _steps(columns, weights)
    total, usual = found[:, -1], wrong[:, -1]
    allowed = wrong <= rate * usual[:, None] + 1e-9
    best = np.where(allowed, found, 0.0).max(axis=1)
    recall = np.full(len(total), np.nan)
    np.divide(best, total, out=recall, where=(total > 0) & (usual > 0))
    return recall
