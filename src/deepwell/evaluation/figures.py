"""Figures of the errors and example rows, as `figure` and `examples` events: data for the report, by kind of field.

Unusual: nothing here draws. Each event holds a few hundred JSON numbers at most, however large the part. Of the right
answers some are drawn at random, not picked for beauty; the wrong ones that are shown are the worst there are.

    confusion    labels [c], counts [c][c]: true class down, answered across; the most frequent classes, the rest together
    reliability  bins [{confidence, accuracy, low, high, count}]
    bars         labels [n], values [n]: F1 by class; mean absolute error by tenth of the truth
    roc          points [[false positive rate, true positive rate]]
    fan          history [b], truth [h], answer [h], low [h], high [h], labels [b + h]: a forecast (of the task itself)
    lines        x [n], series [{name, values [n]}], x_label, y_label: curves (likewise)
    residuals    truth [n], answer [n] (at most 500, evenly drawn), edges [b + 1], counts [b] of answer - truth of all rows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key, permutation
from deepwell.core.scores import Columns
from deepwell.core.table import Table
from deepwell.core.task import Pipeline
from deepwell.evaluation import tag_figures
from deepwell.evaluation.calibration import reliability
from deepwell.evaluation.drawn import Drawing, thumbnail
from deepwell.metrics.classification import f1

Event = dict[str, Any]
MOST_CLASSES = 20
MOST_POINTS = 500
MOST_ROC_POINTS = 200
REST = "all others"
SHOWN_EACH = 8
SHOWN_INPUTS = 8
LONGEST_ANSWER = 2000
LONGEST_CELL = 300
"""Characters of a cell of the showcase; many columns are narrow, and a sentence should be whole."""
WRITTEN = ("text", "tags")
"""Kinds of targets whose answers are more or less right."""
DRAWN = ("boxes", "mask")
"""Kinds of targets that are shown on their picture. Their answers are more or less right, too."""
KEY = Key(0).fold("showcase")


def figures(
    schema: Schema, pipeline: Pipeline, columns: Columns, positive: Mapping[str, int] | None = None
) -> list[Event]:
    """The figures of every target that was measured.

    columns: measured columns, name -> (n, ...). positive: target -> index of its positive class (default: of two the
    second). Returns events with the keys event, kind, target, title, data; JSON values only.
    """
    events: list[Event] = []
    for field in schema.targets:
        name = field.name
        if field.kind == "tags" and len(columns.get(f"{name}.present", ())):
            events += tag_figures.figures(name, pipeline.classes(name), columns)
        if not len(columns.get(f"{name}.truth", ())):
            continue
        if field.kind == "category":
            events += _category(name, pipeline.classes(name), columns, (positive or {}).get(name))
        elif field.kind == "number":
            events += _number(name, columns, str(field.facts.get("unit", "")))
    return events


def _category(name: str, classes: Sequence[str], columns: Columns, positive: int | None) -> list[Event]:
    truth, answer = columns[f"{name}.truth"], columns[f"{name}.answer"]
    order = np.argsort(-np.bincount(truth, minlength=len(classes)), kind="stable")
    shown = np.sort(order[:MOST_CLASSES])
    labels = [str(classes[k]) for k in shown] + ([REST] if len(shown) < len(classes) else [])
    place = np.full(len(classes), len(shown))
    place[shown] = np.arange(len(shown))
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (place[truth], place[answer]), 1)
    scores = [_json(f1(name, int(k)).value(columns)) for k in shown]
    events = [
        _event("confusion", name, name, {"labels": labels, "counts": counts.tolist()}),
        _event("bars", name, f"{name}: F1 by class", {"labels": labels[: len(shown)], "values": scores}),
    ]
    probabilities = columns.get(f"{name}.probabilities")
    if probabilities is None:
        return events
    confidence = probabilities[np.arange(len(answer)), answer]
    events.insert(1, _event("reliability", name, name, dict(reliability(confidence, truth == answer))))
    if positive is None and len(classes) == 2:
        positive = 1
    if positive is not None and 0 < np.count_nonzero(truth == positive) < len(truth):
        title = f"{name}: ROC curve, positive class {classes[positive]}"
        points = roc_points(probabilities[:, positive], truth == positive)
        events.append(_event("roc", name, title, {"points": points}))
    return events


def roc_points(scores: NDArray[Any], positive: NDArray[np.bool_], most: int = MOST_ROC_POINTS) -> list[list[float]]:
    """[[false positive rate, true positive rate]] from (0, 0) to (1, 1), thinned evenly along the curve's length.

    scores: (n,), higher means more positive; equal scores are one step. positive: (n,), both kinds present.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    rates = np.zeros((len(last) + 1, 2))
    rates[1:, 0] = np.cumsum(~hits)[last] / np.count_nonzero(~hits)
    rates[1:, 1] = np.cumsum(hits)[last] / np.count_nonzero(hits)
    length = rates.sum(axis=1)  # both rates only rise, so this is the distance walked, from 0 to 2
    kept = np.unique(np.searchsorted(length, np.linspace(0, 2, most), side="left").clip(max=len(last)))
    return [[round(float(x), 6), round(float(y), 6)] for x, y in rates[kept]]


