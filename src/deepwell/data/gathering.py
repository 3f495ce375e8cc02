"""Some rows of a table, such as those of its training part: copied where the table is in memory, else gathered into a file.

Unusual: the rows of a mapped table become an entry of the cache of their own, so that they take no memory, and a second run
with the same split finds them there. Text stays in memory: 8 bytes a row.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.table import Origin, Table
from deepwell.store import json as strict_json
from deepwell.store.arrays import ArrayCache, Writer, default_root, mapped

VERSION = 1
COPIED_ROWS = 1 << 15
"""So few rows are copied into memory also from a mapped table."""
BLOCK_ROWS = 1 << 17
"""Rows that are gathered at a time."""


def gathered(table: Table, rows: NDArray[Any]) -> Table:
    """The rows at the given indices, in that order. Raises RunError where the cache cannot be written."""
    if not table.entry or len(rows) <= COPIED_ROWS:
        return table.take(rows)
    sources = {name: column for name, column in table.columns.items() if mapped(column)}
    if table.origin is not None:
        sources |= {" line": table.origin.line, " file": table.origin.file}
    facts = [
        VERSION,
        "rows",
        table.entry,
        sorted(sources),
        len(rows),
        hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest(),
    ]
    key = hashlib.sha256(strict_json.write(facts)).hexdigest()
    cache = ArrayCache(default_root())
    arrays = cache.open(key)
    if arrays is None:
        with cache.write(key, f"{len(rows):,} of {len(table):,} rows of a table") as writer:
            for name, column in sources.items():
                _gather(writer, name, column, rows)
        arrays = writer.arrays
    columns = {name: arrays[name] if name in sources else column[rows] for name, column in table.columns.items()}
    origin = table.origin and Origin(table.origin.files, arrays[" file"], arrays[" line"], table.origin.unit)
    return Table(columns, origin, entry=key)


def _gather(writer: Writer, name: str, column: NDArray[Any], rows: NDArray[Any]) -> None:
    array = writer.array(name, (len(rows), *column.shape[1:]), column.dtype)
    for start in range(0, len(rows), BLOCK_ROWS):
        array[start : start + BLOCK_ROWS] = column[rows[start : start + BLOCK_ROWS]]
