"""Whether a table is one or many series: a column of regular times, the columns that name the series, and what is forecast.

Unusual: a date alone makes no series. The times must be another one in each row (of each series), follow a frequency, and
fill most of the grid that it makes; then the column gets the role order, and the columns that tell the series apart the role
group. A column named like `price.ahead` is taken for known ahead. Where nothing is said about targets, all numbers that change
with time are targets.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.equal_rows import numbered, row_codes
from deepwell.data.fields import time
from deepwell.data.series import frequency
from deepwell.data.series.frequency import Frequency

AHEAD = ".ahead"
"""What ends the name of a column whose values are known before their time comes."""
LEAST_STEPS = 12
"""Median rows of a series: with fewer the times are one more property of each row."""
FILLED = 0.5
"""Share of the grid's places that must have a row."""
UNREADABLE = 0.02
DOUBLED = 0.02
"""Share of rows up to which doubled moments are taken for mistakes, which the pipeline names."""
BUSY = 0.9
"""Share of moments that have as many rows as the one by which columns are ruled out, or fewer."""
MOST_CANDIDATES = 8
_COUNTED_TIME = re.compile(r"\d{1,4}[-/ ]?[Qq]?\d{1,2}|\d{8}")
_YEARS = re.compile(r"years?|jahr", re.IGNORECASE)


@dataclass(frozen=True)
class _Found:
    """The series of a table. steps: median places of their grids."""

    groups: tuple[str, ...]
    frequency: Frequency
    words: str
    steps: int
    count: int


def with_series(
    schema: Schema, table: Table, roles: Mapping[str, str], kinds: Mapping[str, str], learnt: bool = True
) -> Schema:
    """The schema with the roles of series, where the table holds some; else as it is.

    roles, kinds: the user's edits: a column of the role order, or of kind time, is taken for the times whatever it looks like;
    what does not suit about it is said in its reason. learnt: whether targets are; if not, classes stand beside series as
    labels, and no number is to be forecast.
    """
    targets = [f.name for f in schema.targets]
    asked = [name for name, role in roles.items() if role == "order"]
    asked += [name for name, kind in kinds.items() if kind == "time" and name not in roles]
    heavy = any(f.role == "input" and f.kind not in ("number", "category") for f in schema.fields)
    classes = learnt and any(schema[name].kind != "number" for name in targets)
    if not asked and (heavy or classes or not len(table)):
        return schema
    free = [f for f in schema.fields if f.name not in (*targets, *roles)]
    for name in asked[:1] or [f.name for f in free if _like_times(f, table)]:
        counted = schema[name].kind != "time" and kinds.get(name) != "time" and name in asked and _plain(table, name)
        try:
            found = _series(schema, table, name, targets, roles, counted)
        except DataError as error:
            if not asked:
                continue
            reason = f"the times, as asked; but {error.what}"
            return schema.with_roles({name: "order"}).edit(name, reason=reason)
        return _roles(schema, table, name, found, learnt and not targets, roles, counted)
    return schema


def _like_times(field: Field, table: Table) -> bool:
    if field.kind == "time":
        return True
    column = table[field.name]
    if column.dtype.kind == "O" and field.kind in ("category", "id") and len(column):
        return isinstance(column[0], str) and bool(_COUNTED_TIME.fullmatch(column[0].strip()))
    return bool(_YEARS.fullmatch(field.name)) and field.kind in ("number", "id") and column.dtype.kind in "iuf"


def _plain(table: Table, name: str) -> bool:
    return table[name].dtype.kind in "iuf"


def _series(
    schema: Schema, table: Table, name: str, targets: Sequence[str], roles: Mapping[str, str], counted: bool
) -> _Found:
    """The series by the times in one column. Raises DataError where there are none."""
    writing = time.find(table[name], "number" if counted else "time")
    seconds, bad = writing.read(table[name]) if writing else (np.zeros(0, np.int64), {})
    if writing is None or len(bad) > UNREADABLE * len(table):
        raise DataError(
            f"the times in {name!r} cannot be read: {next(iter(bad.values()), 'no way of writing is known')}"
        )
    given = tuple(n for n, role in roles.items() if role == "group")
    together = _busy(table, seconds)
    likely = [] if given else list(_identities(schema, table, (name, *targets), roles))
    strict = [(given, 1.0)] if given else [((), DOUBLED), *((groups, 0.0) for groups in likely)]
    for groups, most in [*strict, *((groups, DOUBLED) for groups in likely)]:
        if not given and groups and len(np.unique(row_codes(together, groups))) < len(together):
            continue
        series = numbered(row_codes(table, groups)).astype(np.int64) if groups else np.zeros(len(table), np.int64)
        if _doubled(series, seconds) > most:
            continue
        grid = frequency.find(seconds, series, counted)
        steps, filled = _lengths(grid, seconds, series)
        if filled < FILLED or np.median(steps) < LEAST_STEPS:
            if groups and not given:
                continue
            raise DataError(
                f"only {filled:.0%} of the moments {grid.words} have a row" if filled < FILLED else
                f"the series have {int(np.median(steps)):,} moments only"
            )  # fmt: skip
        there = seconds[seconds != time.NEVER]
        first, last = writing.write(np.array([there.min(), there.max()]))
        gaps = round((1 - filled) * int(steps.sum()))
        words = f"{grid.words} from {first} to {last}" + (f"; {gaps:,} moments in between have no row" if gaps else "")
        timed = seconds != time.NEVER
        again = round(_doubled(series[timed], seconds[timed]) * len(there))
        stand = "row stands" if again == 1 else "rows stand"
        words += f"; {again:,} {stand} at a time that has one already" if again else ""
        words += "; written with several offsets from UTC, and turned into UTC" if writing.mixed else ""
        return _Found(groups, grid, words, int(np.median(steps)), len(steps))
    raise DataError(f"several rows have the same time in {name!r}, and no column tells them apart as series")


