"""Pictures without labels: one file, a flat folder, or a list of paths -> column `image` of ImageFile.

Unusual: pictures are not opened here; only an empty file is refused, because that costs nothing to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile, Origin, Rejected, Table
from deepwell.data.sources import files
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "pictures (.jpg .png .bmp .gif .tif .webp .pgm .ppm)"
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .pgm .ppm .pbm .pnm".split()
)  # fmt: skip
PICTURE_LIKE = frozenset(".heic .heif .avif .svg .dcm .nii .psd .raw .cr2 .nef .dng .jp2 .jxl .eps .tga".split())


def is_picture(path: Path) -> bool:
    """Whether a name is that of a picture we can read, by its suffix."""
    return path.suffix.lower() in SUFFIXES


def claims(path: Path) -> float:
    """0.9 for a picture file, 0.5 for a folder with pictures directly in it."""
    if path.is_file():
        return 0.9 if is_picture(path) else 0.0
    return 0.5 if any(is_picture(p) for p in files.entries(path)) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One picture, or all pictures directly in a folder, sorted by name."""
    if path.is_file():
        return table([path], [])
    good, bad = sort_out([p for p in files.entries(path) if not p.is_dir()])
    return table(good, bad)


def listed(paths: Sequence[Path]) -> Table:
    """Pictures given as a list of paths, in that order. Raises DataError for one that is missing."""
    good, bad = sort_out([files.check(p) for p in paths])
    return table(good, bad)


def sort_out(paths: Sequence[Path]) -> tuple[list[Path], list[Rejected]]:
    """Usable picture files, and those that look like data but cannot be used. Notes and hidden files are neither."""
    good: list[Path] = []
    bad: list[Rejected] = []
    for path in paths:
        reason = problem(path)
        if reason:
            bad.append(Rejected(str(path), reason))
        elif is_picture(path):
            good.append(path)
    return good, bad


def problem(path: Path) -> str:
    """Why a file that looks like a picture cannot be used; empty if it can or is no picture at all."""
    kind = path.suffix.lower()
    if kind in PICTURE_LIKE:
        return f"pictures of this kind ({kind}) cannot be read; convert it to .png or .jpg"
    if kind not in SUFFIXES:
        return ""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "the link points to no file" if path.is_symlink() else "there is no such file"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    return "" if size else "the file is empty (0 bytes)"


def table(paths: Sequence[Path], rejected: Sequence[Rejected]) -> Table:
    """A Table with the column `image`, one row per file. Raises DataError if there are pictures and none is usable."""
    if rejected and not paths:
        raise DataError(
            f"there is no usable picture ({rejected[0].reason})",
            where=rejected[0].where, repair="give readable picture files",
        )  # fmt: skip
    return Table({"image": objects(ImageFile(str(p)) for p in paths)}, origin(paths), tuple(rejected))


def origin(paths: Sequence[Path]) -> Origin:
    """Each row is a file of its own."""
    return Origin(tuple(str(p) for p in paths), np.arange(len(paths), dtype=np.int32), np.zeros(len(paths), np.int64))
