"""Figures of masks, as events of the record: how well each class is found, and which is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepwell.core.scores import Columns

MOST_CLASSES = 20
OF = 1000


def figures(target: str, classes: Sequence[str], columns: Columns) -> list[Mapping[str, Any]]:
    """IoU by class as bars, best first; and, of a thousand pixels of each class, how many are taken for which.

    columns: as metrics/segmentation.py says, with target.confusion (n, K, K) where there is one. Only classes that occur in
    the truth; of many the most frequent.
    """
    hit, true, answered = (columns[f"{target}.{part}"].sum(axis=0) for part in ("hit", "true", "answered"))
    shown = sorted(k for k in np.argsort(-true, kind="stable")[:MOST_CLASSES].tolist() if true[k])
    iou = {k: float(hit[k] / (true[k] + answered[k] - hit[k])) for k in shown}
    order = sorted(iou, key=lambda k: -iou[k])
    events = [
        _event("bars", target, "Intersection over union by class", {
            "labels": [str(classes[k]) for k in order], "values": [iou[k] for k in order],
        })
    ]  # fmt: skip
    confusion = columns.get(f"{target}.confusion")
    if confusion is not None:
        whole = confusion.sum(axis=0)
        shares = whole[np.ix_(shown, shown)] * OF / np.maximum(1, whole[shown].sum(axis=1, keepdims=True))
        labels = [str(classes[k]) for k in shown]
        title = f"Of {OF:,} pixels of a class (down), how many are taken for which (across)"
        events.append(
            _event("confusion", target, title, {"labels": labels, "counts": np.rint(shares).astype(int).tolist()})
        )
    return events


def _event(kind: str, target: str, title: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"event": "figure", "kind": kind, "target": target, "title": title, "data": data}
