"""The author's parts: which file or folder is training, validation or test data, and Tables put one below the other.

Unusual: what the author said becomes a column named `split` with the values train, select, test, so that a split by files,
by folders and by a column of the data are one thing from here on. A user's own column of that name is left alone, and
both at once are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Column, Origin, Rejected, Table
from deepwell.data.gathering import gathered
from deepwell.data.sources import mapped
from deepwell.data.sources.columns import as_text, objects

SPLIT = "split"
NUMERIC = re.compile(r"[+-]?\d*[.,]?\d+([eE][+-]?\d+)?")
WORDS = {
    "train": "train", "training": "train", "val": "select", "valid": "select", "validation": "select", "dev": "select",
    "select": "select", "test": "test", "testing": "test",
}  # fmt: skip


def part_of(name: str) -> str | None:
    """The part that a file's or folder's name (without suffix) says: `adult-train` -> train; None if it says none.

    The word must be the first or last of the name, and these must not contradict each other; digits behind it say nothing:
    `train2017`, `test1`.
    """
    tokens = [t.rstrip("0123456789") for t in re.split(r"[\W_]+", name.lower()) if t]
    said = {WORDS[t] for t in (tokens[:1] + tokens[-1:]) if t in WORDS}
    return said.pop() if len(said) == 1 else None


def without_part(name: str) -> str:
    """A name without the word that says its part, and digits behind it: `adult-train` -> `adult`."""
    tokens = re.split(r"[\W_]+", name)
    kept = [t for t in tokens if t and t.lower().rstrip("0123456789") not in WORDS]
    return name if len(kept) == len(tokens) else "-".join(kept)


def own_split(table: Table) -> str | None:
    """The user's own column named split (in any case), None if there is none."""
    return next((n for n in table.names if n.lower() == SPLIT), None)


def mark(table: Table, part: str, where: str) -> Table:
    """The table with the column `split` = part. Raises DataError if it has such a column of its own."""
    own = own_split(table)
    if own is not None:
        raise DataError(
            f"the data has its own column {own!r}, and files, folders or --test say a part as well ({part!r})",
            where=where, repair="remove or rename the column, or give the data as one file without --test",
        )  # fmt: skip
    return table.with_columns({SPLIT: np.full(len(table), part, dtype=object)})


def with_test(table: Table, test: Table, names: tuple[str, str]) -> Table:
    """A table and the author's test data as one. names: what the two are called in error texts.

    Parts that `table` already has (train, select) stay. Raises DataError if it has a test part or other marks already.
    """
    own = own_split(table)
    marks = set() if own is None else {str(v) for v in table[own].tolist()}
    if own == SPLIT and marks and marks <= {"train", "select"}:
        first = table
    elif own is not None:
        shown = ", ".join(repr(m) for m in sorted(marks)[:5])
        raise DataError(
            f"the data already says what the test part is (column {own!r}: {shown}), and --test says it too",
            where=names[0], repair="leave out --test, or remove that column or part",
        )  # fmt: skip
    else:
        first = mark(table, "train", names[0])
    return stack([(names[0], first), (names[1], mark(test, "test", names[1]))])


def without_test(table: Table, test: Table, name: str) -> Table:
    """A folder's table without its test part and without the rows of files that `test`, which lies in it, was read from.

    A mark that says train alone is taken off. Raises DataError where no row is left.
    """
    away = np.zeros(len(table), np.bool_)
    marked = SPLIT in table and table[SPLIT].dtype == object
    if marked:
        away |= table[SPLIT] == "test"
    if table.origin is not None and test.origin is not None:
        tested = {Path(file).resolve() for file in test.origin.files}
        away |= np.array([Path(file).resolve() in tested for file in table.origin.files], np.bool_)[table.origin.file]
    left = np.flatnonzero(~away)
    if not len(left):
        raise DataError("all rows of the data come from the test", where=name, repair="give --test a part of the files")
    kept = gathered(table, left)
    names = [n for n in kept.names if n != SPLIT or not marked or set(kept[SPLIT].tolist()) != {"train"}]
    return replace(kept.select(names), rejected=table.rejected, notes=table.notes)


def by_name(tables: Sequence[tuple[str, str, Table]]) -> Table:
    """(file, name without suffix, Table) one below the other, marked with the parts that the names say.

    Marked only if the names say at least two different parts. Raises DataError where then one of them says none, or none
    says train. No table gives one without rows.
    """
    if not tables:
        return Table({})
    said = {part_of(stem) for _, stem, _ in tables}
    if len(said - {None}) < 2:
        _same_kinds([(file, table) for file, _, table in tables])
        return stack([(file, table) for file, _, table in tables])
    unsaid = [file for file, stem, _ in tables if part_of(stem) is None]
    if unsaid:
        raise DataError(
            "other files beside it are called train and test, this one says no part",
            where=unsaid[0], repair="put train, valid or test into its name, move it away, or give the files one by one",
        )  # fmt: skip
    if "train" not in said:
        raise DataError(
            "there are parts, but none is called train", where=tables[0][0], repair="name one of them train"
        )
    marked = [(file, mark(table, str(part_of(stem)), file)) for file, stem, table in tables]
    order = {"train": 0, "select": 1, "test": 2}
    return stack(sorted(marked, key=lambda pair: order[str(part_of_table(pair[1]))]))


