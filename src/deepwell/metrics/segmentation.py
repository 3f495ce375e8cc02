"""Metrics of masks: how well pixels that are classes are answered. A metric's name is the name of the function that makes it.

Unusual: what is measured of a picture is counts (`compare`), so a test part of any size takes little memory, and every metric is
computed for many resamples of pictures at once (see metrics/classification.py). Void pixels have no part in anything.

Legend: n pictures, K classes, R resamples. Columns read, all of pixels of the original size: N.hit, N.true, N.answered (n, K) how
many pixels of a class are rightly answered, are of it, are answered so; N.boundary (n,) the boundary F of a picture, NaN
where there is no boundary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]
Indices = NDArray[np.uint8]

VOID = 255
TOLERANCE = 0.0075
"""How far a boundary may be off, as share of the picture's diagonal (Csurka et al. 2013)."""
MOST_BOUNDARY_PIXELS = 1 << 20
"""Boundaries of larger pictures are compared at the size that has so many pixels."""
MOST_CONFUSED = 32
"""With more classes no table of which is taken for which is kept: it grows with their square."""
MOST_NAMED = 24
"""With more classes none has a metric of its own."""
BITS = 64


def compare(truth: Indices, answer: Indices, classes: int) -> dict[str, NDArray[np.float64]]:
    """What is measured of one picture: `hit`, `true`, `answered` (K,), `boundary` (), and `confusion` (K, K) of few classes.

    truth, answer: (h, w) class indices; VOID in the truth is left out. confusion: true class down, answered across.
    """
    known = truth != VOID
    if known.all():
        true, answered = truth.ravel(), answer.ravel()
    else:
        true, answered = truth[known], answer[known]
    found: dict[str, NDArray[np.float64]] = {}
    if classes <= MOST_CONFUSED:
        pairs = np.bincount(true * np.int32(classes) + answered, minlength=classes * classes)
        table = pairs.reshape(classes, classes).astype(np.float64)
        found = {"confusion": table, "hit": np.diagonal(table).copy(), "true": table.sum(1), "answered": table.sum(0)}
    else:
        hits = true[true == answered]
        counted = {"hit": hits, "true": true, "answered": answered}
        found = {n: np.bincount(v, minlength=classes).astype(np.float64) for n, v in counted.items()}
    return {**found, "boundary": np.array(boundary(truth, np.where(known, answer, VOID), classes))}


def boundary(truth: Indices, answer: Indices, classes: int) -> float:
    """Boundary F of one picture: the mean over its classes of 2 p r / (p + r) (Csurka et al. 2013).

    p: share of the answer's boundary pixels of a class that lie within the tolerance of the truth's; r: the other way
    round. A boundary pixel has a neighbour, above, below or beside it, of another class that is known. NaN without any.
    """
    pixels = truth.size
    if pixels > MOST_BOUNDARY_PIXELS:
        step = math.sqrt(pixels / MOST_BOUNDARY_PIXELS)
        lines, places = (np.arange(0, side, step).astype(np.int64) for side in truth.shape)
        truth, answer = truth[np.ix_(lines, places)], answer[np.ix_(lines, places)]
    reach = TOLERANCE * math.hypot(*truth.shape)
    ours, theirs = _edges(answer), _edges(truth)
    have = np.zeros((2, classes))
    near = np.zeros((2, classes))
    for first in range(0, classes, BITS):
        bits = [_bits(mask, edge, first) for mask, edge in ((answer, ours), (truth, theirs))]
        for side, (mask, edge, other) in enumerate(((answer, ours, bits[1]), (truth, theirs, bits[0]))):
            chosen = edge & (mask >= first) & (mask < first + BITS)
            label = mask[chosen]
            hit = (_spread(other, reach)[chosen] >> (label - np.uint8(first)).astype(np.uint64)) & np.uint64(1)
            have[side] += np.bincount(label, minlength=classes)[:classes]
            near[side] += np.bincount(label, hit, minlength=classes)[:classes]
    occurs = have.sum(0) > 0
    if not occurs.any():
        return math.nan
    # 2 p r / (p + r), 0 where either has no boundary of the class.
    p, r = np.divide(near, have, out=np.zeros_like(near), where=have > 0)
    f = np.divide(2 * p * r, p + r, out=np.zeros_like(p), where=p + r > 0)
    return float(f[occurs].mean())


def _edges(mask: Indices) -> NDArray[np.bool_]:
    """Where a pixel has a known neighbour of another class."""
    found = np.zeros(mask.shape, np.bool_)
    for one, other in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        differ = (mask[one] != mask[other]) & (mask[one] != VOID) & (mask[other] != VOID)
        found[one] |= differ
        found[other] |= differ
    return found


def _bits(mask: Indices, edge: NDArray[np.bool_], first: int) -> NDArray[np.uint64]:
    """(h, w): bit k is set at the boundary pixels of class first + k; so that all classes are spread at once."""
    chosen = edge & (mask >= first) & (mask < first + BITS)
    shift = np.where(chosen, mask - np.uint8(first), 0).astype(np.uint64)
    return np.where(chosen, np.uint64(1) << shift, np.uint64(0))


