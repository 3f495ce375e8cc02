"""CSV, TSV and other delimited text (also gzip), with whatever delimiter, encoding, quoting and header it has.

Unusual: the bytes are first cut into records by records.py, so that every ragged or garbled row is found, counted and left out
with its true line number before polars sees the rest. Where quotes are not well-formed, careful.py reads line by line. Plain
files of more than 32 MB are read in blocks (csv_blocks.py), which gives the same table in a fifth of the memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.sources import careful, columns, csv_blocks, csv_rows, files, frames, mapped, names, prose, records
from deepwell.data.sources.dialect import Dialect, encloses, sniff
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.text import Text, decode

READS = "CSV, TSV and other delimited text (.csv .tsv .txt .data, also .gz)"
RANKS = {".csv": 0.9, ".tsv": 0.9, ".tab": 0.9, ".data": 0.9, ".txt": 0.7}
AT_ONCE = 32 << 20
"""Bytes of a file that are read at once; larger ones in blocks."""
PACKED = 4
"""How much larger packed text becomes, about."""
GARBLED = re.compile("[\0\udc80-\udcff]")


@dataclass(frozen=True)
class Body:
    """The usable rows as text cells. line: (rows,) where each begins. header: cells of the header row, None without one."""

    frame: pl.DataFrame
    line: NDArray[np.int64]
    header: list[str] | None
    rejected: list[Rejected]


def claims(path: Path) -> float:
    """By suffix 0.9 (.txt 0.7 where it is cut into cells); 0.1 for any other file whose first bytes are text."""
    if not path.is_file():
        return 0.0
    rank = RANKS.get(files.suffix(path), 0.0)
    if files.suffix(path) == ".txt" and not prose.is_table(path):
        return 0.1
    if rank or path.suffix.lower() in (".npy", ".npz", ".parquet"):
        return rank
    sample = files.magic(path, 4096)
    control = sum(b < 32 and b not in b"\t\n\r\f" for b in sample)
    return 0.1 if sample and not control else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """A text table. Rejected: rows with too few or too many cells, NUL or garbled bytes, quotes that are never closed.

    Raises DataError for an empty file, a header without rows, doubled names, rows that differ from the header throughout,
    and files in which more than half of the rows are unusable; ConfigError for a bad delimiter.
    """
    where = str(path)
    most = AT_ONCE if options.memory is None else min(AT_ONCE, options.memory)
    in_blocks = _in_blocks(path, options) if options.encoding is None and path.stat().st_size > most else None
    if in_blocks is not None:
        return in_blocks
    text = decode(files.read_bytes(path), options.encoding, where)
    if not text.data.strip():
        raise DataError("the file holds nothing but blanks", where=where, repair="give the file that holds the data")
    dialect = _with_names(sniff(text.data, options), options)
    if dialect.skip:
        text = replace(text, data=b"\n" + text.data[dialect.skip :])
    if dialect.delimiter == " ":
        text = replace(text, data=_single_blanks(text.data))
        dialect = replace(dialect, quote=None)
    if dialect.quote and not encloses(text.data, dialect.delimiter, dialect.quote):
        dialect = replace(dialect, quote=None)
    body = _fast(text, dialect, where) or _slow(text, dialect, where)
    _check(body.frame.height, body.rejected, dialect, where)
    last = body.frame.to_series(body.frame.width - 1)
    blank = not (last.fill_null("").str.strip_chars() != "").any()
    labels = _named(body.header, body.frame.width, blank, path, options)
    missing = columns.words(options.missing)
    cells = body.frame.select(body.frame.columns[: len(labels)])
    found = frames.from_text(cells, labels, missing, decimal_comma=dialect.delimiter == ";")
    origin = Origin((where,), np.zeros(len(body.line), dtype=np.int32), body.line)
    return Table(found, origin, tuple(body.rejected))


def size(path: Path) -> int:
    """Bytes that the columns take in memory, about: a cell has as many letters as a number has bytes."""
    return path.stat().st_size * (PACKED if files.packed(path) else 1)


def _in_blocks(path: Path, options: ReadOptions) -> Table | None:
    """The table by csv_blocks.py, mapped where it is larger than `options.memory`; None where it cannot be read so."""
    where, missing = str(path), sorted(columns.words(options.missing))
    file = csv_blocks.plain(path)
    dialect = csv_blocks.quoting(file, _with_names(sniff(file.head, options), options)) if file else None
    if file is None or dialect is None:
        return None
    key, arrays = "", None
    if options.memory is not None and size(path) > options.memory:
        key = mapped.file_key(path, ["csv", missing, dialect.delimiter, dialect.quote, dialect.header, dialect.skip])
        arrays = mapped.cached(key)
    if arrays is None:
        seen = csv_blocks.survey(file, dialect, missing)
        if seen is None:
            return None
        rejected = [Rejected(f"{where}, line {line}", why) for line, why in seen.rejected]
        _check(seen.rows, rejected, dialect, where)
        arrays = csv_blocks.columns(file, dialect, missing, seen, mapped.Place(key, f"columns of {path.name}"))
    facts = mapped.facts(arrays)
    found = mapped.table(arrays, key, path, "line")
    labels = _named(facts["header"], len(found.columns), not facts["full"], path, options)
    cells = dict(zip(labels, found.columns.values(), strict=False))  # without the last one, where it is blank
    return replace(found, columns=cells)


def _with_names(dialect: Dialect, options: ReadOptions) -> Dialect:
    """Names from a file mean that there is no header, unless the first row repeats them or the user said.

    A first row of names that are expected is a header.
    """
    if options.header is not None or not dialect.rows:
        return dialect
    if options.names is None:
        known = set(dialect.rows[0]) <= set(options.expected)
        return replace(dialect, header=dialect.header or known)
    told = [n.strip().lower() for n in names.given(options.names)]
    return replace(dialect, header=[c.lower() for c in dialect.rows[0]][: len(told)] == told)


def _single_blanks(data: bytes) -> bytes:
    """Runs of blanks as one space, none at the ends of lines."""
    return re.sub(rb" ?\r?\n ?", b"\n", re.sub(rb"[ \t]+", b" ", data)).strip(b" ")


def _fast(text: Text, dialect: Dialect, where: str) -> Body | None:
    """The rows by records.py and polars; None where quotes are not well-formed or the two disagree."""
    data = text.data
    found = records.scan(data, dialect.delimiter, dialect.quote)
    if found is None:
        return None
    width = int(csv_rows.widths(found).argmax())
    rows = csv_rows.usable(text, found, dialect, width)
    if rows is None:
        return None
    rejected = [Rejected(f"{where}, line {line}", why) for line, why in rows.rejected]
    return Body(rows.frame, rows.line, rows.header, rejected)


def _slow(text: Text, dialect: Dialect, where: str) -> Body:
    """The rows by careful.py."""
    decoded = text.data.decode("utf-8", "surrogateescape")
    found = list(careful.rows(decoded, dialect.delimiter, dialect.quote))
    header: list[str] | None = None
    if dialect.header and found:
        _, cells = found.pop(0)
        header = cells if isinstance(cells, list) else [cells]
    widths = Counter(len(cells) for _, cells in found if isinstance(cells, list))
    width = widths.most_common(1)[0][0] if widths else len(header or [])
    rows: list[list[str]] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    for line, cells in found:
        reason = cells if isinstance(cells, str) else _unusable(cells, width)
        if reason:
            rejected.append(Rejected(f"{where}, line {line}", reason))
        else:
            rows.append(list(cells))
            lines.append(line)
    schema = {f"column_{i + 1}": pl.String for i in range(width)}
    frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    return Body(frame, np.array(lines, dtype=np.int64), header, rejected)


def _unusable(cells: Sequence[str], width: int) -> str:
    """Why a row's cells cannot be used; empty if they can."""
    bad = GARBLED.search("".join(cells))
    if bad:
        return csv_rows.NUL if bad.group() == "\0" else csv_rows.NOT_UTF8
    return "" if len(cells) == width else csv_rows.ragged(len(cells), width)


