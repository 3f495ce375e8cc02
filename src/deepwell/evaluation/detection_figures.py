"""Figures of found objects, and the score from which on they are answered; both from the columns of metrics/detection.py.

bars    labels [n], values [n]: average precision at half overlap by class
lines   x [101] recalls, series [{name, values}]: the best precision at each recall or beyond, by class
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns
from deepwell.metrics.detection import NEITHER, RECALLS, RIGHT, class_average_precision

Event = dict[str, Any]
MOST_CLASSES, MOST_LINES = 20, 6
"""Classes that are shown: those with the most true boxes."""


def figures(target: str, classes: Sequence[str], columns: Columns) -> list[Event]:
    """The figures, as `figure` events; none where no class has a true box. classes: names by index."""
    truths = columns[f"{target}.truths"][:, :, 0].sum(axis=0)
    order = [int(k) for k in np.argsort(-truths, kind="stable") if truths[k]]
    if not order:
        return []
    shown = sorted(order[:MOST_CLASSES])
    values = [class_average_precision(target, k, classes[k]).value(columns) for k in shown]
    series = [
        {"name": classes[k], "values": [round(float(v), 4) for v in precision_at_recalls(target, columns, k)]}
        for k in sorted(order[:MOST_LINES])
    ]
    axes = {"x_label": "recall", "y_label": "precision"}
    return [
        _event("bars", target, f"{target}: average precision by class, at half overlap",
               {"labels": [classes[k] for k in shown], "values": values}),
        _event("lines", target, f"{target}: precision and recall, at half overlap",
               {"x": [round(float(r), 2) for r in RECALLS], "series": series, **axes}),
    ]  # fmt: skip


def precision_at_recalls(target: str, columns: Columns, label: int) -> NDArray[np.float64]:
    """(101,): of one class at half overlap, the best precision at each of RECALLS or beyond; 0 where none is reached."""
    right, counted = _outcomes(target, columns, columns[f"{target}.labels"] == label)
    hits, answers = np.cumsum(right), np.cumsum(counted)
    recall = hits / max(1, int(columns[f"{target}.truths"][:, label, 0].sum()))
    best = np.maximum.accumulate((hits / np.maximum(answers, 1))[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS - 1e-12)
    return np.asarray(np.append(best, 0.0)[place], np.float64)


def best_threshold(target: str, columns: Columns) -> float | None:
    """The score from which on answers have the best F1 at half overlap, all classes together; None without true boxes.

    It lies midway between the last score that is to be answered and the first that is not; of equals the highest.
    """
    truths = int(columns[f"{target}.truths"][:, :, 0].sum())
    asked = columns[f"{target}.labels"] >= 0
    scores = np.sort(columns[f"{target}.scores"][asked].astype(np.float64))[::-1]
    if not truths or not len(scores):
        return None
    right, counted = _outcomes(target, columns, asked)
    f1 = 2.0 * np.cumsum(right) / (np.cumsum(counted) + truths)
    last = np.append(scores[1:] != scores[:-1], True)  # answers of one score come together or not at all
    place = int(np.argmax(np.where(last, f1, -1.0)))
    below = scores[place + 1] if place + 1 < len(scores) else 0.0
    return float((scores[place] + below) / 2.0)


def _outcomes(target: str, columns: Columns, which: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of the answers at `which` (n, M), best first: whether each is right at half overlap, and whether it counts at all."""
    scores, match = columns[f"{target}.scores"][which], columns[f"{target}.match"][which][:, 0, 0]
    match = match[np.argsort(-scores.astype(np.float64), kind="stable")]
    return match == RIGHT, match != NEITHER


def _event(kind: str, target: str, title: str, data: Event) -> Event:
    return {"event": "figure", "kind": kind, "target": target, "title": title, "data": data}
