"""Feed: the batch of a step, on the device.

Unusual: where examples are slices of dense columns, the columns are put on the device once and sliced there by index; no
Python runs per example and nothing is shuffled in memory. On the CPU a column is never copied, also where it is a mapped
file: there the pages of the next window are asked for while this one is trained on. Columns that would take more than a
quarter of a CUDA device's free memory stay with the host, and batches travel from pinned memory. Otherwise `Examples.take`
makes each batch on the host.
"""

from __future__ import annotations

import mmap
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.nn.runner import to_tensor
from deepwell.store.arrays import mapped, mapping_of

SHARE = 0.25
"""Of a CUDA device's free memory, what the columns may take."""
READER = "deepwell reads ahead"
"""The name of the thread that asks for pages."""

Columns = Mapping[str, NDArray[Any]]


class Feed:
    """Batches of examples as tensors on a device."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self._examples, self._device = examples, device
        columns = examples.columns if examples.count is not None else None
        self._mapped = [column for column in (columns or {}).values() if mapped(column) and column.size]
        self._columns: dict[str, Tensor] | None = None
        if columns is not None:
            resident = device if _fit(columns, device) else torch.device("cpu")
            self._columns = {name: _held(column).to(resident) for name, column in columns.items()}

    def batch(self, index: IntArray, key: Key) -> Batch:
        """The examples at `index` (size,) int64 as tensors; key: the epoch's, for examples that draw."""
        if self._columns is None:
            taken = self._examples.take(index, key)
            return Batch({n: _held(a).to(self._device) for n, a in taken.arrays.items()}, index)
        rows = torch.from_numpy(index)
        there = rows.to(self._device, non_blocking=True)
        arrays = {
            name: _single(column.index_select(0, there))
            if column.device.type == self._device.type
            else _sent(column, rows, self._device)
            for name, column in self._columns.items()
        }
        return Batch(arrays, index)

    def ahead(self, spans: Sequence[tuple[int, int]]) -> None:
        """Have the system read examples from start to stop of each span, while others are trained on; see Order.ahead.

        Only for columns that are mapped files; a hint, which changes no batch. It returns at once.
        """
        if self._mapped and spans and hasattr(mmap, "MADV_WILLNEED"):
            asked = (list(self._mapped), list(spans))
            threading.Thread(target=_read_ahead, args=asked, name=READER, daemon=True).start()


def _fit(columns: Columns, device: torch.device) -> bool:
    """Whether all columns may lie on the device. Only CUDA says how much room it has; elsewhere mapped files stay files."""
    if device.type == "cpu":
        return True
    if device.type != "cuda":
        return not any(mapped(column) for column in columns.values())
    free, _ = torch.cuda.mem_get_info(device)
    return sum(column.size * _itemsize(column) for column in columns.values()) <= SHARE * free


def _itemsize(column: NDArray[Any]) -> int:
    return 4 if column.dtype.kind == "f" else column.dtype.itemsize


def _held(column: NDArray[Any]) -> Tensor:
    """An array as a tensor of the host, sharing its memory where it can, for it is only ever read.

    Other floats than float32 are turned into it, but those of a mapped file only when they are sliced.
    """
    if column.dtype.kind == "f" and column.dtype != np.float32 and not mapped(column):
        column = column.astype(np.float32)
    shareable = column.dtype.isnative and column.size and all(s >= 0 for s in column.strides)
    return _shared(column) if shareable else to_tensor(column)


def _shared(column: NDArray[Any]) -> Tensor:
    """A tensor over the column's own memory, also where that is read-only (torch only warns, and nothing here writes)."""
    if column.flags.writeable:
        return torch.from_numpy(column)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(column)


def _single(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values


def _sent(column: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """Rows of a column of the host, on the device. torch keeps pinned memory back until its copy has ended."""
    pinned = torch.empty((len(rows), *column.shape[1:]), dtype=column.dtype, pin_memory=device.type == "cuda")
    torch.index_select(column, 0, rows, out=pinned)
    return _single(pinned.to(device, non_blocking=True))


def _read_ahead(columns: Iterable[NDArray[Any]], spans: Sequence[tuple[int, int]]) -> None:
    """Ask for the pages of all spans, one after another: each call is short, for it holds the interpreter."""
    for column in columns:
        for start, stop in spans:
            mapping, first, length = pages(column, start, stop)
            mapping.madvise(mmap.MADV_WILLNEED, first, length)


def pages(column: NDArray[Any], start: int, stop: int) -> tuple[mmap.mmap, int, int]:
    """The mapped file of a column, and the first byte and number of bytes of the pages in it that hold rows start to stop.

    Raises ValueError for a column that is not mapped row by row.
    """
    mapping = mapping_of(column)
    if mapping is None or not column.flags.c_contiguous:
        raise ValueError("the column is not a contiguous part of a mapped file")
    base = np.frombuffer(mapping, np.uint8).ctypes.data
    row = column.nbytes // len(column)
    first = column.ctypes.data - base + start * row
    last = column.ctypes.data - base + stop * row
    first -= first % mmap.PAGESIZE
    return mapping, first, last - first
