"""Functions that read and write at places named by numbers: Keras's names and arguments over torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.ops.conversion import convert_to_tensor

REDUCTIONS = {None: None, "add": "sum", "max": "amax", "min": "amin", "mul": "prod"}
"""What scatter_update does where something stands already -> torch's word for it; None: it is written over."""


def slice(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The block of a shape that begins at a place."""
    tensor = convert_to_tensor(inputs)
    for axis, (length, begin) in enumerate(zip(shape, _starts(tensor, start_indices, shape), strict=True)):
        tensor = tensor.narrow(axis, begin, int(length))
    return tensor


def slice_update(inputs: Any, start_indices: Sequence[int], updates: Any) -> Tensor:
    """A copy in which the block that begins at a place is another."""
    tensor, block = convert_to_tensor(inputs), convert_to_tensor(updates)
    changed = tensor.clone()
    view = changed
    for axis, begin in enumerate(_starts(tensor, start_indices, block.shape)):
        view = view.narrow(axis, begin, block.shape[axis])
    view.copy_(block)
    return changed


def _starts(tensor: Tensor, given: Any, shape: Sequence[int]) -> list[int]:
    """Where the block begins on each axis. Raises ConfigError for a block that reaches over the end."""
    begins = [int(begin) for begin in given]
    if len(begins) != tensor.ndim or len(shape) != tensor.ndim:
        raise ConfigError(f"a slice of shape {tuple(tensor.shape)} needs {tensor.ndim} starts and lengths")
    if any(b < 0 or b + n > s for b, n, s in zip(begins, shape, tensor.shape, strict=True)):
        raise ConfigError(
            f"a block of {tuple(shape)} that begins at {tuple(begins)} reaches over {tuple(tensor.shape)}"
        )
    return begins


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Tensor:
    """Zeros of a shape to which values are added at places. indices: (n, axes named); values: (n, the other axes)."""
    given = convert_to_tensor(values)
    return scatter_update(given.new_zeros(tuple(shape)), indices, given, "add")


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Tensor:
    """A copy with other values at places. indices: (n, axes named); updates: (n, the other axes).

    reduction: "add", "max", "min" or "mul" with what stands there; None: instead of it. Raises ConfigError for another word.
    """
    if reduction not in REDUCTIONS:
        raise ConfigError(f"scatter_update takes the reductions {list(REDUCTIONS)}; got {reduction!r}")
    tensor = convert_to_tensor(inputs)
    place, block = convert_to_tensor(indices).long().to(tensor.device), convert_to_tensor(updates).to(tensor)
    named = place.shape[-1]
    sides, rest = tensor.shape[:named], tensor.shape[named:]
    row = torch.zeros_like(place[..., 0])
    for axis, side in enumerate(sides):
        row = row * side + torch.where(place[..., axis] < 0, place[..., axis] + side, place[..., axis])
    flat = tensor.reshape(-1, *rest)
    row, block = row.reshape(-1), block.reshape(-1, *rest)
    word = REDUCTIONS[reduction]
    if word is None:
        return flat.index_put((row,), block).reshape(tensor.shape)
    where = row.reshape(-1, *[1] * len(rest)).expand_as(block)
    return flat.scatter_reduce(0, where, block, word, include_self=True).reshape(tensor.shape)


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Sums of the rows of each segment: (segments, ...). num_segments: the highest id and one unless given."""
    tensor = convert_to_tensor(data)
    place = convert_to_tensor(segment_ids).long().to(tensor.device)
    count = int(place.max()) + 1 if num_segments is None else num_segments
    kept = (place >= 0) & (place < count)
    return tensor.new_zeros((count, *tensor.shape[1:])).index_add(0, place[kept], tensor[kept])


def ndim(x: Any) -> int:
    """How many axes."""
    return len(x.shape) if hasattr(x, "shape") else convert_to_tensor(x).ndim


def size(x: Any) -> int:
    """How many numbers. Raises ConfigError where only the data know."""
    sides = tuple(x.shape) if hasattr(x, "shape") else tuple(convert_to_tensor(x).shape)
    if None in sides:
        raise ConfigError(f"the size of {sides} is known only with the data", repair="ask within a custom Layer's call")
    count = 1
    for side in sides:
        count *= int(side)
    return count