def _number(name: str, columns: Columns, unit: str) -> list[Event]:
    truth, answer = (columns[f"{name}.{what}"].astype(np.float64) for what in ("truth", "answer"))
    chosen = np.linspace(0, len(truth) - 1, min(MOST_POINTS, len(truth))).round().astype(np.int64)
    counts, edges = np.histogram(answer - truth, bins=int(np.clip(np.sqrt(len(truth)), 8, 40)))
    data = {
        "truth": truth[chosen].tolist(), "answer": answer[chosen].tolist(),
        "edges": edges.tolist(), "counts": counts.tolist(),
    }  # fmt: skip
    events = [_event("residuals", name, name, data)]
    order = np.argsort(truth, kind="stable")
    tenths = (
        [piece for piece in np.array_split(order, min(10, len(truth) // 5)) if len(piece)] if len(truth) >= 10 else []
    )
    if tenths:
        labels = [f"{truth[piece[0]]:.4g} to {truth[piece[-1]]:.4g}" for piece in tenths]
        errors = [float(np.abs(answer[piece] - truth[piece]).mean()) for piece in tenths]
        title = f"{name}: mean absolute error{f' ({unit})' if unit else ''} by tenth of the truth"
        events.append(_event("bars", name, title, {"labels": labels, "values": errors}))
    return events


def showcase(
    rows: Table,
    schema: Schema,
    answers: Table,
    columns: Columns,
    index: IntArray | None,
    pipeline: Pipeline | None = None,
) -> list[Event]:
    """Example rows of the first measured target: some right ones, and the worst mistakes; `examples` events.

    Args:
        rows: the raw rows of the part. answers: one line per raw row, as predicted. columns: measured columns, one line per
            example. index: (examples,) the raw row of each example; None: the same order. pipeline: reads true masks.
    Returns:
        Events with the keys event, title, columns, rows; nothing where examples are not rows or nothing was measured.
    """
    known = [f for f in schema.targets if f.name in rows and f.name in answers and len(answers) == len(rows)]
    vague = (*WRITTEN, *DRAWN)
    target = next((f for f in known if f.kind in vague or len(columns.get(f"{f.name}.truth", ()))), None)
    if target is None or not columns:
        return []
    pictures = [f for f in schema.inputs if f.kind == "image"]
    draws = Drawing.of(target, rows[pictures[0].name], pipeline) if target.kind in DRAWN and pictures else None
    inputs = [*(pictures[draws is not None :]), *(f for f in schema.inputs if f.kind != "image")][:SHOWN_INPUTS]
    heads = [("row", "text"), (f"{target.name}, true", target.kind), (f"{target.name}, answered", target.kind)]
    if target.kind not in vague:
        heads.append(("probability of the answer" if target.kind == "category" else "error", "number"))
    heads += [(f.name, f.kind) for f in inputs]
    events: list[Event] = []
    for title, chosen in choose(target, columns):
        lines = []
        for example in chosen:
            row = int(example if index is None else index[example])
            cells = [cell(f, rows[f.name][row], LONGEST_CELL) for f in inputs]
            true, answer = (side[target.name][row] for side in (rows, answers))
            ends = [cell(target, value, LONGEST_CELL) for value in (true, answer)] if draws is None else []
            ends += [] if draws is None else [draws.cell(row, true, true=True), draws.cell(row, answer, true=False)]
            if target.kind not in vague:
                ends.append(_surety(target, columns, int(example)))
            lines.append([rows.where(row), *ends, *cells])
        if lines:
            names = [{"name": name, "kind": kind} for name, kind in heads]
            events.append({"event": "examples", "title": title, "columns": names, "rows": lines})
    return events


def answered(schema: Schema, answers: Table, count: int = SHOWN_EACH) -> list[Event]:
    """The first answers to the default request, where questions have no rows: an `examples` event, nothing without answers.

    schema: of the answers. Texts are shown up to LONGEST_ANSWER characters, and nothing is picked.
    """
    fields = [f for f in schema.fields if f.name in answers]
    shown = answers.take(np.arange(min(count, len(answers))))
    rows = [[cell(f, shown[f.name][row], LONGEST_ANSWER) for f in fields] for row in range(len(shown))]
    names = [{"name": f.name, "kind": f.kind} for f in fields]
    event = {
        "event": "examples",
        "title": "Answers to the default question, not picked",
        "columns": names,
        "rows": rows,
    }
    return [event] if rows else []


def choose(target: Field, columns: Columns, count: int = SHOWN_EACH) -> list[tuple[str, IntArray]]:
    """(title, at most `count` examples) of right answers, drawn at random, and of the worst ones, worst first.

    Of answers that are neither right nor wrong (texts, tags, boxes, masks) some are drawn at random; the worst are known where
    a measured column `TARGET.quality` tells how good each is (higher is better).
    """
    if target.kind in (*WRITTEN, *DRAWN):
        drawn = permutation(len(next(iter(columns.values()))), KEY)
        found = [("Answers drawn at random", drawn[:count])]
        quality = columns.get(f"{target.name}.quality")
        if quality is not None and np.isfinite(quality).any():
            order = np.argsort(np.where(np.isfinite(quality), quality, np.inf), kind="stable")
            found.append(("The worst answers", order[: min(count, np.count_nonzero(np.isfinite(quality)))]))
        return found
    truth, answer = columns[f"{target.name}.truth"], columns[f"{target.name}.answer"]
    if target.kind == "category":
        good, bad = np.flatnonzero(truth == answer), np.flatnonzero(truth != answer)
        worst = bad[np.argsort(-columns[f"{target.name}.nll"][bad], kind="stable")[:count]]
        titles = ("Right answers, drawn at random", "The worst mistakes: the truth seemed least likely")
    else:
        error = np.abs(answer.astype(np.float64) - truth)
        worst = np.argsort(-error, kind="stable")[: min(count, len(error) // 2)]
        good = np.setdiff1d(np.arange(len(error)), worst)
        titles = ("Answers drawn at random", "The largest errors")
    return list(zip(titles, (good[permutation(len(good), KEY)[:count]], worst), strict=True))


def _surety(target: Field, columns: Columns, example: int) -> float | None:
    """The probability of the answer, or answer - truth."""
    truth, answer = columns[f"{target.name}.truth"][example], columns[f"{target.name}.answer"][example]
    if target.kind == "number":
        return float(answer) - float(truth)
    probabilities = columns.get(f"{target.name}.probabilities")
    return None if probabilities is None else float(probabilities[example, answer])


def cell(field: Field, value: Any, longest: int) -> Any:
    """A raw value as a cell: a number, text of at most `longest` characters, or {png: base64} for a picture."""
    if field.kind == "image":
        return thumbnail(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _event(kind: str, target: str, title: str, data: Event) -> Event:
    return {"event": "figure", "kind": kind, "target": target, "title": title, "data": data}


def _json(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
