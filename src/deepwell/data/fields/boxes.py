"""boxes: any number of labelled boxes a row, ragged. The main array holds their edges, the parts "label" and "ignore" the rest.

A cell is a list of {"label": "cat", "box": [left, top, right, bottom]}, with "ignore": true where an object counts neither as
found nor as missed; an empty list is a picture without objects, a missing cell is a problem. Coordinates are edges in pixels of
the original picture, not pixel centres: a whole picture is [0, 0, width, height].

Unusual: the kind does not see the picture, so it keeps original pixels; whoever has both brings boxes to the working size. A box
that encloses nothing (reversed edges, no area, not a number) makes its whole row a problem: a picture with an object that
nobody marked would teach that there is none. A label that training did not have cannot be scored and is one too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError, DataError, nearest
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.category import in_order
from deepwell.data.fields.kind import Kind, Parts, Problems, checked

MOST_CLASSES = 10_000
LONGEST = 1_000
FARTHEST = 1e9
"""Pixels: what is no number or lies farther out is no edge."""
Cell = list[dict[str, Any]]


class Boxes(Kind):
    """See the top of this file.

    Attributes:
        target_: whether the column is a target. labels_: the names of the classes, in the order of their indices.
    """

    def __init__(self) -> None:
        self.target_ = False
        self.labels_: list[str] = []
        self._index: dict[str, int] = {}

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises DataError where no box is to be found, and for class names that differ in case or spaces only."""
        self.target_ = is_target
        usable = [cell for cell in column if cell_problem(cell) == ""]
        counts = label_counts(usable)
        if counts and all(box.get("ignore") for cell in usable for box in cell):
            raise DataError(
                f"all {sum(counts.values()):,} boxes of the column {field.name!r} are to be ignored (crowds, difficult objects), "
                "so there is nothing to learn",
                repair="take the mark off those that are to be found",
            )
        if not counts:
            raise DataError(
                f"the column {field.name!r} has no usable box in any of {len(column):,} rows, so there is nothing to learn",
                repair="read the files that hold boxes too",
            )
        check_spelling(counts)
        self._take(in_order(list(counts)))
        return self

    def _take(self, labels: list[str]) -> None:
        self.labels_ = labels
        self._index = {label: index for index, label in enumerate(labels)}

    @property
    def classes_(self) -> list[str]:
        """The names of the classes, in the order of their indices."""
        return list(self.labels_)

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Ragged float32 (total, 4) edges in original pixels; under "label" int64, under "ignore" uint8 (total,)."""
        edges: list[Sequence[float]] = []
        labels: list[int] = []
        ignored: list[bool] = []
        offsets = np.zeros(len(column) + 1, np.int64)
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            why = cell_problem(cell) or self._unknown(cell)
            if why:
                problems[row] = why
            else:
                edges += [box["box"] for box in cell]
                labels += [self._index[box["label"]] for box in cell]
                ignored += [bool(box.get("ignore")) for box in cell]
            offsets[row + 1] = len(labels)
        values = np.array(edges, np.float32).reshape(-1, 4)
        parts = {
            "": Ragged(values, offsets),
            "label": Ragged(np.array(labels, np.int64), offsets),
            "ignore": Ragged(np.array(ignored, np.uint8), offsets),
        }
        return parts, problems

    def _unknown(self, cell: Cell) -> str:
        other = next((box["label"] for box in cell if box["label"] not in self._index), None)
        if other is None:
            return ""
        return f"an object has the label {other!r}, which no training row has{nearest(other, self.labels_)}"

    def decode(self, array: EncodedColumn) -> Column:
        """object of lists of {"box": [...]}: the main array has no labels; see `whole`."""
        if not isinstance(array, Ragged):
            raise TypeError("boxes are ragged: flat values and offsets")
        column = np.empty(len(array), object)
        for row in range(len(array)):
            edges = array.values[array.offsets[row] : array.offsets[row + 1]].astype(np.float64)
            column[row] = [{"box": box} for box in edges.tolist()]
        return column

    def whole(self, parts: Parts) -> Column:
        """The cells that `encode` gave these parts for; coordinates as float32 has them."""
        boxes, labels, ignore = (parts[part] for part in ("", "label", "ignore"))
        if not isinstance(boxes, Ragged) or not isinstance(labels, Ragged) or not isinstance(ignore, Ragged):
            raise TypeError("boxes are ragged: flat values and offsets")
        column = np.empty(len(boxes), object)
        for row in range(len(boxes)):
            found = slice(int(boxes.offsets[row]), int(boxes.offsets[row + 1]))
            marks = ignore.values[found]
            column[row] = cell(boxes.values[found], labels.values[found], self.labels_, ignore=marks)
        return column

    def sizes(self) -> tuple[int, ...]:
        """(classes,)."""
        return (len(self.labels_),)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"target": self.target_, "labels": list(self.labels_)}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a field of boxes", {"target": bool, "labels": list})
        labels = values["labels"]
        texts = all(type(label) is str and 0 < len(label) <= LONGEST for label in labels)
        if not texts or not 0 < len(labels) <= MOST_CLASSES or len(set(labels)) != len(labels):
            raise BundleError(f"the labels of a field of boxes must be 1 to {MOST_CLASSES:,} different texts")
        self.target_ = values["target"]
        self._take(labels)
        return self


def cell(
    boxes: NDArray[np.floating], labels: IntArray, names: Sequence[str],
    scores: NDArray[np.floating] | None = None, ignore: NDArray[Any] | None = None,
) -> Cell:  # fmt: skip
    """The cell of one picture: boxes (m, 4), labels (m,) indices into names; scores and ignore (m,) where there are any."""
    found: Cell = []
    for row, (box, label) in enumerate(zip(boxes.astype(np.float64).tolist(), labels.tolist(), strict=True)):
        one: dict[str, Any] = {"label": names[label], "box": box}
        if scores is not None:
            one["score"] = float(scores[row])
        if ignore is not None and ignore[row]:
            one["ignore"] = True
        found.append(one)
    return found


def cell_problem(cell: Any) -> str:
    """Why a cell cannot be used, naming the object and its numbers; empty if it can."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "the boxes are missing; an empty list says that there is no object"
    if not isinstance(cell, list | tuple):
        return f"{str(cell)[:60]!r} is not a list of boxes"
    for number, one in enumerate(cell, start=1):
        why = box_problem(one)
        if why:
            return f"object {number} {why}"
    return ""


