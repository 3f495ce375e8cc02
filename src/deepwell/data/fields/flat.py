"""Arrays of two or three axes and any size as one flat Ragged: eight bytes of height and width, then the pixels, row by row.

Unusual: the size stands in the values themselves, so that a picture is whole wherever its row goes, also in a mapped file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Ragged

HEAD = 8
Bytes = NDArray[np.uint8]


def pack(pictures: Sequence[Bytes | None]) -> Ragged:
    """Pictures uint8 (..., height, width) as a Ragged of bytes; None becomes a picture without pixels."""
    flat = [_bytes(picture) for picture in pictures]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in flat])]).astype(np.int64)
    return Ragged(np.concatenate(flat) if flat else np.zeros(0, np.uint8), offsets)


def unpack(packed: Ragged, row: int) -> Bytes:
    """One picture as `pack` was given it, as a view: (height, width), or (channels, height, width) where it has several."""
    values = packed.values[packed.offsets[row] : packed.offsets[row + 1]]
    height, width = np.frombuffer(values[:HEAD].tobytes(), "<i4")
    pixels = values[HEAD:]
    channels = len(pixels) // max(1, int(height) * int(width))
    shape = (height, width) if channels <= 1 else (channels, height, width)
    return pixels.reshape(tuple(map(int, shape)))


def size(packed: Ragged, row: int) -> tuple[int, int]:
    """(height, width) of one picture."""
    start = packed.offsets[row]
    height, width = np.frombuffer(packed.values[start : start + HEAD].tobytes(), "<i4")
    return int(height), int(width)


def _bytes(picture: Bytes | None) -> Bytes:
    shape = (0, 0) if picture is None else picture.shape[-2:]
    head = np.frombuffer(np.array(shape, "<i4").tobytes(), np.uint8)
    return head if picture is None else np.concatenate([head, np.ascontiguousarray(picture).reshape(-1)])
