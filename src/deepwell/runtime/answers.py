"""Answers: what prediction gives, a Table with a Schema, one row per row that was asked."""

from __future__ import annotations

import bisect
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Origin, Table
from deepwell.data.sources.columns import objects

PROBLEM = "problem"
ROW = "row"


@dataclass(frozen=True)
class Answers:
    """A Table of answers and what its columns are. Column `problem` says why a row has no answer; empty if it has one.

    echoes: columns that only repeat the question, such as its prompt. seconds: how long the network took to answer. asked:
    the columns of the question, line by line; None where questions are not rows. files: those that the question was read from.
    """

    table: Table
    schema: Schema
    echoes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    asked: Table | None = field(default=None, compare=False)
    files: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> Column:
        return self.table[name]

    def with_cells(self, cells: Mapping[str, Column]) -> Answers:
        """A copy with the cells of some columns replaced."""
        return replace(self, table=self.table.with_columns(cells))

    def told(self, name: str) -> list[Any]:
        """The values of a column as text and JSON tell them: a mask by the share of each class that occurs."""
        if name not in self.schema or self.schema[name].kind != "mask":
            return list(self.table[name])
        return [shares(value, self.schema[name]) for value in self.table[name]]

    def rows(self) -> list[list[str]]:
        """The cells as text, row by row; a missing value is an empty cell."""
        columns = [[cell(v) for v in self.told(name)] for name in self.table.names]
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
    """One value as the text of a cell: the shortest text that reads back exactly, empty for a missing value; lists as JSON."""
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return ""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = value.tolist()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def shares(value: Any, field: Field) -> Any:
    """A mask, uint8 (height, width) of class indices, as {class: share of its pixels}; anything else as it is."""
    if not isinstance(value, np.ndarray) or not value.size:
        return value
    counts = np.bincount(value.reshape(-1))
    classes = [str(name) for name in field.facts.get("classes", ())]
    return {
        classes[index] if index < len(classes) else str(index): round(int(count) / value.size, 6)
        for index, count in enumerate(counts.tolist())
        if count
    }


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
            numbers = values.dtype.kind == "f" and values.ndim == 1
            full = np.full(count, np.nan if numbers else None, dtype=values.dtype if numbers else object)
            full[rows] = values if values.ndim == 1 else objects(values)
            columns[name] = full
    reasons = np.full(count, "", dtype=object)
    for row, reason in problems.items():
        reasons[row] = reason
    return Table({**columns, PROBLEM: reasons})


def below(answers: Table, reasons: Sequence[str]) -> Table:
    """The lines of a table with a column `problem`, and below them an empty one for each reason."""
    if not reasons:
        return answers
    given = {name: column for name, column in answers.columns.items() if name != PROBLEM}
    problems = {len(answers) + i: reason for i, reason in enumerate(reasons)}
    problems |= {line: why for line, why in enumerate(answers[PROBLEM]) if why}
    return align(Table(given), np.arange(len(answers)), problems, len(answers) + len(reasons))


def in_place(answers: Answers, asked: Table) -> Answers:
    """The answers to the rows of a table with an empty line, and the reason, where a row could not even be read.

    Where the rows are whole files (pictures), a column `row` names them.
    """
    origin = asked.origin
    if len(answers) != len(asked):
        return answers
    if origin is None:
        return replace(answers, asked=asked)
    places = _places([r.where for r in asked.rejected], origin)
    order = np.argsort(places, kind="stable")
    unread = places[order] + np.arange(len(order))
    count = len(asked) + len(unread)
    read = np.delete(np.arange(count), unread)
    given = dict(answers.table.columns)
    problems = {int(line): why for line, why in zip(read, given.pop(PROBLEM), strict=True) if why}
    problems |= {int(line): asked.rejected[i].reason for line, i in zip(unread, order, strict=True)}
    table, schema = align(Table(given), read, problems, count), answers.schema
    beside = asked if not len(unread) else _spread(asked, read, count)
    if not origin.line.any():
        where = np.empty(count, object)
        where[read] = [asked.where(i) for i in range(len(asked))]
        where[unread] = [asked.rejected[i].where for i in order]
        table, schema = table.with_columns({ROW: where}), Schema((*schema.fields, Field(ROW, "text")))
    return replace(answers, table=table, schema=schema, asked=beside)


def _spread(asked: Table, rows: NDArray[np.int64], count: int) -> Table:
    """A table with empty lines between its rows."""
    columns: dict[str, Column] = {}
    for name, values in asked.columns.items():
        columns[name] = np.full(count, None, object)
        for row, value in zip(rows, values, strict=True):
            columns[name][row] = value
    return Table(columns)


def _places(named: Sequence[str], origin: Origin) -> NDArray[np.int64]:
    """How many rows stand before each place, named as Origin.where writes it: FILE, or FILE, line N."""
    index = {file: place for place, file in reversed(list(enumerate(origin.files)))}
    order = np.lexsort((origin.line, origin.file))
    files, lines = origin.file[order], origin.line[order]
    places, numbers = np.empty(len(named), files.dtype), [0] * len(named)
    for row, where in enumerate(named):
        file, _, line = where.rpartition(", ")
        number = line.rpartition(" ")[2]
        if not file or not number.isdecimal():
            file, number = where, "0"
        known = file in index
        places[row] = index[file] if known else bisect.bisect_left(origin.files, file)
        numbers[row] = int(number) if known else 0
    starts, stops = np.searchsorted(files, places), np.searchsorted(files, places, "right")
    inside = [np.searchsorted(lines[a:b], n) for a, b, n in zip(starts, stops, numbers, strict=True)]
    return np.asarray(starts + np.array(inside, np.int64), np.int64)
