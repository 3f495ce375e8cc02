"""Baselines of object detection, as Runners of the network's call: usual boxes wherever they lie, and blobs told apart by trees.

Both answer `forward` with TARGET.boxes (n, L, 4), edges in working pixels, and TARGET.logits (n, L, K), log odds of each class;
what fills up the L places of a picture has no chance. They read the arrays of families/scenes.py.

Unusual: the trivial one is no single mean box, which would find at most one object of a class. Where training pictures hold
seven cells on average, it answers seven boxes, means of groups of true boxes that lie and look alike, each with the share of
training pictures in which it would have been right. The blob detector takes what differs from each picture's usual colour
(Otsu's threshold, 1979, and one below and above), cuts it into connected pieces and asks a forest of trees what a piece of
this size and colour is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.decoding.suppression import overlaps
from deepwell.evaluation.design import small_pixels

Floats = NDArray[np.float64]
MOST_PICTURES = 2_000
"""Training pictures that are looked at."""
MOST_BOXES = 100
"""Boxes that are answered for a picture; of one class, and in all the largest."""
ROUNDS = 20
GROUPED = 10_000
"""Boxes of a class that are put into groups, drawn at random; each of ROUNDS looks at all of them and all means."""
BATCH = 64
SIDE = 96
"""Rows and columns that a picture is made small to before blobs are looked for."""
LEVELS = (0.5, 1.0, 1.5)
"""Thresholds, as parts of Otsu's: what touches at one is apart at a higher one."""
LEAST_PIXELS = 4
"""Of a small picture: pieces of fewer are noise."""
FAINT = 0.02
"""Of the full range: what differs less from the usual colour is noise."""
TREES = 100
HALF = 0.5
"""The overlap from which a box counts as found."""
NO_CHANCE, SURE = -16.0, 0.999


@dataclass(frozen=True)
class _Truth:
    """The true boxes of some pictures that are to be found: boxes (m, 4) working pixels, labels and rows (m,)."""

    boxes: Floats
    labels: IntArray
    rows: IntArray
    pictures: int

    @staticmethod
    def of(arrays: Arrays, picture: str, target: str) -> _Truth:
        keep = arrays[f"{target}.ignore"] == 0
        return _Truth(
            arrays[target][keep].astype(np.float64), arrays[f"{target}.label"][keep].astype(np.int64),
            arrays[f"{target}.row"][keep].astype(np.int64), len(arrays[picture]),
        )  # fmt: skip


def _sampled(examples: Examples, key: Key) -> tuple[IntArray, tuple[str, ...]]:
    """The training pictures that are looked at, and a note where these are not all. Raises DataError if there are none."""
    if not examples.count:
        raise DataError("a baseline needs training examples that can be counted; there are none")
    if examples.count <= MOST_PICTURES:
        return np.arange(examples.count), ()
    note = f"fitted on {MOST_PICTURES:,} of {examples.count:,} pictures, drawn at random, to bound time and memory"
    return np.sort(permutation(examples.count, key.fold("sample"))[:MOST_PICTURES]), (note,)


