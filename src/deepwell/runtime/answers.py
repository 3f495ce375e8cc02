"""Answers: what prediction gives, a Table with a Schema, one row per row that was asked."""

from __future__ import annotations

import bisect
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Origin, Table

PROBLEM = "problem"
ROW = "row"


@dataclass(frozen=True)
class Answers:
    """A Table of answers and what its columns are. Column `problem` says why a row has no answer; empty if it has one.

    echoes: columns that only repeat the question, such as its prompt. seconds: how long the network took to answer.
    """

    table: Table
    schema: Schema
    echoes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> Column:
        return self.table[name]

    def rows(self) -> list[list[str]]:
        """The cells as text, row by row; a missing value is an empty cell."""
        columns = [[cell(v) for v in column] for column in self.table.columns.values()]
        return [list(row) for row in zip(*columns, strict=True)]

    def csv(self) -> str:
        """The answers as CSV with a header line (RFC 4180)."""
        return "".join(",".join(map(_quoted, row)) + "\n" for row in [self.table.names, *self.rows()])

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
    """One value as the text of a cell: the shortest text that reads back exactly, empty for a missing value; a list as JSON."""
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _quoted(text: str) -> str:
    """A cell as CSV has it. Python's writer leaves a lone carriage return bare, which its reader takes for a line's end."""
    bare = text and not any(sign in text for sign in '",\r\n')
    return text if bare else '"' + text.replace('"', '""') + '"' if text else ""


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


def in_place(answers: Answers, asked: Table) -> Answers:
    """The answers to the rows of a table with an empty line, and the reason, where a row could not even be read.

    Where the rows are whole files (pictures), a column `row` names them.
    """
    origin = asked.origin
    if origin is None or len(answers) != len(asked):
        return answers
    places = np.array([_place(r.where, origin) for r in asked.rejected], np.int64)
    order = np.argsort(places, kind="stable")
    unread = places[order] + np.arange(len(order))
    count = len(asked) + len(unread)
    read = np.delete(np.arange(count), unread)
    given = dict(answers.table.columns)
    problems = {int(line): why for line, why in zip(read, given.pop(PROBLEM), strict=True) if why}
    problems |= {int(line): asked.rejected[i].reason for line, i in zip(unread, order, strict=True)}
    table, schema = align(Table(given), read, problems, count), answers.schema
    if not origin.line.any():
        where = np.empty(count, object)
        where[read] = [asked.where(i) for i in range(len(asked))]
        where[unread] = [asked.rejected[i].where for i in order]
        table, schema = table.with_columns({ROW: where}), Schema((*schema.fields, Field(ROW, "text")))
    return Answers(table, schema)


def _place(where: str, origin: Origin) -> int:
    """How many rows stand before the place that `where` names, as Origin.where writes it: FILE, or FILE, line N."""
    file, _, line = where.rpartition(", ")
    number = line.rpartition(" ")[2]
    if not file or not number.isdecimal():
        file, number = where, "0"
    if file in origin.files:
        index = origin.files.index(file)
        return int(((origin.file < index) | ((origin.file == index) & (origin.line < int(number)))).sum())
    return int((origin.file < bisect.bisect_left(origin.files, file)).sum())
