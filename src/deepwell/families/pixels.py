"""Pictures that are answered pixel by pixel: what a network is trained on, and how a picture of any size is answered.

Unusual: there are two sorts of examples. Training and choosing see windows of one size, each somewhere in a picture, drawn anew
every time; what a window shows beyond a small picture's border is its mean colour, and void. Calibration, proof and
questions see whole pictures, padded to the largest of a batch, with the truth in its original size. A picture of up to
twice a window's area is answered whole, a larger one in windows that overlap (decoding/tiles.py), so the memory that a
network takes does not grow with the picture. Each picture is answered by itself: no answer depends on what is asked beside it.

    windows    image (n, c, H, W) uint8; mask (n, H, W) uint8, class indices, VOID
    pictures   image (n, c, h, w) uint8 and image.held (n, 2) the part of it that is the picture; image.size (n, 2) its original
               (height, width); mask (n, h', w') in original size, where there is a truth
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, EncodedColumn, IntArray, Ragged
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Runner
from deepwell.core.table import Part, Table
from deepwell.core.task import Pipeline
from deepwell.data.fields import flat
from deepwell.data.pipeline import encode
from deepwell.decoding.tiles import stripes
from deepwell.metrics.segmentation import VOID

WHOLE = 2.0
"""Windows' areas up to which a picture is answered whole."""
OVERLAP = 4
"""Windows share one part in so many of their side."""
MOST_AT_ONCE = 1 << 20
"""Pixels of windows that a network answers at once."""
MOST_BATCH = 1 << 25
"""Pixels of the pictures and masks of a batch, padding included."""
MOST_HELD = 1 << 29
"""Bytes of encoded questions that are held; beyond that each picture is read once more when its turn comes."""
COST = 1 << 7
"""Pixels that cost one: 24 questions of 480 x 360 go together."""
CHUNK = 8
MOST_LISTED = 1 << 24
"""Values of an enlarged answer that are made at a time."""

Shape = tuple[int, int]


@dataclass(frozen=True)
class Held:
    """A Reshape: masks in the size in which their pictures are read, the nearest pixel; or, with `full`, as they are.

    Both give `mask.size` (rows, 2), the mask's own (height, width).
    """

    image: str
    mask: str
    full: bool

    def __call__(self, columns: Mapping[str, EncodedColumn]) -> dict[str, EncodedColumn]:
        """See Reshape."""
        found = dict(columns)
        pictures, masks = columns[self.image], columns.get(self.mask)
        if not isinstance(pictures, Ragged) or not isinstance(masks, Ragged):
            return found
        found[f"{self.mask}.size"] = np.array([flat.size(masks, row) for row in range(len(masks))]).reshape(-1, 2)
        if not self.full:
            sizes = [flat.size(pictures, row) for row in range(len(pictures))]
            found[self.mask] = flat.pack([nearest(flat.unpack(masks, row), size) for row, size in enumerate(sizes)])
        return found

    def key(self) -> str:
        """See Reshape."""
        return f"{self.image} {self.mask} {self.full}"


def nearest(mask: NDArray[np.uint8], size: Shape) -> NDArray[np.uint8]:
    """A mask (h, w) in another size, each pixel from the nearest one."""
    if mask.shape == size or not mask.size or 0 in size:
        return mask
    lines, places = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(size, mask.shape, strict=True))
    return mask[np.ix_(lines, places)]


def encoded(part: Part, pipeline: Pipeline, image: str, mask: str, full: bool) -> Encoded:
    """The rows of a part; masks of another size than their pictures are problems of their rows."""
    found = encode(pipeline, part.rows, Held(image, mask, full), targets=part.name != "predict")
    own = found.columns.get(f"{mask}.size")
    size = found.columns[f"{image}.size"]
    if not isinstance(own, np.ndarray) or not isinstance(size, np.ndarray):
        return found
    good = (own == size).all(axis=1)
    if good.all():
        return found
    problems = dict(found.problems)
    for place in np.flatnonzero(~good):
        problems[int(found.rows[place])] = _mismatch(mask, size[place], own[place])
    kept = np.flatnonzero(good)
    columns = {n: c.take(kept) if isinstance(c, Ragged) else c[kept] for n, c in found.columns.items()}
    return Encoded(columns, found.rows[kept], dict(sorted(problems.items())))