def box_problem(one: Any) -> str:
    """Why one object of a cell cannot be used, as the rest of a sentence that begins with the object; empty if it can."""
    if not isinstance(one, Mapping) or "box" not in one:
        return 'is not of the form {"label": "cat", "box": [left, top, right, bottom]}'
    label = one.get("label")
    if not isinstance(label, str) or not label.strip() or len(label) > LONGEST:
        return "has no label"
    edges = one["box"]
    if not isinstance(edges, list | tuple | np.ndarray) or len(edges) != 4:
        return f"({label}) has no four edges: {str(edges)[:60]}"
    numbers = [e for e in edges if isinstance(e, int | float | np.integer | np.floating) and type(e) is not bool]
    if len(numbers) < 4 or not all(-FARTHEST < e < FARTHEST for e in numbers):
        return f"({label}) has an edge that is not a finite number: {shown(edges)}"
    left, top, right, bottom = numbers
    if right < left or bottom < top:
        return f"({label}) has reversed edges: left {left:g}, top {top:g}, right {right:g}, bottom {bottom:g}"
    if np.float32(right) <= np.float32(left) or np.float32(bottom) <= np.float32(top):
        return f"({label}) has no area: left {left:g}, top {top:g}, right {right:g}, bottom {bottom:g}"
    return ""


def shown(edges: Iterable[Any]) -> str:
    """Edges for an error text: `[3, 4.5, 10, 12]`."""
    return "[" + ", ".join(_edge(e) for e in edges) + "]"


def _edge(value: Any) -> str:
    if isinstance(value, int) and abs(value) > FARTHEST:
        return "a huge number"  # thousands of digits would neither become a float nor a text
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)[:20]


def label_counts(cells: Iterable[Cell]) -> Counter[str]:
    """How many boxes have each label, ignored ones included. cells: usable ones."""
    return Counter(box["label"] for cell in cells for box in cell)


def check_spelling(labels: Mapping[str, int]) -> None:
    """Raises DataError where two labels differ in case or spaces only: one class would be learned as two.

    Single characters are left alone: where letters are found in pictures, `a` and `A` are two classes.
    """
    seen: dict[str, str] = {}
    for label in sorted(labels, key=lambda name: -labels[name]):
        plain = "".join(label.split()).casefold()
        other = seen.setdefault(plain, label)
        if other != label and len(plain) > 1:
            raise DataError(
                f"the labels {other!r} ({labels[other]:,} boxes) and {label!r} ({labels[label]:,}) differ in case or spaces "
                "only: are they one class?",
                repair=f"make them one: --map '{label} -> {other}'",
            )


def is_boxes(cell: Any) -> bool:
    """Whether a cell is a list that holds boxes, or nothing."""
    return isinstance(cell, list | tuple) and all(isinstance(one, Mapping) and "box" in one for one in cell)


def mostly_boxes(cells: Sequence[Any], share: float) -> bool:
    """Whether at least a share of present cells are lists of boxes, and one of them holds any; others are left to encoding."""
    if not any(is_boxes(cell) and len(cell) for cell in cells):
        return False
    return sum(is_boxes(cell) for cell in cells) >= share * len(cells)


def boxes_in_words(column: Column) -> str:
    """What stands in a column of boxes: `2,801 boxes of 3 classes (RBC 2,380, Platelets 214, WBC 207)`."""
    counts = Counter(str(one.get("label")) for cell in column if is_boxes(cell) for one in cell)
    most = ", ".join(f"{label[:40]} {count:,}" for label, count in counts.most_common(5))
    more = ", ..." if len(counts) > 5 else ""
    total, classes = sum(counts.values()), len(counts)
    if not total:
        return "no box"
    return f"{total:,} {'box' if total == 1 else 'boxes'} of {classes:,} {'class' if classes == 1 else 'classes'} ({most}{more})"
