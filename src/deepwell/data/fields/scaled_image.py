"""Pictures that keep their shape: each at its own size, all scaled by one factor that is found on the training pictures.

For answers pixel by pixel, where stretching to one size would bend what is seen and shrinking would lose thin things. The rule:
pictures are made smaller, all by the same factor, where the median of the longer sides of the training pictures is above
`side`. A picture of the same shape as training pictures that all have one size is brought to their size, whatever its
own: it shows the same scene, seen by another camera. With `keep` it is not: in maps and under a microscope a larger picture
shows more, and a pixel stands for the same length. Networks are trained on windows of at most `window` pixels a side.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields import flat, pictures
from deepwell.data.fields.image import FILES_A_SECOND, PIXELS_A_SECOND, SAMPLE, SMALLEST, look
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.sources.columns import objects

SAME_SHAPE = 0.02
"""Two pictures have the same shape when their ratios of height to width differ by less than this share."""
LARGEST = 1 << 15


class ScaledImage(Kind):
    """See the top of this file.

    Args:
        side: the median longer side above which pictures are made smaller. window: largest side of a window. keep: see above.
    Attributes:
        channels_, height_, width_: of a window. factor_: of all sides. common_: (height, width) of all training pictures
            before scaling, (0, 0) where they differ.
    """

    fits_again = True

    def __init__(self, side: int = 1024, window: int = 512, keep: bool = False) -> None:
        self.side, self.window, self.keep = side, window, keep
        self.channels_, self.height_, self.width_ = 3, window, window
        self.factor_ = 1.0
        self.common_ = (0, 0)
        self._channels = 0

    def begin(self, fitted: Self) -> Self:
        """The channels stay: weights depend on them, and on nothing else of a size."""
        self._channels = fitted.channels_
        return self

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises DataError if none of the sampled pictures can be read."""
        chosen = np.linspace(0, max(len(column) - 1, 0), min(SAMPLE, len(column))).astype(np.int64)
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            looks = list(pool.map(look, [column[row] for row in chosen]))
        seen = [one for one in looks if not isinstance(one, str)]
        if not seen:
            raise DataError(f"none of {len(looks)} training pictures can be read; the first: {(looks or ['none'])[0]}")
        sizes = np.array([(height, width) for height, width, _ in seen])
        self.channels_ = self._channels or (1 if all(grey for _, _, grey in seen) else 3)
        self.common_ = (int(sizes[0, 0]), int(sizes[0, 1])) if (sizes == sizes[0]).all() else (0, 0)
        self.factor_ = min(1.0, self.side / float(np.median(sizes.max(axis=1))))
        height, width = np.median(sizes, axis=0)
        self.height_, self.width_ = (min(self.window, side) for side in self._times((float(height), float(width))))
        return self

    def scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) in which a picture of this original (height, width) is read."""
        if self.common_ != (0, 0) and not self.keep:
            ratio = (size[0] * self.common_[1]) / (size[1] * self.common_[0])
            if abs(math.log(ratio)) < SAME_SHAPE:
                return self._times(self.common_)
        return self._times(size)

    def _times(self, size: tuple[float, float]) -> tuple[int, int]:
        height, width = (max(SMALLEST, round(side * self.factor_)) for side in size)
        return height, width

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Flat bytes of uint8 (channels, height, width); `size` (rows, 2) int32: the original (height, width)."""
        sizes = np.zeros((len(column), 2), np.int32)
        problems: dict[int, str] = {}

        def one(row: int) -> flat.Bytes | None:
            try:
                sizes[row] = size = pictures.measure(column[row])
                return pictures.decode(column[row], self.channels_, *self.scaled(size))
            except DataError as error:
                problems[row] = str(error)
                return None

        # Pillow releases the interpreter lock while it decodes and resizes.
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            packed = flat.pack(list(pool.map(one, range(len(column)))))
        return {"": packed, "size": sizes}, dict(sorted(problems.items()))

    def seconds(self, column: Column) -> float:
        """By the number of pictures and their pixels, as if all were like the training pictures."""
        pixels = self.height_ * self.width_ / self.factor_**2
        return len(column) * (1 / FILES_A_SECOND + pixels / PIXELS_A_SECOND) / (os.cpu_count() or 1)

    def decode(self, array: EncodedColumn) -> Column:
        """Objects: uint8 (height, width) or (height, width, 3), each at its scaled size."""
        if not isinstance(array, Ragged):
            raise TypeError("scaled pictures are ragged")
        found = [flat.unpack(array, row) for row in range(len(array))]
        return objects(one if one.ndim == 2 else one.transpose(1, 2, 0) for one in found)

    def sizes(self) -> tuple[int, ...]:
        """(channels, height, width) of a window."""
        return (self.channels_, self.height_, self.width_)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "channels": self.channels_, "height": self.height_, "width": self.width_, "factor": self.factor_,
            "common_height": self.common_[0], "common_width": self.common_[1], "keep": self.keep,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        sides = ("height", "width", "common_height", "common_width")
        types: dict[str, type] = {"channels": int, **dict.fromkeys(sides, int), "factor": float, "keep": bool}
        values = checked(state, "a field of scaled pictures", types)
        fits = all((1 if place < 2 else 0) <= values[side] <= LARGEST for place, side in enumerate(sides))
        if values["channels"] not in (1, 3) or not fits or not 0 < values["factor"] <= 1:
            raise BundleError(f"a field of scaled pictures has sizes that cannot be: {values!r}")
        self.channels_, self.height_, self.width_ = values["channels"], values["height"], values["width"]
        self.common_ = (values["common_height"], values["common_width"])
        self.factor_, self.keep = values["factor"], values["keep"]
        return self
