"""Batch: what a network sees at once. Encoded: what a Pipeline makes of a Table. Ragged: values of unequal length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

STRIDE = 8
"""Padded rows are a multiple of this long."""


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length: flat values and where each row begins.

    Row i is `values[offsets[i]:offsets[i + 1]]`. values: (total, ...); offsets: (rows + 1,) int64, offsets[0] = 0.
    padded: how batches hold it: padded to the longest row, as networks of sequences want it, or flat.
    """

    values: NDArray[Any]
    offsets: IntArray
    padded: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        """(rows,): how many values each row has."""
        return np.diff(self.offsets)

    def take(self, rows: IntArray) -> Ragged:
        """The given rows in that order."""
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts  # of these rows only: there may be very many others
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[index], offsets, self.padded)

    def pad(self) -> NDArray[Any]:
        """(rows, longest, ...) with 0 behind the end of each row; `longest` is rounded up to whole STRIDEs, at least one.

        Few different lengths let kernels be planned once, and take their fast paths.
        """
        lengths = self.lengths
        longest = max(STRIDE, -(-int(lengths.max(initial=0)) // STRIDE) * STRIDE)
        padded = np.zeros((len(self), longest, *self.values.shape[1:]), self.values.dtype)
        padded[np.arange(longest) < lengths[:, None]] = self.values
        return padded

    @property
    def row_of_value(self) -> IntArray:
        """(total,): the row that each flat value belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)


EncodedColumn = NDArray[Any] | Ragged


@dataclass(frozen=True)
class Encoded:
    """What a fitted Pipeline makes of a Table.

    Attributes:
        columns: array name -> one entry per usable row, in order. A field's main array has the field's name; companions
            are `field.part` (e.g. `age.missing`).
        rows: (usable,) int64: the Table row that each entry came from.
        problems: Table row -> why it cannot be used. len(table) = len(rows) + len(problems).
    """

    columns: Mapping[str, EncodedColumn]
    rows: IntArray
    problems: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Named arrays of some examples; numpy on the host, tensors on the device.

    Attributes:
        arrays: name -> array, first axis = examples. Exceptions: ragged columns, given flat as `name` (total, ...) with
            `name.row` (total,) int64, the example each value belongs to, or padded as `name` (size, longest, ...) with
            `name.length` (size,) int64; and masks as `name.mask`.
        examples: (size,) int64: index of each example in its Examples.
    """

    arrays: Mapping[str, Any]
    examples: IntArray

    def __len__(self) -> int:
        return len(self.examples)

    def replace(self, **arrays: Any) -> Batch:
        """A copy with some arrays replaced or added."""
        return Batch({**self.arrays, **arrays}, self.examples)


def collate(columns: Mapping[str, EncodedColumn], index: IntArray) -> dict[str, NDArray[Any]]:
    """The given examples of encoded columns as batch arrays: dense columns are sliced, ragged ones flattened or padded."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if isinstance(column, Ragged):
            taken = column.take(index)
            if column.padded:
                arrays[name], arrays[f"{name}.length"] = taken.pad(), taken.lengths
            else:
                arrays[name], arrays[f"{name}.row"] = taken.values, taken.row_of_value
        else:
            arrays[name] = column[index]
    return arrays
