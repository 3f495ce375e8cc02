"""Folders called train/, val/ (valid, dev) and test/ with the same kind of data in each -> one Table with `split`.

Unusual: this form reads nothing itself; each part is read as whatever it is (class folders, tables, pictures).
"""

from __future__ import annotations

from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.core.table import Table
from deepwell.data.sources import files, find, parts
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.options import ReadOptions

READS = "folders train/ and test/ (val/) of any of these"
PARTS_ONLY = True


def claims(path: Path) -> float:
    """0.7 for a folder in which at least two folders with data are named after different parts."""
    if not path.is_dir():
        return 0.0
    return 0.7 if len({parts.part_of(p.name) for p in _folders(path)} - {None}) > 1 else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """Each part's folder, one below the other, marked in `split`.

    Raises DataError for a folder with pictures or tables that is no part, two folders for one part, or no train folder.
    """
    found: dict[str, tuple[str, Table]] = {}
    folders = _folders(path)
    each = find.sharing([f for f in folders if parts.part_of(f.name) is not None], options)
    for folder in folders:
        part = parts.part_of(folder.name)
        if part is None:
            if find.best(folder)[1] is None:
                continue
            raise DataError(
                "beside it are the parts train and test, but this folder holds data and is no part", where=str(folder),
                repair="move it away, name it train, val or test, or, if all these are classes, rename the part folders",
            )  # fmt: skip
        if part in found:
            raise DataError(f"this folder and {found[part][0]} are both the part {part!r}", where=str(folder))
        found[part] = (str(folder), find.read_path(folder, each))
    if "train" not in found:
        raise DataError("there are part folders but none is called train", where=str(path), repair="name one train")
    order = [p for p in ("train", "select", "test") if p in found]
    return parts.stack([(found[p][0], parts.mark(found[p][1], p, found[p][0])) for p in order])


def _folders(path: Path) -> list[Path]:
    """Visible folders with at least one file below that is no note."""
    return [p for p in files.entries(path) if p.is_dir() and any(not files.note(f.name) for f in walk(p))]