def _busy(table: Table, seconds: IntArray) -> Table:
    """The rows of a moment that has many: what names series is another one in each, which rules most columns out. Not of the
    moment that has most: a row that was doubled by mistake would make it that."""
    moments, inverse, counts = np.unique(seconds, return_inverse=True, return_counts=True)
    counts = np.where(moments == time.NEVER, 0, counts)
    order = np.argsort(counts, kind="stable")
    return table.take(np.flatnonzero(inverse == order[int(BUSY * (len(order) - 1))])) if len(counts) else table


def _doubled(series: IntArray, seconds: IntArray) -> float:
    """Share of rows whose moment stands in an earlier row of the same series."""
    order = np.lexsort((seconds, series))
    return float(((np.diff(seconds[order]) == 0) & (np.diff(series[order]) == 0)).mean()) if len(order) > 1 else 0.0


def _lengths(grid: Frequency, seconds: IntArray, series: IntArray) -> tuple[IntArray, float]:
    """(series,) places of each grid, and the share of them that has a row."""
    index, off = grid.index(seconds)
    index, owner = index[~off], series[~off]
    first, last = np.full(owner.max() + 1, np.iinfo(np.int64).max), np.full(owner.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(first, owner, index)
    np.maximum.at(last, owner, index)
    steps = (last - first + 1)[last >= first]
    return steps, float(len(index) * (1 - _doubled(owner, index)) / steps.sum())


def _identities(
    schema: Schema, table: Table, taken: Sequence[str], roles: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """Columns that may name the series, the likeliest first, then pairs of them."""
    likely: list[tuple[int, int, str]] = []
    for f in schema.fields:
        if (
            f.name in taken
            or f.name in roles
            or f.role in ("split", "weight")
            or f.kind not in ("category", "id", "number")
        ):
            continue
        column = table[f.name]
        if f.kind == "number" and not (column.dtype.kind in "iu" or _whole(table, f.name)):
            continue
        different = int(f.facts.get("distinct", 0))
        if 1 < different <= len(table) / 2:
            likely.append((f.kind == "number", different, f.name))
    names = [name for *_, name in sorted(likely)][:MOST_CANDIDATES]
    yield from ((name,) for name in names)
    yield from itertools.combinations(names, 2)


def _whole(table: Table, name: str) -> bool:
    column = table[name]
    return column.dtype.kind == "f" and bool((column[np.isfinite(column)] % 1 == 0).all())


def _roles(
    schema: Schema,
    table: Table,
    name: str,
    found: _Found,
    forecast: bool,
    roles: Mapping[str, str],
    counted: bool,
) -> Schema:
    """forecast: whether the numbers that change with time are targets."""
    count = f"{found.count:,} series by {' and '.join(map(repr, found.groups))}" if found.groups else "one series"
    facts = {**schema[name].facts, "frequency": found.frequency.to_json(), "steps": found.steps}
    when = Field(name, "number" if counted else "time", "order", f"the times, {found.words}; {count}", facts)
    changed = {name: when}
    for group in found.groups:
        reason = f"names the series: with the times it is another one in each row ({schema[group].reason})"
        changed[group] = replace(schema[group], kind="category", role="group", reason=reason)
    for f in schema.inputs:
        if f.name.endswith(AHEAD) and f.name not in roles:
            changed[f.name] = replace(
                f, role="known_future", reason=f"its name says that it is known ahead; {f.reason}"
            )
    if forecast:
        still = _static(table, found.groups)
        for f in schema.inputs:
            if f.kind == "number" and f.name not in changed and f.name not in roles and f.name not in still:
                changed[f.name] = replace(
                    f, role="target", reason=f"a number that changes with time: forecast ({f.reason})"
                )
    return Schema(tuple(changed.get(f.name, f) for f in schema.fields))


def _static(table: Table, groups: Sequence[str]) -> set[str]:
    """The columns that have one value in each series; none where there is a single series."""
    if not groups:
        return set()
    series = int(numbered(row_codes(table, groups)).max()) + 1
    return {n for n in table.names if int(numbered(row_codes(table, [*groups, n])).max()) + 1 == series}
