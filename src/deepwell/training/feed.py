"""Feed: the batch of a step, on the device.

Unusual: where examples are slices of dense columns, the columns are put on the device once and sliced there by index; no
Python runs per example and nothing is shuffled in memory. Otherwise `Examples.take` makes each batch on the host.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.nn.runner import to_tensor


class Feed:
    """Batches of examples as tensors on a device."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self._examples, self._device = examples, device
        columns = examples.columns if examples.count is not None else None
        self._columns = None if columns is None else {n: _resident(c, device) for n, c in columns.items()}

    def batch(self, index: IntArray, key: Key) -> Batch:
        """The examples at `index` (size,) int64 as tensors; key: the epoch's, for examples that draw."""
        if self._columns is None:
            taken = self._examples.take(index, key)
            return Batch({n: to_tensor(a, self._device) for n, a in taken.arrays.items()}, index)
        rows = torch.from_numpy(index).to(self._device, non_blocking=True)
        return Batch({n: column.index_select(0, rows) for n, column in self._columns.items()}, index)


def _resident(column: NDArray[Any], device: torch.device) -> Tensor:
    """A column on the device; on the CPU it shares memory where it can, for it is only ever read."""
    if column.dtype.kind == "f" and column.dtype != np.float32:
        column = column.astype(np.float32)
    shareable = column.dtype.isnative and column.size and all(s >= 0 for s in column.strides)
    return (_shared(column) if shareable else to_tensor(column)).to(device)


def _shared(column: NDArray[Any]) -> Tensor:
    """A tensor over the array's own memory, also where that is read-only (torch only warns, and nothing here writes)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(column)
