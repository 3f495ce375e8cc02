"""Mask files and arrays -> one number per pixel, and what such numbers are called.

A mask of one channel or with a palette is read as its numbers, a coloured one as red * 65536 + green * 256 + blue. Unusual: what
cannot be a mask is refused in words: JPEG files (compression puts hundreds of colours beside each real one) and half
transparent pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepwell.core.errors import DataError
from deepwell.core.table import Column, ImageFile, MaskFile
from deepwell.data.fields import pictures

Codes = NDArray[np.int32]
NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
PIXEL = re.compile(r"\d{1,5}|#[0-9a-f]{6}")
VOC_NAMES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()
VOC_VOID = "#e0e0c0"
COLUMN_NAMES = {"mask", "masks", "segmentation", "segmentations"}
"""Columns of arrays with these names hold masks, not pictures."""


@dataclass(frozen=True)
class Pixels:
    """A mask as it was found. values: (h, w) numbers, or (h, w, 3) uint8 colours. palette: (n, 3) of its numbers, or None.

    bits: whether it is a file of one bit, whose 1 is read as 255.
    """

    values: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    bits: bool = False

    @property
    def coloured(self) -> bool:
        """Whether some pixel is not grey."""
        if self.values.ndim == 2:
            return False
        red, green, blue = np.moveaxis(self.values, 2, 0)
        return bool(((red != green) | (green != blue)).any())

    def codes(self, coloured: bool) -> Codes:
        """(h, w) int32: numbers, or packed colours. Raises DataError for a coloured mask where numbers are expected."""
        if coloured:
            colours = self.values
            if colours.ndim == 2:
                known = self.palette if self.palette is not None else np.arange(256)[:, None].repeat(3, axis=1)
                if self.values.max(initial=0) >= len(known):
                    raise DataError(f"the pixel value {self.values.max()} has no colour; this legend names colours")
                colours = known[self.values]
            red, green, blue = np.moveaxis(colours.astype(np.int32), 2, 0)
            return np.asarray((red << 16) | (green << 8) | blue, np.int32)
        if self.values.ndim == 3:
            if self.coloured:
                raise DataError("this mask is coloured, the others hold one number per pixel", repair="save all alike")
            return self.values[:, :, 0].astype(np.int32)
        return self.values.astype(np.int32)


def read(cell: Any) -> Pixels:
    """A cell of a mask column: MaskFile, picture, bytes or array. Raises DataError for what is no mask."""
    if isinstance(cell, np.ndarray) and cell.dtype.kind in "bui" and cell.ndim == 2 and cell.size:
        if cell.min() < 0 or cell.max() > 65535:
            raise DataError(f"the numbers of a mask are from 0 to 65535; got {cell.min()} to {cell.max()}")
        return Pixels(cell)
    with pictures.opened(ImageFile(cell.path) if isinstance(cell, MaskFile) else cell) as image:
        if image.format in ("JPEG", "MPO"):
            raise DataError(
                "this mask is a JPEG file: its compression puts hundreds of other colours beside those of the classes",
                where=str(cell) if isinstance(cell, MaskFile) else "", repair="save masks as PNG from their source",
            )  # fmt: skip
        return _pixels(image)


def _pixels(image: Image.Image) -> Pixels:
    if image.mode in NUMBERS:
        values = np.asarray(image)
        found = image.getpalette() if image.mode == "P" else None
        palette = None if not found else np.array(found, np.uint8).reshape(-1, 3)
        if values.dtype.kind == "b":
            values = values.astype(np.uint8) * np.uint8(255)  # as files of eight bits have it
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise DataError(f"the numbers of a mask are from 0 to 65535; got {values.min()} to {values.max()}")
        return Pixels(values, palette, image.mode == "1")
    if image.mode in ("RGBA", "LA"):
        alpha = np.asarray(image.getchannel("A"))
        if (alpha != 255).any():
            raise DataError(
                f"{int((alpha != 255).sum()):,} pixels of this mask are transparent, which says no class",
                repair="save masks without alpha channel",
            )
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    if image.mode not in ("RGB", "L"):
        raise DataError(f"a mask has one channel, a palette or colours; this picture has the mode {image.mode!r}")
    return Pixels(np.asarray(image))


def size(cell: Any) -> tuple[int, int]:
    """(height, width) of a mask, from its header alone. Raises DataError."""
    if isinstance(cell, np.ndarray) and cell.ndim == 2 and cell.size:
        return int(cell.shape[0]), int(cell.shape[1])
    return pictures.measure(ImageFile(cell.path) if isinstance(cell, MaskFile) else cell)


def is_masks(column: str, cells: Sequence[Any]) -> bool:
    """Whether the cells of a column are masks: files that were found as such, or arrays (h, w) in a column called so."""
    if all(isinstance(cell, MaskFile) for cell in cells):
        return True
    return column.lower() in COLUMN_NAMES and all(isinstance(cell, np.ndarray) and cell.ndim == 2 for cell in cells)


def masks_in_words(cells: Column) -> str:
    """How many masks there are, where the first lies, and how many classes a legend names: the rest of a sentence."""
    files = [cell for cell in cells.tolist() if isinstance(cell, MaskFile)] if cells.dtype == object else []
    if not files:
        return f", in {len(cells):,} rows"
    legend = files[0].legend
    named = f"; a legend names {len(set(legend.names.values()))} classes" if legend else ""
    return f", in {len(files):,} files such as {files[0].path}{named}"


def name(code: int, coloured: bool) -> str:
    """A number as a Legend writes it: `7`, or `#rrggbb`."""
    return f"#{code:06x}" if coloured else str(code)


def code(pixel: str) -> int:
    """The number of a pixel as a Legend writes it."""
    return int(pixel[1:], 16) if pixel.startswith("#") else int(pixel)


def is_pixel(text: str) -> bool:
    """Whether a text says a pixel as a Legend does: a number of at most 16 bits, or a colour."""
    return bool(PIXEL.fullmatch(text)) and (text.startswith("#") or int(text) < 1 << 16)


def voc_colour(index: int) -> str:
    """`#rrggbb` of a class in the palette of Pascal VOC (Everingham et al. 2010): three bits of the index at a time, from the
    highest bit of each channel on. Neighbours differ much, so it also serves for classes that have no colour.
    """
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    red, green, blue = channels
    return f"#{red:02x}{green:02x}{blue:02x}"


VOC_COLOURS = tuple(voc_colour(index) for index in range(len(VOC_NAMES)))
