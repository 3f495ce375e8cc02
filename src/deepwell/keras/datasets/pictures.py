"""What the data sets of small pictures share: their files and their form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.keras.datasets import archives
from deepwell.keras.datasets.files import DataSet

Rows = tuple[NDArray[np.uint8], NDArray[np.uint8]]
IDX = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def from_idx(files: DataSet) -> tuple[Rows, Rows] | None:
    """(x_train, y_train), (x_test, y_test) out of the four IDX files; None where they are not all on this machine."""
    found = [files.find(name) or files.find(name.removesuffix(".gz")) for name in IDX]
    paths = [path for path in found if path is not None]
    return checked_idx(paths) if len(paths) == len(IDX) else None


def checked_idx(paths: Sequence[Path]) -> tuple[Rows, Rows]:
    """The same, from these files."""
    return checked(paths[0], [archives.idx(path) for path in paths])


def checked(path: Path, arrays: Sequence[Any]) -> tuple[Rows, Rows]:
    """Pictures and labels of both parts as Keras gives them. Raises DataError where they are of another form."""
    x_train, y_train, x_test, y_test = arrays
    for x, y in ((x_train, y_train), (x_test, y_test)):
        pictures = isinstance(x, np.ndarray) and x.ndim in (3, 4) and x.dtype == np.uint8
        if not pictures or not isinstance(y, np.ndarray) or len(x) != len(y):
            raise DataError("holds no pictures with labels", where=str(path), repair="remove it and load again")
    return (x_train, y_train.astype(np.uint8, copy=False)), (x_test, y_test.astype(np.uint8, copy=False))
