"""What is in the data and what is wrong with it, before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepwell import tasks
from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, MaskFile, Table
from deepwell.data.fields.boxes import cell_problem, label_counts
from deepwell.data.fields.values import missing
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.recognition import describe
from deepwell.runs.options import SchemaAsked
from deepwell.runs.prepare import recognised

RARE_CLASS = 20
UNEVEN = 20.0
MISSING_SHARE = 0.2


@dataclass(frozen=True)
class Inspection:
    """The result of `check`.

    schema: each column's kind and role with the reason. columns: their statistics. findings: what a person should look at.
    rows_read, rejected: rows the reader met, and those nobody can use. task: what `train` would choose; empty without a target.
    """

    table: Table
    schema: Schema
    columns: Sequence[dict[str, Any]]
    findings: Sequence[str]
    task: str
    rows_read: int


def inspect(data: Any, asked: SchemaAsked) -> Inspection:
    """Read, recognise and look for trouble. Raises DataError for what cannot be read at all."""
    table, schema = recognised(data, asked)
    task, gaps, findings = "", False, [*table.notes, *(f"{r.where}: {r.reason}" for r in table.rejected[:20])]
    if len(table.rejected) > 20:
        findings.append(f"... and {len(table.rejected) - 20:,} more unusable rows")
    try:
        chosen, fit = (tasks.find(asked.task), None) if asked.task else tasks.choose(schema)
        schema = schema.with_roles((fit or chosen.fits(schema)).roles)
        task, gaps = chosen.name(), chosen.past_targets
    except DataError as error:
        findings.append(str(error))
    findings += _unusable(table, schema)
    findings += [f for field in schema.fields for f in _column(table, field)]
    for target in schema.targets:
        findings += _target(table, target, gaps) + _gives_away(table, schema, target)
    findings += _equal_rows(table, schema)
    return Inspection(table, schema, describe(table, schema), findings, task, len(table) + len(table.rejected))


def _unusable(table: Table, schema: Schema) -> list[str]:
    """Rows that encoding would reject: unreadable pictures, text in number columns."""
    encoded = FieldPipeline(schema).fit(table).encode(table)
    shown = [f"{table.where(row)}: {why}" for row, why in sorted(encoded.problems.items())[:20]]
    more = len(encoded.problems) - len(shown)
    return [*shown, f"... and {more:,} more unusable rows"] if more > 0 else shown


def _column(table: Table, field: Field) -> list[str]:
    share = float(missing(table[field.name]).mean()) if len(table) else 0.0
    if share > MISSING_SHARE and field.role != "ignore":
        return [f"column {field.name!r}: {share:.0%} of the values are missing"]
    return []


def _target(table: Table, target: Field, gaps: bool) -> list[str]:
    """gaps: whether rows without a target are gaps that a task can read over."""
    column = table[target.name]
    found = []
    absent = int(missing(column).sum())
    if absent:
        what = "gaps" if gaps else "which cannot be used"
        found.append(f"target {target.name!r}: missing in {absent:,} rows, {what}")
    if target.kind in ("category", "boxes"):
        boxes = target.kind == "boxes"
        usable = [cell for cell in column if cell_problem(cell) == ""] if boxes else []
        counts = label_counts(usable) if boxes else Counter(v for v in column.tolist() if v is not None)
        rare = [f"{v!r} ({n})" for v, n in counts.items() if n < RARE_CLASS]
        if rare:
            what = f"fewer than {RARE_CLASS} {'boxes' if boxes else 'rows'}"
            found.append(f"target {target.name!r}: classes with {what}: {', '.join(rare[:10])}")
        if counts and max(counts.values()) > UNEVEN * min(counts.values()):
            common, rarest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
            times = counts[common] / counts[rarest]
            found.append(f"target {target.name!r}: {common!r} is {times:.0f} times as frequent as {rarest!r}")
    return found


def _gives_away(table: Table, schema: Schema, target: Field) -> list[str]:
    """Input categories that determine the target: often something written down after the fact."""
    truth = _cells(table[target.name])
    found = []
    for field in schema.inputs:
        if field.kind != "category":
            continue
        values = table[field.name].tolist()
        pairs = Counter(zip(values, truth, strict=True))
        levels = {v for v, _ in pairs}
        if 1 < len(levels) == len(pairs) and len(levels) < len(table) / 5:
            found.append(
                f"column {field.name!r} determines the target {target.name!r} in every row: is it known before the answer is?"
            )
    return found


def _cells(column: Column) -> list[Any]:
    """Cells that can be compared and counted: lists (dialogues, points, boxes) as their text, masks by their file or bytes."""
    if column.dtype == object and any(isinstance(cell, np.ndarray) for cell in column):
        return [cell.tobytes() if isinstance(cell, np.ndarray) else cell for cell in column]
    if column.ndim > 1:
        return [row.tobytes() for row in column]
    kinds = (list, dict, MaskFile)
    return [repr(cell) if isinstance(cell, kinds) else cell for cell in column.tolist()]


def _equal_rows(table: Table, schema: Schema) -> list[str]:
    """How many rows repeat another one in all inputs, and how many of these disagree about the target."""
    inputs = [table[f.name] for f in schema.inputs if table[f.name].ndim == 1]
    if not inputs or len(inputs) < len(schema.inputs) or not len(table):
        return []
    rows = list(zip(*[_cells(c) for c in inputs], strict=True))
    repeated = len(rows) - len(set(rows))
    found = []
    if repeated:
        found.append(f"{repeated:,} rows repeat another row in all inputs; a split keeps equal rows together")
    targets = [_cells(table[f.name]) for f in schema.targets]
    if repeated and targets:
        answers: dict[Any, set[Any]] = {}
        for row, answer in zip(rows, zip(*targets, strict=True), strict=True):
            answers.setdefault(row, set()).add(answer)
        torn = sum(len(a) > 1 for a in answers.values())
        if torn:
            found.append(f"equal rows that disagree about the target: {torn:,}; no model can answer all of them")
    return found
