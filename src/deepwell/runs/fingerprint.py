"""What the data was, so that a run can be repeated and a changed file noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.table import ImageFile, Table
from deepwell.store.files import sha256

MOST_FILES_LISTED = 64


def fingerprint(table: Table) -> dict[str, Any]:
    """`{files: [{path, bytes, sha256}], rows, sha256}` of a Table.

    files: the files that hold rows (where they are many, only the first are listed; all of them count in sha256).
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
            total.update(name.encode())
            total.update(column.tobytes() if column.dtype != object else "\x1f".join(map(str, column)).encode())
    return {"files": listed, "file_count": len(paths), "rows": len(table), "sha256": total.hexdigest()}


def _paths(table: Table) -> list[str]:
    """All files that rows came from, and all pictures that rows point to, each once."""
    paths = dict.fromkeys(table.origin.files if table.origin else ())
    for column in table.columns.values():
        if column.dtype == object and len(column) and isinstance(column[np.argmax(column != None)], ImageFile):  # noqa: E711
            paths.update(dict.fromkeys(str(v) for v in column if v is not None))
    return [p for p in paths if Path(p).is_file()]
