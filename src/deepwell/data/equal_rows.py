"""Rows that are copies of each other: which rows have the same values in all inputs and targets.

Each row gets a 64-bit number, the sum of mixed column codes (splitmix64; Steele et al. 2014); equal rows get equal numbers, and
two different ones of a million rows collide with a probability of 3e-8.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepwell.core.table import Column, ImageFile, MaskFile, Table

UInts = NDArray[np.uint64]
BLOCK = 1 << 16
"""Rows that are numbered at a time."""


def row_codes(table: Table, names: Sequence[str]) -> UInts:
    """(rows,): equal for rows whose cells are equal in all named columns. Pictures are compared by their bytes."""
    total = np.zeros(len(table), np.uint64)
    for place, name in enumerate(names):
        # Position times an odd constant keeps (a, b) and (b, a) apart.
        shift = np.uint64((place + 1) * 0x9E3779B97F4A7C15 % 2**64)
        start = 0
        for codes in _codes(table[name]):
            total[start : start + len(codes)] += _mix(codes + shift)
            start += len(codes)
    return total


def numbered(values: NDArray[Any]) -> NDArray[np.int32]:
    """(n,): the place of each value among the different ones in ascending order; np.unique's inverse in half its memory."""
    order = np.argsort(values, kind="stable")
    found = np.zeros(len(values), np.int32)
    place, last = -1, None
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        sorted_values = values[rows]
        steps = np.ones(len(rows), np.int32)
        steps[1:] = sorted_values[1:] != sorted_values[:-1]
        steps[0] = last is None or sorted_values[0] != last
        places = np.cumsum(steps) + place
        found[rows] = places
        place, last = int(places[-1]), sorted_values[-1]
    return found


def _mix(values: UInts) -> UInts:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _codes(column: Column) -> Iterator[UInts]:
    """A number for each cell, equal for equal ones; in blocks, so that a large column is not copied."""
    shared = _shared_sizes(column) if column.dtype == object else set()
    known: dict[Any, int] = {}
    for start in range(0, len(column), BLOCK):
        block = column[start : start + BLOCK]
        if block.ndim > 1:
            yield np.fromiter((_digest(np.ascontiguousarray(row)) for row in block), np.uint64, len(block))
        elif block.dtype.kind in "fiub":
            # As floats, so that 1 and 1.0 are equal. Beyond 2**53 neighbours meet: at worst rows stay together that need not.
            values = block.astype(np.float64) + 0.0  # -0.0 becomes 0.0
            values[np.isnan(values)] = np.nan
            yield values.view(np.uint64)
        else:
            cells = block.tolist()
            yield np.fromiter((known.setdefault(_cell(c, shared), len(known)) for c in cells), np.uint64, len(cells))


def _cell(cell: Any, shared: set[int]) -> Any:
    """Something that can be hashed and is equal for equal cells."""
    if isinstance(cell, str) or cell is None:
        return cell
    if isinstance(cell, ImageFile | MaskFile):
        return _file(cell.path, shared)
    if isinstance(cell, np.ndarray):
        return (cell.shape, _digest(np.ascontiguousarray(cell)))
    if isinstance(cell, Image.Image):
        return (cell.size, hashlib.blake2b(cell.tobytes()).digest())
    return repr(cell)


def _shared_sizes(cells: Iterable[Any]) -> set[int]:
    """File sizes that several files have: only these need to be read, since files of different sizes differ."""
    sizes = Counter(_size(cell.path) for cell in cells if isinstance(cell, ImageFile | MaskFile))
    return {size for size, count in sizes.items() if count > 1}


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return -1


def _file(path: str, shared: set[int]) -> Any:
    if _size(path) not in shared:
        return path
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return path  # encoding will say what is wrong with it


def _digest(array: NDArray[Any]) -> int:
    return int.from_bytes(hashlib.blake2b(array.data, digest_size=8).digest(), "little")
