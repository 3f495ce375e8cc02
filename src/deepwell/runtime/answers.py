"""Answers: what prediction gives, a Table with a Schema, one row per row that was asked."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.fields import Schema
from deepwell.core.table import Column, Table

PROBLEM = "problem"


@dataclass(frozen=True)
class Answers:
    """A Table of answers and what its columns are. Column `problem` says why a row has no answer; empty if it has one."""

    table: Table
    schema: Schema

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> Column:
        return self.table[name]

    def rows(self) -> list[list[str]]:
        """The cells as text, row by row; a missing value is an empty cell."""
        columns = [[cell(v) for v in column.tolist()] for column in self.table.columns.values()]
        return [list(row) for row in zip(*columns, strict=True)]

    def csv(self) -> str:
        """The answers as CSV with a header line (RFC 4180)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.table.names)
        writer.writerows(self.rows())
        return out.getvalue()

    def __repr__(self) -> str:
        names, rows = self.table.names, self.rows()[:10]
        widths = [max(len(r[i]) for r in [names, *rows]) for i in range(len(names))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in [names, *rows]]
        return "\n".join(lines) + f"\n{len(self):,} answers"

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line(row, "td") for row in self.rows()[:20])
        return f"<table>{line(self.table.names, 'th')}{body}</table><p>{len(self):,} answers</p>"


def cell(value: Any) -> str:
    """One value as the text of a cell: shortest exact form of a number, empty for a missing value."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def concatenate(tables: Sequence[Table]) -> Table:
    """Answers of several batches, one after the other."""
    names = tables[0].names
    return Table({n: np.concatenate([t[n] for t in tables]) for n in names})


def align(answers: Table, rows: NDArray[np.int64], problems: Mapping[int, str], count: int) -> Table:
    """Answers put back at the rows they were asked for: `count` lines, empty ones with their reason in `problem`."""
    columns: dict[str, Column] = {}
    for name, values in answers.columns.items():
        if len(rows) == count:
            columns[name] = values
        else:
            missing: Any = np.nan if values.dtype.kind == "f" else None
            full = np.full(count, missing, dtype=values.dtype if values.dtype.kind == "f" else object)
            full[rows] = values
            columns[name] = full
    reasons = np.full(count, "", dtype=object)
    for row, reason in problems.items():
        reasons[row] = reason
    return Table({**columns, PROBLEM: reasons})
