"""Tables larger than the memory they may take: their columns in an entry of the cache, written block by block, then mapped.

Numbers and truth values are mapped arrays, which take no memory of their own. Text is kept as codes into its different values:
in memory a text column takes 8 bytes a row, and each different text once. Unusual: an entry also holds the names of the
columns, the line of each row and what was rejected, so that a second run with the same file never parses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepwell.core.table import Column, Origin, Rejected, Table
from deepwell.data.sources.columns import objects
from deepwell.store import json as strict_json
from deepwell.store.arrays import ArrayCache, Writer, default_root
from deepwell.store.files import sha256

VERSION = 1
"""Raised when readers make other columns of the same file than before."""
BLOCK_ROWS = 1 << 20
"""Rows that are joined at a time."""
Arrays = Mapping[str, NDArray[Any]]
TYPES: Mapping[str, Any] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "text": np.int32}
FACTS = strict_json.Limit(bytes=1 << 30, values=100_000_000)


def file_key(path: Path, facts: Sequence[Any]) -> str:
    """The key of a file's columns: its content and all that decides how it is read (JSON values)."""
    return _digest([VERSION, sha256(path), *facts])


def cached(key: str) -> Arrays | None:
    """The read-only mapped arrays of an entry of the user's cache; None where there is none."""
    return ArrayCache(default_root()).open(key)


def opened(key: str, what: str, make: Callable[[Writer], None]) -> Arrays:
    """The read-only mapped arrays of an entry of the user's cache, which `make` writes where it is not there yet.

    what: the entry in words. Raises RunError where the cache cannot be written.
    """
    found = cached(key)
    if found is not None:
        return found
    with ArrayCache(default_root()).write(key, what) as writer:
        make(writer)
    return writer.arrays


class Room(Protocol):
    """Where arrays come from: a Writer of the cache, or memory."""

    arrays: Arrays

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A new array to be filled."""
        ...


class InMemory:
    """A Room of ordinary arrays."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """See Room."""
        made = np.empty(shape, dtype)
        self.arrays = {**self.arrays, name: made}
        return made


@dataclass(frozen=True)
class Place:
    """Where the columns of a file go: an entry of the user's cache, called `what` in words; without a key into memory."""

    key: str
    what: str

    @contextmanager
    def opened(self) -> Iterator[Room]:
        """A Room whose arrays are complete when the block ends. Raises RunError where the cache cannot be written."""
        if not self.key:
            yield InMemory()
            return
        with ArrayCache(default_root()).write(self.key, self.what) as writer:
            yield writer


class ColumnWriter:
    """The columns of one file on their way into an entry of the cache, or into memory.

    Args:
        forms: column -> float, int, bool, text, or memory: this one is not kept. rows: how many there will be.
    """

    def __init__(self, writer: Room, forms: Mapping[str, str], rows: int) -> None:
        self._writer, self._forms = writer, forms
        self._places = {name: number for number, name in enumerate(forms) if forms[name] != "memory"}
        self._arrays = {n: writer.array(f"column.{i}", (rows,), TYPES[forms[n]]) for n, i in self._places.items()}
        self._line = writer.array("line", (rows,), np.int64)
        self._texts: dict[str, dict[str, int]] = {name: {} for name, form in forms.items() if form == "text"}

    def put(self, name: str, start: int, cells: Column) -> None:
        """Some rows of a column, the first of them at `start`; for text an object column of str | None."""
        if name in self._texts:
            known = self._texts[name]
            codes = (-1 if cell is None else known.setdefault(cell, len(known)) for cell in cells.tolist())
            cells = np.fromiter(codes, np.int32, len(cells))
        self._arrays[name][start : start + len(cells)] = cells

    def lines(self, start: int, lines: NDArray[np.int64]) -> None:
        """Where some rows stand in their file."""
        self._line[start : start + len(lines)] = lines

    def finish(self, rejected: Sequence[Rejected] = (), more: Mapping[str, Any] | None = None) -> None:
        """Write what is known only at the end: the different texts, the rejected rows, whose place lacks the file, and more.

        more: JSON values that `facts` gives back.
        """
        for name, known in self._texts.items():
            parts = [text.encode() for text in known]
            self._keep(f"texts.{self._places[name]}", np.frombuffer(b"".join(parts), np.uint8))
            self._keep(f"ends.{self._places[name]}", np.cumsum([len(part) for part in parts], dtype=np.int64))
        told = {"forms": dict(self._forms), "rejected": [[one.where, one.reason] for one in rejected], **(more or {})}
        self._keep("facts", np.frombuffer(strict_json.write(told), np.uint8))

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self._writer.array(name, values.shape, values.dtype)[:] = values


