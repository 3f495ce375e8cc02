"""mask: pictures whose pixels are classes. Each pixel becomes the index of its class, 255 where it says nothing (void).

What pixels mean comes, in this order, from the legend beside the masks; from the palette of Pascal VOC; from the training masks:
{0, 1} and {0, 255} are background and foreground, other numbers and up to 64 colours are classes named by themselves.
255 is void beside numbers that count classes (mask_meaning.py). The user names more that is void by number, colour or class
name. What is void is said with its share. Unusual: masks keep their own size here, because the kind does not see the pictures;
and a pixel that is no class makes its row a problem that names file, pixel, count and the nearest class: a class that is
silently wrong is worse than a row less.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column, Legend, MaskFile
from deepwell.data.fields import flat, mask_meaning, mask_pixels, pictures
from deepwell.data.fields.image import FILES_A_SECOND, PIXELS_A_SECOND, SOME
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.mask_meaning import MOST_CLASSES, MOST_COLOURS, VOID, Seen
from deepwell.data.fields.mask_pixels import name, voc_colour
from deepwell.data.sources.columns import objects

STRANGE = 254
SAMPLE = 1_000


class Mask(Kind):
    """See the top of this file.

    Args:
        void: what says nothing besides what is found out: numbers, #rrggbb or class names, with commas between.
    Attributes:
        classes_: names. pixels_: the known pixels as a Legend writes them. index_: the class of each; several pixels may be
            one class. void_: pixels that say nothing.
        colours_: `#rrggbb` of each class, to draw it.
        shares_: (K,) of the known pixels of the sampled training masks; after `fit` only. said_: what `said` says.
    """

    target_ = True

    def __init__(self, void: str = "") -> None:
        self.void = void
        self.classes_: list[str] = []
        self.pixels_: list[str] = []
        self.index_: list[int] = []
        self.void_: list[str] = []
        self.colours_: list[str] = []
        self.shares_: NDArray[np.float64] | None = None
        self.said_: list[str] = []

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises DataError where the masks hold too many values, or one only; ConfigError for an unknown void."""
        chosen = np.linspace(0, max(len(column) - 1, 0), min(SAMPLE, len(column))).astype(np.int64)
        cells = [column[row] for row in chosen]
        legend = next((c.legend for c in cells if isinstance(c, MaskFile) and c.legend), Legend())
        seen = Seen.of(cells, legend)
        names = mask_meaning.named(seen, legend)
        void = {*legend.void, *mask_meaning.own_void(seen, names)} - set(names)
        self.said_ = []
        for word in filter(None, (w.strip() for w in self.void.split(","))):
            pixels = mask_meaning.meant(word, names, seen)
            void |= pixels
            names = {pixel: called for pixel, called in names.items() if pixel not in pixels}
            if not seen.share(sorted(pixels)):
                self.said_.append(f"void={word}: none of the {len(cells):,} masks that were looked at holds this pixel")
        names = names if legend.names else mask_meaning.binary(names)
        called = list(dict.fromkeys(names.values()))
        if len(called) < 2:
            only = next(iter(called), "none")
            raise DataError(
                f"the masks of {field.name!r} hold one class only ({only}), so there is nothing to learn",
                repair="give masks with at least two different pixel values",
            )
        if len(called) > MOST_CLASSES:
            raise mask_meaning.too_many(MOST_CLASSES, seen.coloured, None)
        self.pixels_, self.classes_, self.void_ = list(names), called, sorted(void)
        self.index_ = [called.index(names[pixel]) for pixel in names]
        self.colours_ = [_colour(place, self._pixel(place), seen) for place in range(len(called))]
        counts = np.zeros(len(called))
        np.add.at(counts, self.index_, [seen.counts[mask_pixels.code(p)] for p in self.pixels_])
        self.shares_ = counts / max(1.0, counts.sum())
        if seen.share(self.void_):
            share = f"{seen.share(self.void_):.2%} of the pixels of {len(cells):,} masks"
            self.said_.append(f"{share} say nothing (void): those of {', '.join(self.void_[:8])}")
        return self

    def said(self) -> Sequence[str]:
        """What is void and how much of the masks it is, and what the user calls void though it was not seen."""
        return self.said_

    @property
    def positive(self) -> int:
        """Which of two classes is looked for: the one that is not background; see mask_meaning.positive."""
        return mask_meaning.positive(self.classes_, [self._pixel(place) for place in range(len(self.classes_))])

    def _pixel(self, place: int) -> str:
        """The first pixel of a class."""
        return self.pixels_[self.index_.index(place)]

    @property
    def coloured(self) -> bool:
        """Whether masks are told apart by colours, not by numbers."""
        return self.pixels_[0].startswith("#")

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Flat bytes of uint8 (height, width) class indices, VOID where void, at the masks' own sizes."""
        problems: dict[int, str] = {}
        look_up = self._look_up()

        def one(row: int) -> flat.Bytes | None:
            try:
                return self._indices(column[row], look_up)
            except DataError as error:
                problems[row] = str(error)
                return None

        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            packed = flat.pack(list(pool.map(one, range(len(column)))))
        return {"": packed}, dict(sorted(problems.items()))

    def _look_up(self) -> Callable[[NDArray[np.int32]], NDArray[np.uint8]]:
        """What gives the class index of each code, STRANGE for one that is no class."""
        codes = np.array([mask_pixels.code(p) for p in [*self.pixels_, *self.void_]])
        index = np.array([*self.index_, *[VOID] * len(self.void_)], np.uint8)
        if not self.coloured:
            table = np.full(1 << 16, STRANGE, np.uint8)
            table[codes] = index
            return lambda found: table[found]
        order = np.argsort(codes)
        codes, index = codes[order].astype(np.int32), index[order]

        def look_up(found: NDArray[np.int32]) -> NDArray[np.uint8]:
            place = np.minimum(np.searchsorted(codes, found), len(codes) - 1)
            return np.where(codes[place] == found, index[place], np.uint8(STRANGE))

        return look_up

    def _indices(self, cell: Any, look_up: Callable[[NDArray[np.int32]], NDArray[np.uint8]]) -> flat.Bytes:
        """One mask as class indices. Raises DataError for a pixel that is no class."""
        if cell is None:
            raise DataError("the mask is missing")
        codes = mask_pixels.read(cell).codes(self.coloured)
        found = look_up(codes)
        strange = found == STRANGE
        if strange.any():
            raise DataError(self._unnamed(codes[strange]), where=str(cell) if isinstance(cell, MaskFile) else "")
        return found

    def _unnamed(self, codes: NDArray[Any]) -> str:
        """What is wrong with pixels that are no class, in words."""
        values, counts = np.unique(codes, return_counts=True)
        most = int(counts.argmax())
        pixel = name(int(values[most]), self.coloured)
        near = min(range(len(self.pixels_)), key=lambda k: _distance(pixel, self.pixels_[k]))
        text = f"the pixel {pixel} ({int(counts[most]):,} times) is no class; the nearest is {self.pixels_[near]}"
        if self.classes_[self.index_[near]] != self.pixels_[near]:
            text += f" ({self.classes_[self.index_[near]]})"
        if len(values) > 1:
            text += f"; {len(values) - 1:,} other values are none either"
        if len(values) > MOST_COLOURS:
            text += ": was the mask resized with smoothing, or saved with loss?"
        return f"{text}; --set void={pixel} leaves such pixels out"

    def seconds(self, column: Column) -> float:
        """By the number of masks and the pixels of a few of them."""
        pixels = []
        for row in np.linspace(0, len(column) - 1, min(SOME, len(column))).astype(np.int64):
            with contextlib.suppress(DataError), pictures.quiet():
                pixels.append(math.prod(mask_pixels.size(column[row])))
        each = 1 / FILES_A_SECOND + (float(np.mean(pixels)) / PIXELS_A_SECOND if pixels else 0.0)
        return len(column) * each / (os.cpu_count() or 1)

    def decode(self, array: EncodedColumn) -> Column:
        """Objects: masks as they were given, uint8 or uint16 (height, width), or uint8 (height, width, 3) where coloured.

        Void pixels get the first void value; 255 where there is none.
        """
        if not isinstance(array, Ragged):
            raise TypeError("masks are ragged")
        codes = np.full(256, VOID, np.int64)
        codes[: len(self.classes_)] = [mask_pixels.code(self._pixel(k)) for k in range(len(self.classes_))]
        if self.void_:
            codes[VOID] = mask_pixels.code(self.void_[0])
        found = [codes[flat.unpack(array, row)] for row in range(len(array))]
        if self.coloured:
            return objects(np.stack([one >> 16, (one >> 8) & 255, one & 255], axis=2).astype(np.uint8) for one in found)
        return objects(one.astype(np.uint8 if codes.max() <= VOID else np.uint16) for one in found)

    def sizes(self) -> tuple[int, ...]:
        """(classes,)."""
        return (len(self.classes_),)

    def facts(self) -> dict[str, Any]:
        """For Field.facts: `classes` and `colours`, by the index that a pixel of an answer holds."""
        return {"classes": self.classes_, "colours": self.colours_}

    def state(self) -> dict[str, Any]:
        """See Kind."""
        names = {"classes": self.classes_, "colours": self.colours_}
        return {**names, "pixels": self.pixels_, "index": self.index_, "void": self.void_}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a mask field", dict.fromkeys(("classes", "colours", "pixels", "index", "void"), list))
        index = values.pop("index")
        count = len(values["classes"])
        if not all(isinstance(v, str) for part in values.values() for v in part) or not 2 <= count <= MOST_CLASSES:
            raise BundleError(f"a mask field must name 2 to {MOST_CLASSES} classes and their pixels")
        if len(index) != len(values["pixels"]) or not all(type(k) is int for k in index) or {*index} != {*range(count)}:
            raise BundleError("the pixels of a mask field must each be of a class, and each class have one")
        pixels = [*values["pixels"], *values["void"]]
        forms = {p.startswith("#") for p in pixels}
        if not all(map(mask_pixels.is_pixel, pixels)) or len({*pixels}) < len(pixels) or len(forms) != 1:
            raise BundleError("the pixels of a mask field must be different, and all numbers or all colours")
        if len(values["colours"]) != count or not all(re.fullmatch("#[0-9a-f]{6}", c) for c in values["colours"]):
            raise BundleError("a mask field must have one colour #rrggbb for each class")
        self.classes_, self.pixels_, self.index_ = values["classes"], values["pixels"], index
        self.void_, self.colours_ = values["void"], values["colours"]
        return self


def _colour(place: int, pixel: str, seen: Seen) -> str:
    """The colour in which a class is drawn: its own, that of the palette, or one that differs from its neighbours."""
    if pixel.startswith("#"):
        return pixel
    return seen.palette.get(int(pixel)) or voc_colour(place)


def _distance(one: str, other: str) -> float:
    """How far apart two pixels are: numbers, or colours in red, green and blue."""
    a, b = mask_pixels.code(one), mask_pixels.code(other)
    if not one.startswith("#"):
        return abs(a - b)
    return sum((((a >> shift) & 255) - ((b >> shift) & 255)) ** 2 for shift in (0, 8, 16))
