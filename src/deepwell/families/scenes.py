"""Scenes: pictures with boxes in them, brought to one working size; and whether they may be mirrored.

Unusual: the working size follows from the objects, not from the pictures alone. The smallest kind of object decides: it is to be
SMALL pixels wide, so that a few cells of a feature map answer for it, and no more, since every pixel costs time. Boxes are kept
in original pixels by their kind (data/fields/boxes.py), so it is here that they are brought to the size that the network sees.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, IntArray, Ragged
from deepwell.core.errors import DataError
from deepwell.core.fields import Schema
from deepwell.core.table import Table
from deepwell.core.task import Pipeline
from deepwell.data.cache import Columns
from deepwell.data.fields import pictures
from deepwell.data.fields.boxes import cell_problem, shown
from deepwell.data.fields.image import LARGEST, Image
from deepwell.data.pipeline import FieldPipeline, Some
from deepwell.families import mirroring

SAMPLE = 512
"""Pictures whose headers are read to find the working size, drawn evenly."""
SMALL = 20.0
"""Pixels that a small object of the smallest class (its lower quartile) is to measure at the working size."""
FEWEST = 5
"""Objects that a class needs to have a say in it."""
LEAST, MOST = 160, 640
"""Pixels between which the longest side of the working size is chosen."""
STEP = 32
SLACK = 1.0
"""Pixels by which a box may reach over an edge without being told of: pixels numbered from 1, or rounded up."""
CROP = 16
"""Pixels of the side that an object is sampled at when it is asked whether it may be mirrored."""


class Scenes(FieldPipeline):
    """A FieldPipeline whose picture column gets a working size that suits the boxes.

    side: the longest side of the working size in pixels, 0: found on the training rows. start: the pipeline of the bundle that
    training begins from, whose number of colour channels is kept, since its weights read that many.
    """

    def __init__(self, schema: Schema, picture: str, target: str, side: int = 0, start: Pipeline | None = None) -> None:
        super().__init__(schema, {picture: Image(min(side or MOST, LARGEST), sized=True)})
        self._picture, self._target, self._side, self._cut = picture, target, side, False
        self._start = start.kinds_.get(picture) if isinstance(start, FieldPipeline) else None

    def fit(self, table: Table) -> Scenes:
        """See FieldPipeline."""
        kind = self.kinds_[self._picture]
        if not self._side and isinstance(kind, Image):
            kind.size = working_side(table, self._picture, self._target)
        super().fit(table)
        if isinstance(kind, Image) and isinstance(self._start, Image):
            kind.channels_ = self._start.channels_
        return self

    def _columns(self, table: Table, names: Sequence[str], start: int, stop: int) -> Some:
        """See FieldPipeline. Boxes are cut at the edges of their picture; one that lies outside is a problem of its row."""
        columns, problems = super()._columns(table, names, start, stop)
        boxes, sizes = columns.get(self._target), columns.get(f"{self._picture}.size")
        if not isinstance(boxes, Ragged) or not isinstance(sizes, np.ndarray):
            return columns, problems
        rows = boxes.row_of_value
        ends = sizes[rows][:, ::-1].astype(np.float32)
        inside = ((boxes.values[:, :2] < ends) & (boxes.values[:, 2:] > 0)).all(axis=1)
        for place in np.flatnonzero(~inside):
            row = int(rows[place])
            number = int(place - boxes.offsets[row]) + 1
            width, height = (int(side) for side in ends[place])
            why = f"object {number} lies outside the picture of {width} x {height}: {shown(boxes.values[place])}"
            problems.setdefault(row, f"column {self._target!r}: {why}")
        cut = np.clip(boxes.values, 0, np.concatenate([ends, ends], axis=1))
        good = ~np.isin(rows, list(problems))
        self._cut |= bool((np.abs(cut - boxes.values)[good] > SLACK).any())
        moved: dict[str, EncodedColumn] = {**columns, self._target: Ragged(cut, boxes.offsets, boxes.padded)}
        return moved, problems

    def said(self) -> Sequence[str]:
        """See Pipeline; also that boxes were cut."""
        told = f"{self._target}: boxes that reach over an edge of their picture were cut there"
        return [*super().said(), *([told] if self._cut else [])]


def working_side(table: Table, picture: str, target: str) -> int:
    """The longest side that pictures should be brought to, in pixels, LEAST to MOST; see SMALL.

    The kind of field makes no picture larger than it is. Rows that cannot be used say nothing.
    """
    shares: dict[str, list[float]] = defaultdict(list)
    rows = np.linspace(0, max(len(table) - 1, 0), min(SAMPLE, len(table))).astype(np.int64)
    for row in rows:
        cell = table[target][row]
        with contextlib.suppress(DataError), pictures.quiet():
            longest = max(pictures.measure(table[picture][row]))
            if cell_problem(cell):
                continue
            for one in cell:
                left, top, right, bottom = one["box"]
                shares[one["label"]].append(math.sqrt((right - left) * (bottom - top)) / longest)
    small = [float(np.quantile(found, 0.25)) for found in shares.values() if len(found) >= FEWEST]
    small = small or [float(np.median(found)) for found in shares.values()]
    if not small:
        return MOST
    return int(np.clip(math.ceil(SMALL / min(small) / STEP) * STEP, LEAST, MOST))


@dataclass(frozen=True)
class Working:
    """The Reshape that brings boxes from pixels of the original picture to those of the working size.

    picture, target: columns. height, width: the working size.
    """

    picture: str
    target: str
    height: int
    width: int

    @staticmethod
    def of(pipeline: Pipeline, picture: str, target: str) -> Working:
        """For a fitted pipeline."""
        _, height, width = pipeline.sizes()[picture]
        return Working(picture, target, height, width)

    def __call__(self, columns: Columns) -> Columns:
        """The columns with boxes moved, where there are any; a question has none."""
        boxes = columns.get(self.target)
        if not isinstance(boxes, Ragged):
            return columns
        factors = 1.0 / self.factors(columns[f"{self.picture}.size"])  # type: ignore[arg-type]
        moved = (boxes.values * factors[boxes.row_of_value]).astype(np.float32)
        changed: dict[str, EncodedColumn] = {**columns, self.target: Ragged(moved, boxes.offsets, boxes.padded)}
        return changed

    def key(self) -> str:
        """See Reshape."""
        return f"{self.picture!r} {self.target!r} {self.height} {self.width}"

    def factors(self, sizes: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 4): what turns edges at the working size into those in the originals; sizes: (n, 2) their heights and widths."""
        scale = sizes[:, ::-1] / np.array([self.width, self.height])
        return np.concatenate([scale, scale], axis=1)