def part_of_table(table: Table) -> str:
    """The part that a marked table belongs to; train for an empty one."""
    return str(table[SPLIT][0]) if len(table) else "train"


def stack(tables: Sequence[tuple[str, Table]]) -> Table:
    """(name, Table) one below the other, with the columns of the first. Origins and rejected rows are kept.

    A column that is numbers in one and text in another becomes text. Where one of the tables is mapped, so is the result.
    Raises DataError naming the odd table and column.
    """
    name, first = tables[0]
    if len(tables) == 1:
        return first
    for other, table in tables[1:]:
        _same_columns(name, first, other, table)
    every = [t for _, t in tables]
    pieces = {n: [t.columns[n] for t in every] for n in first.names}
    rejected: list[Rejected] = [r for t in every for r in t.rejected]
    notes = tuple(dict.fromkeys(note for t in every for note in t.notes))
    numbers = {n: p for n, p in pieces.items() if _joinable(p) and p[0].dtype != object}
    if not numbers or not any(t.entry for t in every):
        return Table({n: _join(p) for n, p in pieces.items()}, _origins(every), rejected, notes=notes)
    apart, line, entry = mapped.joined(every, numbers)
    columns = {n: apart[n] if n in apart else _join(p) for n, p in pieces.items()}
    return Table(columns, _origins(every, line), rejected, entry, notes)


def _same_columns(name: str, first: Table, other: str, table: Table) -> None:
    """Raise DataError unless both have the same columns, in any order."""
    lacking = [n for n in first.names if n not in table]
    more = [n for n in table.names if n not in first]
    if not lacking and not more:
        return
    if len(lacking) == len([n for n in first.names if n != SPLIT]):
        what = f"none of its columns ({', '.join(more[:6])}) is in {name}"
        repair = "does one of the files lack its header? say so with --header yes or --header no, or give --names"
    elif lacking:
        what = f"there is no column {lacking[0]!r}, which {name} has"
        repair = "give both the same columns, or read only the one"
    else:
        what = f"there is a column {more[0]!r}, which {name} has not"
        repair = "give both the same columns, or read only the one"
    raise DataError(what, where=other, repair=repair)


def _same_kinds(tables: Sequence[tuple[str, Table]]) -> None:
    """Raise DataError where a column is numbers in one file and, in another, text of which nothing is a number.

    Files without a header would otherwise fit each other by their number of columns alone.
    """
    name, first = tables[0]
    for other, table in tables[1:]:
        for column in first.names:
            if column in table and {_worded(first[column]), _worded(table[column])} == {True, False}:
                raise DataError(
                    f"column {column!r} is numbers in one and words in the other of this file and {name}",
                    where=other, repair="give the files one by one, if they are different tables",
                )  # fmt: skip


def _worded(values: Column) -> bool | None:
    """Whether the first cells of a column are words: False = numbers, None = neither (mixed, missing, pictures)."""
    if values.dtype.kind in "iuf" and values.ndim == 1:
        return False
    present = [v for v in values[:1000] if isinstance(v, str)] if values.dtype == object else []
    return True if present and not any(NUMERIC.fullmatch(v) for v in present) else None


def _join(columns: list[Column]) -> Column:
    """Columns end to end in a common form."""
    if any(c.ndim > 1 for c in columns):
        if len({c.shape[1:] for c in columns}) == 1:
            return np.concatenate(columns)
        return objects(value for c in columns for value in c)
    return np.concatenate(columns if _joinable(columns) else [as_text(c) for c in columns])


def _joinable(columns: list[Column]) -> bool:
    """Whether columns have one form, or are all numbers."""
    types = {c.dtype for c in columns}
    return len(types) == 1 or types <= {np.dtype(np.int64), np.dtype(np.float64)}


def _origins(tables: Sequence[Table], line: NDArray[np.int64] | None = None) -> Origin | None:
    """The origins end to end; None where one of the tables has none. line: the lines end to end, where they are mapped."""
    origins = [t.origin for t in tables if t.origin is not None]
    if len(origins) < len(tables):
        return None
    starts = np.cumsum([0] + [len(o.files) for o in origins])
    units = {o.unit for o in origins}
    return Origin(
        tuple(f for o in origins for f in o.files),
        np.concatenate([o.file + np.int32(s) for o, s in zip(origins, starts, strict=False)]),
        np.concatenate([o.line for o in origins]) if line is None else line,
        units.pop() if len(units) == 1 else "row",
    )
