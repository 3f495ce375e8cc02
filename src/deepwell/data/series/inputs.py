"""Inputs of series: columns beside the times as features of each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.fields import Field
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.series.reading import Rows

MOST_LEVELS = 16
"""Values of a category that have a feature of their own."""


def features(rows: Rows, fields: Sequence[Field], pipeline: FieldPipeline) -> NDArray[np.float32]:
    """(rows, features) of some inputs, numbers and categories; what cannot be read is missing, and said in the rows' problems."""
    columns: list[NDArray[np.float32]] = []
    for field in fields:
        parts, bad = pipeline.kinds_[field.name].encode(rows.table[field.name])
        for row, why in bad.items():
            rows.problems.setdefault(row, f"column {field.name!r}: {why}")
        main = np.asarray(parts[""])
        if field.kind == "category":
            columns.append((main[:, None] == np.arange(1, width(field, pipeline) + 1)).astype(np.float32))
        else:
            columns += [np.asarray(values, np.float32)[:, None] for values in parts.values()]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(rows.table), 0), np.float32)


def width(field: Field, pipeline: FieldPipeline) -> int:
    """Features of one input: a level each of a category, a number and whether it is missing."""
    kind = pipeline.kinds_[field.name]
    if field.kind == "category":
        return kind.sizes()[0] - 1
    return 1 + bool(getattr(kind, "missing_", False))
