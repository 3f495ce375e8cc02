"""Planting: made anomalies, for data in which nobody says which rows are anomalous.

Copies of rows are spoilt in ways that detectors are commonly tried on (Steinbuss & Boehm 2021, arXiv:2004.06947; Han et al. 2022,
arXiv:2206.09426): fields swapped between rows, which breaks what holds between them and leaves each value usual; one
number far out; and values drawn evenly from all there are. In pictures a patch is moved, painted over, or put to
noise (after Li et al. 2021, CutPaste, arXiv:2104.04015). Unusual: what is found of planted anomalies says that a
model works, not how well it finds those of real life, and every figure about them carries the word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key

SHARE, LEAST = 0.2, 50
"""Of the rows of a part so many are copied and spoilt; of few rows at least LEAST, or all."""
FAR = 0.01
"""A number far out lies beyond this share of the values on its side."""
KEY = Key(0).fold("planted")
"""Always the same, so that a model's figure is one number."""

Draws = np.random.Generator


def chosen(rows: int, part: str) -> IntArray:
    """Which rows of a part are copied, in order."""
    count = min(rows, max(LEAST, round(SHARE * rows)))
    return np.sort(KEY.fold(part).numpy().permutation(rows)[:count])


def fields(
    columns: Mapping[str, NDArray[np.float32]], index: IntArray, steps: int, levels: Sequence[int], part: str
) -> dict[str, NDArray[np.float32]]:
    """Spoilt copies of the rows at `index`. Every copy differs from its row where some field has two values.

    columns: inputs.number (n, N) places from 0 to steps - 1, -1 missing; inputs.category (n, C). levels: of each category.
    """
    draws = KEY.fold(part, "fields").numpy()
    rows = max((len(column) for column in columns.values()), default=0)
    numbers = columns.get("inputs.number", np.zeros((rows, 0), np.float32))
    categories = columns.get("inputs.category", np.zeros((rows, 0), np.int32))
    whole = np.concatenate([numbers, categories], axis=1).astype(np.float64)
    made = whole[index].copy()
    ends = Ends(steps, levels, [_ends(column) for column in numbers.T])
    kinds = np.arange(len(index)) % 3
    for row, kind in enumerate(kinds):
        for _ in range(5):  # now and then what is drawn is what was there
            made[row] = whole[index[row]]
            (_swap, _push, _anything)[kind](made[row], whole, ends, draws)
            if (made[row] != whole[index[row]]).any():
                break
    found = {"inputs.number": made[:, : numbers.shape[1]], "inputs.category": made[:, numbers.shape[1] :]}
    return {name: found[name].astype(column.dtype) for name, column in columns.items() if name in found}


@dataclass(frozen=True)
class Ends:
    """Of a scale of `steps` places, of each category its levels, and of each number the low and high quantile, the smallest and
    the largest place; None where it has no value.
    """

    steps: int
    levels: Sequence[int]
    numbers: Sequence[tuple[float, float, float, float] | None]


def _ends(column: NDArray[np.float32]) -> tuple[float, float, float, float] | None:
    values = column[column >= 0].astype(np.float64)
    if not len(values):
        return None
    low, high = np.quantile(values, [FAR, 1 - FAR])
    return float(low), float(high), float(values.min()), float(values.max())


def _swap(row: NDArray[np.float64], whole: NDArray[np.float64], ends: Ends, draws: Draws) -> None:
    """A third of the fields, two at least, are those of other rows, each of another one."""
    fields = draws.permutation(len(row))[: max(2, len(row) // 3)]
    for field in fields:
        row[field] = whole[draws.integers(len(whole)), field]


def _push(row: NDArray[np.float64], whole: NDArray[np.float64], ends: Ends, draws: Draws) -> None:
    """One number far out on either side; without numbers a level that is drawn evenly."""
    if not ends.numbers:
        _anything(row, whole, ends, draws)
        return
    field = int(draws.integers(len(ends.numbers)))
    found = ends.numbers[field]
    if found is None:
        return
    low, high = found[:2]
    share = draws.random()
    row[field] = low * share if draws.random() < 0.5 else high + (ends.steps - 1 - high) * share


def _anything(row: NDArray[np.float64], whole: NDArray[np.float64], ends: Ends, draws: Draws) -> None:
    """A third of the fields, one at least, drawn evenly: numbers between their ends, levels from all."""
    fields = draws.permutation(len(row))[: max(1, len(row) // 3)]
    for field in fields:
        if field < len(ends.numbers):
            found = ends.numbers[field]
            low, high = (0.0, 0.0) if found is None else found[2:]
            row[field] = draws.uniform(low, high) if high > low else draws.uniform(0, ends.steps - 1)
        else:
            row[field] = draws.integers(ends.levels[field - len(ends.numbers)])


def picture(whole: NDArray[np.uint8], row: int, turn: int, part: str) -> NDArray[np.uint8]:
    """A spoilt copy of the picture at `row` of (n, c, h, w). turn: the way that is tried first, counted over the copies."""
    draws = KEY.fold(part, "picture", row).numpy()
    made: NDArray[np.uint8] = np.array(whole[row])
    channels, height, width = made.shape
    tall, wide = (max(2, round(side * draws.uniform(0.2, 0.5))) for side in (height, width))
    top, left = int(draws.integers(height - tall + 1)), int(draws.integers(width - wide + 1))
    place = (slice(None), slice(top, top + tall), slice(left, left + wide))
    for kind in ((turn + more) % 3 for more in range(3)):
        if kind == 0:
            other = whole[int(draws.integers(len(whole)))]
            top, left = int(draws.integers(height - tall + 1)), int(draws.integers(width - wide + 1))
            made[place] = other[:, top : top + tall, left : left + wide]
        elif kind == 1:
            made[place] = draws.integers(0, 256, (channels, 1, 1))
        else:
            made[place] = draws.integers(0, 256, (channels, tall, wide))
        if (made != whole[row]).any():
            break
    return made
