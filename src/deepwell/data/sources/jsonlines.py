"""JSON lines (.jsonl .ndjson, also .gz), and .json files that hold one list of records -> one column per key.

Unusual: a line that is no JSON object is rejected by itself. A key that a record lacks is missing there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Column, Origin, Rejected, Table
from deepwell.data.sources import columns, files
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.text import decode

READS = "JSON lines (.jsonl .ndjson) and .json lists of records, also .gz"
LINES = (".jsonl", ".ndjson")


def claims(path: Path) -> float:
    """By suffix: 0.9; .json 0.8."""
    if not path.is_file():
        return 0.0
    kind = files.suffix(path)
    return 0.9 if kind in LINES else 0.8 if kind == ".json" else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """The records as rows. Raises DataError for a .json file that is no list of records and where no line is usable."""
    text = decode(files.read_bytes(path), options.encoding, str(path)).data.decode("utf-8", "replace")
    found, unit = (lines(text), "line") if files.suffix(path) in LINES else _document(text, path)
    rows = [(n, v) for n, v in found if isinstance(v, dict)]
    rejected = tuple(
        Rejected(f"{path}, {unit} {n}", v if isinstance(v, str) else "is no JSON object {...}")
        for n, v in found if not isinstance(v, dict)
    )  # fmt: skip
    if len(rejected) > len(rows) or not rows:
        first = f"; the first: {rejected[0].where.rsplit(', ', 1)[1]} {rejected[0].reason}" if rejected else ""
        raise DataError(
            f"{len(rejected)} of {len(found)} records cannot be read{first}",
            where=str(path), repair='write one object a line, {"age": 39, "label": "a"}, or a list of such objects',
        )  # fmt: skip
    numbers = np.array([n for n, _ in rows], dtype=np.int64)
    origin = Origin((str(path),), np.zeros(len(rows), dtype=np.int32), numbers, unit)
    return Table(by_key([v for _, v in rows], columns.words(options.missing), str(path)), origin, rejected)


def by_key(rows: Sequence[Mapping[str, Any]], missing: frozenset[str], where: str = "") -> dict[str, Column]:
    """Records as columns, keys in the order in which they first appear."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    named = columns.unique_names([str(k) for k in keys], where)
    return {n: columns.column([row.get(k) for row in rows], missing) for n, k in zip(named, keys, strict=True)}


def lines(text: str) -> list[tuple[int, Any]]:
    """(line number, object, or why it is none) of each non-blank line."""
    found: list[tuple[int, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            found.append((number, value if isinstance(value, dict) else "is no JSON object {...}"))
        except (ValueError, RecursionError) as error:
            found.append((number, f"is not JSON ({error})"))
    return found


def _document(text: str, path: Path) -> tuple[list[tuple[int, Any]], str]:
    """The records of a .json file and what their numbers count: a list, one flat object, or JSON lines after all."""
    repair = "write a list of records, or one object a line and call it .jsonl"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = lines(text)
        if not text.lstrip().startswith("[") and any(isinstance(v, dict) for _, v in found):
            return found, "line"
        raise DataError(f"this is not JSON ({error})", where=str(path), repair=repair) from None
    if isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values()):
        value = [value]
    if not isinstance(value, list):
        raise DataError("this JSON holds one nested object, not a list of records", where=str(path), repair=repair)
    return list(enumerate(value, start=1)), "record"
