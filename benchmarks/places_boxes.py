"""`python -m benchmarks.places_boxes [--pairs 9]`: boxes side by side in one process, numpy on both sides, one thread.

    suppression   1,000 boxes of a picture, at most 100 stay, against the loop over boxes that detectors commonly come with
                  (py_cpu_nms of Fast R-CNN, Girshick 2015: all others at once for each box that stays), class by class
    intervals     resamples of the mean average precision of 200 pictures, against faster-coco-eval run on each resample

Both sides of a row give the same boxes, or the same figure; tests hold them to it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.language import Side, compare
from deepwell.decoding.suppression import Found, suppress
from deepwell.metrics.detection import Truth, mean_average_precision, measured

BOXES, MOST, OVERLAP = 1000, 100, 0.6
SCENES = {
    "20 objects of 3 classes": (20, 3),
    "100 objects of 3 classes": (100, 3),
    "300 objects of 80 classes": (300, 80),
}
PICTURES, CLASSES = 200, 5
RESAMPLES, THEIR_RESAMPLES = 1000, 3
"""How many each side of the intervals makes; both are counted by the second."""

Heap = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
Suppress = Callable[[NDArray[Any], NDArray[Any], NDArray[np.int64], float, int], NDArray[np.int64]]


# suppression ---------------------------------------------------------------------------------------------------------
def heap(objects: int, classes: int, seed: int = 0) -> Heap:
    """BOXES answers near some objects, as a detector gives them: boxes, scores, labels."""
    draws = np.random.default_rng(seed)
    centre, side = draws.uniform(0, 600, (objects, 2)), draws.uniform(20, 120, (objects, 2))
    which = draws.integers(0, objects, BOXES)
    edges = np.concatenate([centre - side / 2, centre + side / 2], 1)[which] + draws.normal(0, 4, (BOXES, 4))
    return edges.astype(np.float32), draws.random(BOXES).astype(np.float32), which % classes


def loop(
    boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[np.int64], threshold: float, most: int
) -> NDArray[np.int64]:
    """The usual loop, class by class; the best `most` of all classes."""
    kept: list[int] = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        left, top, right, bottom = boxes[mine].astype(np.float64).T
        areas = (right - left) * (bottom - top)
        order = np.argsort(-scores[mine], kind="stable")
        while order.size:
            first, others = order[0], order[1:]
            kept.append(int(mine[first]))
            width = np.minimum(right[first], right[others]) - np.maximum(left[first], left[others])
            height = np.minimum(bottom[first], bottom[others]) - np.maximum(top[first], top[others])
            both = np.maximum(width, 0.0) * np.maximum(height, 0.0)
            order = others[both / (areas[first] + areas[others] - both) <= threshold]
    found = np.array(sorted(kept), np.int64)
    return found[np.argsort(-scores[found], kind="stable")][:most]


def suppressors(objects: int, classes: int) -> tuple[Side, Side]:
    """Pictures cleared of doubles by ours, and by the loop."""
    heaps = [heap(objects, classes, seed) for seed in range(20)]

    def side(one: Suppress) -> Side:
        def run() -> float:
            for boxes, scores, labels in heaps:
                one(boxes, scores, labels, OVERLAP, MOST)
            return len(heaps)

        return run

    return side(suppress), side(loop)


# intervals -----------------------------------------------------------------------------------------------------------
def scenes(seed: int = 0) -> tuple[list[Found], list[Truth]]:
    """PICTURES with up to 15 objects, and answers to most of them among some that are wrong."""
    draws = np.random.default_rng(seed)
    answers, truths = [], []
    for _ in range(PICTURES):
        count = int(draws.integers(1, 16))
        corner = draws.uniform(0, 500, (count, 2))
        boxes = np.concatenate([corner, corner + draws.uniform(10, 120, (count, 2))], 1).astype(np.float32)
        labels = draws.integers(0, CLASSES, count)
        again = draws.integers(0, count, 2 * count)
        near = (boxes[again] + draws.normal(0, 3, (len(again), 4))).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        said = np.where(draws.random(len(again)) < 0.9, labels[again], draws.integers(0, CLASSES, len(again)))
        answers.append(Found(near, draws.random(len(again)).astype(np.float32), said))
        truths.append(Truth(boxes, labels, np.zeros(count, np.uint8)))
    return answers, truths


def evaluator(answers: list[Found], truths: list[Truth]) -> float:
    """The mean average precision that faster-coco-eval gives these pictures."""
    from faster_coco_eval import COCO, COCOeval_faster

    notes: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (answer, truth) in enumerate(zip(answers, truths, strict=True), start=1):
        for box, label in zip(_sides(truth.boxes), truth.labels.tolist(), strict=True):
            notes.append({"id": len(notes) + 1, "image_id": image, "category_id": label + 1, "bbox": box,
                          "area": box[2] * box[3], "iscrowd": 0})  # fmt: skip
        for box, score, label in zip(_sides(answer.boxes), answer.scores.tolist(), answer.labels.tolist(), strict=True):
            found.append({"image_id": image, "category_id": label + 1, "bbox": box, "score": score})
    images = [{"id": i + 1} for i in range(len(truths))]
    classes = [{"id": k + 1, "name": str(k)} for k in range(CLASSES)]
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO({"images": images, "annotations": notes, "categories": classes})
        judge = COCOeval_faster(known, known.loadRes(found), iouType="bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


def _sides(boxes: NDArray[Any]) -> list[list[float]]:
    """Left, top, width, height."""
    edges = boxes.astype(np.float64)
    found: list[list[float]] = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], 1).tolist()
    return found


def resamplers() -> tuple[Side, Side]:
    """Resamples of the figure: ours from raw answers on, and theirs one run each."""
    answers, truths = scenes()
    draws = np.random.default_rng(1).integers(0, PICTURES, (RESAMPLES, PICTURES))

    def ours() -> float:
        columns = measured("o", answers, truths, CLASSES)
        weights = np.stack([np.bincount(row, minlength=PICTURES) for row in draws]).astype(np.float64)
        mean_average_precision("o").finish(columns, weights)
        return RESAMPLES

    def theirs() -> float:
        for row in draws[:THEIR_RESAMPLES]:
            evaluator([answers[i] for i in row], [truths[i] for i in row])
        return THEIR_RESAMPLES

    return ours, theirs


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places_boxes")
    parser.add_argument("--pairs", type=int, default=9)
    asked = parser.parse_args()
    print("| row | ratio | ours | theirs |\n" + "|---" * 4 + "|", flush=True)
    with threadpool_limits(limits=1):
        for name, (objects, classes) in SCENES.items():
            figure, mine, other = compare(*suppressors(objects, classes), asked.pairs)
            print(f"| suppression, {name} | {figure} | {mine:,.0f} pictures/s | {other:,.0f} pictures/s |", flush=True)
        figure, mine, other = compare(*resamplers(), asked.pairs)
        print(
            f"| intervals of map, {PICTURES} pictures | {figure} | {mine:,.0f} resamples/s | {other:,.1f} resamples/s |"
        )


if __name__ == "__main__":
    main()
