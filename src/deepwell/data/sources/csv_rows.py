"""The rows of a piece of delimited text: which can be used, why the others cannot, and the cells of the good ones.

Unusual: a piece may be a whole file or a block of it that begins and ends with a record; both are judged by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deepwell.data.sources import records
from deepwell.data.sources.dialect import Dialect, cut
from deepwell.data.sources.text import Text

NOT_UTF8 = "holds bytes that are not UTF-8, unlike the rest of the file"
NUL = "holds a NUL byte"


@dataclass(frozen=True)
class Rows:
    """The usable rows as text cells.

    line: (rows,) where each begins, 1 = the first of the piece. header: cells of the first row, None without one.
    rejected: (line, reason) of the others.
    """

    frame: pl.DataFrame
    line: NDArray[np.int64]
    header: list[str] | None
    rejected: Sequence[tuple[int, str]]


def widths(found: records.Records) -> NDArray[np.int64]:
    """How many records have 0, 1, 2, ... cells; blank lines do not count."""
    return np.bincount(found.fields[_not_empty(found)])


def usable(text: Text, found: records.Records, dialect: Dialect, width: int) -> Rows | None:
    """The rows of a piece of text; width: cells of a good one. None where polars finds another number of cells.

    dialect.header: whether the first row of the piece is one.
    """
    data = text.data
    blank = records.blank(data, found, width)
    reasons = _garbled(text, found)
    good = (found.fields == width) & ~blank
    good[list(reasons)] = False
    header = None
    if dialect.header:
        first = int(np.flatnonzero(~blank)[0])
        line = data[found.start[first] : found.end[first]].decode("utf-8", "replace").rstrip("\r")
        header, good[first], blank[first] = cut(line, dialect.delimiter, dialect.quote), False, True
    for i in np.flatnonzero(~good & ~blank).tolist():
        reasons.setdefault(i, ragged(int(found.fields[i]), width))
    rejected = [(int(found.line[i]), reasons[i]) for i in sorted(reasons) if not blank[i]]
    frame = _parse(records.keep(data, found, good), dialect, int(good.sum()), width)
    return None if frame is None else Rows(frame, found.line[good], header, rejected)


def _not_empty(found: records.Records) -> NDArray[np.bool_]:
    """Records with at least one byte besides the line end (all, where there is none such)."""
    some = (found.end - found.start) > 1
    return some if some.any() else np.ones(len(found), dtype=bool)


def _garbled(text: Text, found: records.Records) -> dict[int, str]:
    """Record -> why its bytes cannot be used."""
    whole = np.frombuffer(text.data, dtype=np.uint8)
    reasons: dict[int, str] = {}
    if not text.sound:
        high = np.unique(np.searchsorted(found.end, np.flatnonzero(whole >= 128)))
        for i in high.tolist():
            try:
                text.data[found.start[i] : found.end[i]].decode()
            except UnicodeDecodeError:
                reasons[i] = NOT_UTF8
    if b"\0" in text.data:
        reasons |= dict.fromkeys(np.searchsorted(found.end, np.flatnonzero(whole == 0)).tolist(), NUL)
    return reasons


def ragged(got: int, width: int) -> str:
    """Why a row of the wrong width cannot be used."""
    return f"has {got} cell{'s' if got != 1 else ''} where the other rows have {width}"


def _parse(data: bytes, dialect: Dialect, rows: int, width: int) -> pl.DataFrame | None:
    """The cells of well-formed records; None where polars finds another number of them."""
    schema = {f"column_{i + 1}": pl.String for i in range(width)}
    if not rows:
        return pl.DataFrame(schema=schema)
    try:
        frame = pl.read_csv(
            data, has_header=False, separator=dialect.delimiter, quote_char=dialect.quote, infer_schema=False
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.shape == (rows, width) else None
