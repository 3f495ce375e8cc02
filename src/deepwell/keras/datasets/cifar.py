"""The files of CIFAR-10 and CIFAR-100: pickles of Python 2 in a tar archive, read without running them.

Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html. A folder into which the archive was unpacked serves as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.keras.datasets import archives, plain
from deepwell.keras.datasets.files import DataSet, Remote
from deepwell.keras.datasets.pictures import Rows


def batches(files: DataSet, archive: Remote, names: Sequence[str], labels: str) -> Rows:
    """The pictures (n, 32, 32, 3) and labels (n, 1) of these members, one behind the other, uint8.

    Raises DataError where the archive cannot be had or read, RunError where other bytes arrive than were published.
    """
    unpacked = [files.find(name) for name in names]
    paths = [path for path in unpacked if path is not None]
    if len(paths) == len(names):
        raw = [path.read_bytes() for path in paths]
    else:
        raw = archives.members(files.get(archive), names)
    parts = [_batch(data, labels, name) for data, name in zip(raw, names, strict=True)]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _batch(data: bytes, labels: str, name: str) -> Rows:
    found = plain.read(data)
    held = {_text(key): value for key, value in found.items()} if isinstance(found, dict) else {}
    x, y = held.get("data"), held.get(labels)
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
        raise DataError("holds no pictures of 32 x 32", where=name, repair="remove the archive and load again")
    if not isinstance(y, list) or len(y) != len(x):
        raise DataError(f"has no {labels} for its pictures", where=name, repair="remove the archive and load again")
    pictures: NDArray[np.uint8] = np.ascontiguousarray(x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return pictures, np.asarray(y, np.uint8).reshape(-1, 1)


def _text(key: object) -> str:
    return key.decode("ascii", "replace") if isinstance(key, bytes) else str(key)
