"""Pictures of any origin -> uint8 (channels, height, width). The only place where foreign picture bytes are decoded.

Limits: formats JPEG, PNG, WebP, BMP, GIF, TIFF and PPM; at most 25 megapixels, checked on the header before any pixel is
decoded; regular files only. Whatever is wrong with a picture becomes one DataError that names the file and the reason.
Working size is reached by plain resizing, not by cropping: nothing at the border is lost (which in medical or product
pictures may carry the class), and the geometry stays one scale per axis, so that boxes and points can follow.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 25_000_000
Pixels = NDArray[np.uint8]
# What Pillow's plugins raise on damaged files; it has no common base class.
DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, EOFError, RuntimeError, ArithmeticError,
    struct.error, zlib.error, MemoryError, Image.DecompressionBombWarning,
)  # fmt: skip
logging.getLogger("PIL").addHandler(logging.NullHandler())  # its log lines on damaged files would go to stderr
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def is_picture(cell: Any) -> bool:
    """Whether a cell has a form that `decode` reads."""
    return isinstance(cell, (ImageFile, bytes, Image.Image)) or (
        isinstance(cell, np.ndarray) and cell.dtype == np.uint8
    )


def measure(cell: Any) -> tuple[int, int]:
    """(height, width) as shown, from the header alone. Raises DataError."""
    with opened(cell) as image:
        width, height = image.size
        return (width, height) if _orientation(image) >= 5 else (height, width)


def turned(cell: Any) -> bool:
    """Whether a picture's EXIF mark swaps its sides when it is shown. Raises DataError."""
    with opened(cell) as image:
        return _orientation(image) >= 5


def decode(cell: Any, channels: int, height: int, width: int) -> Pixels:
    """One picture as uint8 (channels, height, width), channels 1 (grey) or 3 (RGB). Raises DataError."""
    with opened(cell) as image:
        turn = _orientation(image)
        size = (height, width) if turn >= 5 else (width, height)
        if image.format in ("JPEG", "MPO"):
            # Scaled decoding inside the JPEG transform; twice the working size keeps what the resize needs.
            image.draft(None, (2 * size[0], 2 * size[1]))
        plain = _plain(image)
        if plain.size != size:
            plain = plain.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        if turn in TURNS:
            plain = plain.transpose(TURNS[turn])
        if plain.mode in ("RGBA", "LA"):
            colours = plain.convert("RGBA")
            plain = Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours)
        pixels = np.asarray(plain.convert("L" if channels == 1 else "RGB"))
        return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings about odd files. Enter it before threads start: warning filters are process-wide."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextlib.contextmanager
def opened(cell: Any) -> Iterator[Image.Image]:
    """The picture with its header read and its size allowed; every failure inside becomes a DataError with its name."""
    name = str(cell) if isinstance(cell, ImageFile) else ""
    try:
        with _open(cell) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise DataError(_too_large(width * height), where=name)
            yield image
    except DataError:  # is a ValueError too
        raise
    except Image.DecompressionBombError as error:
        figure = re.search(r"\((\d+) pixels\)", str(error))
        raise DataError(_too_large(int(figure[1]) if figure else 0), where=name) from None
    except UnidentifiedImageError:
        raise DataError(f"this is no picture in one of the formats {', '.join(FORMATS)}", where=name) from None
    except DAMAGED as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"the picture is damaged: {text}", where=name) from None


def _open(cell: Any) -> contextlib.AbstractContextManager[Image.Image]:
    if isinstance(cell, Image.Image):
        return contextlib.nullcontext(cell)
    if isinstance(cell, np.ndarray):
        return contextlib.nullcontext(_from_array(cell))
    if isinstance(cell, bytes):
        if not cell:
            raise DataError("the picture is empty (0 bytes)")
        return Image.open(io.BytesIO(cell), formats=FORMATS)
    if not isinstance(cell, ImageFile):
        raise DataError("the picture is missing" if cell is None else f"{str(cell)[:60]!r} is not a picture")
    try:
        facts = os.stat(cell.path)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DataError("the file does not exist" if missing else f"{error}", where=cell.path) from None
    if not stat.S_ISREG(facts.st_mode):
        raise DataError("this is not a regular file", where=cell.path)
    if not facts.st_size:
        raise DataError("the file is empty (0 bytes)", where=cell.path)
    return Image.open(cell.path, formats=FORMATS)


def _from_array(cell: NDArray[Any]) -> Image.Image:
    allowed = cell.ndim == 2 or (cell.ndim == 3 and cell.shape[2] in (1, 3, 4))
    if cell.dtype != np.uint8 or not allowed or not cell.size:
        raise DataError(
            "an array picture must be uint8 (height, width) or (height, width, 1, 3 or 4); "
            f"got {cell.dtype} {cell.shape}"
        )
    return Image.fromarray(np.ascontiguousarray(cell[:, :, 0] if cell.shape[2:] == (1,) else cell))


def _too_large(pixels: int) -> str:
    figure = f"a {pixels / 1e6:.0f}-megapixel image" if pixels else "a huge image"
    return f"{figure}; at most {MOST_PIXELS / 1e6:.0f} megapixels are read"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or it cannot be read, since the pixels may still be fine."""
    if image.format not in ("JPEG", "MPO", "TIFF", "PNG", "WEBP"):
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all pixels to look for a late chunk
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except DAMAGED:
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """The picture in mode L, LA, RGB or RGBA. 16-bit values keep their upper 8 bits; floats are 0 to 1, or 0 to 255."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.asarray(image, np.float64)
        if image.mode == "F":
            values = values * 255 if values.max(initial=0) <= 1 else values
        else:
            values = np.floor(values / 256)
        return Image.fromarray(np.clip(np.nan_to_num(values), 0, 255).astype(np.uint8))
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        return image.convert("RGBA")
    return image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")
