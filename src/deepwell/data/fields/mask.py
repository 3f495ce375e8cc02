"""mask: pictures whose pixels are classes. Each pixel becomes the index of its class, 255 where it says nothing (void).

What pixels mean comes, in this order, from the legend beside the masks; from the palette of Pascal VOC; from the training masks:
{0, 1} and {0, 255} are background and foreground, other numbers and up to 64 colours are classes named by themselves.
255 is void where other numbers stand beside it than 0 alone. The user names more that is void by number, colour or class
name. Unusual: masks keep their own size here, because the kind does not see the pictures; and a pixel that is no class makes
its row a problem that names file, pixel, count and the nearest class: a class that is silently wrong is worse than a row less.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, ConfigError, DataError, nearest
from deepwell.core.fields import Field
from deepwell.core.table import Column, Legend, MaskFile
from deepwell.data.fields import flat, mask_pixels, pictures
from deepwell.data.fields.image import FILES_A_SECOND
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.mask_pixels import VOC_COLOURS, VOC_NAMES, VOC_VOID, name, voc_colour
from deepwell.data.sources.columns import objects

VOID, STRANGE = 255, 254
MOST_CLASSES = 254
MOST_COLOURS = 64
SAMPLE = 1_000
MOST_SORTED = 1 << 21
MASKS_A_SECOND = 100.0
PIXEL = re.compile(r"\d{1,5}|#[0-9a-f]{6}")


class Mask(Kind):
    """See the top of this file.

    Args:
        void: what says nothing besides what is found out: numbers, #rrggbb or class names, with commas between.
    Attributes:
        classes_: names. pixels_: the known pixels as a Legend writes them. index_: the class of each; several pixels may be
            one class. void_: pixels that say nothing.
        colours_: `#rrggbb` of each class, to draw it.
        shares_: (K,) of the known pixels of the sampled training masks; after `fit` only.
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

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises DataError where the masks hold too many values, or one only; ConfigError for an unknown void."""
        chosen = np.linspace(0, max(len(column) - 1, 0), min(SAMPLE, len(column))).astype(np.int64)
        cells = [column[row] for row in chosen]
        legend = next((c.legend for c in cells if isinstance(c, MaskFile) and c.legend), Legend())
        seen = _Seen.of(cells, legend)
        names = dict(legend.names) or _named(seen)
        void = {*legend.void, *_own_void(seen, names)} - set(names)
        for word in filter(None, (w.strip() for w in self.void.split(","))):
            pixel = _meant(word, names, seen)
            void.add(pixel)
            names.pop(pixel, None)
        names = _binary(names) if not legend.names else names
        called = list(dict.fromkeys(names.values()))
        if len(called) < 2:
            only = next(iter(called), "none")
            raise DataError(
                f"the masks of {field.name!r} hold one class only ({only}), so there is nothing to learn",
                repair="give masks with at least two different pixel values",
            )
        self.pixels_, self.classes_, self.void_ = list(names), called, sorted(void)
        self.index_ = [called.index(names[pixel]) for pixel in names]
        self.colours_ = [_colour(place, self._pixel(place), seen) for place in range(len(called))]
        counts = np.zeros(len(called))
        np.add.at(counts, self.index_, [seen.counts[mask_pixels.code(p)] for p in self.pixels_])
        self.shares_ = counts / max(1.0, counts.sum())
        return self

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
        """By the number of masks."""
        return len(column) * (1 / FILES_A_SECOND + 1 / MASKS_A_SECOND) / (os.cpu_count() or 1)

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
        if not all(map(_is_pixel, pixels)) or len({*pixels}) < len(pixels) or len(forms) != 1:
            raise BundleError("the pixels of a mask field must be different, and all numbers or all colours")
        if len(values["colours"]) != count or not all(re.fullmatch("#[0-9a-f]{6}", c) for c in values["colours"]):
            raise BundleError("a mask field must have one colour #rrggbb for each class")
        self.classes_, self.pixels_, self.index_ = values["classes"], values["pixels"], index
        self.void_, self.colours_ = values["void"], values["colours"]
        return self


class _Seen:
    """What stands in the sampled masks. counts: code -> pixels. palette: number -> `#rrggbb`, where masks have one."""

    def __init__(self, coloured: bool, counts: Counter[int], palette: Mapping[int, str]) -> None:
        self.coloured, self.counts, self.palette = coloured, counts, palette

    @staticmethod
    def of(cells: list[Any], legend: Legend) -> _Seen:
        """Read the masks; unreadable ones are left to encoding. Raises DataError where none can be read or there are too many
        values without a legend."""

        def read(cell: Any) -> mask_pixels.Pixels | str:
            try:
                if cell is None:
                    return "the mask is missing"
                return mask_pixels.read(cell)
            except DataError as error:
                return str(error)

        coloured = any(p.startswith("#") for p in [*legend.names, *legend.void])
        counts: Counter[int] = Counter()
        palette: dict[int, str] = {}
        problems: list[str] = []
        with pictures.quiet():
            if not coloured and not legend.names:
                coloured = any(p.coloured for p in map(read, cells[:16]) if not isinstance(p, str))
            for cell in cells:
                found = read(cell)
                if isinstance(found, str):
                    problems.append(found)
                    continue
                if found.palette is not None and not palette:
                    palette = {i: "#" + bytes(c).hex() for i, c in enumerate(found.palette)}
                counts.update(_counted(_codes(found, coloured)))
                _stop_if_many(counts, coloured, legend, cell)
        if not counts:
            raise DataError(f"none of {len(cells)} training masks can be read; the first: {(problems or ['none'])[0]}")
        return _Seen(coloured, counts, palette)

    @property
    def pixels(self) -> list[str]:
        """The pixels that occur, in order."""
        return [name(code, self.coloured) for code in sorted(self.counts)]


def _codes(found: mask_pixels.Pixels, coloured: bool) -> NDArray[np.int32]:
    """The codes of one mask; none where it is of another sort than the others, which encoding will say."""
    try:
        return found.codes(coloured)
    except DataError:
        return np.zeros(0, np.int32)


def _counted(codes: NDArray[np.int32]) -> dict[int, int]:
    """How often each code occurs. Sorting the pixels of a large mask takes a second, counting them a tenth of it."""
    if codes.max(initial=0) < 1 << 16 or codes.size > MOST_SORTED:
        times = np.bincount(codes.ravel())
        values = np.flatnonzero(times)
        return dict(zip(values.tolist(), times[values].tolist(), strict=True))
    found, times = np.unique(codes, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))


def _stop_if_many(counts: Counter[int], coloured: bool, legend: Legend, cell: Any) -> None:
    """Raise DataError where masks without a legend hold more values than masks of classes do."""
    most = MOST_COLOURS if coloured else MOST_CLASSES + 1
    if len(counts) > most and not legend.names:
        sort = "colours" if coloured else "numbers"
        raise DataError(
            f"the masks hold more than {most} different {sort}, so they are no masks of classes, or were resized with "
            "smoothing or saved with loss",
            where=str(cell) if isinstance(cell, MaskFile) else "",
            repair="give masks with one value per class, or a legend beside them (class_dict.csv with name,r,g,b)",
        )


def _named(seen: _Seen) -> dict[str, str]:
    """Pixel -> class for masks without a legend."""
    if seen.coloured:
        colours = dict(zip(VOC_COLOURS, VOC_NAMES, strict=True))
        if len(seen.pixels) > 2 and {*seen.pixels} <= {*VOC_COLOURS, VOC_VOID}:
            return {p: n for p, n in colours.items() if p in seen.pixels}
    elif _voc_palette(seen):
        return {str(place): called for place, called in enumerate(VOC_NAMES)}
    return {p: p for p in seen.pixels}


def _voc_palette(seen: _Seen) -> bool:
    """Whether numbers with a palette are those of Pascal VOC."""
    own = [seen.palette.get(i) for i in range(len(VOC_COLOURS))]
    return own == list(VOC_COLOURS) and {*seen.counts} <= {*range(len(VOC_COLOURS)), VOID}


def _own_void(seen: _Seen, names: dict[str, str]) -> set[str]:
    """Pixels that are void though no legend says so, taken out of `names` where they are called by their own number."""
    pixel = VOC_VOID if seen.coloured else str(VOID)
    others = {*seen.pixels} - {pixel}
    told = names.get(pixel, pixel) != pixel
    if told or pixel not in seen.pixels or (not seen.coloured and others <= {"0"}):
        return set()
    if seen.coloured and not others <= {*VOC_COLOURS}:
        return set()
    names.pop(pixel, None)
    return {pixel}


def _meant(word: str, names: Mapping[str, str], seen: _Seen) -> str:
    """The pixel that the user calls void. Raises ConfigError for what is neither a pixel of these masks nor a class."""
    by_name = {called.lower(): pixel for pixel, called in names.items()}
    pixel = word.lower() if word.startswith("#") else word
    if pixel in names or pixel in seen.pixels:
        return pixel
    if word.lower() in by_name:
        return by_name[word.lower()]
    if _is_pixel(pixel) and pixel.startswith("#") == seen.coloured:
        return pixel
    known = [*names.values(), *names]
    raise ConfigError(f"void={word!r} is neither a class nor a pixel of these masks{nearest(word, known)}")


def _is_pixel(text: str) -> bool:
    """Whether a text says a pixel as a Legend does: a number of at most 16 bits, or a colour."""
    return bool(PIXEL.fullmatch(text)) and (text.startswith("#") or int(text) < 1 << 16)


def _binary(names: dict[str, str]) -> dict[str, str]:
    """Two classes 0 and 1, or 0 and 255, are called background and foreground."""
    if list(names) in (["0", "1"], ["0", "255"]) and list(names) == list(names.values()):
        return dict(zip(names, ("background", "foreground"), strict=True))
    return names


def _colour(place: int, pixel: str, seen: _Seen) -> str:
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
