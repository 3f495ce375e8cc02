"""Non-maximum suppression: of boxes of one class that overlap, the one with the highest score stays.

Unusual: greedy and exact, yet without a loop over boxes. Boxes in order of their scores are taken a block at a time. Inside the
block the greedy rule is solved as a fixed point: "a box stays if no staying box before it overlaps it", asked again until
nothing changes, settles the box at place k after at most k + 1 rounds and mostly after three. Of the boxes behind the block,
those that overlap what stays go at once. Boxes of other classes are told apart by their label, not by moving them far away, which
would round their edges.

Boxes are (left, top, right, bottom), edges not pixel centres. Legend: m boxes, n pictures, L places, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray

Floats = NDArray[np.float64]
BLOCK, CHUNK = 32, 512
"""Boxes whose order is settled at once, and boxes of which those that go are found at once."""
CANDIDATES = 1000
"""Of one picture, the boxes with the highest scores that suppression looks at."""


@dataclass(frozen=True)
class Found:
    """The objects of one picture, best first: boxes (m, 4), scores (m,), labels (m,) class indices."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: IntArray


def areas(boxes: NDArray[np.floating]) -> Floats:
    """(..., 4) -> (...,) float64; 0 for boxes whose edges are reversed."""
    edges = np.asarray(boxes, np.float64)
    sides = np.maximum(edges[..., 2:] - edges[..., :2], 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float64)


def common(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """The area that each of a (m, 4) shares with each of b (k, 4): (m, k) float64."""
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    sides = []
    for low, high in ((0, 2), (1, 3)):
        side = np.minimum(one[:, high, None], other[:, high])
        side -= np.maximum(one[:, low, None], other[:, low])
        sides.append(np.maximum(side, 0.0, out=side))
    return np.asarray(sides[0] * sides[1], np.float64)


def overlaps(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """Intersection over union of each of a (m, 4) with each of b (k, 4): (m, k) float64, 0 where both have no area."""
    both = common(a, b)
    union = np.add.outer(areas(a), areas(b))
    union -= both
    return np.asarray(np.divide(both, union, out=both, where=union > 0), np.float64)


def suppress(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], labels: IntArray, threshold: float, most: int
) -> IntArray:
    """The indices of the boxes that stay, best first, at most `most`.

    boxes (m, 4), scores (m,), labels (m,). A box goes if one of its class that stays has a higher score (of equal ones: comes
    first) and overlaps it by more than `threshold` (intersection over union).
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable").astype(np.int64)
    edges, named = np.asarray(boxes, np.float64)[order], labels[order]
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), CHUNK):
        rest = np.arange(start, min(start + CHUNK, len(order)))
        rest = _without(edges, named, kept, rest, threshold) if start else rest
        while len(rest) and len(kept) < most:
            stays = _greedy(edges, named, rest[:BLOCK], threshold)
            rest = _without(edges, named, stays, rest[BLOCK:], threshold)
            kept = np.concatenate([kept, stays])
        if len(kept) >= most:
            break
    return order[kept[:most]]


def _without(
    boxes: NDArray[np.floating], labels: IntArray, kept: IntArray, rest: IntArray, threshold: float
) -> IntArray:
    """What of the rest no kept box suppresses."""
    return rest[~_conflicts(boxes, labels, kept, rest, threshold).any(axis=0)]


def _greedy(boxes: NDArray[np.floating], labels: IntArray, block: IntArray, threshold: float) -> IntArray:
    """What of a block, best first, stays: the fixed point of the rule at the top of this file."""
    before = np.triu(_conflicts(boxes, labels, block, block, threshold), 1)
    stays: NDArray[np.bool_] = np.ones(len(block), np.bool_)
    while True:
        settled: NDArray[np.bool_] = np.logical_not(before[stays].any(axis=0))
        if (settled == stays).all():
            return block[stays]
        stays = settled


def _conflicts(
    boxes: NDArray[np.floating], labels: IntArray, first: IntArray, second: IntArray, threshold: float
) -> NDArray[np.bool_]:
    """(first, second): which boxes are of one class and overlap by more than the threshold."""
    alike = labels[first][:, None] == labels[second][None, :]
    return np.asarray(alike & (overlaps(boxes[first], boxes[second]) > threshold), np.bool_)


def detections(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], smallest: float, overlap: float, most: int
) -> list[Found]:
    """The objects of each picture, from what a network says of its places.

    boxes: (n, L, 4). scores: (n, L, K) of each class by itself, so that one place may hold objects of two classes. smallest:
    scores below it are no object, and neither are boxes without area. overlap: the threshold of `suppress`. most: objects of
    a picture.
    """
    found = []
    for picture in range(len(boxes)):
        place, label = np.nonzero((scores[picture] >= smallest) & (areas(boxes[picture]) > 0)[:, None])
        score = scores[picture][place, label]
        if len(score) > CANDIDATES:
            best = np.argsort(-score, kind="stable")[:CANDIDATES]
            place, label, score = place[best], label[best], score[best]
        kept = suppress(boxes[picture][place], score, label.astype(np.int64), overlap, most)
        chosen = boxes[picture][place[kept]].astype(np.float32)
        found.append(Found(chosen, score[kept].astype(np.float32), label[kept].astype(np.int64)))
    return found
