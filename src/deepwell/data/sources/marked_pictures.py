"""Pictures with marked objects -> columns `image`, `objects` (lists of boxes) and, where the author named parts, `split`.

What the forms of annotation files (voc.py, coco.py, yolo.py) have in common: which boxes can be used, and what is said of
the others. Unusual: a picture of which one object cannot be used is left out as a whole, because what is not marked is taught
to be nothing. Boxes that reach over the picture's edge are cut there, which is common and harmless, and counted in a note.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Column, ImageFile, Rejected, Table
from deepwell.data.fields.boxes import box_problem, is_boxes
from deepwell.data.fields.pictures import measure, quiet, turned
from deepwell.data.sources import pictures
from deepwell.data.sources.columns import objects
from deepwell.data.sources.parts import SPLIT

SLACK = 1.0
"""Pixels by which a box may reach over an edge without being counted: pixels numbered from 1, or rounded up."""


@dataclass(frozen=True)
class Marked:
    """One picture and what its annotation says.

    objects: {"label", "box", "ignore"?} in order; or why there are none, as text. size: (width, height) as the annotation
    says, None where it does not. part: of the author's, or empty. shares: boxes are in shares of the picture's sides.
    """

    picture: Path
    objects: Sequence[dict[str, Any]] | str
    size: tuple[int, int] | None = None
    part: str = ""
    shares: bool = False


@dataclass
class _Seen:
    """What a note says in the end: how many, and where the first is."""

    count: int = 0
    first: str = ""

    def add(self, count: int, where: Path) -> None:
        self.first = self.first if self.count else str(where)
        self.count += count


def table(found: Sequence[Marked], rejected: Sequence[Rejected], notes: Sequence[str], where: Path) -> Table:
    """The pictures that can be used, in order; the others are rejected. Raises DataError where none can.

    The column `split` is there where any picture has a part. notes: of the reader, before those of this place.
    """
    bad = list(rejected)
    used: list[tuple[Path, list[dict[str, Any]], str]] = []
    cut, other = _Seen(), _Seen()
    with quiet():
        for one in found:
            why = pictures.problem(one.picture)
            cell = why if why else _cell(one, cut, other)
            if isinstance(cell, str):
                bad.append(Rejected(str(one.picture), cell))
            else:
                used.append((one.picture, cell, one.part))
    if not used:
        first = f"; the first: {bad[0].where}: {bad[0].reason}" if bad else ""
        raise DataError(
            f"there is no usable picture with marked objects ({len(bad):,} cannot be used{first})", where=str(where),
            repair="see that each picture has an annotation and each annotation its picture",
        )  # fmt: skip
    columns = {
        "image": objects(ImageFile(str(path)) for path, _, _ in used), "objects": objects(cell for _, cell, _ in used),
    }  # fmt: skip
    if any(part for _, _, part in used):
        columns[SPLIT] = np.array([part for _, _, part in used], dtype=object)
    origin = pictures.origin([path for path, _, _ in used])
    return Table(columns, origin, tuple(bad), notes=(*notes, *_said(cut, other)))


def questions(images: Sequence[Path], gone: Sequence[Rejected] = ()) -> Table:
    """Pictures without what is marked in them: what is asked needs no annotation. gone: such as are named and are not there."""
    good, bad = pictures.sort_out(images)
    return pictures.table(good, [*bad, *gone])


def in_table(table: Table, image: str) -> Table:
    """A table of pictures whose other columns may hold boxes, as lists or as JSON text: these are read and looked at alike.

    Rows of which a box cannot be used are rejected. A cell that is no list of boxes is left to encoding, which names it.
    """
    for name in table.names:
        cells = _lists(table[name])
        if cells is None:
            continue
        cut, bad, kept = _Seen(), list(table.rejected), []
        for row, cell in enumerate(cells):
            found = _cell(Marked(Path(str(table[image][row])), cell), cut, _Seen()) if is_boxes(cell) else cell
            if isinstance(found, str) and found is not cell:
                bad.append(Rejected(table.where(row), f"column {name!r}: {found}"))
            else:
                cells[row] = found
                kept.append(row)
        used = table.with_columns({name: objects(cells)}).take(np.array(kept, np.int64))
        table = replace(used, rejected=tuple(bad), notes=(*table.notes, *_said(cut, _Seen())))
    return table


def _lists(column: Column) -> list[Any] | None:
    """The cells of a column of boxes, JSON texts read; None for other columns."""
    if column.dtype != object:
        return None
    cells = column.tolist()
    if any(isinstance(cell, str) and cell[:1] == "[" for cell in cells):
        cells = [_read(cell) if isinstance(cell, str) else cell for cell in cells]
    present = [cell for cell in cells if cell is not None]
    boxes = sum(is_boxes(cell) for cell in present)
    return cells if 2 * boxes > len(present) and any(is_boxes(cell) and cell for cell in present) else None


def _read(text: str) -> Any:
    """The list that a text holds as JSON; the text itself where it holds none."""
    try:
        value = json.loads(text) if text[:1] == "[" else text
    except (ValueError, RecursionError):
        return text
    return value if is_boxes(value) else text


def _said(cut: _Seen, other: _Seen) -> list[str]:
    """Notes on what was cut, and on sizes that differ."""
    said = []
    if cut.count:
        said.append(
            f"boxes that reach over an edge of their picture were cut there: {cut.count:,} (first: {cut.first})"
        )
    if other.count:
        said.append(
            f"annotations that say another picture size than the file has, which counts: {other.count:,} (first: {other.first})"
        )
    return said


def _cell(one: Marked, cut: _Seen, other: _Seen) -> list[dict[str, Any]] | str:
    """The objects with edges inside the picture, or why the picture cannot be used."""
    if isinstance(one.objects, str):
        return one.objects
    try:
        height, width = measure(ImageFile(str(one.picture)))
    except DataError as error:
        return error.what
    cell, over = [], 0
    differs = one.size is not None and one.size != (width, height)
    if differs and one.size == (height, width) and turned(ImageFile(str(one.picture))):
        return (
            f"its objects are marked in the pixels as they are stored ({height} x {width}), and its EXIF mark turns them to "
            f"{width} x {height}: turn the pixels and take the mark off, or mark the objects in the picture as it is shown"
        )
    for number, each in enumerate(one.objects, start=1):
        found = (
            {**each, "box": [e * s for e, s in zip(each["box"], (width, height) * 2, strict=True)]}
            if one.shares
            else each
        )
        why = box_problem(found) or outside(found, width, height)
        if why:
            return f"object {number} {why}"
        inside = [min(max(e, 0.0), s) for e, s in zip(found["box"], (width, height) * 2, strict=True)]
        over += any(abs(a - b) > SLACK for a, b in zip(inside, found["box"], strict=True))
        cell.append({**found, "box": inside})
    if differs and over and one.size is not None:
        said = f"the annotation is of a picture of {one.size[0]} x {one.size[1]}"
        return f"{said}, the file has {width} x {height}, and {over} of its {len(cell)} boxes reach over that"
    if over:
        cut.add(over, one.picture)
    if differs:
        other.add(1, one.picture)
    return cell


def outside(one: dict[str, Any], width: int, height: int) -> str:
    """That an object lies wholly outside its picture, as the rest of a sentence; empty if it does not."""
    left, top, right, bottom = one["box"]
    if left < width and top < height and right > 0 and bottom > 0:
        return ""
    edges = f"left {left:g}, top {top:g}, right {right:g}, bottom {bottom:g}"
    return f"({one['label']}) lies outside the picture of {width} x {height}: {edges}"
