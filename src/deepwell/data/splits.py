"""Splits: which rows train, choose (select), calibrate and prove (test), and why.

The author's parts win. Otherwise rows are drawn in proportion within each class (or tenth of a numeric target), rows of one
group and equal rows stay in one part; series are cut at the same moments: see split_times.py. Shares are those of the
SplitRule; at most 20,000 rows test, 5,000 select and 5,000 calibrate, and small data give at least 20 rows to each as far as
that takes no more than 25%, 15% and 10% of all. Parts cut from texts are also bounded in characters: see positions.py. A split
is a pure function of table, schema, rule and key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import PARTS, Column, Part, Table
from deepwell.core.task import SplitRule
from deepwell.data import positions, split_times
from deepwell.data.equal_rows import numbered, row_codes
from deepwell.data.fields.boxes import cell_problem
from deepwell.data.fields.values import factorise, numbers
from deepwell.data.gathering import gathered
from deepwell.data.recognition_columns import SPLIT_WORDS

TRAIN, SELECT, CALIBRATE, TEST = range(4)
MOST = {TEST: 20_000, SELECT: 5_000, CALIBRATE: 5_000}
SMALL = {TEST: 0.25, SELECT: 0.15, CALIBRATE: 0.1}
LEAST = 20
BINS = 10
BLOCK = 1 << 16
"""Rows that are worked on at a time, where copies of all would take memory."""
KINDS = ("stratified", "random", "time", "position")
Assignment = NDArray[np.int8]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Parts:
    """The four parts, in table order. assignment: (rows,) index into PARTS. notes: what a reader of the proof must know.

    cut: the table whose rows `assignment` is about, where rows were cut into pieces; None: the table that was given.
    left_out: rows that were given and are in no part.
    """

    train: Part
    select: Part
    calibrate: Part
    test: Part
    reason: str
    notes: tuple[str, ...]
    assignment: Assignment
    cut: Table | None = None
    left_out: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Part name -> rows."""
        return {name: int((self.assignment == index).sum()) for index, name in enumerate(PARTS)}


def split(table: Table, schema: Schema, rule: SplitRule, key: Key) -> Parts:
    """Cut a table into parts. An empty table (self-made data) gives empty parts.

    Raises DataError: too few rows or groups, unknown part names; ConfigError: an unknown kind of rule.
    """
    if rule.kind not in KINDS:
        raise ConfigError(f"there is no split {rule.kind!r}{nearest(rule.kind, KINDS)}")
    if not len(table):
        return _parts(table, np.zeros(0, np.int8), rule, "the task makes its own data", [])
    notes: list[str] = []
    assignment, reason = _authors(table, schema, notes)
    if rule.kind == "position":
        if (assignment == TRAIN).sum() < positions.FEW:
            return _by_position(table, schema, assignment, rule, reason, notes)
        rule = replace(rule, kind="random")
    official = assignment.copy()
    free = int((assignment == TRAIN).sum())
    if free < LEAST and rule.test <= 0:
        return _parts(table, assignment, rule, f"{free} rows are too few to cut: all of them train", notes)
    if free < LEAST:
        raise DataError(
            f"{free:,} rows are too few to train on, to choose by and to prove with; at least {LEAST} are needed",
            repair="add rows" if free == len(table) else "add rows to the training part",
        )
    if rule.kind == "time":
        return _by_time(table, schema, assignment, rule, reason)
    units, togetherness = _units(table, schema, notes)
    how = _Cut(table, schema, rule, units, key.fold("split").numpy(), positions.most_rows(table, schema, rule, MOST))
    cut = how.cut(assignment, bool(reason))
    _keep_classes(table, schema, assignment, official, units)
    if reason:
        notes += _leaks(table, schema, official)
        reason += f"; {', '.join(cut)} cut from the author's rows" if cut else ""
    else:
        reason = f"{how.words}{togetherness}"
    return _parts(table, assignment, rule, reason, notes)


