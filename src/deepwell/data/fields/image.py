"""image: each picture is decoded once, to uint8 at a working size that is found on the training pictures.

Pictures of one size keep it and its shape, made smaller until no side is above `size`. Pictures of various sizes become
squares with the median of their shorter sides, at most `size`. One channel if all sampled training pictures are grey (also
grey ones stored as RGB), else three. Alpha is laid on white. Damaged pictures are problems of their rows, never a crash.
Tasks that answer in pixels of the original picture ask for the part `size`, so that answers can be brought back to it.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields import pictures
from deepwell.data.fields.kind import Kind, Parts, Problems, checked

SAMPLE = 256
SOME = 8
"""Headers that are read to find out how large the pictures are."""
PIXELS_A_SECOND = 4e7
"""Pixels of PNG files that one core decodes and resizes in a second; large JPEG files, read at reduced size, do more."""
FILES_A_SECOND = 5e3
"""What one core does of very small pictures."""
SMALLEST = 8
LARGEST = 1024


class Image(Kind):
    """See the top of this file.

    Args:
        size: the longest side of the working size, pixels.
        sized: also give the part `size`, (rows, 2) int32: the original (height, width) in pixels, as shown.
    Attributes:
        channels_, height_, width_: the working size.
    """

    fits_again = True

    def __init__(self, size: int = 128, sized: bool = False) -> None:
        self.size, self.sized = size, sized
        self.channels_, self.height_, self.width_ = 3, size, size
        self._channels: int | None = None

    def begin(self, fitted: Self) -> Self:
        """The channels stay: weights depend on them, and on nothing else of a working size."""
        self._channels = fitted.channels_
        return self

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises DataError if none of the sampled pictures can be read."""
        count = min(SAMPLE, len(column))
        chosen = np.linspace(0, max(len(column) - 1, 0), count).astype(np.int64)  # evenly spaced, first to last
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            looks = list(pool.map(look, [column[row] for row in chosen]))
        seen = [look for look in looks if not isinstance(look, str)]
        if looks and not seen:
            raise DataError(f"none of {len(looks)} training pictures can be read; the first: {looks[0]}")
        if seen:
            self.channels_ = self._channels or (1 if all(grey for _, _, grey in seen) else 3)
            self.height_, self.width_ = _working_size([(height, width) for height, width, _ in seen], self.size)
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """uint8 (rows, channels, height, width), and the part `size` where it is asked for."""
        sizes = np.full((len(column), 2), (self.height_, self.width_), np.int32)
        ready = self._as_is(column)
        if ready is not None:
            return self._parts(ready, sizes), {}
        out = np.zeros((len(column), self.channels_, self.height_, self.width_), np.uint8)
        problems: dict[int, str] = {}

        def fill(row: int) -> None:
            try:
                out[row] = pictures.decode(column[row], self.channels_, self.height_, self.width_)
                if self.sized:
                    sizes[row] = pictures.measure(column[row])
            except DataError as error:
                problems[row] = str(error)

        # Pillow releases the interpreter lock while it decodes and resizes.
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(fill, range(len(column))):
                pass
        return self._parts(out, sizes), dict(sorted(problems.items()))

    def _parts(self, pixels: NDArray[np.uint8], sizes: NDArray[np.int32]) -> Parts:
        return {"": pixels, "size": sizes} if self.sized else {"": pixels}

    def seconds(self, column: Column) -> float:
        """By the number of pictures and the pixels of a few of them; 0 for arrays that have the working size."""
        if self._ready(column) or not len(column):
            return 0.0
        pixels = []
        for row in np.linspace(0, len(column) - 1, min(SOME, len(column))).astype(np.int64):
            with contextlib.suppress(DataError), pictures.quiet():
                pixels.append(math.prod(pictures.measure(column[row])))
        each = 1 / FILES_A_SECOND + (float(np.mean(pixels)) / PIXELS_A_SECOND if pixels else 0.0)
        return len(column) * each / (os.cpu_count() or 1)

    def _ready(self, column: Column) -> bool:
        """Whether the cells are array pictures of the working size."""
        if column.dtype != np.uint8 or column.ndim not in (3, 4) or column.shape[1:3] != (self.height_, self.width_):
            return False
        return bool(self.channels_ == (column.shape[3] if column.ndim == 4 else 1))

    def _as_is(self, column: Column) -> NDArray[np.uint8] | None:
        """Array pictures that already have the working size, without decoding; grey ones without a copy."""
        if not self._ready(column):
            return None
        if self.channels_ == 3:
            return np.ascontiguousarray(column.transpose(0, 3, 1, 2))
        view = column.reshape(len(column), 1, self.height_, self.width_).view()
        view.flags.writeable = False
        return view

    def decode(self, array: EncodedColumn) -> Column:
        """uint8 (rows, height, width) or (rows, height, width, 3) at the working size."""
        if isinstance(array, Ragged):
            raise TypeError("pictures at working size are never ragged")
        return array[:, 0] if self.channels_ == 1 else array.transpose(0, 2, 3, 1)

    def sizes(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return (self.channels_, self.height_, self.width_)

    def state(self) -> dict[str, Any]:
        """See Kind. `sized` stands in it only where it is so: bundles of tasks without it stay as they were."""
        state: dict[str, Any] = {"channels": self.channels_, "height": self.height_, "width": self.width_}
        return {**state, "sized": True} if self.sized else state

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        types: dict[str, type] = {"channels": int, "height": int, "width": int}
        values = checked(state, "an image field", {**types, "sized": bool} if self.sized else types)
        sides_fit = all(1 <= values[side] <= LARGEST for side in ("height", "width"))
        if values["channels"] not in (1, 3) or not sides_fit:
            raise BundleError(f"an image field has a working size that cannot be: {values!r}")
        self.channels_, self.height_, self.width_ = values["channels"], values["height"], values["width"]
        return self


def look(cell: Any) -> tuple[int, int, bool] | str:
    """(height, width, whether grey) of one picture, or why it cannot be read."""
    try:
        height, width = pictures.measure(cell)
        colours = pictures.decode(cell, 3, 32, 32).astype(np.int16)
    except DataError as error:
        return str(error)
    return height, width, bool(np.abs(colours - colours[:1]).max() <= 4)  # JPEG may tint grey a little


def _working_size(sizes: list[tuple[int, int]], cap: int) -> tuple[int, int]:
    if len(set(sizes)) == 1:
        scale = min(1.0, cap / max(sizes[0]))
        height, width = (max(SMALLEST, round(side * scale)) for side in sizes[0])
        return height, width
    side = int(max(SMALLEST, min(cap, np.median([min(size) for size in sizes]))))
    return side, side