def mirrors(arrays: Mapping[str, NDArray[Any]], picture: str, target: str) -> dict[str, tuple[bool, str]]:
    """Whether pictures may be mirrored `left to right` and `upside down`, each with the reason in words.

    arrays: of a batch, boxes at the working size. Asked of each object by itself, and upside down also whether the objects have
    an upper side at all: a class can be told from others (a dog from a car) and still never stand on its head.
    """
    keep = (arrays[f"{target}.ignore"] == 0) & (_area(arrays[target]) > 1)
    if not keep.any():
        return dict.fromkeys(("left to right", "upside down"), (False, "there is no object to ask"))
    labels = arrays[f"{target}.label"][keep]
    found = crops(arrays[picture], arrays[target][keep], arrays[f"{target}.row"][keep])
    turned = np.ascontiguousarray(found.transpose(0, 1, 3, 2))
    upright = mirroring.harmless(turned, [])
    return {
        "left to right": mirroring.harmless(found, [labels]),
        "upside down": mirroring.harmless(turned, [labels]) if upright[0] else upright,
    }


def crops(pictures_: NDArray[np.uint8], boxes: NDArray[np.floating], rows: IntArray) -> NDArray[np.uint8]:
    """(m, c, CROP, CROP): what lies in boxes (m, 4) of the pictures (n, c, h, w) at `rows` (m,), by nearest pixels."""
    height, width = pictures_.shape[2:]
    steps = (np.arange(CROP) + 0.5) / CROP
    x, y = (
        np.clip(boxes[:, [axis]] + steps * (boxes[:, [axis + 2]] - boxes[:, [axis]]), 0, size - 1).astype(np.int64)
        for axis, size in ((0, width), (1, height))
    )
    found = pictures_[rows[:, None, None], :, y[:, :, None], x[:, None, :]]
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
