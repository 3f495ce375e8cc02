"""Stretches: many windows of a flat column at once, copied as whole stretches of memory.

Unusual: an index for each step of each window would cost 35 times as much as the copy itself (7 targets, 432 steps, batches of
32: 4.8 against 0.14 microseconds a window). So windows are rows of one view in which each row begins a step after the one before
(no memory is taken for it); the few that reach over the ends of their series are mended afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray


def stretches(column: NDArray[Any], first: IntArray, length: int, low: IntArray, high: IntArray) -> NDArray[Any]:
    """(n, length, ...): for each window the places first, first + 1, ... of the column, zeros where outside of [low, high).

    column: (total, ...), C-contiguous. first, low, high: (n,); first may lie outside of the column, 0 <= low, high <= total.
    """
    total = len(column)
    if length > total:
        places = first[:, None] + np.arange(length)
        found: NDArray[Any] = column[np.clip(places, 0, total - 1)]
        found[(places < low[:, None]) | (places >= high[:, None])] = 0
        return found
    inner = column[:1].size
    rows = np.lib.stride_tricks.as_strided(
        column, (total - length + 1, length * inner), (column.strides[0], column.itemsize), writeable=False
    )
    found = rows[np.clip(first, 0, total - length)].reshape(len(first), length, *column.shape[1:])
    for window in np.flatnonzero((first < low) | (first + length > high)):
        begin = min(max(int(low[window] - first[window]), 0), length)
        end = max(min(int(high[window] - first[window]), length), begin)
        start = int(first[window])
        found[window] = 0
        found[window, begin:end] = column[start + begin : start + end]
    return found
