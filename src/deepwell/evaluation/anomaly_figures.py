"""What a report shows of anomalies: scores by rank and as a histogram, the ROC curve, the oddest rows with their reasons.

lines      scores of the test rows from the oddest on, and the alarm's threshold
histogram  scores of the rows that count as usual; of the anomalous ones, where there are any
roc        points [[false positive rate, true positive rate]]
note       where the scores of the rows fall into two heaps: a hint that many of the rows that were learnt are anomalous
examples   row, label, picture, score, alarm, map, reason: the oddest rows
stretch    of series: lines of the values around the oddest row, what was expected, and where the alarm was on
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.fields import Field, Schema
from deepwell.core.scores import Columns
from deepwell.core.table import Column, Table
from deepwell.data.fields.values import numbers
from deepwell.evaluation.figures import LONGEST_CELL, cell, roc_points

Event = dict[str, Any]
Floats = NDArray[np.float64]
MOST_POINTS = 300
BINS = 40
SHOWN_ROWS = 12
BESIDE = 100
"""Rows of a stretch on either side of its oddest."""
HIGHEST = 0.995
"""Of the scores so many lie in the histogram's bins; those above are counted in the last one."""
ANSWERED = (("score", "number"), ("alarming", "category"), ("map", "image"), ("because", "text"))
"""What is shown of an answer, with its kind."""
FEWEST = 200
"""Rows from which heaps are looked for."""
HEAP = (0.1, 0.5)
"""Share of rows that an upper heap holds at least and at most."""
VALLEY = 0.5
"""Between two heaps there are at most this share of the rows of the lower peak."""


def figures(columns: Columns, planted: bool) -> list[Event]:
    """See the top of this file, without examples. planted: the anomalous rows were made."""
    score, truth = np.asarray(columns["score"], np.float64), columns["truth"]
    anomalous = "planted anomalies" if planted else "rows labelled anomalous"
    own = score[truth < 1] if planted else score
    events = [_ranked(own, columns.get("threshold"))] if len(own) else []
    for title, chosen in (("rows that count as usual", truth < 1), (anomalous, truth == 1)):
        if chosen.any():
            events.append(_histogram(f"Scores of {title}", score[chosen]))
    if (truth == 1).any() and (truth == 0).any():
        known = truth >= 0
        points = roc_points(score[known], truth[known] == 1)
        events.append(_figure("roc", f"ROC curve of {anomalous}", {"points": points}))
    share = heap(own)
    if share is not None:
        events.append({"event": "note", "text": heaps_said("scores of the test rows", share)})
    return events


def heaps_said(of: str, share: float) -> str:
    """What two heaps mean, and what to do. of: what fell into heaps; share: of the upper one."""
    return (
        f"the {of} fall into two heaps, of which the upper holds {share:.0%}: either so many rows are "
        "anomalous, also among those that were learnt as usual, or there are two sorts of usual rows. Look at the rows of "
        "the upper heap; if they are anomalous, leave as many out of training: "
        f"--set contamination={min(round(share, 2), 0.5):g}"
    )


def heap(score: Floats) -> float | None:
    """The share of the upper of two heaps of scores (n,); None where there is only one, or too few rows to tell.

    Of the logarithms a smoothed histogram is taken; there are two heaps where two peaks stand apart by a valley below
    VALLEY of the lower of them, and the upper holds a share within HEAP.
    """
    if len(score) < FEWEST:
        return None
    logs = np.log(np.maximum(score, 1e-9))
    low, high = np.quantile(logs, [0.005, 0.995])
    if high - low < 1e-6:
        return None
    counts = np.histogram(logs.clip(low, high), bins=BINS, range=(low, high))[0].astype(np.float64)
    counts[[0, -1]] = np.minimum(counts[[0, -1]], counts[[1, -2]])  # what was clipped lies there, and is no peak
    weights = np.exp(-0.5 * (np.arange(-4, 5) / 2.0) ** 2)
    smooth = np.convolve(np.pad(counts, 4, mode="edge"), weights / weights.sum(), mode="valid")
    for valley in np.argsort(smooth, kind="stable"):
        left, right = smooth[:valley].max(initial=0.0), smooth[valley + 1 :].max(initial=0.0)
        share = float(np.mean(logs > low + (valley + 0.5) * (high - low) / BINS))
        if smooth[valley] < VALLEY * min(left, right) and HEAP[0] <= share <= HEAP[1]:
            return share
    return None


def _ranked(score: Floats, threshold: NDArray[Any] | None) -> Event:
    order = np.sort(score)[::-1]
    ranks = np.unique(np.geomspace(1, len(order), MOST_POINTS).round().astype(np.int64))
    series = [{"name": "score", "values": order[ranks - 1].tolist()}]
    if threshold is not None and len(threshold):
        series.append({"name": "alarm", "values": [float(threshold[0])] * len(ranks)})
    data = {
        "x": np.log10(ranks).tolist(),
        "series": series,
        "x_label": "rank from the oddest row, power of ten",
        "y_label": "score",
    }
    return _figure("lines", "Scores of the test rows, the oddest first", data)


