"""Answers drawn on pictures: boxes with their labels, and masks as colours over the picture or as a picture of their own.

Unusual: small pictures are enlarged by a whole factor before boxes are drawn, so that a label of eight pixels' height can be
read and every pixel of the picture stays a sharp square. Colours of classes are told apart by hue, neighbours by as much as
possible (steps of the golden ratio); black or white text is chosen by the brightness of what it stands on (ITU-R BT.601).
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.data.fields import pictures

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageDraw import ImageDraw

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
READABLE = 512
"""Pixels of the longer side up to which a picture is enlarged before boxes are drawn."""
MOST_TIMES = 8
GOLDEN = 0.618033988749895
IGNORED: Colour = (235, 235, 235)
STRENGTH = 0.5
"""Of a class's colour over the picture."""


def colour(place: int) -> Colour:
    """The colour of the class at a place of a list, as (red, green, blue)."""
    hue = (0.02 + place * GOLDEN) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 1.0 if place % 2 == 0 else 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)


def parsed(colours: Sequence[str]) -> list[Colour]:
    """`#rrggbb` as (red, green, blue)."""
    return [(int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in colours]


def read(cell: Any, longest: int | None = None) -> Pixels:
    """A picture as (height, width, 3), its longer side at most `longest`. Raises DataError for what cannot be read."""
    with pictures.quiet():
        height, width = pictures.measure(cell)
        scale = 1.0 if longest is None else min(1.0, longest / max(height, width))
        found = pictures.decode(cell, 3, max(1, round(height * scale)), max(1, round(width * scale)))
    return np.ascontiguousarray(found.transpose(1, 2, 0))


def with_boxes(
    picture: Any, boxes: Sequence[Mapping[str, Any]], classes: Sequence[str], longest: int | None = None
) -> Image.Image:
    """A picture with boxes and their labels. boxes: a cell of kind boxes, or None for none; classes: they give the colours.

    longest: most pixels of its longer side. Raises DataError for a picture that cannot be read.
    """
    from PIL import Image, ImageDraw

    height, width = pictures.measure(picture)
    pixels = read(picture, longest)
    times = max(1, min(MOST_TIMES, (longest or READABLE) // max(pixels.shape[:2])))
    image = Image.fromarray(pixels.repeat(times, axis=0).repeat(times, axis=1))
    scale = image.width / width, image.height / height
    draw = ImageDraw.Draw(image)
    line = max(2, round(max(image.size) / 320))
    places = {name: place for place, name in enumerate(classes)}
    drawn = sorted(boxes or (), key=lambda box: float(box.get("score", 1.0)))  # the surest on top
    for box in drawn:
        tone = IGNORED if box.get("ignore") else colour(places.get(str(box.get("label")), len(places)))
        edges = _edges(box["box"], scale, image.size)
        draw.rectangle(edges, outline=tone, width=line)
    for box in drawn:
        if not box.get("ignore"):
            tone = colour(places.get(str(box.get("label")), len(places)))
            _label(draw, _edges(box["box"], scale, image.size), _text(box), tone, image.size)
    return image


def _edges(box: Sequence[float], scale: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels of a box's frame inside a picture of this size. Edges lie between pixels: the right one ends at x - 1."""
    left, top = (round(box[i] * scale[i]) for i in range(2))
    right, bottom = (round(box[i + 2] * scale[i]) - 1 for i in range(2))
    left, top = (min(max(0, v), side - 1) for v, side in zip((left, top), size, strict=True))
    right, bottom = (
        min(max(low, v), side - 1) for v, low, side in zip((right, bottom), (left, top), size, strict=True)
    )
    return left, top, right, bottom


def _text(box: Mapping[str, Any]) -> str:
    score = box.get("score")
    name = str(box.get("label", ""))
    name = name if len(name) <= 24 else name[:23] + "…"
    return name if score is None else f"{name} {float(score):.2f}".strip()


def _label(draw: ImageDraw, edges: tuple[int, int, int, int], text: str, tone: Colour, size: tuple[int, int]) -> None:
    """Text on the colour of its box, above it where there is room, else inside at its top."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=max(11, round(max(size) / 45)))
    left, top, right, bottom = (round(v) for v in draw.textbbox((0, 0), text, font=font))
    wide, high = right - left + 4, bottom - top + 4
    x = max(0, min(edges[0], size[0] - wide))
    y = edges[1] - high if edges[1] >= high else edges[1]
    draw.rectangle((x, y, x + wide - 1, y + high - 1), fill=tone)
    bright = 0.299 * tone[0] + 0.587 * tone[1] + 0.114 * tone[2] > 140
    draw.text((x + 2 - left, y + 2 - top), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=font)


def mask(indices: Pixels, colours: Sequence[str]) -> Image.Image:
    """Class indices (h, w) as a picture with a palette: its pixels are the indices. Indices without a colour are black."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(indices), mode="P")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = parsed(colours)
    image.putpalette(palette.tobytes())
    return image


def overlay(picture: Any, indices: Pixels, colours: Sequence[str], longest: int | None = None) -> Image.Image:
    """A picture under the colours of a mask's classes. indices: (h, w), of any size; those without a colour show the picture.

    A class in black is taken for background, and shows the picture too. Raises DataError for a picture that cannot be read.
    """
    from PIL import Image

    pixels = read(picture, longest).astype(np.float32)
    height, width = pixels.shape[:2]
    rows = ((np.arange(height) + 0.5) * indices.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * indices.shape[1] / width).astype(np.int64)
    found = indices[np.ix_(rows, columns)]
    palette = np.zeros((256, 3), np.float32)
    palette[: len(colours)] = parsed(colours)
    share = np.where(palette.any(axis=1), STRENGTH, 0.0).astype(np.float32)[found][..., None]
    return Image.fromarray(np.round(pixels * (1 - share) + palette[found] * share).astype(np.uint8))


def png(image: Image.Image, colours: int = 0) -> bytes:
    """The picture as a PNG file. colours: most that are kept, so that it is small; 0: all."""
    buffer = io.BytesIO()
    few = image.quantize(colours, dither=0) if colours and image.mode == "RGB" else image  # type: ignore[arg-type]
    few.save(buffer, "PNG")
    return buffer.getvalue()