def _spread(bits: NDArray[np.uint64], reach: float) -> NDArray[np.uint64]:
    """Each bit set everywhere within Euclidean distance `reach` of where it was set."""
    found = bits.copy()
    lines = len(bits)
    for down in range(int(reach) + 1):
        wide = _spread_beside(bits, int(math.sqrt(reach * reach - down * down)))
        if down:
            found[down:] |= wide[: max(0, lines - down)]
            found[: max(0, lines - down)] |= wide[down:]
        else:
            found |= wide
    return found


def _spread_beside(bits: NDArray[np.uint64], reach: int) -> NDArray[np.uint64]:
    """Each bit set up to `reach` places to the left and right, in as many steps as 2 * reach has binary digits."""
    length = 2 * reach + 1
    padded = np.pad(bits, ((0, 0), (reach, reach)))
    span = 1
    while 2 * span <= length:
        padded[:, : padded.shape[1] - span] |= padded[:, span:].copy()
        span *= 2
    rest = length - span
    width = bits.shape[1]
    return padded[:, :width] | padded[:, rest : rest + width]


def mean_iou(target: str) -> Metric:
    """Mean over classes of intersection over union of all pixels; classes that neither truth nor answers hold are left out."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        values = _iou(columns, target, weights)
        defined = ~np.isnan(values)
        return _ratio(np.where(defined, values, 0).sum(1), defined.sum(1).astype(np.float64))

    return Metric("mean_iou", "share", "higher", finish)


def class_iou(target: str, index: int, name: str) -> Metric:
    """Intersection over union of one class over all pixels."""
    return Metric(f"iou {name}", "share", "higher", lambda columns, weights: _iou(columns, target, weights)[:, index])


def pixel_accuracy(target: str) -> Metric:
    """Share of the known pixels whose answer is the truth."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        hit, true = (columns[f"{target}.{part}"].sum(1) for part in ("hit", "true"))
        return _ratio(weights @ hit, weights @ true)

    return Metric("pixel_accuracy", "share", "higher", finish)


def boundary_f(target: str) -> Metric:
    """Mean over pictures of `boundary`; pictures without a boundary are left out."""
    return Metric("boundary_f", "share", "higher", lambda c, w: _mean_defined(c[f"{target}.boundary"], w))


def dice(target: str, positive: int = 1, name: str = "") -> Metric:
    """Mean over pictures of 2 hit / (true + answered) of the class `positive`; pictures where neither has it are left out."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        hit, true, answered = (columns[f"{target}.{part}"][:, positive] for part in ("hit", "true", "answered"))
        return _mean_defined(_ratio(2 * hit, true + answered), weights)

    return Metric(_of("dice", name), "share", "higher", finish)


def sensitivity(target: str, positive: int = 1, name: str = "") -> Metric:
    """Share of all pixels of the class `positive` that are found."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        hit, true = (columns[f"{target}.{part}"][:, positive] for part in ("hit", "true"))
        return _ratio(weights @ hit, weights @ true)

    return Metric(_of("sensitivity", name), "share", "higher", finish)


def specificity(target: str, positive: int = 1, name: str = "") -> Metric:
    """Share of all pixels of other classes than `positive` that are not taken for it."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        hit, answered = (columns[f"{target}.{part}"][:, positive] for part in ("hit", "answered"))
        true = columns[f"{target}.true"]
        others = np.delete(true, positive, axis=1).sum(1)
        return _ratio(weights @ (others - (answered - hit)), weights @ others)

    return Metric(_of("specificity", name), "share", "higher", finish)


def _of(metric: str, name: str) -> str:
    """A metric's name with that of the class it looks at."""
    return f"{metric} {name}".strip()


def every(target: str, classes: Sequence[str], positive: int | None = None) -> Mapping[str, Metric]:
    """All metrics by what a user calls them, the default first; for few classes also that of each class.

    positive: the class that is looked for, which Dice, sensitivity and specificity are about and are named after; None: there is
    none, so they are left out.
    """
    found = {"mean_iou": mean_iou(target), "pixel_accuracy": pixel_accuracy(target), "boundary_f": boundary_f(target)}
    if positive is not None:
        found |= {make.__name__: make(target, positive, classes[positive]) for make in (dice, sensitivity, specificity)}
    if len(classes) <= MOST_NAMED:
        each = [class_iou(target, index, name) for index, name in enumerate(classes)]
        found |= {metric.name: metric for metric in each}
    return found


def _iou(columns: Columns, target: str, weights: Floats) -> Floats:
    """(R, K); NaN for a class that neither truth nor answers hold."""
    hit, true, answered = (weights @ columns[f"{target}.{part}"] for part in ("hit", "true", "answered"))
    return _ratio(hit, true + answered - hit)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    filled = np.full(np.shape(top), np.nan)
    np.divide(top, bottom, out=filled, where=bottom > 0)
    return filled


def _mean_defined(values: Floats, weights: Floats) -> Floats:
    """(R,): weighted means of the values (n,) that are defined."""
    defined = ~np.isnan(values)
    return _ratio(weights @ np.where(defined, values, 0.0), weights @ defined.astype(np.float64))
