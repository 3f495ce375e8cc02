"""After recognition: figures of each column for the record, and whether new data fits a schema."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError, nearest
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Table
from deepwell.data.fields import pictures
from deepwell.data.fields.values import missing, numbers
from deepwell.data.recognition_columns import Look, blocks, look

BINS = 20
TOP = 20


def describe(table: Table, schema: Schema) -> list[dict[str, Any]]:
    """For each column what the record's `columns` event holds: name, kind, role, missing, stats, and bins or top values.

    bins: {edges (b + 1), counts (b)}; the outer edges are minimum and maximum, the inner ones lie between the 0.5% and 99.5%
    quantiles, so that a few extreme values do not push all others into one bin. top: the most frequent [value, count].
    """
    return [_describe(table[f.name], f) for f in schema.fields if f.name in table]


def _describe(column: Column, field: Field) -> dict[str, Any]:
    seen = look(field.name, column)
    base = {"name": field.name, "kind": field.kind, "role": field.role, "missing": seen.missing}
    if seen.form == "image":
        return {**base, "stats": {"rows": seen.rows, **_picture_stats(column)}}
    if seen.form not in ("number", "bool", "text"):
        return {**base, "stats": {"rows": seen.rows}}
    if field.kind == "number":
        return {**base, **_number_figures(seen)}
    if field.kind == "text":
        return {**base, "stats": {"rows": seen.rows, "distinct": seen.distinct, **_text_stats(seen)}}
    order = np.lexsort((np.arange(seen.distinct), -seen.counts))[:TOP]
    top = [[seen.keys[i][:200], int(seen.counts[i])] for i in order]
    return {**base, "stats": {"rows": seen.rows, "distinct": seen.distinct}, "top": top}


def _number_figures(seen: Look) -> dict[str, Any]:
    stats: dict[str, Any] = {"rows": seen.rows, "distinct": seen.distinct}
    if seen.bounds is None:
        return {"stats": stats, "bins": {"edges": [], "counts": []}}
    values = seen.values[np.isfinite(seen.values)]
    scale = max(map(abs, seen.bounds)) or 1.0
    mean = sum(float((block / scale).sum()) for block in blocks(values)) / len(values)
    variance = sum(float(np.square(block / scale - mean).sum()) for block in blocks(values)) / len(values)
    mean, deviation = mean * scale, variance**0.5 * scale
    # In place: of a large column there is one copy, not three.
    found = np.quantile(values, (0, 0.005, 0.25, 0.5, 0.75, 0.995, 1), overwrite_input=True)
    low, left, q1, median, q3, right, high = (float(q) for q in found)
    stats |= {"mean": mean, "deviation": deviation, "min": low, "q1": q1, "median": median, "q3": q3, "max": high}
    edges = np.unique([low, *np.linspace(left, right, BINS + 1)[1:-1], high])
    if len(edges) < 2:
        edges = np.array([low, high])
        return {"stats": stats, "bins": {"edges": edges.tolist(), "counts": [len(values)]}}
    counts = np.histogram(values, edges)[0]
    return {"stats": stats, "bins": {"edges": edges.tolist(), "counts": counts.tolist()}}


def _text_stats(seen: Look) -> dict[str, Any]:
    """Characters of the texts, each different one as often as it occurs."""
    if not seen.present:
        return {}
    lengths = np.array([len(text) for text in seen.keys])
    return {"characters": float(lengths @ seen.counts / seen.present), "longest": int(lengths.max())}


def _picture_stats(column: Column) -> dict[str, Any]:
    """Median size of up to 200 evenly spaced pictures; broken ones are left to encoding, which names them."""
    rows = np.linspace(0, max(len(column) - 1, 0), min(200, len(column))).astype(np.int64)
    sizes = []
    with pictures.quiet():
        for row in rows:
            try:
                sizes.append(pictures.measure(column[row]))
            except DataError:
                continue
    if not sizes:
        return {}
    height, width = np.median(np.array(sizes), axis=0)
    return {"height": float(height), "width": float(width)}


def compare(schema: Schema, table: Table, *, targets: bool = False) -> tuple[str, ...]:
    """Whether a table has what a schema needs: its inputs, with `targets` its targets too.

    Returns the names of the columns that the schema does not know; they are allowed. Raises DataError for missing columns
    and for columns whose cells are of another sort altogether; single bad cells are left to encoding.
    """
    needed = [f for f in schema.fields if f.role == "input" or (targets and f.role == "target")]
    absent = [f.name for f in needed if f.name not in table]
    if absent:
        shown = ", ".join(repr(name) for name in absent[:20]) + (", ..." if len(absent) > 20 else "")
        noun = "the column" if len(absent) == 1 else f"{len(absent)} columns:"
        extra = [name for name in table.names if name not in schema]
        raise DataError(
            f"the data lacks {noun} {shown}, which the model reads{nearest(absent[0], extra or table.names)}",
            repair="give the columns the names they had in training: " + ", ".join(repr(f.name) for f in needed[:30]),
        )
    for field in needed:
        _compare_column(field, table)
    return tuple(name for name in table.names if name not in schema)


def _compare_column(field: Field, table: Table) -> None:
    column = table[field.name]
    present = len(column) - int(missing(column).sum()) if field.kind == "number" else len(column)
    if field.kind == "number":
        expected, wrong = "numbers", numbers(column)[1] if column.ndim == 1 else np.ones(len(column), np.bool_)
    elif field.kind in ("image", "category"):
        expected = "pictures" if field.kind == "image" else "categories"
        wrong = np.full(len(column), _pictures(column)) != (field.kind == "image")
    else:
        return
    if present and wrong.sum() > 0.5 * present:
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"the column {field.name!r} held {expected} in training; here {int(wrong.sum()):,} of {present:,} cells are not, "
            f"the first is {str(column[row])[:60]!r}",
            where=table.where(row),
            repair="check that the columns stand in the right order and under the right names",
        )


def _pictures(column: Column) -> NDArray[np.bool_] | bool:
    """Which cells are pictures; one value for all where the form of the column says it."""
    if column.dtype == object:
        return np.array([pictures.is_picture(cell) for cell in column.tolist()], np.bool_)
    return column.dtype == np.uint8 and column.ndim >= 3
