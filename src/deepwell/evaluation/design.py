"""Design matrices of the classical baselines: encoded arrays -> one matrix of columns that scikit-learn reads.

Unusual: pictures are area-averaged to at most 14 x 14 by two small matrix products, any size, no picture library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key

Arrays = Mapping[str, NDArray[Any]]
SMALL_SIDE = 14
MOST_LEVELS = 254
MOST_ONE_HOT = 1000
MOST_DENSE = 30_000_000


def read_columns(examples: Examples, names: Sequence[str], key: Key) -> dict[str, NDArray[Any]]:
    """The named arrays (those there are) of all examples: their columns, or taken batch by batch.

    Raises DataError if the examples are endless or there are none.
    """
    if not examples.count:
        raise DataError("a baseline needs training examples that can be counted; there are none")
    if examples.columns is not None:
        return {name: examples.columns[name] for name in names if name in examples.columns}
    taken: dict[str, list[NDArray[Any]]] = {}
    for batch in examples.batches(1024, key):
        for name in names:
            if name in batch.arrays:
                taken.setdefault(name, []).append(batch.arrays[name])
    return {name: np.concatenate(pieces) for name, pieces in taken.items()}


def row_count(arrays: Arrays) -> int:
    """How many examples a batch's arrays hold: the length of any that is not ragged. Raises DataError if all are."""
    for name, array in arrays.items():
        if not name.endswith(".row") and f"{name}.row" not in arrays and array.ndim:
            return len(array)
    raise DataError("a baseline cannot tell how many examples there are: every array is ragged")


class Linear:
    """Columns for a linear model: scaled numbers, one-hot levels (rare ones together), small pixels."""

    def __init__(self, images: Sequence[str]) -> None:
        self.images = images
        self.centre_: NDArray[np.float32] | None = None
        self.scale_: NDArray[np.float32] | None = None
        self.one_hot_: Any = None

    def width(self, arrays: Arrays) -> int:
        """About how many columns the matrix will have."""
        codes = arrays.get("inputs.category")
        levels = 0 if codes is None else sum(min(MOST_ONE_HOT, len(np.unique(column))) for column in codes.T)
        pixels = sum(int(arrays[n].shape[1]) * SMALL_SIDE**2 for n in self.images)
        return levels + pixels + (int(arrays["inputs.number"].shape[1]) if "inputs.number" in arrays else 0)

    def fit(self, arrays: Arrays) -> Any:
        """Learn scales and levels; returns the matrix (n, width), dense, or scipy's CSR where dense would be large."""
        from sklearn.preprocessing import OneHotEncoder

        dense = self._dense(arrays)
        if dense.shape[1]:
            centre, spread = dense.mean(axis=0, dtype=np.float64), dense.std(axis=0, dtype=np.float64)
            # Border pixels that hardly ever change would otherwise be blown up to the size of the others.
            floor = 0.1 * float(np.median(spread)) if self.images else 0.0
            self.centre_ = centre.astype(np.float32)
            self.scale_ = np.where(spread > max(floor, 1e-9), spread, max(floor, 1.0)).astype(np.float32)
        if "inputs.category" in arrays:
            self.one_hot_ = OneHotEncoder(
                handle_unknown="infrequent_if_exist", max_categories=MOST_ONE_HOT, dtype=np.float32
            ).fit(arrays["inputs.category"])
        return self.encode(arrays)

    def encode(self, arrays: Arrays) -> Any:
        """The matrix of these examples; levels that were never seen are all zeros."""
        dense = self._dense(arrays)
        if self.centre_ is not None and self.scale_ is not None:
            dense -= self.centre_
            dense /= self.scale_
        if self.one_hot_ is None:
            return dense
        sparse = self.one_hot_.transform(arrays["inputs.category"])
        if dense.shape[0] * (dense.shape[1] + sparse.shape[1]) <= MOST_DENSE:
            return np.concatenate([dense, sparse.toarray()], axis=1)
        from scipy.sparse import csr_array, hstack  # type: ignore[import-untyped]

        return hstack([csr_array(dense), sparse], format="csr")

    def _dense(self, arrays: Arrays) -> NDArray[np.float32]:
        """(n, F + pixels): numbers (missing: 0, the centre of encoded numbers) and small pixels."""
        pieces = [np.zeros((row_count(arrays), 0), np.float32)]
        if "inputs.number" in arrays:
            pieces.append(np.nan_to_num(arrays["inputs.number"].astype(np.float32), nan=0.0))
        pieces += [small_pixels(arrays[name]) for name in self.images]
        return np.concatenate(pieces, axis=1)


class Levels:
    """Columns for boosted trees: numbers as they are (NaN is a value of its own), levels as codes below 255."""

    def __init__(self) -> None:
        self.maps_: list[NDArray[np.int64]] = []
        self.categorical: NDArray[np.bool_] = np.zeros(0, bool)

    def fit(self, arrays: Arrays) -> NDArray[np.float64]:
        """Learn which levels are frequent; returns the matrix (n, F + C)."""
        for column in arrays.get("inputs.category", np.zeros((0, 0), np.int64)).T:
            counts = np.bincount(column)
            frequent = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
            mapping = np.full(len(counts) + 1, MOST_LEVELS)  # the last entry stands for levels beyond
            mapping[frequent] = np.arange(len(frequent))
            self.maps_.append(mapping)
        numbers = arrays["inputs.number"].shape[1] if "inputs.number" in arrays else 0
        self.categorical = np.arange(numbers + len(self.maps_)) >= numbers
        return self.encode(arrays)

    def encode(self, arrays: Arrays) -> NDArray[np.float64]:
        """The matrix of these examples."""
        pieces: list[NDArray[np.float64]] = [np.zeros((row_count(arrays), 0))]
        if "inputs.number" in arrays:
            pieces.append(arrays["inputs.number"].astype(np.float64))
        for mapping, column in zip(self.maps_, arrays.get("inputs.category", np.zeros((0, 0))).T, strict=True):
            pieces.append(mapping[np.minimum(column, len(mapping) - 1)][:, None].astype(np.float64))
        return np.concatenate(pieces, axis=1)


def small_pixels(images: NDArray[Any], side: int = SMALL_SIDE) -> NDArray[np.float32]:
    """(n, c, h, w) pictures, 0 to 255 -> (n, c * rows * columns) area-averaged, 0 to 1; rows, columns at most `side`."""
    count, channels, height, width = images.shape
    down, across = _averages(height, min(side, height)), _averages(width, min(side, width)).T
    small = np.empty((count, channels, len(down), across.shape[1]), np.float32)
    for start in range(0, count, 1024):  # a block at a time: floats are four times the size of the pictures
        block = images[start : start + 1024].astype(np.float32)
        small[start : start + 1024] = down @ (block @ across) / 255
    return small.reshape(count, -1)


def _averages(size: int, bins: int) -> NDArray[np.float32]:
    """(bins, size): row b averages the part of the line that falls into bin b; rows sum to 1."""
    edges = np.arange(bins + 1) * size / bins
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(overlap, 0, None) * bins / size, np.float32)
