"""Pictures that a model made, as files: one PNG with all of them, or a folder of them that can be trained on.

    grid.png     row by row; strips stand one a row, classes that come in turn each in a column of their own
    folder/      CLASS/000001.png, ... where the answers have classes, else 000001.png, ...: read back as class folders

Unusual: the folder gets no table beside its pictures, since that would make it another form of data; and one that holds
anything already is refused, so that pictures of two questions never mix.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError, RunError, UsageError
from deepwell.core.fields import Field
from deepwell.data import drawing
from deepwell.data.fields.values import is_missing
from deepwell.runtime.answers import PROBLEM, Answers
from deepwell.store.files import write_file

STRIP = "strip"
"""The answer column that numbers strips: pictures of one follow each other, and stand in one row."""
GAP = 2
LEGIBLE, MOST_TIMES = 640, 4
"""Small pictures are enlarged by whole factors until the grid has so many pixels a side."""
MOST_COLUMNS = 20
MOST_PIXELS = 100_000_000
WITHOUT = "unlabelled"
"""The folder of pictures without a class."""


def made(answers: Answers) -> Field | None:
    """The first answer column that holds pictures in memory; None where there is none."""
    return next(iter(all_made(answers)), None)


def all_made(answers: Answers) -> list[Field]:
    """The answer columns that hold pictures in memory."""
    fields = [f for f in answers.schema.fields if f.kind == "image" and f.name in answers.table.names]
    return [field for field in fields if len(_shown(answers, field))]


def _shown(answers: Answers, field: Field) -> list[int]:
    """The rows that have a picture."""
    cells = answers[field.name]
    return [row for row in range(len(answers)) if not answers[PROBLEM][row] and _is_pixels(cells[row])]


def _is_pixels(cell: Any) -> bool:
    return isinstance(cell, np.ndarray) and cell.dtype == np.uint8 and cell.ndim in (2, 3)


def grid(answers: Answers, field: Field) -> bytes:
    """All pictures of a column as one PNG; those of another size than the first are left out. Raises DataError for too many."""
    from PIL import Image

    rows = _shown(answers, field)
    cells = [np.asarray(answers[field.name][row], np.uint8) for row in rows]
    cells = [cell for cell in cells if cell.shape == cells[0].shape]
    columns = _columns(answers, rows)
    lines = math.ceil(len(cells) / columns)
    height, width = (side + GAP for side in cells[0].shape[:2])
    if lines * height * columns * width > MOST_PIXELS:
        raise DataError(
            f"{len(cells):,} pictures are too many for one",
            repair="ask for fewer, or for a folder of them (--out folder/)",
        )
    whole = np.full((lines * height + GAP, columns * width + GAP, *cells[0].shape[2:]), 128, np.uint8)
    for place, cell in enumerate(cells):
        top, left = GAP + place // columns * height, GAP + place % columns * width
        whole[top : top + height - GAP, left : left + width - GAP] = cell
    times = max(1, min(MOST_TIMES, LEGIBLE // max(whole.shape[:2])))
    return drawing.png(Image.fromarray(whole.repeat(times, axis=0).repeat(times, axis=1)))


def _columns(answers: Answers, rows: list[int]) -> int:
    """How many pictures stand in a row: those of a strip, or one of each class where classes come in turn; else a square."""
    if STRIP in answers.table.names:
        strips = [answers[STRIP][row] for row in rows]
        return max(1, strips.count(strips[0]))
    labels = [str(label) for label in _labels(answers, rows)]
    turn = len(set(labels))
    if 1 < turn <= MOST_COLUMNS and all(label == labels[place % turn] for place, label in enumerate(labels)):
        return turn
    return min(math.ceil(math.sqrt(len(rows))), len(rows))


def _labels(answers: Answers, rows: list[int]) -> list[Any]:
    """The class of each of these rows; None where there is none."""
    names = [f.name for f in answers.schema.fields if f.kind == "category" and f.name in answers.table.names]
    return [answers[names[0]][row] if names else None for row in rows]


def folder(target: Path, answers: Answers, field: Field) -> None:
    """Write the pictures of a column into folders of their classes. See the top of this file.

    Raises UsageError for a folder that holds anything, RunError where the disk does not take it.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UsageError(f"{str(target)!r} is not empty", repair="name another --out folder")
    rows = _shown(answers, field)
    labels = _labels(answers, rows)
    classes = list(dict.fromkeys(labels))
    names = dict(zip(classes, _folders([WITHOUT if is_missing(c) else str(c) for c in classes]), strict=True))
    flat = all(is_missing(label) for label in classes)
    places = [target if flat else target / names[label] for label in labels]
    for path in dict.fromkeys(places):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the folder cannot be made: {error.strerror}", where=str(path)) from error
    for number, (row, place) in enumerate(zip(rows, places, strict=True), 1):
        write_file(place / f"{number:06d}.png", png(answers[field.name][row]))


def _folders(classes: list[str]) -> list[str]:
    """Names of folders for classes: what a disk may not take is written as `_`, and no two are equal, also in lower case."""
    found: list[str] = []
    for label in classes:
        plain = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in label).strip(". ")[:80] or "_"
        name, number = plain, 1
        while name.lower() in {other.lower() for other in found}:
            number += 1
            name = f"{plain}_{number}"
        found.append(name)
    return found


def png(cell: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 (h, w) or (h, w, 3), as a PNG file."""
    from PIL import Image

    return drawing.png(Image.fromarray(np.ascontiguousarray(cell)))