# usual boxes ---------------------------------------------------------------------------------------------------------
def mean_box(picture: str, target: str) -> Baseline:
    """For each class the boxes that are usual in training, as many as a picture that has the class holds on average."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        chosen, notes = _sampled(examples, key)
        truth = _joined(_Truth.of(examples.take(rows, key).arrays, picture, target) for rows in _pieces(chosen))
        classes = len(pipeline.classes(target))
        boxes, logits = np.zeros((0, 4)), np.zeros((0, classes))
        for label in range(classes):
            found, shares = _usual(truth, label, key.fold("usual", label))
            odds = np.full((len(found), classes), NO_CHANCE)
            odds[:, label] = _log_odds(shares)
            boxes, logits = np.concatenate([boxes, found]), np.concatenate([logits, odds])

        def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
            n = len(arrays[picture])
            return {f"{target}.boxes": _each(boxes, n), f"{target}.logits": _each(logits, n)}, state

        return NumpyRunner({"forward": forward}, notes)

    return Baseline("mean box", "trivial", fit)


def _joined(pieces: Any) -> _Truth:
    """The truths of all pieces, pictures numbered on."""
    found, start, rows = [], 0, []
    for piece in pieces:
        found.append(piece)
        rows.append(piece.rows + start)
        start += piece.pictures
    boxes, labels = np.concatenate([p.boxes for p in found]), np.concatenate([p.labels for p in found])
    return _Truth(boxes, labels, np.concatenate(rows), start)


def _usual(truth: _Truth, label: int, key: Key) -> tuple[Floats, Floats]:
    """Usual boxes of a class (k, 4), and the share of pictures in which each overlaps a true one by half (k,).

    Groups of at most GROUPED boxes by Lloyd's algorithm (1982), from boxes drawn at random; those without a member go.
    """
    mine = truth.labels == label
    boxes, rows = truth.boxes[mine], truth.rows[mine]
    if not len(boxes):
        return np.zeros((0, 4)), np.zeros(0)
    wanted = int(np.clip(round(len(boxes) / len(np.unique(rows))), 1, MOST_BOXES))
    drawn = permutation(len(boxes), key)
    centres, some = boxes[np.sort(drawn[:wanted])], boxes[np.sort(drawn[:GROUPED])]
    for _ in range(ROUNDS):
        nearest = ((centres**2).sum(axis=1) - 2.0 * some @ centres.T).argmin(axis=1)
        members = np.unique(nearest)
        centres = np.stack([some[nearest == member].mean(axis=0) for member in members])
    hits = (overlaps(one[None], boxes)[0] >= HALF for one in centres)
    return centres, np.array([len(np.unique(rows[hit])) / truth.pictures for hit in hits])


def _each(values: Floats, count: int) -> NDArray[np.float32]:
    return np.tile(values.astype(np.float32), (count, 1, 1))


def _log_odds(chances: Floats) -> Floats:
    """Log odds, kept within what a sigmoid tells apart."""
    bounded = np.clip(chances, 1 / (1 + np.exp(-NO_CHANCE)), SURE)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float64)


# blobs ---------------------------------------------------------------------------------------------------------------
def blobs(picture: str, target: str) -> Baseline:
    """Connected pieces that differ from the picture's usual colour, classified by a random forest on size and colour.

    Its notes say how many of the true boxes of training a piece fits: where few do, blobs do not apply.
    """

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.ensemble import RandomForestClassifier

        chosen, notes = _sampled(examples, key)
        classes = len(pipeline.classes(target))
        features, labels, fitting, wanted = [], [], 0, 0
        for rows in _pieces(chosen):
            arrays = examples.take(rows, key).arrays
            found, truth = find_blobs(arrays[picture]), _Truth.of(arrays, picture, target)
            named, seen = _named(found, truth, classes)
            features.append(found.features)
            labels.append(named)
            fitting, wanted = fitting + seen, wanted + len(truth.boxes)
        notes = (*notes, f"a blob fits {fitting:,} of the {wanted:,} true boxes of training")
        model = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=key.fold("blobs").seed % 2**31)
        known, truths = np.concatenate(features), np.concatenate(labels)
        fitted = model.fit(known, truths) if len(known) else None

        def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
            n = len(arrays[picture])
            every = [find_blobs(arrays[picture][rows]) for rows in _pieces(np.arange(n))]
            return _answered(every, n, fitted, classes, target), state

        return NumpyRunner({"forward": forward}, notes)

    return Baseline("blobs", "classical", fit)


@dataclass(frozen=True)
class Blobs:
    """Pieces of some pictures: boxes (m, 4) working pixels, features (m, F), rows (m,) the picture of each."""

    boxes: Floats
    features: Floats
    rows: IntArray
    pictures: int


def find_blobs(images: NDArray[np.uint8]) -> Blobs:
    """The pieces of pictures (n, c, h, w), at most MOST_BOXES of each, the largest first.

    Features: log of width, height and area in small pixels, share of its box that a piece fills, its mean colour, and that
    minus the picture's usual one.
    """
    n, channels, height, width = images.shape
    down, across = min(SIDE, height), min(SIDE, width)
    small = small_pixels(images, SIDE).reshape(n, channels, down, across).astype(np.float64)
    usual = np.median(small, axis=(2, 3))
    apart = np.sqrt(((small - usual[:, :, None, None]) ** 2).sum(axis=1))
    threshold = _otsu(apart)
    levels = np.concatenate([apart > np.maximum(level * threshold, FAINT)[:, None, None] for level in LEVELS])
    labels, count = pieces(levels)
    picture, row, column = np.nonzero(labels >= 0)
    label, picture = labels[picture, row, column], picture % n
    areas = np.bincount(label, minlength=count).astype(np.float64)
    edges = np.empty((count, 4))
    owner = np.zeros(count, np.int64)
    owner[label] = picture
    for place, values in ((0, column), (1, row)):
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, label, values)
        np.maximum.at(high, label, values + 1)
        edges[:, place], edges[:, place + 2] = low, high
    sums = np.stack([np.bincount(label, small[picture, c, row, column], count) for c in range(channels)], 1)
    colour = sums / np.maximum(areas, 1)[:, None]
    sides = edges[:, 2:] - edges[:, :2]
    features = np.concatenate(
        [np.log(np.maximum(sides, 1)), np.log(np.maximum(areas, 1))[:, None], (areas / sides.prod(axis=1))[:, None],
         colour, colour - usual[owner]], axis=1,
    )  # fmt: skip
    order = np.lexsort((-areas, owner))
    rank = np.arange(count) - np.searchsorted(owner[order], owner[order])
    kept = order[(rank < MOST_BOXES) & (areas[order] >= LEAST_PIXELS)]
    scale = np.array([width / across, height / down] * 2)
    return Blobs(edges[kept] * scale, features[kept], owner[kept], n)


def pieces(inside: NDArray[np.bool_]) -> tuple[IntArray, int]:
    """Connected pieces (by shared sides) of masks (n, h, w): (n, h, w) number of the piece, -1 outside, and how many."""
    from scipy.ndimage import label  # type: ignore[import-untyped]

    sides = np.zeros((3, 3, 3), np.bool_)
    sides[1, 1, :] = sides[1, :, 1] = True  # no neighbours in other masks
    found, count = label(inside, sides)
    return found.astype(np.int64) - 1, int(count)


def _otsu(values: Floats) -> Floats:
    """(n,): for each of (n, h, w) the threshold that parts its values best into two groups (Otsu 1979)."""
    found = np.empty(len(values))
    for i, one in enumerate(values):
        counts, edges = np.histogram(one, 64)
        middle = (edges[:-1] + edges[1:]) / 2
        weight, mass = np.cumsum(counts)[:-1].astype(np.float64), np.cumsum(counts * middle)[:-1]
        rest = one.size - weight
        apart = mass / np.maximum(weight, 1) - ((counts * middle).sum() - mass) / np.maximum(rest, 1)
        found[i] = edges[1 + int(np.argmax(weight * rest * apart**2))]
    return found


def _named(found: Blobs, truth: _Truth, classes: int) -> tuple[IntArray, int]:
    """(m,): the class of the true box that each blob overlaps most, `classes` for none by half; and how many boxes one fits."""
    labels, fitting = np.full(len(found.boxes), classes, np.int64), 0
    for row in range(truth.pictures):
        mine, true = np.flatnonzero(found.rows == row), np.flatnonzero(truth.rows == row)
        if not len(mine) or not len(true):
            continue
        overlap = overlaps(found.boxes[mine], truth.boxes[true])
        good = overlap.max(axis=1) >= HALF
        labels[mine[good]] = truth.labels[true[overlap.argmax(axis=1)]][good]
        fitting += int((overlap >= HALF).any(axis=0).sum())
    return labels, fitting


def _answered(every: list[Blobs], n: int, model: Any, classes: int, target: str) -> dict[str, NDArray[Any]]:
    """The outputs for n pictures: each with its blobs first, then places without a chance."""
    longest = max((int(np.bincount(b.rows, minlength=1).max()) for b in every), default=0)
    boxes = np.zeros((n, max(longest, 1), 4), np.float32)
    logits = np.full((n, max(longest, 1), classes), NO_CHANCE, np.float32)
    start = 0
    for found in every:
        if len(found.rows) and model is not None:
            place = np.arange(len(found.rows)) - np.searchsorted(found.rows, found.rows)
            chances = np.zeros((len(found.rows), classes + 1))
            chances[:, model.classes_] = model.predict_proba(found.features)
            boxes[found.rows + start, place] = found.boxes
            logits[found.rows + start, place] = _log_odds(chances[:, :classes])
        start += found.pictures
    return {f"{target}.boxes": boxes, f"{target}.logits": logits}


def _pieces(rows: IntArray) -> list[IntArray]:
    """Indices in batches, at least one."""
    return [rows[start : start + BATCH] for start in range(0, max(len(rows), 1), BATCH)]
