"""Splits by time: all series are cut at the same moments, so that nothing is learned from what is later than what proves it.

... train | select | calibrate | test. Without a word from the user the last rows are the test, those before them calibrate, those
before these choose, each at least so many moments as the rule says (a horizon). `--split` names moments or lengths:

    2017-07-01,2017-11-01               select begins; test begins
    2017-07-01,2017-11-01,2018-03-01    and ends: later rows are left out
    2017-11-01                          the test alone; select and calibrate are cut from what is before it
    12/4/4 months                       train, select, test from the first moment on; also rows (moments), hours, days, weeks,
                                        years; rows after them are left out

Calibration takes the later half of a stretch that is given for select: it must not be chosen by, and the latest rows before
the test are those that are most like it. Only moments count at which some target is known: rows of what is known ahead alone
stay in the last part, but they prove nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Schema
from deepwell.core.table import PARTS, Table
from deepwell.core.task import SplitRule
from deepwell.data.equal_rows import numbered, row_codes
from deepwell.data.fields import time
from deepwell.data.fields.values import missing, numbers

TRAIN, SELECT, CALIBRATE, TEST = range(len(PARTS))
LEFT_OUT = -1
Moments = NDArray[np.number[Any]]
_LENGTHS = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*/\s*(\d+)\s*(row|hour|day|week|month|year)s?\s*")
_SECONDS = {"hour": 3_600, "day": time.DAY, "week": 7 * time.DAY}
FORMS = "`2017-07-01,2017-11-01` (select from, test from), `2017-11-01` (test from), or `12/4/4 months`"


@dataclass(frozen=True)
class Bounds:
    """Where each part begins and the test ends, as numbers that grow with time; inf: nowhere."""

    select: float
    calibrate: float
    test: float
    end: float = np.inf


def cut(
    table: Table, schema: Schema, rule: SplitRule, assignment: NDArray[np.int8], many: Callable[[int, int], int]
) -> tuple[NDArray[np.int8], str]:
    """The parts (rows,) with those filled that nobody has named, LEFT_OUT after the end, and the rule in words.

    assignment: the author's parts, all TRAIN where he names none. many: (rows, part) -> how many rows a part gets.

    Raises DataError: a moment that cannot be read, too few moments, a part without rows, the author's parts out of order;
    ConfigError: cuts that are none.
    """
    moments, clock = _moments(table, schema, rule)
    named = [part for part in (SELECT, CALIBRATE, TEST) if (assignment == part).any()]
    free = np.flatnonzero(assignment == TRAIN)
    known = free[_told(table, schema)[free]]
    steps, rows = np.unique(moments[known], return_counts=True)
    if not len(steps):
        raise DataError("no row to train on has a target", repair="--target names the columns to forecast")
    shares = {SELECT: rule.select, CALIBRATE: rule.calibrate, TEST: rule.test}
    wanted = {part for part, share in shares.items() if share > 0 and part not in named}
    if rule.cuts and named:
        raise ConfigError("--split says where parts begin, but the data names its parts", repair="leave --split out")
    if rule.cuts:
        lengths = _lengths(rule.cuts, np.unique(moments[free]), clock)
        bounds = _given(rule, lengths, steps, rows, clock, wanted, many)
    else:
        bounds = _cut_off(steps, rows, {part: many(len(known), part) for part in sorted(wanted)}, rule.least)
    starts = np.array([bounds.select, bounds.calibrate, bounds.test, bounds.end])
    part = np.searchsorted(starts, moments[free], side="right").astype(np.int8)
    found = assignment.copy()
    found[free] = np.where(part > TEST, LEFT_OUT, part)
    _check(found[_told(table, schema)], wanted, clock, bounds, steps)
    if named:
        _in_order(table, schema, found, moments)
    words = [f"{PARTS[p]} from {clock(starts[p - 1])}" for p in (SELECT, CALIBRATE, TEST) if np.isfinite(starts[p - 1])]
    return found, "by time, all series at the same moments: " + ", ".join(words)


def _told(table: Table, schema: Schema) -> NDArray[np.bool_]:
    """(rows,): whether some target is known; all, where there is none."""
    targets = [f.name for f in schema.targets if f.name in table]
    return ~np.all([missing(table[name]) for name in targets], axis=0) if targets else np.ones(len(table), np.bool_)


def _in_order(table: Table, schema: Schema, parts: NDArray[np.int8], moments: Moments) -> None:
    """Raise DataError where a row is not before those of a later part of its series: it would be shown what it is asked for."""
    groups = [f.name for f in schema.of("group")]
    owner = numbered(row_codes(table, groups)) if groups else np.zeros(len(table), np.int32)
    for part in (SELECT, CALIBRATE, TEST):
        rows = np.flatnonzero(parts == part)
        order = rows[np.argsort(-moments[rows], kind="stable")]
        first = np.full(int(owner.max()) + 1, -1)
        first[owner[order]] = order  # the last one written of each series is its earliest
        begin = first[owner]
        late = (parts >= TRAIN) & (parts < part) & (begin >= 0) & (moments >= moments[begin])
        if late.any():
            row = int(np.flatnonzero(late)[0])
            raise DataError(
                f"this row is in the part {PARTS[parts[row]]}, but it is not before the first of the part {PARTS[part]} "
                f"({table.where(int(begin[row]))}): what is proved or chosen by must be later than what is learned from",
                where=table.where(row),
                repair="name parts that follow one another in time, or leave them out and give --split",
            )


def _cut_off(steps: Moments, rows: NDArray[np.int64], wanted: Mapping[int, int], least: int) -> Bounds:
    """Parts cut off the end, so many rows each (in the order of PARTS) but at least `least` moments."""
    starts: dict[int, float] = {}
    end = len(steps)
    after = np.concatenate([np.cumsum(rows[::-1])[::-1], [0]])  # rows from each step on
    for part in sorted(wanted, reverse=True):
        start = int(np.searchsorted(-after, -(after[end] + wanted[part]), side="right")) - 1
        start = max(0, min(start, end - least))
        starts[part] = float(steps[start]) if start < end else np.inf
        end = start
    if end < least and wanted:
        raise DataError(
            f"{len(steps):,} moments are too few: {', '.join(PARTS[p] for p in sorted(wanted))} and train need at least "
            f"{least:,} each, which is the horizon",
            repair="give longer series, or ask for less with --horizon",
        )
    test = starts.get(TEST, np.inf)
    calibrate = starts.get(CALIBRATE, test)
    return Bounds(starts.get(SELECT, calibrate), calibrate, test)


def _given(
    rule: SplitRule,
    lengths: list[float],
    steps: Moments,
    rows: NDArray[np.int64],
    clock: _Clock,
    wanted: set[int],
    many: Callable[[int, int], int],
) -> Bounds:
    """The bounds as the user wrote them; what he did not name is cut off, or out of, what he did. lengths: see _lengths."""
    moments = lengths or [clock.read(text) for text in rule.cuts.split(",")]
    if len(moments) > 3 or not all(a < b for a, b in itertools.pairwise(moments)):
        raise ConfigError(f"--split takes one to three moments, one after the other; got {rule.cuts!r}", repair=FORMS)
    if len(moments) == 1:
        before = steps < moments[0]
        kept = {part: many(int(rows[before].sum()), part) for part in sorted(wanted - {TEST})}
        inner = _cut_off(steps[before], rows[before], kept, rule.least)
        select = moments[0] if np.isinf(inner.select) else inner.select
        calibrate = moments[0] if np.isinf(inner.calibrate) else inner.calibrate
        return Bounds(select, calibrate, moments[0])
    select, test = moments[:2]
    end = moments[2] if len(moments) == 3 else np.inf
    between = steps[(steps >= select) & (steps < test)]
    half = test
    if CALIBRATE in wanted and len(between) > 1:
        half = float(between[max(1, len(between) // 2)])
    return Bounds(select, half, test, end)


def _lengths(text: str, steps: Moments, clock: _Clock) -> list[float]:
    """The moments of `12/4/4 months`; none where the text is not of this form. A month without the 31st ends on its last day."""
    found = _LENGTHS.fullmatch(text)
    if found is None:
        return []
    lengths, unit = np.cumsum([int(word) for word in found.groups()[:3]]), found.group(4)
    if unit == "row":
        return [float(steps[n]) if n < len(steps) else float(steps[-1]) + 1 for n in lengths]
    if clock.writing is None:
        raise ConfigError(
            f"--split {text!r}: the rows are ordered by numbers, which have no {unit}s", repair="use rows"
        )
    first = int(steps[0])
    if unit in _SECONDS:
        return [float(first + n * _SECONDS[unit]) for n in lengths]
    month = np.int64(first).astype("datetime64[s]").astype("datetime64[M]")
    all_months = steps.astype(np.int64).astype("datetime64[s]").astype("datetime64[M]")
    monthly = len(np.unique(all_months)) == len(steps)  # at whatever day of each: months are whole ones
    into = 0 if monthly else first - _second(month)
    ahead = [month + int(n) * (12 if unit == "year" else 1) for n in lengths]
    clock_time = into % time.DAY
    return [float(min(_second(m) + into, _second(m + 1) - time.DAY + clock_time)) for m in ahead]


def _second(month: np.datetime64) -> int:
    """When a month begins."""
    return int(month.astype("datetime64[s]").astype(np.int64))


def _check(
    found: NDArray[np.int8], wanted: set[int], clock: _Clock, bounds: Bounds, steps: Moments
) -> None:  # fmt: skip
    for part in sorted({TRAIN, *wanted}):
        if not (found == part).any():
            span = f"the rows go from {clock(float(steps[0]))} to {clock(float(steps[-1]))}"
            raise DataError(
                f"no row is left for the part {PARTS[part]}: the test begins at {clock(bounds.test)}, and {span}",
                repair="move the moments of --split",
            )


@dataclass(frozen=True)
class _Clock:
    """Moments as numbers and as the data writes them. writing: None where rows are ordered by plain numbers."""

    writing: time.Writing | None

    def __call__(self, moment: float) -> str:
        if not np.isfinite(moment):
            return "nowhere"
        if self.writing is None:
            return f"{moment:g}"
        return str(self.writing.write(np.array([int(moment)]))[0])

    def read(self, text: str) -> float:
        """A moment as a user writes it. Raises ConfigError."""
        cell = np.array([text.strip(), None], object)[:1]
        writing = time.find(cell, "time" if self.writing else "number") if text.strip() else None
        seconds = writing.read(cell)[0] if writing else np.array([time.NEVER])
        if writing is None or seconds[0] == time.NEVER or (self.writing is None) != (writing.pattern == "step"):
            raise ConfigError(f"--split: {text.strip()!r} is not a moment", repair=FORMS)
        if self.writing is not None and writing.zone:
            return float(seconds[0] + 60 * (self.writing.minutes - writing.minutes))
        return float(seconds[0])


def _moments(table: Table, schema: Schema, rule: SplitRule) -> tuple[Moments, _Clock]:
    """(rows,): numbers that grow with time, and the clock. Raises DataError for a value that cannot be ordered."""
    orders = [rule.by] if rule.by else [f.name for f in schema.of("order")][:1]
    if not orders:
        return np.arange(len(table)), _Clock(None)
    name, column = orders[0], table[orders[0]]
    plain, bad = numbers(column) if column.dtype.kind != "M" else (np.zeros(0), np.ones(1, np.bool_))
    counted = not bad.any() and (name not in schema or schema[name].kind != "time")
    writing = None if counted else time.find(column)
    seconds: Moments
    if counted:
        seconds, never = plain, np.isnan(plain)
    else:
        seconds = np.full(len(table), time.NEVER) if writing is None else writing.read(column)[0]
        never = seconds == time.NEVER
    if never.any():
        row = int(np.flatnonzero(never)[0])
        raise DataError(
            f"the rows are ordered by {name!r}, but its value {column[row]!r} is neither a number nor a date such as "
            "2024-01-31 or 2024-01-31 12:30:00",
            where=table.where(row),
        )
    return seconds, _Clock(writing)
