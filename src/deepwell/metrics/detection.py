"""Metrics of found objects: average precision and recall as the COCO challenge defines them (Lin et al. 2014, arXiv:1405.0312).

How answers count. Boxes are found at ten thresholds of intersection over union, .50, .55 to .95. In the order of their scores,
at most 100 of a class in a picture, answers take the true box of their class that they overlap most and that no better answer
has taken. A true box to be ignored, such as a crowd, may be taken by any number of answers, which then count neither as right
nor as wrong; overlap with it is the share of the answer's own area. For small, medium and large objects (areas below 32^2, up
to 96^2, above, in pixels of the original picture) true boxes of other areas are ignored, and so are free answers of other areas.
Precision at a recall is the best at that recall or beyond, read off at 101 recalls; the mean over classes with true boxes,
and over thresholds, is the average precision.

Unusual: matching stays inside one picture, so it is done once, and what is measured is one line of small numbers a picture.
`finish` is then a weighted sum over ordered answers for all resamples at once: of answers only the right ones are places where
the curve can turn. 1,000 resamples of 500 pictures with 20 classes take about two seconds for the mean over ten thresholds.

One thing differs from COCO: to bound memory, of all classes together the best 300 answers of a picture count. COCO would count
100 of each class; where a picture has fewer than 300 answers above the smallest score, that is the same.

Columns, N the target (n pictures, M = 100 answers of each class, at most 300, K classes, A = 4 areas all, small, medium, large,
T = 10 thresholds):
    N.scores (n, M) float32, best first, and N.labels (n, M) int32, -1 behind the last answer of a picture;
    N.match (n, M, A, T) uint8: WRONG, RIGHT or NEITHER;   N.truths (n, K, A) int32: true boxes that are to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.scores import Columns, Metric
from deepwell.decoding.suppression import Found, areas, common

Floats = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MOST, WIDEST = 100, 300
"""Answers of a picture that count: of one class, and of all together."""
WRONG, RIGHT, NEITHER = 0, 1, 2
MOST_CELLS = 4_000_000
"""Answers times resamples at once: 32 MB an array."""


@dataclass(frozen=True)
class Truth:
    """The true objects of one picture: boxes (g, 4) edges in original pixels, labels (g,), ignore (g,) 0 or 1."""

    boxes: NDArray[np.floating]
    labels: IntArray
    ignore: NDArray[Any]


# columns -------------------------------------------------------------------------------------------------------------
def measured(target: str, answers: Sequence[Found], truths: Sequence[Truth], classes: int) -> dict[str, NDArray[Any]]:
    """The columns that the metrics read: answers against truth, one line a picture. Boxes in original pixels."""
    n, wide = len(answers), min(MOST * classes, WIDEST)
    scores, labels = np.zeros((n, wide), np.float32), np.full((n, wide), -1, np.int32)
    match = np.zeros((n, wide, len(AREAS), len(THRESHOLDS)), np.uint8)
    counts = np.zeros((n, classes, len(AREAS)), np.int32)
    for row, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
        best = _counting(answer)[:wide]
        scores[row, : len(best)], labels[row, : len(best)] = answer.scores[best], answer.labels[best]
        outside = _outside(areas(truth.boxes)) | (truth.ignore != 0)
        for label in np.union1d(answer.labels[best], truth.labels).tolist():
            places, true = np.flatnonzero(answer.labels[best] == label), truth.labels == label
            counts[row, label] = (~outside[:, true]).sum(axis=1)
            match[row, places] = _matched(
                answer.boxes[best[places]], truth.boxes[true], truth.ignore[true] != 0, outside[:, true]
            )
    return {
        f"{target}.scores": scores, f"{target}.labels": labels, f"{target}.match": match, f"{target}.truths": counts,
    }  # fmt: skip


def _counting(answer: Found) -> IntArray:
    """The answers of a picture that count, best first: the first MOST of each class."""
    order = np.argsort(-answer.scores.astype(np.float64), kind="stable")
    by_label = np.argsort(answer.labels[order], kind="stable")
    named = answer.labels[order][by_label]
    rank = np.empty(len(order), np.int64)
    rank[by_label] = np.arange(len(order)) - np.searchsorted(named, named)
    return np.asarray(order[rank < MOST], np.int64)


def _outside(size: Floats) -> NDArray[np.bool_]:
    """(A, ...): which areas lie outside each of AREAS."""
    return np.stack([(size < low) | (size > high) for low, high in AREAS.values()])


def _matched(
    found: NDArray[np.floating], true: NDArray[np.floating], crowd: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """(m, A, T): what each answer of one class is, best first. found (m, 4), true (g, 4), crowd (g,), ignored (A, g)."""
    own = areas(found)
    both = common(found, true)
    whole = np.where(crowd[None, :], own[:, None], own[:, None] + areas(true)[None, :] - both)
    overlap = np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)
    free = np.where(_outside(own).T[:, :, None], NEITHER, WRONG)
    match = np.repeat(free, len(THRESHOLDS), axis=2).astype(np.uint8)
    taken = np.zeros((len(AREAS), len(THRESHOLDS), len(true)), np.bool_)
    area, threshold = np.indices(taken.shape[:2])
    for row in np.flatnonzero((overlap >= THRESHOLDS[0]).any(axis=1)):
        open_ = (~taken | crowd) & (overlap[row] >= THRESHOLDS[:, None])
        # Boxes that count go before ignored ones; of equal overlaps the last is taken, as COCO does.
        rank = np.where(open_, np.where(ignored[:, None, :], overlap[row], 2.0 + overlap[row]), -1.0)
        chosen = len(true) - 1 - np.argmax(rank[..., ::-1], axis=2)
        some = open_.any(axis=2)
        match[row][some] = np.where(ignored[area, chosen], NEITHER, RIGHT)[some]
        taken[area[some], threshold[some], chosen[some]] = True
    return match


# metrics -------------------------------------------------------------------------------------------------------------
def mean_average_precision(target: str, area: str = "all") -> Metric:
    """COCO's main figure, AP: the mean over classes and ten thresholds, .50 to .95; of one of AREAS only."""
    name = "map" if area == "all" else f"map_{area}"
    return _precision(name, target, list(AREAS).index(area), range(len(THRESHOLDS)))