def _by_position(
    table: Table, schema: Schema, assignment: Assignment, rule: SplitRule, reason: str, notes: list[str]
) -> Parts:
    """The parts of few documents: those that the author does not give are cut from the texts of his training part."""
    counts = np.bincount(assignment, minlength=len(PARTS))
    shares = {SELECT: rule.select, CALIBRATE: rule.calibrate, TEST: rule.test}
    wanted = {part: share for part, share in shares.items() if share > 0 and not counts[part]}
    pieces = positions.pieces(table[rule.by], assignment, wanted)
    lacking = [PARTS[part] for part in wanted if not (pieces.part == part).any()]
    if lacking or not (pieces.part == TRAIN).any():
        raise DataError(
            f"there is too little text in {rule.by!r} to keep some of it for the part {(lacking or ['train'])[0]}"
        )
    whole = positions.cut_table(table, rule.by, pieces)
    how = f"by position, cut at line ends: {positions.places(wanted)}" if wanted else ""
    notes += [*_leaks(table, schema, assignment), *positions.notes(whole[rule.by], pieces.part, schema)]
    parts = _parts(whole, pieces.part, rule, "; ".join(filter(None, [reason, how])), notes)
    return replace(parts, cut=whole)


def _by_time(table: Table, schema: Schema, assignment: Assignment, rule: SplitRule, reason: str) -> Parts:
    """The parts of series; rows after the end of the test are left out."""
    shares = {TEST: rule.test, SELECT: rule.select, CALIBRATE: rule.calibrate}

    def many(rows: int, part: int) -> int:
        return how_many(rows, shares[part], part)

    found, how = split_times.cut(table, schema, rule, assignment, many)
    kept = np.flatnonzero(found != split_times.LEFT_OUT)
    reason = f"{reason}; {how}" if reason else how
    if len(kept) == len(table):
        return _parts(table, found, rule, reason, [])
    after = len(table) - len(kept)
    whole = gathered(table, kept)
    parts = _parts(whole, found[kept], rule, reason, [f"{after:,} rows after the end of the test are left out"])
    return replace(parts, cut=whole, left_out=after)


def _authors(table: Table, schema: Schema, notes: list[str]) -> tuple[Assignment, str]:
    """The author's parts and the reason; all rows train and no reason where the author says nothing."""
    field = schema.only("split")
    if field is None:
        return np.zeros(len(table), np.int8), ""
    keys, inverse = factorise(table[field.name])
    for index, word in enumerate(keys):
        if word is None or word.lower() not in SPLIT_WORDS:
            row = int(np.flatnonzero(inverse == index)[0])
            raise DataError(
                f"the column {field.name!r} names the part of each row, but {word!r} is not a part"
                f"{nearest(word or '', SPLIT_WORDS)}",
                where=table.where(row),
                repair=f"use train, select, calibrate and test, or --role {field.name}=input if it is something else",
            )
    parts = np.array([PARTS.index(SPLIT_WORDS[str(word).lower()]) for word in keys], np.int8)
    assignment: Assignment = parts[inverse]
    counts = np.bincount(assignment, minlength=len(PARTS))
    if not counts[TRAIN]:
        raise DataError(f"the column {field.name!r} names no row as train", repair="name the rows to train on")
    if counts[SELECT] and not counts[TEST]:
        assignment[assignment == SELECT] = TEST
        notes.append(
            "the author gives a validation part and no test part: it is used as test, so that nothing is chosen by it"
        )
    return assignment, f"the author's parts in {field.name!r}" if counts[1:].any() else ""


def _units(table: Table, schema: Schema, notes: list[str]) -> tuple[Ints, str]:
    """(rows,) which rows must stay in one part, and that in words: rows of a group, and equal rows."""
    groups = [f.name for f in schema.of("group")]
    if groups:
        unit = numbered(row_codes(table, groups))
        count = int(unit.max()) + 1
        if count < len(PARTS):
            raise DataError(
                f"the column {groups[0]!r} makes only {count} groups; rows of a group stay in one part, so that at least "
                f"{len(PARTS)} are needed",
                repair=f"--role {groups[0]}=input splits within groups",
            )
        return unit, f"; rows of one {' and '.join(map(repr, groups))} stay in one part ({count:,} groups)"
    compared = _compared(schema)
    if not compared:
        return np.arange(len(table)), ""
    unit = numbered(row_codes(table, compared))
    copies = len(table) - (int(unit.max()) + 1)
    if copies > 0.2 * len(table):
        notes.append(
            f"{copies:,} of {len(table):,} rows equal an earlier row in all inputs and targets ({copies / len(table):.0%}): "
            "with so many they are taken for real repeats and may stand in several parts"
        )
        return np.arange(len(table)), ""
    return unit, f"; equal rows stay in one part ({copies:,} rows equal an earlier one)" if copies else ""


