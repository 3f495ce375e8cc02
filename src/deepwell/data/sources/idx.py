"""MNIST's idx files (also gzip): pictures and labels, `train-*` and `t10k-*` -> columns `image`, `label`, `split`.

Format (LeCun, yann.lecun.com/exdb/mnist): two zero bytes, a type byte, the number of dimensions, then each dimension as a
big-endian uint32, then the values. Unusual: the header must agree with the size of the file to the byte, and a header that
promises more than gzip can hold in a file of that size (1032 : 1) is refused before anything is allocated.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Column, Origin, Table
from deepwell.data.sources import files, parts
from deepwell.data.sources.options import ReadOptions

READS = "MNIST's idx files (.gz)"
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
NAME = re.compile(r"idx[1-4]|ubyte", re.IGNORECASE)
DEFLATE_RATIO = 1032
MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Header:
    """The head of an idx file: numpy type, shape, bytes before the values."""

    type: str
    shape: tuple[int, ...]
    size: int


def claims(path: Path) -> float:
    """0.9 for an idx file or a folder with one; both by name and first bytes."""
    if path.is_dir():
        return 0.9 if any(_is_idx(p) for p in files.entries(path)) else 0.0
    return 0.9 if _is_idx(path) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """A folder of idx files, or the pair that one file belongs to.

    Raises DataError for pictures that are not uint8, pairs of unequal length, several sets that are not parts, and files
    whose size is not what their header says.
    """
    if path.is_file():
        return _pair(*_partners(path))
    sets = _sets(path)
    if len(sets) == 1:
        return _pair(*sets[0][1:])
    said = [(_part(prefix), image, label) for prefix, image, label in sets]
    words = [part for part, _, _ in said]
    if None in words or len(set(words)) < len(words) or "train" not in words:
        raise DataError(
            f"there are {len(sets)} sets of idx files ({', '.join(p or 'without prefix' for p, _, _ in sets)})",
            where=str(path), repair="name them train-... and t10k-..., or give one file; its partner is found",
        )  # fmt: skip
    order = [next(s for s in said if s[0] == part) for part in ("train", "select", "test") if part in words]
    return parts.stack([(str(i), parts.mark(_pair(i, label), str(part), str(i))) for part, i, label in order])


def array(path: Path) -> NDArray[Any]:
    """The values of one idx file, in the machine's byte order. Raises DataError where header and size disagree."""
    with files.opened(path) as file:
        header = _header(file.read(4 + 4 * MOST_DIMENSIONS), path)
        file.seek(header.size)
        expected = math.prod(header.shape) * np.dtype(header.type).itemsize
        _check_size(path, expected)
        values = file.read(expected + 1)
    if len(values) != expected:
        got = "more" if len(values) > expected else f"{len(values):,}"
        raise DataError(
            f"the header promises {expected:,} bytes of values, the file holds {got}",
            where=str(path), repair="copy or download the file again",
        )  # fmt: skip
    found = np.frombuffer(bytearray(values), dtype=header.type).reshape(header.shape)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _header(head: bytes, path: Path) -> Header:
    """The parsed header. Raises DataError for one that is none."""
    good = len(head) >= 8 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= MOST_DIMENSIONS
    if not good or len(head) < 4 + 4 * head[3]:
        raise DataError("the idx header is damaged", where=str(path), repair="copy or download the file again")
    return Header(TYPES[head[2]], struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]]), 4 + 4 * head[3])


def _check_size(path: Path, expected: int) -> None:
    """Raise DataError where a header promises more than the file can hold or the machine can take."""
    possible = path.stat().st_size * DEFLATE_RATIO
    if expected > min(possible, files.memory_limit()):
        raise DataError(
            f"the header promises {expected:,} bytes, more than this file can hold or this machine can take",
            where=str(path), repair="copy or download the file again",
        )  # fmt: skip


def _is_idx(path: Path) -> bool:
    """Whether a file is idx by its name and its first bytes."""
    if not NAME.search(path.name) or not path.is_file():
        return False
    head = files.magic(path, 4)
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in TYPES


def _pair(image: Path, label: Path | None) -> Table:
    """Pictures and, where there are any, their labels."""
    pictures = array(image)
    if pictures.ndim not in (3, 4) or pictures.dtype != np.uint8:
        raise DataError(
            f"pictures must be uint8 with 3 or 4 dimensions; this holds {pictures.dtype} of shape {pictures.shape}",
            where=str(image), repair="give the file of pictures (idx3)",
        )  # fmt: skip
    columns: dict[str, Column] = {"image": pictures}
    if label is not None:
        labels = array(label)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(pictures):
            raise DataError(
                f"there are {len(pictures)} pictures in {image.name} and labels of shape {labels.shape}",
                where=str(label), repair="give files that belong together",
            )  # fmt: skip
        columns["label"] = labels.astype(np.int64)
    rows = np.arange(1, len(pictures) + 1, dtype=np.int64)
    return Table(columns, Origin((str(image),), np.zeros(len(rows), dtype=np.int32), rows, "picture"))


def _key(path: Path) -> str:
    """A file name with what tells pictures from labels taken out: train-images-idx3-ubyte.gz -> train-*-idx*-ubyte."""
    name = path.name.lower().removesuffix(".gz")
    return re.sub(r"idx[1-4]", "idx*", re.sub(r"images?|labels?", "*", name))


def _sets(folder: Path) -> list[tuple[str, Path, Path | None]]:
    """(prefix, pictures, labels) of each set in a folder. A packed copy beside an unpacked file is not a second set."""
    found: dict[str, dict[str, Path]] = {}
    for path in files.entries(folder):
        if _is_idx(path):
            role = "label" if "label" in path.name.lower() else "image"
            found.setdefault(_key(path), {}).setdefault(role, path)
    lonely = [next(iter(roles.values())) for roles in found.values() if "image" not in roles]
    if lonely or not found:
        raise DataError(
            "there are labels without pictures", where=str(lonely[0] if lonely else folder), repair="add them"
        )
    return [(key.split("*")[0].strip("-_. "), roles["image"], roles.get("label")) for key, roles in found.items()]


def _partners(path: Path) -> tuple[Path, Path | None]:
    """The pictures and labels of the set that a file belongs to."""
    return next((i, label) for _, i, label in _sets(path.parent) if _key(i) == _key(path))


def _part(prefix: str) -> str | None:
    """The part that a prefix says; MNIST calls its test part t10k."""
    return "test" if "t10k" in prefix else parts.part_of(prefix)