def _histogram(title: str, score: Floats) -> Event:
    top = float(np.quantile(score, HIGHEST))
    counts, edges = np.histogram(score.clip(None, top), bins=int(np.clip(np.sqrt(len(score)), 8, BINS)))
    return _figure("histogram", title, {"edges": edges.tolist(), "counts": counts.tolist(), "label": "score"})


def _figure(kind: str, title: str, data: Event) -> Event:
    return {"event": "figure", "kind": kind, "target": "score", "title": title, "data": data}


def oddest(
    rows: Table, answers: Table, index: IntArray | None, inputs: Sequence[Field], label: Field | None
) -> list[Event]:
    """The rows of highest score, as one `examples` event; nothing where none was answered.

    rows: raw, of the test part; answers: one line per raw row. index: the raw rows that were measured; None: all. label: who says
    which rows are anomalous.
    """
    some = np.unique(index) if index is not None else np.arange(len(rows))
    if len(answers) != len(rows) or not len(some):
        return []
    score = _scores(answers["score"][some])
    order = some[np.argsort(-score, kind="stable")[:SHOWN_ROWS]]
    shown = [f for f in inputs if f.name in rows and f.kind == "image"]  # of others the reason tells the values
    beside = [*([label] if label is not None and label.name in rows else []), *shown]
    told = [Field(name, kind) for name, kind in ANSWERED if name in answers]
    heads = [("row", "text"), *((f.name, f.kind) for f in (*beside, *told))]
    lines = []
    for row in order:
        cells = [cell(f, rows[f.name][row], LONGEST_CELL) for f in beside]
        cells += [cell(f, answers[f.name][row], LONGEST_CELL) for f in told]
        lines.append([rows.where(int(row)), *cells])
    columns = [{"name": name, "kind": kind} for name, kind in heads]
    return [
        {"event": "examples", "title": "The oddest rows of the test part, and why", "columns": columns, "rows": lines}
    ]


def stretch(rows: Table, answers: Table, index: IntArray | None, schema: Schema) -> list[Event]:
    """The oddest row of series with BESIDE rows on either side, as two figures: the number that is oddest there, and the score.

    rows, answers: as for `oddest`. index: the measured rows, in the order of time within each series; a row that stands there
    again (a spoilt copy) counts where it stands first. Nothing where none was answered.
    """
    if index is None or not len(index) or len(answers) != len(rows):
        return []
    order = index[np.sort(np.unique(index, return_index=True)[1])]
    score = _scores(answers["score"])
    worst = int(order[score[order].argmax()])
    if not np.isfinite(score[worst]):
        return []
    groups = [f.name for f in schema.of("group")]
    for name in groups:
        order = order[[bool(v == rows[name][worst]) for v in rows[name][order]]]
    middle = int(np.flatnonzero(order == worst)[0])
    part = order[max(0, middle - BESIDE) : middle + BESIDE + 1]
    x = (np.arange(len(part)) - min(middle, BESIDE)).tolist()
    names = [f.name for f in schema.of("input", "number")]
    name = max(names, key=lambda n: float(answers[f"share.{n}"][worst]) if f"share.{n}" in answers else 0.0)
    value = numbers(rows[name])[0][part]
    alarm = np.array([a == "yes" for a in answers["alarming"][part]])
    alarm[:-1] |= alarm[1:]  # a line needs two rows, and one may be alarming alone
    curves = [("value", value), ("alarm", np.where(alarm, value, np.nan))]
    if f"expected.{name}" in answers:
        curves.append(("expected", numbers(answers[f"expected.{name}"])[0][part]))
    series = " of " + ", ".join(str(rows[group][worst]) for group in groups) if groups else ""
    where = f"around the oddest row of the test part, {rows.where(worst)}"
    drawn = ((f"{name}{series} {where}", name, curves), (f"Score {where}", "score", [("score", score[part])]))
    return [
        _figure("lines", title, {"x": x, "series": _curves(shown), "x_label": "rows after it", "y_label": label})
        for title, label, shown in drawn
    ]


def _curves(named: Sequence[tuple[str, Floats]]) -> list[Event]:
    """Curves for a figure of lines; what is not finite is left open."""
    return [{"name": n, "values": [float(v) if np.isfinite(v) else None for v in values]} for n, values in named]


def _scores(column: Column) -> Floats:
    """(n,) scores; the lowest there is where a row has no answer."""
    return np.array([float(v) if v not in (None, "") and v == v else -np.inf for v in column])