def _compared(schema: Schema) -> list[str]:
    """The columns by which rows count as equal; none where nothing is an input, since targets alone say little."""
    return [f.name for f in (*schema.inputs, *schema.targets)] if schema.inputs else []


@dataclass(frozen=True)
class _Cut:
    """How rows are taken out of a part."""

    table: Table
    schema: Schema
    rule: SplitRule
    units: Ints
    draws: np.random.Generator
    most: Mapping[int, int]

    @property
    def words(self) -> str:
        """The rule in words."""
        field = self._stratum_field()
        if field is None:
            return "drawn at random"
        return f"drawn in proportion within each {'class' if field[1] == 'category' else 'tenth'} of {field[0]!r}"

    def cut(self, assignment: Assignment, authors: bool) -> list[str]:
        """Fill the parts that are still empty, in place; returns their names."""
        counts = np.bincount(assignment, minlength=len(PARTS))
        shares = {TEST: self.rule.test, SELECT: self.rule.select, CALIBRATE: self.rule.calibrate}
        open_ = [part for part, share in shares.items() if share > 0 and not counts[part]]
        wanted = {part: how_many(int(counts[TRAIN]), shares[part], part, self.most) for part in open_}
        if authors and CALIBRATE in wanted and counts[SELECT] >= 600:
            take = min(self.most[CALIBRATE], int(counts[SELECT]) // 3)
            self._draw(assignment, SELECT, {CALIBRATE: take})
            del wanted[CALIBRATE]
            return [PARTS[CALIBRATE], *self._draw(assignment, TRAIN, wanted)]
        return self._draw(assignment, TRAIN, wanted)

    def _draw(self, assignment: Assignment, source: int, wanted: dict[int, int]) -> list[str]:
        strata = self._strata()
        for part, count in wanted.items():
            pool = assignment == source  # a mask, since places would take eight bytes a row
            pool[pool] = draw(self.units[pool], strata[pool], count, self.draws)
            assignment[pool] = part
        return [PARTS[part] for part in wanted]

    def _stratum_field(self) -> tuple[str, str] | None:
        targets = self.schema.targets
        if self.rule.kind != "stratified" or not targets or targets[0].kind not in ("category", "number"):
            return None
        return targets[0].name, targets[0].kind

    def _strata(self) -> Ints:
        """(rows,): the class, or the tenth of a numeric target; rows without a target are a stratum of their own."""
        field = self._stratum_field()
        if field is None:
            return np.zeros(len(self.table), np.int8)
        column = self.table[field[0]]
        if field[1] == "category":
            classes, strata = factorise(column)
            return strata.astype(np.int8 if len(classes) < 128 else np.int32)
        values = numbers(column)[0]
        finite = np.isfinite(values)
        edges = (
            np.unique(np.quantile(values[finite], np.linspace(0, 1, BINS + 1)[1:-1])) if finite.any() else np.zeros(0)
        )
        return np.where(finite, np.digitize(values, edges), -1).astype(np.int8)


def how_many(rows: int, share: float, part: int, most: Mapping[int, int] = MOST) -> int:
    """How many of `rows` a part gets, at most most[part]; see the top of this file."""
    if share <= 0:
        return 0
    return max(1, min(most[part], round(max(share * rows, min(LEAST, SMALL[part] * rows)))))


def draw(units: Ints, strata: Ints, count: int, draws: np.random.Generator) -> NDArray[np.bool_]:
    """Which rows to take so that about `count` are taken, whole units, and in each stratum the same share.

    units, strata: (n,) integers, near each other: the memory goes with the largest less the smallest.
    Units of one row: systematic sampling in the order of strata, random within, which is within one row of the exact share in
    each stratum and in all. Larger units: a unit is taken when the rows owed so far reach half of it.
    """
    inverse = _closed_up(units)
    sizes = np.bincount(inverse).astype(np.int32)
    share = min(1.0, count / max(len(units), 1))
    stratum = _majority(inverse, sizes, _closed_up(strata))
    order = np.lexsort((draws.permutation(len(sizes)).astype(np.int32), stratum))
    taken = np.zeros(len(sizes), np.bool_)
    lone = sizes[order] == 1
    single = order if lone.all() else order[lone]
    first = draws.random()
    for start in range(0, len(single), BLOCK):
        steps = np.arange(start, min(start + BLOCK, len(single)) + 1) * share + first
        taken[single[start : start + BLOCK]] = np.diff(np.floor(steps)) > 0
    owed = 0.0
    for index in order[~lone]:
        owed += sizes[index] * share
        if owed >= sizes[index] / 2:
            taken[index] = True
            owed -= sizes[index]
    if count and not taken.any() and len(sizes) > 1:
        taken[order[np.argmin(sizes[order])]] = True
    return taken[inverse]


def _closed_up(values: Ints) -> Ints:
    """(n,): the place of each integer among the different ones in ascending order, without sorting."""
    if not len(values):
        return np.zeros(0, np.int32)
    low = int(values.min())
    seen = np.zeros(int(values.max()) - low + 1, np.bool_)
    seen[values - low if low else values] = True
    if seen.all() and low == 0:
        return values
    places = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    return places[values - low]


def _majority(inverse: Ints, sizes: Ints, codes: Ints) -> Ints:
    """(units,): the most frequent code of each unit's rows, the lowest where several are. inverse: (rows,) their units."""
    found = np.zeros(len(sizes), codes.dtype)
    found[inverse] = codes  # right for units of one row
    several = np.flatnonzero(sizes[inverse] > 1)
    count = int(codes.max()) + 1 if len(codes) else 1
    pairs, rows = np.unique(inverse[several].astype(np.int64) * count + codes[several], return_counts=True)
    owner, code = pairs // count, pairs % count
    order = np.lexsort((-code, rows, owner))
    found[owner[order]] = code[order]  # the last one written of each owner has the largest count
    return found


def _keep_classes(
    table: Table, schema: Schema, assignment: Assignment, official: Assignment, units: Ints
) -> None:  # fmt: skip
    """Give each class a unit in the training part, taken back from parts that were cut from it; in place."""
    for field in schema.targets:
        if field.kind == "boxes":
            _keep_boxes(table[field.name], assignment, official, units)
        if field.kind != "category":
            continue
        keys, codes = factorise(table[field.name])
        trained = np.isin(np.arange(len(keys)), codes[assignment == TRAIN])
        for code in np.flatnonzero(~trained):
            back = np.flatnonzero((codes == code) & (official == TRAIN))
            if keys[code] is not None and len(back):
                assignment[units == units[back[0]]] = TRAIN


def _keep_boxes(column: Column, assignment: Assignment, official: Assignment, units: Ints) -> None:
    """`_keep_classes` for rows that may hold boxes of several classes."""
    first: dict[str, int] = {}
    for row in np.flatnonzero(official == TRAIN)[::-1]:
        first |= dict.fromkeys(_labels(column[row]), int(row))
    trained = {label for row in np.flatnonzero(assignment == TRAIN) for label in _labels(column[row])}
    for label in sorted(set(first) - trained):
        assignment[units == units[first[label]]] = TRAIN


def _labels(cell: Any) -> set[str]:
    """The classes of the boxes of one row; none where the cell cannot be used."""
    return {one["label"] for one in cell} if cell_problem(cell) == "" else set()


def _leaks(table: Table, schema: Schema, official: Assignment) -> list[str]:
    """Notes on rows of the author's test part that also occur in the author's training part."""
    test, compared = official == TEST, _compared(schema)
    if not test.any() or not compared:
        return []
    codes = row_codes(table, compared)
    seen = int(np.isin(codes[test], codes[official == TRAIN]).sum())
    if not seen:
        return []
    return [f"{seen:,} of {int(test.sum()):,} rows of the author's test part equal a row of the training part"]


def _parts(table: Table, assignment: Assignment, rule: SplitRule, reason: str, notes: Sequence[str]) -> Parts:
    def part(index: int) -> Part:
        earlier = rule.kind == "time" and index
        history = gathered(table, np.flatnonzero(assignment < index)) if earlier else None
        return Part(PARTS[index], gathered(table, np.flatnonzero(assignment == index)), history)

    return Parts(part(TRAIN), part(SELECT), part(CALIBRATE), part(TEST), reason, tuple(notes), assignment)
