"""The forms in which these data sets are published: npz archives, IDX files, tar archives. All are read without running code."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.keras.datasets import plain

MOST_BYTES = 1 << 30
"""Of one array or member, unpacked; the largest of these data sets has 150 MB."""
_AGAIN = "remove it and load again"
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, tarfile.TarError, ValueError, KeyError)


def npz(path: Path, names: Sequence[str]) -> list[Any]:
    """The arrays of these names; an array of Python values as the list that it holds. Raises DataError for another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = []
            for name in names:
                member = archive.getinfo(f"{name}.npy")
                if member.file_size > MOST_BYTES:
                    raise DataError(
                        f"{name} has {member.file_size:,} bytes, more than any of these data sets", where=str(path)
                    )
                found.append(_npy(archive.read(member)))
            return found
    except DataError as error:
        raise DataError(error.what, where=str(path), repair=_AGAIN) from None
    except _BROKEN as error:
        raise _damaged(path, error) from None


def _npy(data: bytes) -> Any:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    _, _, dtype = header(file)
    if dtype.hasobject:
        return plain.read(data[file.tell() :])
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes, packed or not: two zeros, type 8, axes, their lengths, then the bytes. Raises DataError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            data = file.read(MOST_BYTES)
    except _BROKEN as error:
        raise _damaged(path, error) from None
    axes = data[3] if len(data) > 3 and data[:3] == b"\0\0\x08" else 0
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    if not axes or len(data) != 4 + 4 * axes + prod(shape):
        raise DataError("is no IDX file of bytes, or is cut short", where=str(path), repair=_AGAIN)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def members(path: Path, names: Sequence[str]) -> list[bytes]:
    """The bytes of these members of a tar.gz archive; nothing is written. Raises DataError for another file."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name in names and member.isreg() and member.size <= MOST_BYTES:
                    file = archive.extractfile(member)
                    found[member.name] = b"" if file is None else file.read()
                if len(found) == len(names):
                    break
    except _BROKEN as error:
        raise _damaged(path, error) from None
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"has no member {missing[0]!r}", where=str(path), repair=_AGAIN)
    return [found[name] for name in names]


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"is damaged or no archive of this data set: {error or type(error).__name__}",
        where=str(path),
        repair=_AGAIN,
    )
