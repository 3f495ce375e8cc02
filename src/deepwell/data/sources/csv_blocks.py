"""Large delimited text, read in blocks: the file is mapped, and a few megabytes of it at a time become cells.

Unusual: it is read twice, first to learn how each column is written, then to fill the columns in that form; so nothing is held
but the columns, in memory or, where they are larger than they may be, in the cache (mapped.py). What is not plain (packed,
another encoding than UTF-8, blanks as delimiters, quotes that are not well-formed) is left to csv.py, which reads it at once.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deepwell.core.table import Rejected
from deepwell.data.sources import csv_rows, files, frames, mapped, records
from deepwell.data.sources.dialect import SINGLE, Dialect
from deepwell.data.sources.text import Text, is_utf8

BLOCK = 4 << 20
"""Bytes that become cells at a time."""
HEAD = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


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
    """The mapped file, if by its first bytes it is plain UTF-8 text."""
    with path.open("rb") as file:
        if file.read(2) == files.GZIP_MAGIC:
            return None
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = len(BYTE_ORDER_MARK) if data[:3] == BYTE_ORDER_MARK else 0
    head = data[start : start + HEAD]
    old_ends = b"\r" in head and b"\n" not in head
    return None if old_ends or not head.strip() or re.search(rb"[\0-\x08\x0e-\x19\x1b-\x1f]", head) else Plain(data, start)


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
        if found is None:
            width = int(widths.argmax())
            found = Survey([frames.Written(dialect.delimiter == ";") for _ in range(width)], header=rows and rows.header)
        if rows is None or rows.frame.width != len(found.columns):
            return None
        longer, shorter = (counts, widths) if len(counts) > len(widths) else (widths, counts)
        counts = longer + np.pad(shorter, (0, len(longer) - len(shorter)))
        for column, written in zip(rows.frame.iter_columns(), found.columns, strict=True):
            written.add(frames.stripped(column, missing))
        last = rows.frame.to_series(width - 1)
        found.full = found.full or bool((last.fill_null("").str.strip_chars() != "").any())
        found.rows += rows.frame.height
        found.rejected += [(line + at, why) for at, why in rows.rejected]
    return found if found is not None and int(counts.argmax()) == width else None


def fill(file: Plain, dialect: Dialect, missing: Sequence[str], seen: Survey, into: mapped.ColumnWriter) -> None:
    """The second reading: all cells in the forms that were found, under the names "0", "1", ..."""
    start = 0
    for rows, _, line in _pieces(file, dialect):
        if rows is None:
            raise RuntimeError("the file was changed while it was read")
        for number, column in enumerate(rows.frame.iter_columns()):
            into.put(str(number), start, seen.columns[number].column(frames.stripped(column, missing)))
        into.lines(start, rows.line + line)
        start += rows.frame.height
    into.finish([Rejected(f", line {at}", why) for at, why in seen.rejected])


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


def empty_rows(seen: Survey) -> pl.DataFrame:
    """A frame with as many columns as the file has and one row, whose last cell is blank if all in the file are."""
    cells = [""] * (len(seen.columns) - 1) + ["x" if seen.full else ""]
    return pl.DataFrame([cells], schema={f"column_{i + 1}": pl.String for i in range(len(cells))}, orient="row")