def facts(arrays: Arrays) -> dict[str, Any]:
    """What a ColumnWriter wrote beside the columns: forms, rejected, and what was given as `more`."""
    found: dict[str, Any] = strict_json.read(arrays["facts"].tobytes(), "the cache", limit=FACTS)
    return found


def table(arrays: Arrays, key: str, path: Path, unit: str, memory: Callable[[str], Column] | None = None) -> Table:
    """The Table that a ColumnWriter wrote. unit: see Origin. memory: reads a column that is not kept in the entry."""
    told = facts(arrays)
    columns: dict[str, Column] = {}
    for number, (name, form) in enumerate(told["forms"].items()):
        if form == "memory" and memory is not None:
            columns[name] = memory(name)
        elif form == "text":
            columns[name] = _texts(arrays[f"texts.{number}"], arrays[f"ends.{number}"], arrays[f"column.{number}"])
        else:
            columns[name] = arrays[f"column.{number}"]
    line = arrays["line"]
    origin = Origin((str(path),), np.broadcast_to(np.int32(0), line.shape), line, unit)
    rejected = tuple(Rejected(f"{path}{where}", reason) for where, reason in told["rejected"])
    return Table(columns, origin, rejected, key)


def _texts(data: NDArray[np.uint8], ends: NDArray[np.int64], codes: NDArray[np.int32]) -> Column:
    """An object column in which equal cells are one Python string."""
    whole, starts = data.tobytes(), [0, *ends.tolist()]
    texts = [whole[start:end].decode() for start, end in pairwise(starts)]
    column: Column = objects([*texts, None])[codes]  # code -1 is the last one, None
    return column


def joined(
    tables: Sequence[Table], joins: Mapping[str, Sequence[Column]]
) -> tuple[Arrays, NDArray[np.int64] | None, str]:
    """Number columns end to end in an entry of their own, the lines of the rows (None: unknown), and the entry's key.

    joins: column -> its piece of each table.
    """
    origins = [one.origin for one in tables if one.origin is not None]
    pieces = [*joins.values(), *([[o.line for o in origins]] if len(origins) == len(tables) else [])]
    key = _digest([VERSION, "joined", [_table_key(one) for one in tables], list(joins)])

    def make(writer: Writer) -> None:
        for number, column in enumerate(pieces):
            array = writer.array(str(number), (sum(map(len, column)),), np.result_type(*column))
            start = 0
            for piece in column:
                for first in range(0, len(piece), BLOCK_ROWS):
                    some = piece[first : first + BLOCK_ROWS]
                    array[start : start + len(some)] = some
                    start += len(some)

    arrays = opened(key, f"columns of {len(tables)} files", make)
    line = arrays[str(len(joins))] if len(pieces) > len(joins) else None
    return {name: arrays[str(number)] for number, name in enumerate(joins)}, line, key


def _table_key(one: Table) -> str:
    """A hash of a table's number columns: that of its entry, or of its cells where it is in memory."""
    if one.entry:
        return one.entry
    digest = hashlib.sha256()
    for name, column in one.columns.items():
        if column.dtype != object:
            digest.update(f"{name}\0{column.dtype.str}".encode())
            digest.update(np.ascontiguousarray(column).data)
    if one.origin is not None:
        digest.update(one.origin.line.tobytes())
    return digest.hexdigest()


def _digest(facts: Sequence[Any]) -> str:
    return hashlib.sha256(strict_json.write(list(facts))).hexdigest()
