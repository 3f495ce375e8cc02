"""What the data was, so that a run can be repeated and a changed file noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.table import PARTS, Column, ImageFile, MaskFile, Table
from deepwell.runs.options import IN_MEMORY
from deepwell.store.files import sha256

MOST_FILES_LISTED = 64


def fingerprint(table: Table) -> dict[str, Any]:
    """`{files: [{path, bytes, sha256}], rows, sha256}` of a Table.

    files: the files that rows were read from (where they are many, only the first are listed; all of them count in sha256).
    sha256: over all files' hashes in order; for data made in memory over the columns' bytes.
    """
    paths = _paths(table)
    total = hashlib.sha256()
    listed: list[dict[str, Any]] = []
    for path in paths:
        digest = sha256(Path(path))
        total.update(digest.encode())
        if len(listed) < MOST_FILES_LISTED:
            listed.append({"path": path, "bytes": Path(path).stat().st_size, "sha256": digest})
    if not paths:
        for name, column in table.columns.items():
            total.update(_bytes(name))
            total.update(column.tobytes() if column.dtype != object else _bytes("\x1f".join(map(_text, column))))
    return {"files": listed, "file_count": len(paths), "rows": len(table), "sha256": total.hexdigest()}


def _text(cell: Any) -> str:
    """A cell as text that tells it from others; that of a long array leaves most of its values out, so its hash stands for it."""
    if not isinstance(cell, np.ndarray):
        return str(cell)
    return f"{cell.dtype} {cell.shape} {hashlib.sha256(np.ascontiguousarray(cell).tobytes()).hexdigest()}"


def _bytes(text: str) -> bytes:
    """A text in UTF-8, also where it holds halves of pairs, as data in memory may."""
    return text.encode("utf-8", "surrogatepass")


def source(data: Any) -> Any:
    """Where the data came from, for a run that is taken up again: absolute paths, or what kind of object it was."""
    if isinstance(data, str | Path):
        return str(Path(data).absolute())
    if isinstance(data, list) and data and all(isinstance(d, str | Path) for d in data):
        return [source(d) for d in data]
    return None if data is None else f"a {type(data).__name__}{IN_MEMORY}"


@dataclass(frozen=True)
class HashedFile:
    """A file (the first of those with the same bytes) and the parts that its rows went to."""

    path: str
    parts: list[str]


def file_parts(table: Table, assignment: NDArray[np.int8]) -> dict[str, HashedFile]:
    """sha256 of each file -> HashedFile; empty for data made in memory."""
    found: dict[str, set[str]] = {}
    paths: dict[str, str] = {}

    def add(path: str, parts: Iterable[int]) -> None:
        if Path(path).is_file():
            digest = sha256(Path(path))
            paths.setdefault(digest, path)
            found.setdefault(digest, set()).update(PARTS[p] for p in parts if p >= 0)  # below 0: in no part

    origin = table.origin
    for number, path in enumerate(origin.files if origin else ()):
        if origin:
            add(path, np.unique(assignment[origin.file == number]).tolist())
    for column in _pictures(table):
        for cell, part in zip(column, assignment, strict=True):
            if cell is not None:
                add(str(cell), [int(part)])
    return {digest: HashedFile(paths[digest], sorted(parts)) for digest, parts in found.items()}


def _pictures(table: Table) -> list[Column]:
    """The columns that hold references to pictures and masks."""
    columns = [c for c in table.columns.values() if c.dtype == object]
    return [c for c in columns if isinstance(next((v for v in c if v is not None), None), ImageFile | MaskFile)]


def _paths(table: Table) -> list[str]:
    """All files that rows came from, and all pictures that rows point to, each once."""
    paths = dict.fromkeys(table.origin.files if table.origin else ())
    for column in _pictures(table):
        paths.update(dict.fromkeys(str(v) for v in column if v is not None))
    return [p for p in paths if Path(p).is_file()]