def _check(used: int, rejected: Sequence[Rejected], dialect: Dialect, where: str) -> None:
    """Raise DataError where there are no rows, or more unusable than usable ones."""
    unused = len(rejected)
    if not used and not unused:
        raise DataError(
            "there is a header and no row below it" if dialect.header else "there is no row",
            where=where, repair="give the file that holds the data (--header no if the first row is data)",
        )  # fmt: skip
    if unused > used:
        first = rejected[0]
        raise DataError(
            f"{unused} of {used + unused} rows cannot be read; the first: {first.where.rsplit(', ', 1)[1]} {first.reason}",
            where=where, repair="mend the file, or say --delimiter and --encoding if they were found wrongly",
        )  # fmt: skip


def _named(header: list[str] | None, width: int, blank: bool, path: Path, options: ReadOptions) -> list[str]:
    """The names of the columns: from the header, a .names file, or column_1, column_2, ...

    One less than `width` where the header names one less and the last column is blank: a delimiter at the line ends.
    """
    if header is not None:
        if width != len(header) and not (width == len(header) + 1 and blank):
            raise DataError(
                f"the header names {len(header)} columns, but most rows have {width} cells",
                where=str(path), repair="make the header fit the rows, or say --header no if the first row is data",
            )  # fmt: skip
        return columns.unique_names(header, str(path))
    told = names.given(options.names) if options.names is not None else names.beside(path)
    if told and width - len(told) in (0, 1):
        return columns.unique_names([*told, options.target_name][:width], str(path))
    if options.names is not None:
        raise DataError(
            f"{options.names} names {len(told)} columns, but the rows have {width} cells",
            where=str(path), repair="give the names file that belongs to this table",
        )  # fmt: skip
    return [f"column_{i + 1}" for i in range(width)]
