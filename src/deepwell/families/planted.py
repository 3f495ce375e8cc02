"""Planted: the rows of a part and, behind them, spoilt copies of some (planting.py), as examples that say which are which.

Unusual: copies of pictures are made anew for each batch and never kept, since the pictures of a part may lie on the disk.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, EncodedColumn, IntArray, collate
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.keys import Key
from deepwell.core.task import Pipeline
from deepwell.families import planting
from deepwell.families.graded import STEPS

TRUTH = "truth"


def with_planted(encoded: Encoded, part: str, pipeline: Pipeline) -> RowExamples:
    """Rows of fields, usual, and spoilt copies of some. Only answers to the rows themselves are kept; a copy is of its row's
    unit.
    """
    count = len(encoded.rows)
    index = planting.chosen(count, part)
    own: dict[str, NDArray[Any]] = {n: np.asarray(c) for n, c in encoded.columns.items()}
    sizes = pipeline.sizes()
    levels = [sizes[f.name][0] for f in pipeline.schema.of("input", "category")]
    copies = planting.fields(own, index, STEPS, levels, part)
    columns: dict[str, EncodedColumn] = {n: np.concatenate([c, copies[n]]) for n, c in own.items()}
    columns[TRUTH] = np.repeat([0, 1], [count, len(index)])
    rows = np.concatenate([encoded.rows, encoded.rows[index]])
    examples = RowExamples(Encoded(columns, rows, encoded.problems), units=rows)
    examples.answered = np.arange(count)
    return examples


class PlantedPictures(Examples):
    """The same of pictures: columns (n, c, h, w)."""

    def __init__(self, encoded: Encoded, part: str) -> None:
        own = len(encoded.rows)
        self._columns, self._own, self._part = encoded.columns, own, part
        self._source = np.concatenate([np.arange(own), planting.chosen(own, part)])
        self.count = len(self._source)
        self.rows = self.units = encoded.rows[self._source]
        self.problems = encoded.problems
        self.answered = np.arange(own)

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples. A copy is always spoilt in the same way."""
        source, copies = self._source[index], np.flatnonzero(index >= self._own)
        arrays = collate(self._columns, source)
        for name, column in self._columns.items():
            whole = cast("NDArray[np.uint8]", column)
            for place in copies:
                turn = int(index[place]) - self._own
                arrays[name][place] = planting.picture(whole, int(source[place]), turn, self._part)
        arrays[TRUTH] = (index >= self._own).astype(np.int64)
        return Batch(arrays, index)