def mean_average_precision_at(target: str, percent: int) -> Metric:
    """The mean over classes at one threshold: 50 for mAP@.5, as PASCAL VOC asks, 75 for a closer fit."""
    return _precision(f"map_{percent}", target, 0, [_threshold(percent)])


def class_average_precision(target: str, label: int, name: str, percent: int = 50) -> Metric:
    """The average precision of one class (its index) at one threshold; NaN where it has no true box."""
    return _precision(f"ap_{percent}_{name}", target, 0, [_threshold(percent)], label)


def average_recall(target: str) -> Metric:
    """COCO's AR at 100 answers of a class: the share of true boxes that are found, the mean over thresholds and classes."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        truths = weights @ columns[f"{target}.truths"][:, :, 0].astype(np.float64)
        found = _right(columns, target, 0).mean(axis=2)
        return _mean_defined(_ratio(weights @ found, truths))

    return Metric("average_recall", "share", "higher", finish, lambda columns: _trials(columns, target, 0))


def _threshold(percent: int) -> int:
    """The place of a threshold among THRESHOLDS. Raises ValueError for one that is not there."""
    places = [place for place, value in enumerate(THRESHOLDS) if round(100 * float(value)) == percent]
    if not places:
        raise ValueError(f"boxes are matched at 50, 55 to 95 percent overlap, not at {percent}")
    return places[0]


def _precision(name: str, target: str, area: int, thresholds: Sequence[int], label: int | None = None) -> Metric:
    def finish(columns: Columns, weights: Floats) -> Floats:
        truths = columns[f"{target}.truths"][:, :, area].astype(np.float64)
        labels = columns[f"{target}.labels"]
        classes = range(truths.shape[1]) if label is None else [label]
        values = np.full((len(weights), len(classes)), np.nan)
        for place, one in enumerate(classes):
            if not truths[:, one].any():
                continue
            picture, answer = np.nonzero(labels == one)
            best = np.argsort(-columns[f"{target}.scores"][picture, answer].astype(np.float64), kind="stable")
            match = columns[f"{target}.match"][picture[best], answer[best], area][:, list(thresholds)]
            values[:, place] = _in_blocks(picture[best], match, truths[:, one], weights)
        return _mean_defined(values)

    return Metric(name, "share", "higher", finish, lambda columns: _trials(columns, target, area, label))


def _in_blocks(picture: IntArray, match: NDArray[np.uint8], truths: Floats, weights: Floats) -> Floats:
    """(R,): the average precision of one class, mean over thresholds. See `_average_precision`.

    Answers that count nowhere, and those below the last right one, are left out: they change nothing.
    """
    last = int(np.flatnonzero((match == RIGHT).any(axis=1)).max(initial=-1))
    counts = np.flatnonzero((match[: last + 1] != NEITHER).any(axis=1))
    picture, match = picture[counts], match[counts]
    rows = max(1, MOST_CELLS // max(1, len(picture)))
    blocks = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    return np.concatenate([_average_precision(picture, match, truths, block) for block in blocks])


def _average_precision(picture: IntArray, match: NDArray[np.uint8], truths: Floats, weights: Floats) -> Floats:
    """(R,): of one class. picture (D,): of each answer, best first; match (D, T); truths (n,); weights (R, n).

    Resamples are the last axis inside, so that running sums and maxima go over whole rows at once.
    """
    wanted = weights @ truths
    each = np.ascontiguousarray(weights.T)[picture]  # (D, R)
    counted = np.cumsum(each, axis=0)
    total = np.zeros(len(weights))
    for column in match.T:
        right = np.flatnonzero(column == RIGHT)
        if not len(right):
            continue
        answers = counted[right]
        neither = np.flatnonzero(column == NEITHER)
        if len(neither):  # what is taken off before each right answer
            running = np.concatenate([np.zeros((1, len(weights))), np.cumsum(each[neither], axis=0)])
            answers = answers - running[np.searchsorted(neither, right)]
        hits = np.cumsum(each[right], axis=0)
        precision = hits / np.maximum(answers, 1e-300)
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        reached = _recalls_reached(hits / np.where(wanted > 0, wanted, 1.0))
        total += (best * np.diff(reached, axis=0, prepend=0)).sum(axis=0)
    return np.where(wanted > 0, total / (len(RECALLS) * match.shape[1]), np.nan)


def _recalls_reached(recall: Floats) -> IntArray:
    """How many of RECALLS are at most each recall: searchsorted(RECALLS, recall, "right"), several times as fast."""
    guess = np.minimum((recall * 100.0).astype(np.int64), 100)
    guess -= RECALLS[guess] > recall
    return np.asarray(guess + 1 + (np.append(RECALLS, np.inf)[guess + 1] <= recall), np.int64)


def _right(columns: Columns, target: str, area: int) -> NDArray[np.float64]:
    """(n, K, T): right answers of each class in each picture."""
    labels, truths = columns[f"{target}.labels"], columns[f"{target}.truths"]
    found = np.zeros((*truths.shape[:2], len(THRESHOLDS)))
    picture, answer = np.nonzero(labels >= 0)
    right = columns[f"{target}.match"][picture, answer, area] == RIGHT
    np.add.at(found, (picture, labels[picture, answer]), right)
    return found


def _trials(columns: Columns, target: str, area: int, label: int | None = None) -> float:
    """One over the most that one picture's true boxes can be of all, mean over classes; 1 where there are none."""
    truths = columns[f"{target}.truths"][:, :, area].astype(np.float64)
    truths = truths if label is None else truths[:, [label]]
    truths = truths[:, truths.any(axis=0)]
    if not truths.size:
        return 1.0
    return float(1.0 / (truths / truths.sum(axis=0)).mean(axis=1).max())


def _mean_defined(values: Floats) -> Floats:
    """(R, K) -> (R,): the mean over classes that are defined, NaN where none is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    filled = np.full(np.shape(top), np.nan)
    np.divide(top, bottom, out=filled, where=bottom > 0)
    return filled


FIGURES: tuple[Callable[[str], Metric], ...] = (
    lambda target: mean_average_precision_at(target, 50),
    mean_average_precision,
    lambda target: mean_average_precision_at(target, 75),
    lambda target: mean_average_precision(target, "small"),
    lambda target: mean_average_precision(target, "medium"),
    lambda target: mean_average_precision(target, "large"),
    average_recall,
)
"""The usual figures of a detector, without those of single classes."""
