"""Cells of example rows that are pictures: thumbnails, and pictures with the boxes or the mask that stand in a cell.

Unusual: drawings are kept small for the record (palettes of few colours), and what cannot be drawn is told in words: a picture
that is damaged must not cost the page.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column, ImageFile
from deepwell.core.task import Pipeline
from deepwell.data import drawing
from deepwell.data.fields import flat, pictures
from deepwell.data.fields.boxes import Boxes
from deepwell.data.fields.mask import Mask
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.sources.columns import objects

THUMBNAIL, LONGEST = 96, 256
"""Longest sides of pictures, and of pictures with something on them."""
COLOURS = 128
"""Of a drawing, so that a record of some of them stays small."""


@dataclass(frozen=True)
class Drawing:
    """How the cells of a target of kind boxes or mask are drawn.

    pictures: the raw pictures of the same rows. classes, colours: of the target; empty where nobody knows them. kind: of a
    mask, to read true ones.
    """

    target: Field
    pictures: Column
    classes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    kind: Mask | None = None

    @staticmethod
    def of(target: Field, pictures: Column, pipeline: Pipeline | None) -> Drawing:
        """With what the pipeline has learnt of the target."""
        kind = pipeline.kinds_.get(target.name) if isinstance(pipeline, FieldPipeline) else None
        if isinstance(kind, Mask):
            return Drawing(target, pictures, tuple(kind.classes_), tuple(kind.colours_), kind)
        return Drawing(target, pictures, tuple(kind.classes_) if isinstance(kind, Boxes) else ())

    def cell(self, row: int, value: Any, *, true: bool) -> Any:
        """{png: base64} of the picture of a row with a cell of the target on it; why not, where it cannot be drawn.

        true: whether the cell is one of the data, not an answer.
        """
        if value is None:
            return ""
        try:
            if self.target.kind == "boxes":
                image = drawing.with_boxes(self.pictures[row], value, self.classes, LONGEST)
            else:
                image = drawing.overlay(self.pictures[row], self._indices(value, true), self.colours, LONGEST)
        except DataError as error:
            return error.what
        return _png(drawing.png(image, COLOURS))

    def _indices(self, value: Any, true: bool) -> drawing.Pixels:
        """A mask as class indices: answers are; true ones are read as the pipeline reads them."""
        if self.kind is None or not true:
            return np.asarray(value, np.uint8)
        parts, problems = self.kind.encode(objects([value]))
        if problems:
            raise DataError(problems[0])
        return flat.unpack(parts[""], 0)  # type: ignore[arg-type]


def thumbnail(cell: Any) -> Any:
    """{png: base64} of a picture, at most 96 pixels a side; what is wrong with it, if it cannot be read."""
    from PIL import Image

    try:
        with pictures.quiet():
            height, width = pictures.measure(cell)
            scale = min(1.0, THUMBNAIL / max(height, width))
            pixels = pictures.decode(cell, 3, max(1, round(height * scale)), max(1, round(width * scale)))
    except DataError as error:
        return cell.path if isinstance(cell, ImageFile) else error.what
    grey = bool((pixels == pixels[:1]).all())
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[0] if grey else pixels.transpose(1, 2, 0))).save(buffer, "PNG")
    return _png(buffer.getvalue())


def _png(data: bytes) -> dict[str, str]:
    return {"png": base64.b64encode(data).decode()}
