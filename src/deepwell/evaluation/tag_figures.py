"""Figures of tags, as events of the record: how well each tag is found, and how far the chance of a tag can be believed.

Unusual: for believing, each tag of each example is one yes or no. Those that are all but excluded are left out: there are so
many of them that bins of equal count would show little else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepwell.core.scores import Columns
from deepwell.evaluation.calibration import reliability

MOST_TAGS = 20
LEAST = 0.05
"""The chance from which on a tag counts as possible."""


def figures(target: str, tags: Sequence[str], columns: Columns) -> list[dict[str, Any]]:
    """F1 by tag as bars, of many the most frequent, best first; and the reliability of the chances. JSON values only.

    columns: as metrics/tags.py says. Tags that no example has are left out; nothing where there are no examples.
    """
    present, answered = (columns[f"{target}.{what}"].astype(np.bool_) for what in ("present", "answered"))
    often = present.sum(axis=0)
    shown = [int(k) for k in np.argsort(-often, kind="stable")[:MOST_TAGS] if often[k]]
    if not shown:
        return []
    found = {k: 2.0 * int((present & answered)[:, k].sum()) / int(often[k] + answered[:, k].sum()) for k in shown}
    order = sorted(shown, key=lambda k: -found[k])
    bars = {"labels": [str(tags[k]) for k in order], "values": [found[k] for k in order]}
    events = [_event("bars", target, f"{target}: F1 by tag", bars)]
    chances = columns[f"{target}.chances"]
    possible = chances >= LEAST
    if possible.any():
        believed = reliability(chances[possible], present[possible])
        events.append(
            _event("reliability", target, f"{target}: single tags, from a chance of {LEAST:g} on", dict(believed))
        )
    return events


def _event(kind: str, target: str, title: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event": "figure", "kind": kind, "target": target, "title": title, "data": data}
