"""Large delimited text, read in blocks: the file is mapped, and a few megabytes of it at a time become cells.

Unusual: it is read twice, first to learn how each column is written, then to fill the columns in that form; so nothing is held
but the columns, in memory or, where they are larger than they may be, in the cache (mapped.py). What is not plain (packed,
another encoding than UTF-8, blanks as delimiters, quotes that are not well-formed) is left to csv.py, which reads it at once.
"""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected
from deepwell.data.sources import csv_rows, files, frames, mapped, records
from deepwell.data.sources.dialect import SINGLE, Dialect
from deepwell.data.sources.text import Text, check_text, is_utf8, wide

BLOCK = 4 << 20
"""Bytes that become cells at a time."""
HEAD = 1 << 20


@dataclass(frozen=True)
class Plain:
    """A file that can be read in blocks: its bytes, and the first that counts."""

    data: mmap.mmap
    start: int

    @property
    def head(self) -> bytes:
        """The first bytes, enough to find the dialect."""
        return self.data[self.start : self.start + HEAD]


@dataclass
class Survey:
    """What a first reading found.

    columns: how each is written. rows: usable ones. full: whether the last column has a cell that is not blank. rejected:
    (line, reason). header: None without one.
    """

    columns: list[frames.Written]
    rows: int = 0
    full: bool = False
    header: list[str] | None = None
    rejected: list[tuple[int, str]] = field(default_factory=list)


def plain(path: Path) -> Plain | None:
    """The mapped file, if by its first bytes it may be plain UTF-8 text. Raises DataError for what is no text at all."""
    if files.packed(path):
        return None
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = len(codecs.BOM_UTF8) if data[:3] == codecs.BOM_UTF8 else 0
    head = data[start : start + HEAD]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or wide(head):
        return None
    check_text(head, str(path))
    old_ends = b"\r" in head and b"\n" not in head
    return None if old_ends or not head.strip() else Plain(data, start)


def quoting(file: Plain, dialect: Dialect) -> Dialect | None:
    """The dialect, without a quote where none encloses a cell; None where only the whole text tells (see dialect.encloses)."""
    if dialect.delimiter == " ":
        return None
    if dialect.quote is None or file.data.find(dialect.quote.encode()) < 0:
        return replace(dialect, quote=None)
    if dialect.delimiter in ("\t", SINGLE):
        return None
    opening = rf"[\n{re.escape(dialect.delimiter)}] *{re.escape(dialect.quote)}".encode()
    encloses = re.match(rb" *" + dialect.quote.encode(), file.head) or re.search(opening, file.data)
    return dialect if encloses else replace(dialect, quote=None)


def survey(file: Plain, dialect: Dialect, missing: Sequence[str]) -> Survey | None:
    """Look at all cells; None where a block is not sound UTF-8, its quotes are not well-formed, or blocks disagree."""
    found: Survey | None = None
    width, counts = 0, np.zeros(0, np.int64)
    for rows, widths, line in _pieces(file, dialect):
        if rows is None:
            return None
        if rows is None:
            return None
        if found is None:
            width = rows.frame.width
            found = Survey([frames.Written(dialect.delimiter == ";") for _ in range(width)], header=rows.header)
        longer, shorter = (counts, widths) if len(counts) > len(widths) else (widths, counts)
        counts = longer + np.pad(shorter, (0, len(longer) - len(shorter)))
        for column, written in zip(rows.frame.iter_columns(), found.columns, strict=True):
            written.add(frames.stripped(column, missing))
        last = rows.frame.to_series(width - 1)
        found.full = found.full or bool((last.fill_null("").str.strip_chars() != "").any())
        found.rows += rows.frame.height
        found.rejected += [(line + at, why) for at, why in rows.rejected]
    return found if found is not None and int(counts.argmax()) == width else None


def columns(file: Plain, dialect: Dialect, missing: Sequence[str], seen: Survey, place: mapped.Place) -> mapped.Arrays:
    """The arrays of a ColumnWriter: all cells in the forms that were found, in columns called "0", "1", ...

    Raises DataError for a file that has changed since the survey, RunError where the cache cannot be written.
    """
    with place.opened() as room:
        _fill(file, dialect, missing, seen, room)
    return room.arrays


def _fill(file: Plain, dialect: Dialect, missing: Sequence[str], seen: Survey, room: mapped.Room) -> None:
    forms = {str(number): written.form for number, written in enumerate(seen.columns)}
    into = mapped.ColumnWriter(room, forms, seen.rows)
    start = 0
    for rows, _, line in _pieces(file, dialect):
        if rows is None or rows.frame.width != len(forms) or start + rows.frame.height > seen.rows:
            raise DataError("the file was changed while it was read", repair="read it again when it is complete")
        for number, column in enumerate(rows.frame.iter_columns()):
            into.put(str(number), start, seen.columns[number].column(frames.stripped(column, missing)))
        into.lines(start, rows.line + line)
        start += rows.frame.height
    rejected = [Rejected(f", line {at}", why) for at, why in seen.rejected]
    into.finish(rejected, {"header": seen.header, "full": seen.full})


def _pieces(file: Plain, dialect: Dialect) -> Iterator[tuple[csv_rows.Rows | None, NDArray[np.int64], int]]:
    """The rows of each block (None: they cannot be told), its widths, and the lines before it."""
    line, width = 0, 0
    for data in _blocks(file, dialect):
        found = records.scan(data, dialect.delimiter, dialect.quote) if is_utf8(data) else None
        if found is None:
            yield None, np.zeros(1, np.int64), line
            return
        widths = csv_rows.widths(found)
        width = width or int(widths.argmax())
        header = dialect.header and line == 0
        if header and not data.strip():
            yield None, widths, line
            return
        yield csv_rows.usable(Text(data, True), found, replace(dialect, header=header), width), widths, line
        line += data.count(b"\n")


def _blocks(file: Plain, dialect: Dialect) -> Iterator[bytes]:
    """The text in pieces that end with a record. A first line `sep=;` leaves a blank line."""
    start, size = file.start + max(0, dialect.skip - 1), BLOCK
    while start < len(file.data):
        data = file.data[start : start + size]
        end = len(data) if start + size >= len(file.data) else _last_end(data, dialect.quote)
        if not end:  # one record is longer than that
            size *= 2
            continue
        yield data[:end]
        start, size = start + end, BLOCK


def _last_end(data: bytes, quote: str | None) -> int:
    """The place after the last line end that is outside of quotes; 0: there is none."""
    if quote is None or quote.encode() not in data:
        return data.rfind(b"\n") + 1
    bytes_ = np.frombuffer(data, np.uint8)
    ends, marks = np.flatnonzero(bytes_ == 10), np.flatnonzero(bytes_ == ord(quote))
    outside = ends[np.searchsorted(marks, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0
