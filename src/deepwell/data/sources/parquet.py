"""Parquet files. Unusual: nothing; polars reads them, and its types are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Table
from deepwell.data.sources import columns, files, frames
from deepwell.data.sources.options import ReadOptions

READS = "Parquet (.parquet .pq)"
MAGIC = b"PAR1"


def claims(path: Path) -> float:
    """0.9 by suffix or by the first four bytes."""
    if not path.is_file():
        return 0.0
    return 0.9 if path.suffix.lower() in (".parquet", ".pq") or files.magic(path, 4) == MAGIC else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """All columns. Raises DataError for a damaged file."""
    with files.opened(path) as file:
        if file.read(4) != MAGIC:
            raise DataError(
                "this is no Parquet file (it does not begin with PAR1)", where=str(path), repair="write it again"
            )
    try:
        frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        OSError,
    ) as error:  # polars panics on damaged pages
        raise DataError(
            f"the Parquet file is damaged ({str(error).splitlines()[0]})", where=str(path), repair="write it again"
        ) from None
    rows = np.arange(1, frame.height + 1, dtype=np.int64)
    origin = Origin((str(path),), np.zeros(frame.height, dtype=np.int32), rows, "row")
    return Table(frames.from_typed(frame, columns.words(options.missing), str(path)), origin)
