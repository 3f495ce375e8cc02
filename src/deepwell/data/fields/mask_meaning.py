"""What the pixels of training masks mean: what stands in them (`Seen`), what it is called, and what of it says nothing.

Unusual: whether masks are told apart by numbers or by colours is decided over all sampled masks together, for one coloured mask
among grey ones makes all of them coloured, and palettes that differ from file to file make their numbers mean nothing. Masks that
were resized with smoothing are refused: the shades along their borders would become classes, and 255, the thing itself, void.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.table import Legend, MaskFile
from deepwell.data.fields import mask_pixels, pictures
from deepwell.data.fields.mask_pixels import VOC_COLOURS, VOC_NAMES, VOC_VOID, name

VOID = 255
MOST_CLASSES = 254
MOST_COLOURS = 64
MOST_SORTED = 1 << 21
AT_ONCE = 32
"""Masks that are looked at before it is asked whether they hold too many values."""
SHADES = 16
"""Values between 0 and 255 beyond which they are shades of a border, not classes."""
FEW_PIXELS = {2: 0.01, 4: 0.05}
"""From so many values between 0 and 255 on, they are shades where they hold a smaller share of the pixels than this."""
SLOPE = 0.7
"""Share of the pixels between 0 and 255 with a darker and a lighter neighbour, from which on they are shades of a border."""
SMALL_NUMBERS, LARGE_NUMBERS = 64, 192
BACKGROUND = frozenset("background bg other others normal none".split())


@dataclass(frozen=True)
class _Look:
    """What stands in one mask. counts: code -> pixels, of packed colours where `packed`. palette: number -> packed colour.

    slopes: of how many grey pixels that are no numbering some neighbours are darker and some lighter. bits: see Pixels.
    """

    counts: Mapping[int, int]
    packed: bool
    palette: Mapping[int, int] | None
    slopes: int
    bits: bool

    @property
    def coloured(self) -> bool:
        """Whether some pixel is not grey."""
        return self.packed and any(not _grey(code) for code in self.counts)

    def codes(self, coloured: bool) -> Mapping[int, int]:
        """The counts by number or by colour; none where the mask is of another sort than the others, as encoding will say."""
        if self.packed == coloured:
            return self.counts
        if not coloured:
            return {} if self.coloured else {code & 255: times for code, times in self.counts.items()}
        found: Counter[int] = Counter()
        for number, times in self.counts.items():
            grey = None if number > 255 else number * 0x010101
            colour = self.palette.get(number) if self.palette is not None else grey
            if colour is None:
                return {}
            found[colour] += times
        return found


@dataclass(frozen=True)
class Seen:
    """What stands in the sampled masks. counts: code -> pixels. palette: number -> `#rrggbb`, where masks have one.

    bits: whether 255 stands in files of one bit only.
    """

    coloured: bool
    counts: Counter[int]
    palette: Mapping[int, str]
    bits: bool

    @staticmethod
    def of(cells: Sequence[Any], legend: Legend) -> Seen:
        """Read the masks; unreadable ones are left to encoding. Raises DataError where none can be read, and where there are
        too many values, or shades of smoothed borders, without a legend."""
        looks: list[_Look] = []
        problems: list[str] = []
        named = any(p.startswith("#") for p in [*legend.names, *legend.void])
        kinds: dict[bool, set[int]] = {False: set(), True: set()}
        for cell, found in zip(cells, _looks(cells), strict=False):
            if isinstance(found, str):
                problems.append(found)
                continue
            looks.append(found)
            kinds[found.packed].update(found.counts)
            if not legend.names:
                _stop_if_many(len(kinds[found.packed]), found.coloured, cell)
        coloured = named or (not legend.names and (any(x.coloured for x in looks) or _palettes_differ(looks)))
        counts: Counter[int] = Counter()
        for look in looks:
            counts.update(look.codes(coloured))
        if not counts:
            raise DataError(f"none of {len(cells)} training masks can be read; the first: {(problems or ['none'])[0]}")
        if not legend.names:
            _stop_if_many(len(counts), coloured, None)
            _stop_if_smoothed(counts, coloured, sum(look.slopes for look in looks))
        palette: Mapping[int, int] = next((look.palette for look in looks if look.palette), {})
        bits = not coloured and all(look.bits for look in looks if VOID in look.codes(False))
        return Seen(coloured, counts, {} if coloured else {i: name(c, True) for i, c in palette.items()}, bits)

    @property
    def pixels(self) -> list[str]:
        """The pixels that occur, in order."""
        return [name(code, self.coloured) for code in sorted(self.counts)]

    def share(self, pixels: Sequence[str]) -> float:
        """What share of all pixels these are."""
        return sum(self.counts.get(mask_pixels.code(p), 0) for p in pixels) / max(1, sum(self.counts.values()))


def _looks(cells: Sequence[Any]) -> Iterator[_Look | str]:
    """What stands in each mask, or why it cannot be read; some at a time, so that a caller may stop early."""
    with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(cells), AT_ONCE):
            yield from pool.map(_look, cells[start : start + AT_ONCE])


def _look(cell: Any) -> _Look | str:
    if cell is None:
        return "the mask is missing"
    try:
        found = mask_pixels.read(cell)
    except DataError as error:
        return str(error)
    packed = found.values.ndim == 3
    own = found.palette
    palette = None if own is None else {i: int.from_bytes(bytes(colour)) for i, colour in enumerate(own)}
    counts = _counted(found.codes(packed))
    greys = [code & 255 if packed else code for code in counts if _grey(code) or not packed]
    shaded = len(greys) == len(counts) and max(greys) <= VOID and not _numbering([g for g in greys if 0 < g < VOID])
    values = found.values[:, :, 0] if packed else found.values
    return _Look(counts, packed, palette, _on_slopes(values) if shaded and len(greys) > 3 else 0, found.bits)


def _on_slopes(values: NDArray[Any]) -> int:
    """How many pixels between 0 and 255 have a darker and a lighter pixel among the eight around them."""
    high, wide = values.shape
    around = np.pad(values.astype(np.uint8), 1, mode="edge")
    least, most = values.astype(np.uint8), values.astype(np.uint8)
    for down, along in ((y, x) for y in range(3) for x in range(3)):
        neighbour = around[down : down + high, along : along + wide]
        least, most = np.minimum(least, neighbour), np.maximum(most, neighbour)
    return int(np.count_nonzero((least < values) & (values < most) & (values > 0) & (values < VOID)))


def _counted(codes: NDArray[np.int32]) -> dict[int, int]:
    """How often each code occurs. Sorting the pixels of a large mask takes a second, counting them a tenth of it."""
    if codes.max(initial=0) < 1 << 16 or codes.size > MOST_SORTED:
        times = np.bincount(codes.ravel())
        values = np.flatnonzero(times)
        return dict(zip(values.tolist(), times[values].tolist(), strict=True))
    found, times = np.unique(codes, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))


def _grey(code: int) -> bool:
    return code == (code & 255) * 0x010101


def _palettes_differ(looks: Sequence[_Look]) -> bool:
    """Whether a number that occurs has another colour in one mask than in another."""
    known: dict[int, int] = {}
    for look in looks:
        colours = look.palette or {}
        if any(
            known.setdefault(number, colours[number]) != colours[number] for number in look.counts if number in colours
        ):
            return True
    return False


def _stop_if_many(count: int, coloured: bool, cell: Any) -> None:
    """Raise DataError where masks without a legend hold more values than masks of classes do."""
    most = MOST_COLOURS if coloured else MOST_CLASSES + 1
    if count > most:
        raise too_many(most, coloured, cell)


def too_many(most: int, coloured: bool, cell: Any) -> DataError:
    """What is wrong with masks of more values than there can be classes; cell: one of them, or None."""
    return DataError(
        f"the masks hold more than {most} different {'colours' if coloured else 'numbers'}, so they are no masks of classes, "
        "or were resized with smoothing or saved with loss",
        where=str(cell) if isinstance(cell, MaskFile) else "",
        repair="give masks with one value per class, or a legend beside them (class_dict.csv with name,r,g,b)",
    )


def _stop_if_smoothed(counts: Mapping[int, int], coloured: bool, slopes: int) -> None:
    """Raise DataError where black-and-white masks have shades of grey along their borders."""
    between = [code for code in counts if 0 < code < VOID]
    if coloured or 0 not in counts or VOID not in counts or max(counts) > VOID or _numbering(between):
        return
    pixels = sum(counts[code] for code in between)
    share = pixels / sum(counts.values())
    few = max((limit for least, limit in FEW_PIXELS.items() if len(between) >= least), default=0.0)
    sloping = len(between) > 1 and slopes >= SLOPE * pixels
    if share < few or sloping or (len(between) > SHADES and share < 0.5):
        raise DataError(
            f"the masks are black and white (0 and 255) with {len(between)} other values in {share:.2%} of their pixels: they "
            "were resized with smoothing or saved with loss, so which class these pixels are is not known",
            repair="make the masks again without smoothing (nearest), or set values from 128 on to 255 and the others to 0; "
            "where each value is a class, put a legend beside them (classes.txt with lines such as `128: rim`)",
        )


def _numbering(numbers: Sequence[int]) -> bool:
    """Whether these are classes counted from 0 or 1 on, a few of which may not occur, rather than shades of grey."""
    top = max(numbers, default=0)
    return len(numbers) > 1 and (top < SMALL_NUMBERS or (top < LARGE_NUMBERS and 2 * len(numbers) >= top))


def named(seen: Seen, legend: Legend) -> dict[str, str]:
    """Pixel -> class, by the legend, by what everybody knows of Pascal VOC, or each pixel by itself."""
    if {*legend.names} == {"0", "1"} and not legend.void and {VOID} <= {*seen.counts} <= {0, VOID}:
        return {"255" if pixel == "1" else pixel: called for pixel, called in legend.names.items()}
    known = legend.names or {"0": "background", "1": "foreground"}
    if seen.bits and {*seen.counts} == {0, 1, VOID} and "1" in known and "255" not in legend.void:
        return {**known, "255": known["1"]}  # what is 1 in files of eight bits is 255 in those of one
    if legend.names:
        return dict(legend.names)
    if seen.coloured:
        colours = dict(zip(VOC_COLOURS, VOC_NAMES, strict=True))
        if len(seen.pixels) > 2 and {*seen.pixels} <= {*VOC_COLOURS, VOC_VOID}:
            return {p: n for p, n in colours.items() if p in seen.pixels}
    elif _voc_palette(seen):
        return {str(place): called for place, called in enumerate(VOC_NAMES)}
    return {p: p for p in seen.pixels}


def _voc_palette(seen: Seen) -> bool:
    """Whether numbers with a palette are those of Pascal VOC."""
    own = [seen.palette.get(i) for i in range(len(VOC_COLOURS))]
    return own == list(VOC_COLOURS) and {*seen.counts} <= {*range(len(VOC_COLOURS)), VOID}


def own_void(seen: Seen, names: dict[str, str]) -> set[str]:
    """Pixels that are void though no legend says so, taken out of `names` where they are called by their own number.

    255 is, beside numbers that count classes: of 0, 128 and 255 it is a class like the others.
    """
    pixel = VOC_VOID if seen.coloured else str(VOID)
    others = {*seen.pixels} - {pixel}
    if names.get(pixel, pixel) != pixel or pixel not in seen.pixels:
        return set()
    if seen.coloured and not others <= {*VOC_COLOURS}:
        return set()
    if not seen.coloured and (others <= {"0"} or (pixel in names and not _numbering([int(p) for p in others]))):
        return set()
    names.pop(pixel, None)
    return {pixel}


def meant(word: str, names: Mapping[str, str], seen: Seen) -> set[str]:
    """The pixels that the user calls void: one, or all of a class. Raises ConfigError for what is neither of these masks."""
    pixel = word.lower() if word.startswith("#") else word
    if pixel in names or pixel in seen.pixels:
        return {pixel}
    called = {p for p, n in binary(names).items() if n.lower() == word.lower()}
    if called:
        return called
    if mask_pixels.is_pixel(pixel) and pixel.startswith("#") == seen.coloured:
        return {pixel}
    known = [*names.values(), *names]
    raise ConfigError(f"void={word!r} is neither a class nor a pixel of these masks{nearest(word, known)}")


def binary(names: Mapping[str, str]) -> dict[str, str]:
    """Two classes 0 and 1, or 0 and 255, are called background and foreground where they have no names."""
    if list(names) in (["0", "1"], ["0", "255"]) and list(names) == list(names.values()):
        return dict(zip(names, ("background", "foreground"), strict=True))
    return dict(names)


def positive(classes: Sequence[str], pixels: Sequence[str]) -> int:
    """Which of two classes is looked for: the one that is not called background or the like, or is not black.

    pixels: of each class, one. Where neither name nor pixel tells: the second.
    """
    for is_ground in ([c.strip().lower() in BACKGROUND for c in classes], [p in ("0", "#000000") for p in pixels]):
        if sum(is_ground) == 1:
            return is_ground.index(False)
    return 1
