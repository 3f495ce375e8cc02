"""Parquet files. polars reads them, and its types are kept.

Unusual: a file whose columns would take more memory than they may is read a column and a million rows at a time into the
cache (mapped.py). Both ways give the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from deepwell.core.errors import DataError
from deepwell.core.table import Column, Origin, Table
from deepwell.data.sources import columns, files, frames, mapped
from deepwell.data.sources.options import ReadOptions
from deepwell.store.arrays import Writer

READS = "Parquet (.parquet .pq)"
MAGIC = b"PAR1"
CELL_BYTES = 8
"""What one cell of any column takes at least."""


def claims(path: Path) -> float:
    """0.9 by suffix or by the first four bytes."""
    if not path.is_file():
        return 0.0
    return 0.9 if path.suffix.lower() in (".parquet", ".pq") or files.magic(path, 4) == MAGIC else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """All columns, mapped where they would take more than `options.memory`. Raises DataError for a damaged file."""
    with files.opened(path) as file:
        if file.read(4) != MAGIC:
            raise DataError(
                "this is no Parquet file (it does not begin with PAR1)", where=str(path), repair="write it again"
            )
    if options.memory is not None and size(path) > options.memory:
        return _mapped(path, options)
    with _sound(path):
        frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
    rows = np.arange(1, frame.height + 1, dtype=np.int64)
    origin = Origin((str(path),), np.zeros(frame.height, dtype=np.int32), rows, "row")
    return Table(frames.from_typed(frame, columns.words(options.missing), str(path)), origin)


def size(path: Path) -> int:
    """Bytes that the columns take in memory, about. Raises DataError for a damaged file."""
    with _sound(path):
        lazy = _lazy(path)
        return int(lazy.select(pl.len()).collect().item()) * len(lazy.collect_schema()) * CELL_BYTES


def _lazy(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, hive_partitioning=False, glob=False)


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """What polars says of a damaged file as a DataError; it panics on damaged pages."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(
            f"the Parquet file is damaged ({str(error).splitlines()[0]})", where=str(path), repair="write it again"
        ) from None


def _mapped(path: Path, options: ReadOptions) -> Table:
    """The columns by way of the cache."""
    with _sound(path):
        raw = _lazy(path).collect_schema().names()
        rows = int(_lazy(path).select(pl.len()).collect().item())
    names = dict(zip(columns.unique_names(raw, str(path)), raw, strict=True))
    missing = columns.words(options.missing)

    def make(writer: Writer) -> None:
        with _sound(path):
            forms = {name: _form(path, source, rows) for name, source in names.items()}
            into = mapped.ColumnWriter(writer, forms, rows)
            for name, source in names.items():
                for start in range(0, rows, mapped.BLOCK_ROWS) if forms[name] != "memory" else ():
                    into.put(name, start, _cells(_block(path, source, start), forms[name], missing))
            for start in range(0, rows, mapped.BLOCK_ROWS):
                into.lines(start, np.arange(start + 1, min(start + mapped.BLOCK_ROWS, rows) + 1, dtype=np.int64))
        into.finish()

    def whole(name: str) -> Column:
        with _sound(path):
            frame = _lazy(path).select(names[name]).collect()
        return frames.from_typed(frame, missing, str(path))[name]

    key = mapped.file_key(path, ["parquet", sorted(missing)])
    arrays = mapped.opened(key, f"columns of {path.name}", make)
    return mapped.table(arrays, key, path, "row", whole)


def _block(path: Path, name: str, start: int) -> pl.Series:
    """A million rows of one column, as they are in the file. Row groups outside are not touched."""
    return _lazy(path).select(name).slice(start, mapped.BLOCK_ROWS).collect()[name]


def _form(path: Path, name: str, rows: int) -> str:
    """The form in which a column is mapped (see ColumnWriter); memory for what is neither number nor text throughout.

    Whole numbers and truth values depend on whether any is missing: frames.from_typed says how.
    """
    kind = _lazy(path).select(name).collect_schema()[name]
    if kind.is_float():
        return "float"
    if kind in (pl.String, pl.Categorical, pl.Enum, pl.Datetime):
        return "text"
    if kind != pl.Boolean and not kind.is_integer():
        return "memory"
    nulls, low, high = 0, 0, 0
    for start in range(0, rows, mapped.BLOCK_ROWS):
        block = _block(path, name, start)
        nulls += block.null_count()
        if kind != pl.Boolean and block.null_count() < len(block):
            low, high = min(low, int(block.min())), max(high, int(block.max()))  # type: ignore[arg-type]
    if kind == pl.Boolean:
        return "memory" if nulls else "bool"
    if not nulls:
        return "int" if high < 2**63 else "float"
    return "float" if nulls < rows and max(high, -low) <= columns.EXACT_FLOAT else "memory"


def _cells(block: pl.Series, form: str, missing: frozenset[str]) -> Column:
    """Some rows of a column in its form."""
    if form == "float":
        return block.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if form == "text":
        return frames.from_typed(block.to_frame(), missing)[block.name]
    return block.cast(pl.Int64).to_numpy() if form == "int" else block.to_numpy()