def _mismatch(mask: str, size: IntArray, own: IntArray) -> str:
    (height, width), (high, wide) = size.tolist(), own.tolist()
    text = f"column {mask!r}: the picture has {width} x {height} pixels, its mask {wide} x {high}"
    if width * high == height * wide:
        return f"{text}: same shape, so one of them was resized; resize the mask without smoothing (nearest)"
    if (width, height) == (high, wide):
        return f"{text}: one of them is turned"
    return f"{text}: another shape, so it is no mask of this picture, or one of them was cut"


class Windows(Examples):
    """Windows of one size, one in each picture; see the top of this file. Where all pictures have that size: slices."""

    def __init__(self, found: Encoded, image: str, mask: str, window: Shape) -> None:
        self.count, self.rows, self.problems = len(found.rows), found.rows, found.problems
        self._names, self._window = (image, mask), window
        pictures, masks = found.columns[image], found.columns[mask]
        if not isinstance(pictures, Ragged) or not isinstance(masks, Ragged):
            raise TypeError("pictures and masks of any size are ragged")
        self._pictures, self._masks = pictures, masks
        if self.count and all(flat.size(pictures, row) == window for row in range(self.count)):
            shape = flat.unpack(pictures, 0).shape
            channels = (1, *shape) if len(shape) == 2 else shape
            self.columns = {image: _dense(pictures, channels), mask: _dense(masks, window)}

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples. Where a window lies comes from key.fold(example)."""
        cut = [self._cut(int(row), key.fold(int(row))) for row in index]
        arrays = {name: np.stack([pair[i] for pair in cut]) for i, name in enumerate(self._names)}
        return Batch(arrays, index)

    def _cut(self, row: int, key: Key) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        picture, mask = flat.unpack(self._pictures, row), flat.unpack(self._masks, row)
        picture = picture[None] if picture.ndim == 2 else picture
        if mask.shape == self._window:
            return picture, mask
        draws = key.numpy().random(2)
        (there, high), (left, wide) = (_place(n, m, d) for n, m, d in zip(mask.shape, self._window, draws, strict=True))
        shown, classes = picture[:, there, left], mask[there, left]
        if shown.shape[1:] == self._window:
            return shown, classes
        empty = picture.reshape(len(picture), -1).mean(axis=1).astype(np.uint8)
        frame = np.broadcast_to(empty[:, None, None], (len(picture), *self._window)).copy()
        around = np.full(self._window, VOID, np.uint8)
        frame[:, high, wide], around[high, wide] = shown, classes
        return frame, around


def _dense(packed: Ragged, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Pictures of one shape as one array (n, *shape), a view."""
    return packed.values.reshape(len(packed), -1)[:, flat.HEAD :].reshape(len(packed), *shape)


def _place(length: int, window: int, draw: float) -> tuple[slice, slice]:
    """Which places of a picture a window shows along one axis, and where in the window they stand."""
    first = int(draw * (abs(length - window) + 1))
    if length >= window:
        return slice(first, first + window), slice(0, window)
    return slice(0, length), slice(first, first + length)


