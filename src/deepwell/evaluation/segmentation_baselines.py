"""Baselines of masks, as Runners of the call `forward`: pictures (n, c, h, w) uint8 of any size -> `MASK.logits` (n, K, h, w).

most_frequent  the class of most pixels, everywhere
place          the class that is most frequent at this place of a picture
colour         logistic regression of each pixel on its colour, the colours around it and its place

Unusual: what is fitted is a sample of the pixels of some training examples, the same number of each picture, because neighbours
say nearly the same; the notes say how many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline

Floats = NDArray[np.float32]
VOID = 255
SMALLEST_SHARE = 1e-4
GRID = 32
"""Places along each side that are told apart."""
MOST_PICTURES = 256
PIXELS = 40_000
"""Pixels that the linear model is fitted on, about 4 s for 11 classes."""
REACHES = (2, 6, 16)
"""Half the sides of the squares whose mean colour is looked at, pixels."""


def most_frequent(image: str, mask: str) -> Baseline:
    """The shares of all training pixels, everywhere."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        counts = np.zeros(len(pipeline.classes(mask)))
        for _, classes in _examples(examples, image, mask, key):
            counts += np.bincount(classes[classes != VOID], minlength=len(counts))
        logits = np.log(np.clip(counts / max(1.0, counts.sum()), SMALLEST_SHARE, 1)).astype(np.float32)

        def answer(picture: NDArray[np.uint8]) -> Floats:
            return np.broadcast_to(logits[:, None, None], (len(logits), *picture.shape[1:]))

        return _runner(image, mask, answer)

    return Baseline("most frequent class", "trivial", fit)


def place(image: str, mask: str) -> Baseline:
    """The shares at each of 32 x 32 places of the training pictures, with one more pixel of the overall shares at each."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        count = len(pipeline.classes(mask))
        counts = np.zeros((GRID * GRID, count))
        for _, classes in _examples(examples, image, mask, key):
            cell = _cells(classes.shape)
            known = classes != VOID
            joint = cell[known] * count + classes[known]
            counts += np.bincount(joint, minlength=counts.size).reshape(counts.shape)
        overall = counts.sum(0) / max(1.0, counts.sum())
        shares = (counts + overall) / (counts.sum(1, keepdims=True) + 1)
        logits = np.log(np.clip(shares, SMALLEST_SHARE, 1)).astype(np.float32)

        def answer(picture: NDArray[np.uint8]) -> Floats:
            return np.moveaxis(logits[_cells((picture.shape[1], picture.shape[2]))], 2, 0)

        return _runner(image, mask, answer)

    return Baseline("most frequent class at each place", "trivial", fit)


def colour(image: str, mask: str) -> Baseline:
    """Logistic regression on colour, mean colours of three squares around, local contrast, and place to the second power."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        count = len(pipeline.classes(mask))
        each = max(1, PIXELS // max(1, min(MOST_PICTURES, examples.count or 1)))
        rows: list[Floats] = []
        truth: list[NDArray[np.uint8]] = []
        for number, (picture, classes) in enumerate(_examples(examples, image, mask, key)):
            known = np.flatnonzero(classes != VOID)
            chosen = known[permutation(len(known), key.fold("pixels", number))[:each]] if len(known) else known
            rows.append(_features(picture).reshape(-1, _width(len(picture)))[chosen])
            truth.append(classes.ravel()[chosen])
        x, y = np.concatenate(rows), np.concatenate(truth)
        if len(np.unique(y)) < 2:
            return most_frequent(image, mask).fit(examples, pipeline, key)  # type: ignore[return-value]
        mean, spread = x.mean(0), x.std(0) + 1e-6
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # an early end makes it a little less sure, no more
            model = LogisticRegression(max_iter=60, tol=1e-3).fit((x - mean) / spread, y)
        weights = np.full((count, x.shape[1] + 1), 0.0, np.float32)
        weights[:, -1] = np.log(SMALLEST_SHARE)  # classes that were never seen
        coefficients = np.column_stack(
            [model.coef_ / spread, model.intercept_ - (model.coef_ * (mean / spread)).sum(1)]
        )
        weights[model.classes_] = (
            np.vstack([-coefficients / 2, coefficients / 2]) if len(model.coef_) == 1 else coefficients
        )

        def answer(picture: NDArray[np.uint8]) -> Floats:
            values = _features(picture)
            return np.moveaxis(values @ weights[:, :-1].T + weights[:, -1], 2, 0)

        note = f"fitted on {len(x):,} pixels of {len(rows):,} training examples, drawn at random"
        return _runner(image, mask, answer, (note,))

    return Baseline("colours", "classical", fit)


def _examples(
    examples: Examples, image: str, mask: str, key: Key
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """(picture (c, h, w), classes (h, w)) of at most MOST_PICTURES training examples, drawn by key."""
    drawn = key.fold("examples")
    for row in np.sort(permutation(examples.count or 0, drawn)[:MOST_PICTURES]):
        arrays = examples.take(np.array([row]), drawn).arrays
        yield arrays[image][0], arrays[mask][0]


def _cells(shape: tuple[int, int]) -> NDArray[np.int64]:
    """(h, w): which of the GRID x GRID places each pixel lies in."""
    lines, places = (np.arange(n) * GRID // n for n in shape)
    return lines[:, None] * GRID + places


def _width(channels: int) -> int:
    """How many features a pixel has."""
    return channels * (1 + len(REACHES)) + len(REACHES) + 5


def _features(picture: NDArray[np.uint8]) -> Floats:
    """(h, w, F): see `colour`; colours 0 to 1, places -1 to 1."""
    values = picture.astype(np.float32) / 255
    grey = values.mean(axis=0, keepdims=True)
    found: list[NDArray[Any]] = [values]
    for reach in REACHES:
        mean = _around(np.concatenate([values, grey, grey * grey]), reach)
        found += [mean[:-2], np.sqrt(np.maximum(mean[-1:] - mean[-2:-1] ** 2, 0))]
    height, width = picture.shape[1:]
    down, along = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    found.append(np.stack([down, along, down * down, along * along, down * along]).astype(np.float32))
    return np.moveaxis(np.concatenate(found), 0, 2)


def _around(values: Floats, reach: int) -> Floats:
    """(c, h, w): the mean of the square around each pixel, cut at the border; by sums over rows, then over columns."""
    for axis in (1, 2):
        length = values.shape[axis]
        sums = np.cumsum(values, axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis=axis)), sums], axis=axis)
        last = np.minimum(np.arange(length) + reach + 1, length)
        first = np.maximum(np.arange(length) - reach, 0)
        shape = [1, 1, 1]
        shape[axis] = length
        values = (np.take(sums, last, axis) - np.take(sums, first, axis)) / (last - first).reshape(shape)
    return values.astype(np.float32)


def _runner(
    image: str, mask: str, answer: Callable[[NDArray[np.uint8]], Floats], notes: tuple[str, ...] = ()
) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[np.float32]], State]:
        return {f"{mask}.logits": np.stack([answer(picture) for picture in arrays[image]])}, state

    return NumpyRunner({"forward": forward}, notes)
