"""Where the records of a delimited text begin and end, found for whole blocks of bytes at once.

Unusual: this is what makes true line numbers and exact counts of ragged rows cheap. Quotes are followed by their parity
(Langdale and Lemire 2019, "Parsing gigabytes of JSON per second", section 3.1.1, with sums in place of carry-less
products); a quote in a place where well-formed CSV (RFC 4180) cannot have one makes `scan` give up, and careful.py reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
BLOCK = 1 << 20


@dataclass(frozen=True)
class Records:
    """Each record's bytes are data[start[i]:end[i]] without the line end \\n; it begins on line[i] (1-based).

    fields: how many cells it has. All arrays (records,) int64.
    """

    start: Ints
    end: Ints
    fields: Ints
    line: Ints

    def __len__(self) -> int:
        return len(self.start)


def scan(data: bytes, delimiter: str, quote: str | None) -> Records | None:
    """All records of a text, blank lines included. None where quotes are not well-formed, or one is never closed."""
    whole = np.frombuffer(data, dtype=np.uint8)
    ends: list[Ints] = []
    cells: list[Ints] = []
    line_ends: list[Ints] = []
    parity, cells_before, lines_before = 0, 0, 0
    quoted = quote is not None and quote.encode() in data
    for start in range(0, len(whole), BLOCK):
        block = whole[start : start + BLOCK]
        newline, split = block == 10, block == ord(delimiter)
        line_at = np.flatnonzero(newline)
        if quoted and quote is not None:
            marks = block == ord(quote)
            inside = (np.cumsum(marks, dtype=np.int64) + parity) & 1
            if not _well_formed(whole, np.flatnonzero(marks) + start, parity, ord(delimiter), ord(quote)):
                return None
            parity = int(inside[-1])
            outside = inside == 0
            newline, split = newline & outside, split & outside
        record_at, cell_at = np.flatnonzero(newline), np.flatnonzero(split)
        ends.append(record_at + start)
        cells.append(np.searchsorted(cell_at, record_at) + cells_before)
        line_ends.append(np.searchsorted(line_at, record_at, side="right") + lines_before)
        cells_before += len(cell_at)
        lines_before += len(line_at)
    if parity:
        return None
    if len(whole) and whole[-1] != 10:
        ends.append(np.array([len(whole)]))
        cells.append(np.array([cells_before]))
        line_ends.append(np.array([lines_before + 1]))
    end, total, last = (
        np.concatenate(x or [np.empty(0, dtype=np.int64)]).astype(np.int64) for x in (ends, cells, line_ends)
    )
    zero = np.zeros(min(1, len(end)), dtype=np.int64)
    return Records(
        np.concatenate([zero, end[:-1] + 1]),
        end,
        np.diff(total, prepend=zero) + 1,
        np.concatenate([zero, last[:-1]]) + 1,
    )


def _well_formed(whole: NDArray[np.uint8], at: Ints, parity: int, delimiter: int, quote: int) -> bool:
    """Whether quotes at these positions stand where RFC 4180 allows: around cells, or doubled inside."""
    opening = ((np.arange(len(at)) + parity) & 1) == 0
    before = np.where(at > 0, whole[np.maximum(at - 1, 0)], 10)
    after = np.where(at + 1 < len(whole), whole[np.minimum(at + 1, len(whole) - 1)], 10)
    good_open = np.isin(before, [delimiter, 10, quote])
    good_close = np.isin(after, [delimiter, 10, 13, quote])
    return bool(np.where(opening, good_open, good_close).all())


def blank(data: bytes, records: Records, expected: int) -> NDArray[np.bool_]:
    """(records,): whether a record is an empty line (or only blanks, where more than one cell is expected)."""
    length = records.end - records.start
    whole = np.frombuffer(data, dtype=np.uint8)
    first = whole[np.minimum(records.start, max(0, len(whole) - 1))] if len(whole) else np.empty(0, np.uint8)
    empty: NDArray[np.bool_] = (length == 0) | ((length == 1) & (first == 13))
    if expected > 1:
        for i in np.flatnonzero((records.fields == 1) & ~empty):
            empty[i] = not data[records.start[i] : records.end[i]].strip()
    return empty


def keep(data: bytes, records: Records, good: NDArray[np.bool_]) -> bytes:
    """The bytes of the good records alone, each with its line end."""
    if good.all():
        return data
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    if len(edges) == 2:  # one stretch, such as all but the header
        return data[records.start[edges[0]] : records.end[edges[1] - 1]] + b"\n"
    pieces = []
    for first, after in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        piece = data[records.start[first] : records.end[after - 1]]
        pieces.append(piece + b"\n")
    return b"".join(pieces)
