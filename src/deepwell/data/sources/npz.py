"""numpy's .npz and .npy files: arrays called train_images, train_labels, x_test, ... -> columns, parts as `split`.

Unusual: pickled objects inside are never opened, and an archive that would unpack beyond half of the machine's memory is refused.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Column, Origin, Table
from deepwell.data.sources import arrays, files, parts
from deepwell.data.sources.options import ReadOptions

READS = "numpy's .npz and .npy"
PICTURES = ("image", "images", "img", "imgs", "x", "data", "picture", "pictures", "features", "")
LABELS = ("label", "labels", "y", "target", "targets", "class", "classes")
ZIP, NPY = b"PK", b"\x93NUMPY"
REPAIR = "save plain arrays with numpy.savez(path, train_images=..., train_labels=...)"


def claims(path: Path) -> float:
    """0.9 by suffix."""
    return 0.9 if path.is_file() and path.suffix.lower() in (".npz", ".npy") else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """The arrays as columns.

    A part word in an array's name is taken out and becomes `split`. Pictures (uint8, 3 or 4 dimensions) become `image`,
    labels `label` beside pictures and `target` beside numbers; other 2-D arrays one column per number, x0, x1, ... Where
    options.arrays is set, each array is one column under its own name.
    Raises DataError for pickled objects, damaged files, pictures that are not uint8, and arrays of unequal length.
    """
    found = _load(path)
    table = _whole if options.arrays else _table
    by_part: dict[str | None, dict[str, NDArray[Any]]] = {}
    for key, array in found.items():
        part = parts.part_of(key)
        rest = parts.without_part(key) if part else key
        if rest in by_part.setdefault(part, {}):
            raise DataError(f"two arrays are {rest!r} of the part {part!r}", where=str(path), repair="rename one")
        by_part[part][rest] = array
    if len(by_part) == 1:
        return table(next(iter(by_part.values())), path)
    if None in by_part:
        odd = next(iter(by_part[None]))
        raise DataError(
            f"the array {odd!r} says no part, others do ({', '.join(k for k in found if k != odd)})",
            where=str(path), repair="call the arrays train_images, train_labels, test_images, ...",
        )  # fmt: skip
    if "train" not in by_part:
        raise DataError(f"there are parts ({', '.join(found)}) but none is train", where=str(path), repair="rename one")
    order = [p for p in ("train", "select", "test") if p in by_part]
    return parts.stack([(f"{path} ({p})", parts.mark(table(by_part[p], path), p, str(path))) for p in order])


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file by name; the one of a .npy file is unnamed."""
    head = files.head(path, len(NPY))
    if not head.startswith((ZIP, NPY)):
        raise DataError("this is no file of numpy's", where=str(path), repair=REPAIR)
    try:
        if head == NPY:
            return {"": np.load(path, allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > files.memory_limit():
            raise DataError(
                f"unpacks to {unpacked:,} bytes, more than half of this machine's memory",
                where=str(path), repair="cut the data into smaller files",
            )  # fmt: skip
        with np.load(path, allow_pickle=False) as stored:
            found = {key: np.asarray(stored[key]) for key in stored}
    except ValueError as error:
        what = (
            "holds pickled objects, which are never opened" if "allow_pickle" in str(error) else f"is damaged ({error})"
        )
        raise DataError(f"the file {what}", where=str(path), repair=REPAIR) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"the file is damaged ({error})", where=str(path), repair=REPAIR) from None
    except MemoryError:
        raise DataError(
            "an array in the file promises more than this machine can take", where=str(path), repair=REPAIR
        ) from None
    except OSError as error:
        raise files.unreadable(path, error) from None
    if not found:
        raise DataError("there is no array in the file", where=str(path), repair=REPAIR)
    return found


def _whole(found: Mapping[str, NDArray[Any]], path: Path) -> Table:
    """The arrays of one part as they are; one without a name, as in a .npy file, is `x`."""
    made = arrays.whole({key or "x": array for key, array in found.items()}, str(path))
    rows = np.arange(1, len(next(iter(made.values()))) + 1, dtype=np.int64)
    return Table(made, Origin((str(path),), np.zeros(len(rows), dtype=np.int32), rows, "row"))


def _table(found: Mapping[str, NDArray[Any]], path: Path) -> Table:
    """The arrays of one part as columns."""
    lengths = {key: len(a) if a.ndim else 0 for key, a in found.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the arrays have different lengths: {lengths}", where=str(path), repair="give each row an entry"
        )
    seen = any(a.ndim in (3, 4) for a in found.values())
    made: dict[str, Column] = {}
    for key, array in found.items():
        new = _columns(key, array, seen, str(path))
        doubled = sorted(set(new) & set(made))
        if doubled:
            raise DataError(f"two arrays would be the column {doubled[0]!r}", where=str(path), repair="rename one")
        made |= new
    rows = np.arange(1, next(iter(lengths.values())) + 1, dtype=np.int64)
    return Table(made, Origin((str(path),), np.zeros(len(rows), dtype=np.int32), rows, "row"))


def _columns(key: str, array: NDArray[Any], beside_pictures: bool, where: str) -> dict[str, Column]:
    """One array as columns; beside_pictures: other arrays of the part are pictures."""
    name = key.lower()
    if array.ndim in (3, 4):
        return {"image" if name in PICTURES else key: arrays.pictures(array, where)}
    if name in LABELS:
        return arrays.spread("label" if beside_pictures else "target", array, "_", where)
    if array.ndim == 2 and name in PICTURES:
        return arrays.spread("x", array, "", where)
    return arrays.spread(key, array, "_", where)
