"""A folder of tables (CSV, JSON lines, Parquet, npz) -> one Table; files called train, valid, test become parts.

Unusual: notes beside the data (README, LICENSE, .names, .md) do no harm; .txt files count only where nothing else does, and
only if most of them are cut into cells: else they are documents. All other files must have the same columns.
"""

from __future__ import annotations

from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.core.table import Table
from deepwell.data.sources import files, find, parts, pictures, prose
from deepwell.data.sources.options import ReadOptions

READS = "folders of tables with the same columns"
LIKELY = 0.6


def claims(path: Path) -> float:
    """0.4 for a folder with at least one table directly in it."""
    return 0.4 if path.is_dir() and _tables(path) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """All tables directly in the folder, sorted by name, one below the other; marked with their parts if they say any.

    Raises DataError naming the file and column that differ, and for files with the same name in two forms.
    """
    found = _tables(path)
    stems = [files.stem(p) for p in found]
    doubled = [p for p, stem in zip(found, stems, strict=True) if stems.count(stem) > 1]
    if doubled:
        raise DataError(
            f"the folder holds {find.names_of(doubled)}: the same table twice?",
            where=str(path), repair="move one of them away, or give the file instead of the folder",
        )  # fmt: skip
    each = find.sharing(found, options)
    return parts.by_name([(str(p), files.stem(p), find.read_path(p, each)) for p in found])


def _tables(path: Path) -> list[Path]:
    """The tables directly in a folder: files whose form is certain by their name, else those whose form is likely."""
    candidates = [
        p for p in files.entries(path) if p.is_file() and not files.note(p.name) and not pictures.is_picture(p)
    ]  # fmt: skip
    ranks = {p: find.best(p)[0] for p in candidates}
    sure = [p for p in candidates if ranks[p] >= find.SURE]
    likely = [p for p in candidates if ranks[p] >= LIKELY]
    return sure or (likely if 2 * len(likely) > len([p for p in candidates if prose.is_prose(p)]) else [])
