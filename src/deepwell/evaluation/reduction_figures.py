"""What a report shows of reduced rows: their codes on a plane, and rows beside what was written again from their codes.

Unusual: of many columns only those are shown that were written worst in the rows that are shown, for the others say nothing.

    map        x [n], y [n], label [n]: the two principal components of the codes, at most MOST_POINTS rows
    lines      x [n], series: the rows of a series around its worst one, as they were and as they were written again
    examples   row, error, then each shown column beside what was written again: the worst, the middle, and of pictures the best
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.fields import Field
from deepwell.core.table import Column, Table
from deepwell.data.fields.values import numbers
from deepwell.evaluation.figures import cell

Event = dict[str, Any]
MOST_POINTS = 1_000
MOST_LABELS = 12
"""Different values of a column that points are coloured by; a column of more is cut into FIFTHS of its rows, or not shown."""
FIFTHS = 5
SHOWN_ROWS = 4
SHOWN_COLUMNS = 4
SHOWN_STEPS = 200
LONGEST_CELL = 60
WRITTEN = ".written"
"""What answers call a column that was written again."""


def plane(codes: NDArray[Any], aside: Field | None, values: Column | None) -> Event:
    """The codes (n, k) on their two principal components; coloured by the values (n,) of a column that was set aside."""
    wide = np.asarray(codes, np.float64)
    some = np.linspace(0, len(wide) - 1, min(MOST_POINTS, len(wide))).astype(np.int64)
    centred = (wide - wide.mean(axis=0))[some]
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    heights = flat[:, 1] if flat.shape[1] > 1 else np.zeros(len(flat))
    axes = {"x_label": "first component of the codes", "y_label": "second"}
    data: Event = {"x": flat[:, 0].tolist(), "y": heights.tolist(), **axes}
    title, labels = "The codes of test rows", None if aside is None or values is None else _labels(aside, values)
    if labels is not None and aside is not None:
        data["label"] = [labels[i] for i in some]
        title += f", coloured by {aside.name}, which was not read"
    return {"event": "figure", "kind": "map", "target": "codes", "title": title, "data": data}


def _labels(field: Field, values: Column) -> list[str] | None:
    """A name for each value: itself, or the fifth of a number's range of rows that it lies in; None for what has no few names."""
    names = ["missing" if v is None or v != v else str(v) for v in values]
    if len(set(names)) <= MOST_LABELS or field.kind == "category":
        return names
    if field.kind != "number":
        return None
    found, _ = numbers(values)
    edges = np.nanquantile(found, np.linspace(0, 1, FIFTHS + 1))
    places = np.searchsorted(edges[1:-1], found, side="right")
    spans = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return ["missing" if np.isnan(v) else spans[p] for v, p in zip(found, places, strict=True)]


def beside(
    fields: Sequence[Field], rows: Table, answers: Table, errors: NDArray[np.float64], index: IntArray | None
) -> list[Event]:
    """Rows with what was written again of them.

    Args:
        fields: what was read. rows: raw; answers: one line per raw row, with `NAME.written`. errors: (examples,) of each example;
            index: (examples,) the raw row of each; None: the same order.
    """
    fields = [f for f in fields if f.name in rows and f.name + WRITTEN in answers]
    if not fields or not len(errors):
        return []
    order = np.argsort(errors, kind="stable")
    half = max(0, len(order) // 2 - SHOWN_ROWS // 2)
    groups = {
        "Written again worst": order[::-1][:SHOWN_ROWS],
        "Written again as rows mostly are: the middle of the errors": order[half : half + SHOWN_ROWS],
    }
    if any(f.kind == "image" for f in fields):
        groups["Written again best"] = order[:SHOWN_ROWS]
    events = []
    for title, chosen in groups.items():
        lines = [int(example if index is None else index[example]) for example in chosen]
        shown = _worst(fields, rows, answers, lines)
        heads = [("row", "text"), ("error", "number")]
        heads += [(name, f.kind) for f in shown for name in (f.name, f"{f.name}, written again")]
        table = [
            [rows.where(row), float(errors[example]), *_pairs(shown, rows, answers, row)]
            for example, row in zip(chosen, lines, strict=True)
        ]
        columns = [{"name": name, "kind": kind} for name, kind in heads]
        events.append({"event": "examples", "title": title, "columns": columns, "rows": table})
    return events


def along(
    fields: Sequence[Field],
    rows: Table,
    answers: Table,
    errors: NDArray[np.float64],
    index: IntArray | None,
    order: str,
) -> list[Event]:
    """Curves of rows that are steps of series, SHOWN_STEPS around the one with the largest error. See `beside`.

    order: the column of their moments.
    """
    if not len(errors):
        return []
    worst = int(np.argmax(errors))
    first = max(0, min(worst - SHOWN_STEPS // 2, len(errors) - SHOWN_STEPS))
    lines = np.arange(first, min(first + SHOWN_STEPS, len(errors)))
    lines = lines if index is None else index[lines]
    events = []
    for field in fields[:SHOWN_COLUMNS]:
        pair = {"as it was": rows[field.name], "written again": answers[field.name + WRITTEN]}
        series = [{"name": name, "values": _curve(column[lines])} for name, column in pair.items()]
        title = f"{field.name}: as it was, and written again, around the row that was written worst"
        data = {"x": [str(v) for v in rows[order][lines]], "series": series, "x_label": order, "y_label": field.name}
        events.append({"event": "figure", "kind": "lines", "target": field.name, "title": title, "data": data})
    return events


def _curve(column: Column) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in numbers(column)[0]]


def _pairs(shown: Sequence[Field], rows: Table, answers: Table, row: int) -> list[Any]:
    return [cell(f, side[row], LONGEST_CELL) for f in shown for side in (rows[f.name], answers[f.name + WRITTEN])]


def _worst(fields: Sequence[Field], rows: Table, answers: Table, lines: Sequence[int]) -> list[Field]:
    """The columns to show: pictures, then those that were written worst in these lines."""
    pictures = [f for f in fields if f.kind == "image"]
    others = [f for f in fields if f.kind != "image"]
    errors = {f.name: _error(f, rows[f.name], answers[f.name + WRITTEN], lines) for f in others}
    return [*pictures, *sorted(others, key=lambda f: -errors[f.name])][:SHOWN_COLUMNS]


def _error(field: Field, true: Column, written: Column, lines: Sequence[int]) -> float:
    """How far off a column is in these lines: of numbers in deviations of the column, of categories the share that differs."""
    if field.kind != "number":
        return float(np.mean([str(true[i]) != str(written[i]) for i in lines]))
    (one, _), (two, _) = numbers(true), numbers(written)
    away = np.abs(one - two)[list(lines)]
    spread = float(np.nanstd(one)) if np.isfinite(one).any() else 0.0
    return float(np.nanmean(away)) / max(spread, 1e-12) if np.isfinite(away).any() else 0.0