class Pictures(Examples):
    """Whole pictures; see the top of this file. Questions that take much memory are encoded again for each batch."""

    def __init__(self, part: Part, pipeline: Pipeline, image: str, mask: str) -> None:
        self._image, self._mask = image, mask
        self._again: Callable[[IntArray], Mapping[str, EncodedColumn]] | None = None
        found = (
            self._questions(part, pipeline) if part.name == "predict" else encoded(part, pipeline, image, mask, True)
        )
        self.count, self.rows, self.problems = len(found.rows), found.rows, found.problems
        self._columns = found.columns
        self._held = np.asarray(found.columns[f"{image}.held"] if self._again else _sizes(found.columns[image]))
        original = np.asarray(found.columns[f"{image}.size"])
        self._both = np.concatenate([self._held, original], axis=1)
        self.costs = np.maximum(self._held.prod(axis=1), original.prod(axis=1)) / COST + 1.0

    def _questions(self, part: Part, pipeline: Pipeline) -> Encoded:
        """All questions encoded, or, where that takes too much memory, their sizes only."""
        rows, problems, sizes, held = list[int](), dict[int, str](), list[IntArray](), list[IntArray]()
        kept, total = list[Mapping[str, EncodedColumn]](), 0
        for start in range(0, len(part.rows), CHUNK):
            chunk = np.arange(start, min(start + CHUNK, len(part.rows)))
            some = encoded(Part("predict", part.rows.take(chunk)), pipeline, self._image, self._mask, True)
            rows += (some.rows + start).tolist()
            problems |= {start + row: why for row, why in some.problems.items()}
            sizes.append(np.asarray(some.columns[f"{self._image}.size"]))
            held.append(_sizes(some.columns[self._image]))
            total += _ragged(some.columns[self._image]).values.nbytes
            kept = [*kept, some.columns] if total <= MOST_HELD else []
        columns: dict[str, EncodedColumn] = {
            f"{self._image}.size": np.concatenate([np.zeros((0, 2), np.int32), *sizes])
        }
        if total > MOST_HELD:
            self._again = lambda index: _encode_again(part.rows, pipeline, np.array(rows)[index])
            columns[f"{self._image}.held"] = np.concatenate(held)
        else:
            columns[self._image] = _joined([_ragged(c[self._image]) for c in kept])
        return Encoded(columns, np.array(rows, np.int64), problems)

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        columns, places = (self._columns, index) if self._again is None else (self._again(index), np.arange(len(index)))
        pictures = [_with_channels(flat.unpack(_ragged(columns[self._image]), int(row))) for row in places]
        arrays = {
            self._image: _padded(pictures, 0),
            f"{self._image}.held": self._held[index],
            f"{self._image}.size": np.asarray(columns[f"{self._image}.size"])[places],
        }
        if self._mask in columns:
            masks = [flat.unpack(_ragged(columns[self._mask]), int(row)) for row in places]
            arrays[self._mask] = _padded(masks, VOID)
        return Batch(arrays, index)

    def batches(self, size: int, key: Key) -> Iterator[Batch]:
        """See Examples; no batch holds more than MOST_BATCH pixels, padding included, unless one picture does."""
        start = 0
        while start < len(self._both):
            high, wide, high_before, wide_before = np.maximum.accumulate(
                self._both[start : start + size].astype(float)
            ).T
            padded = np.maximum(high * wide, high_before * wide_before) * np.arange(1, len(high) + 1)
            end = start + max(1, int(np.count_nonzero(padded <= MOST_BATCH)))
            yield self.take(np.arange(start, end), key)
            start = end


def _encode_again(rows: Table, pipeline: Pipeline, index: IntArray) -> Mapping[str, EncodedColumn]:
    """The columns of some questions that were usable before. Raises DataError where one has changed since."""
    different, place = np.unique(index, return_inverse=True)
    found = pipeline.encode(rows.take(different), targets=False)
    if found.problems:
        row, why = next(iter(found.problems.items()))
        raise DataError(
            f"this picture changed while it was being answered: {why}", where=rows.where(int(different[row]))
        )
    return {n: c.take(place) if isinstance(c, Ragged) else c[place] for n, c in found.columns.items()}


def _ragged(column: EncodedColumn) -> Ragged:
    if not isinstance(column, Ragged):
        raise TypeError("pictures and masks of any size are ragged")
    return column


def _sizes(column: EncodedColumn) -> IntArray:
    """(n, 2): the (height, width) in which pictures are read."""
    packed = _ragged(column)
    return np.array([flat.size(packed, row) for row in range(len(packed))], np.int64).reshape(-1, 2)


