"""The labels of targets: renamed as `--map` says, and checked before training.

Unusual: labels stand in cells of two forms, alone (categories) or inside lists of boxes, and are treated alike in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepwell.core.errors import DataError, closest, nearest
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Part, Table
from deepwell.data.fields.values import factorise
from deepwell.data.splits import Parts


def renamed(table: Table, targets: Sequence[str], maps: Mapping[str, str]) -> Table:
    """The table with labels of its targets renamed, old -> new. Raises DataError for a label that does not occur."""
    columns = {}
    labels: set[str] = set()
    for name in targets:
        column = table[name]
        if holds_boxes(column):
            columns[name] = _objects([_renamed_boxes(cell, maps) for cell in column])
            labels |= {str(box["label"]) for cell in column for box in cell or () if "label" in box}
            continue
        keys, index = factorise(column)
        labels |= {k for k in keys if k is not None}
        columns[name] = np.array([None if k is None else maps.get(k, k) for k in keys], dtype=object)[index]
    for old in maps:
        if old not in labels:
            raise DataError(f"--map names a label that does not occur: {old!r}{nearest(old, labels)}")
    return table.with_columns(columns)


def holds_boxes(column: Column) -> bool:
    """Whether the cells of a column are lists of boxes."""
    if column.dtype != object:
        return False
    cell = next((cell for cell in column if isinstance(cell, list) and cell), None)
    return cell is not None and isinstance(cell[0], dict) and "box" in cell[0]


def _renamed_boxes(cell: Any, maps: Mapping[str, str]) -> Any:
    if not isinstance(cell, list):
        return cell
    return [{**box, "label": maps.get(box["label"], box["label"])} if "label" in box else box for box in cell]


def _objects(cells: Sequence[Any]) -> Column:
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def check_labels(parts: Parts, schema: Schema) -> None:
    """Raise DataError when another part has a label that training never saw, with the nearest and the repair.

    Labels of boxes are checked only where the author of the data made the parts: a class in very few pictures may well be
    drawn for one part alone, and then its pictures are told one by one.
    """
    authors = any(f.role == "split" for f in schema.fields)
    for target in schema.targets:
        if target.kind == "category" or (target.kind == "boxes" and authors):
            known = set(_labels(parts.train, target))
            for part in (parts.select, parts.calibrate, parts.test):
                for label, row in _labels(part, target).items():
                    if label not in known:
                        raise DataError(
                            f"the label {label!r} of column {target.name!r} never occurs in training{nearest(label, known)}",
                            where=part.rows.where(row),
                            repair=f"rename it: --map '{label} -> {closest(label, known) or 'KNOWN LABEL'}'",
                        )


def _labels(part: Part, target: Field) -> dict[str, int]:
    """Label -> the first row of a part that has it."""
    column = part.rows[target.name]
    if target.kind == "boxes":
        found: dict[str, int] = {}
        for row, cell in enumerate(column):
            for box in cell or ():
                found.setdefault(str(box["label"]), row)
        return found
    keys, index = factorise(column)
    codes, rows = np.unique(index, return_index=True)
    found = {keys[code]: int(row) for code, row in zip(codes, rows, strict=True)}
    return {key: row for key, row in found.items() if key is not None}