def _joined(pieces: list[Ragged]) -> Ragged:
    """Ragged columns end to end."""
    lengths = np.concatenate([np.zeros(0, np.int64), *(piece.lengths for piece in pieces)])
    values = np.concatenate([np.zeros(0, np.uint8), *(piece.values for piece in pieces)])
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _with_channels(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture[None] if picture.ndim == 2 else picture


def _padded(arrays: list[NDArray[np.uint8]], empty: int) -> NDArray[np.uint8]:
    """Arrays (..., h, w) of various sizes as one, `empty` below and to the right of smaller ones."""
    high, wide = np.max([a.shape[-2:] for a in arrays], axis=0)
    whole = np.full((len(arrays), *arrays[0].shape[:-2], high, wide), empty, np.uint8)
    for row, one in enumerate(arrays):
        whole[row, ..., : one.shape[-2], : one.shape[-1]] = one
    return whole


@dataclass(frozen=True)
class Asked:
    """How pictures are answered. image, output: names of the network's input and of its logits. window: (height, width)."""

    image: str
    output: str
    window: Shape

    def answer(self, runner: Runner, picture: NDArray[np.uint8], size: Shape) -> tuple[NDArray[np.uint8], float]:
        """The class of each pixel in the original size (h', w') uint8, and the mean probability of these classes.

        picture: (c, h, w) as it is read. size: its original (height, width).
        """
        held = (picture.shape[1], picture.shape[2])
        whole = held[0] * held[1] <= WHOLE * self.window[0] * self.window[1]
        frame = held if whole else (min(held[0], self.window[0]), min(held[1], self.window[1]))

        def ask(corners: list[Shape]) -> NDArray[np.float32]:
            windows = np.stack([picture[:, top : top + frame[0], left : left + frame[1]] for top, left in corners])
            step = max(1, MOST_AT_ONCE // (frame[0] * frame[1]))
            return np.concatenate([self._ask(runner, windows[i : i + step]) for i in range(0, len(windows), step)])

        pieces = stripes(held, frame, min(frame) // OVERLAP, ask)
        if held != size:
            pieces = enlarged(pieces, held, size)
        found, sure = np.empty(size, np.uint8), 0.0
        for top, values in pieces:
            best = values.argmax(axis=0)
            found[top : top + len(best)] = best
            sure += float(np.take_along_axis(values, best[None], 0).sum(dtype=np.float64))
        return found, sure / found.size

    def _ask(self, runner: Runner, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (m, K, h, w) of windows (m, c, h, w)."""
        logits = runner.run("forward", {self.image: windows})[0][self.output].astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits


def enlarged(
    pieces: Iterable[tuple[int, NDArray[np.float32]]], held: Shape, size: Shape
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Stripes of values (K, lines, w) of a picture `held` bilinearly in another size: (first line, (K, lines, width)).

    Both from the top down. Of the stripes before only the last line is kept, so memory does not grow with the picture's
    height. Pixels are squares: the corners of both pictures meet, not the middles of their corner pixels.
    """
    (above, below, down), (left, right, along) = (_between(n, m) for n, m in zip(held, size, strict=True))
    top, kept = 0, None
    for first, found in pieces:
        values = found if kept is None else np.concatenate([kept, found], axis=1)
        start = first if kept is None else first - 1
        last = int(np.searchsorted(below, first + found.shape[1]))
        step = max(1, MOST_LISTED // (len(values) * size[1]))
        while top < last:
            lines = slice(top, min(top + step, last))
            share = down[lines, None]
            rows = values[:, above[lines] - start] * (1 - share) + values[:, below[lines] - start] * share
            yield top, np.asarray(rows[:, :, left] * (1 - along) + rows[:, :, right] * along, np.float32)
            top = lines.stop
        kept = found[:, -1:].copy()


def _between(length: int, wanted: int) -> tuple[IntArray, IntArray, NDArray[np.float32]]:
    """(wanted,): the pixels before and after each place of the wanted length, and the share of the latter."""
    places = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
    before = places.astype(np.int64)
    return before, np.minimum(before + 1, length - 1), (places - before).astype(np.float32)
