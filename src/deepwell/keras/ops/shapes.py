"""Functions that move numbers about without changing them: Keras's names over torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.errors import ConfigError
from deepwell.keras.ops.conversion import convert_to_tensor


def reshape(x: Any, newshape: Sequence[int]) -> Tensor:
    """The numbers in their order in another shape; one length may be -1."""
    return convert_to_tensor(x).reshape(tuple(newshape))


def ravel(x: Any) -> Tensor:
    """The numbers in their order on one axis."""
    return convert_to_tensor(x).reshape(-1)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order; in the reverse one for None."""
    tensor = convert_to_tensor(x)
    return tensor.permute(tuple(axes) if axes is not None else tuple(range(tensor.ndim))[::-1])


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    return torch.swapaxes(convert_to_tensor(x), axis1, axis2)


def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places, the rest in their order."""
    return torch.movedim(convert_to_tensor(x), source, destination)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Tensor:
    """New axes of 1 at these places of the result."""
    tensor = convert_to_tensor(x)
    places = [axis] if isinstance(axis, int) else list(axis)
    total = tensor.ndim + len(places)
    for place in sorted(p % total for p in places):
        tensor = tensor.unsqueeze(place)
    return tensor


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """Without these axes, all of length 1; without every such axis for None. Raises ConfigError for a longer axis."""
    tensor = convert_to_tensor(x)
    if axis is None:
        return tensor.squeeze()
    places = (axis,) if isinstance(axis, int) else tuple(axis)
    if any(tensor.shape[place] != 1 for place in places):
        raise ConfigError(f"squeeze leaves out axes of length 1; axis {axis} of shape {tuple(tensor.shape)} is longer")
    return tensor.squeeze(places)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """One behind the other along an axis."""
    return torch.cat([convert_to_tensor(x) for x in xs], dim=axis)


def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """One behind the other along a new axis."""
    return torch.stack([convert_to_tensor(part) for part in x], dim=axis)


def hstack(xs: Sequence[Any]) -> Tensor:
    """One beside the other: along the second axis, or the only one."""
    return torch.hstack([convert_to_tensor(x) for x in xs])


def vstack(xs: Sequence[Any]) -> Tensor:
    """One below the other: along the first axis; single lines become rows."""
    return torch.vstack([convert_to_tensor(x) for x in xs])


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The parts along an axis, which is gone. Raises ConfigError where there are not `num`."""
    parts = list(convert_to_tensor(x).unbind(axis))
    if num is not None and num != len(parts):
        raise ConfigError(f"unstack was to give {num} parts; the axis {axis} has {len(parts)}")
    return parts


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """So many equal parts, or the parts between these places. Raises ConfigError for parts that are not equal."""
    tensor = convert_to_tensor(x)
    if isinstance(indices_or_sections, int) and tensor.shape[axis] % indices_or_sections:
        raise ConfigError(f"an axis of {tensor.shape[axis]} cannot be split into {indices_or_sections} equal parts")
    cut = indices_or_sections if isinstance(indices_or_sections, int) else list(indices_or_sections)
    return list(torch.tensor_split(tensor, cut, dim=axis))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each entry so many times; over the flat order for None."""
    count = repeats if isinstance(repeats, int) else convert_to_tensor(repeats).long()
    return torch.repeat_interleave(convert_to_tensor(x), count, dim=axis)


def tile(x: Any, repeats: int | Sequence[int]) -> Tensor:
    """The whole so many times along each axis."""
    return torch.tile(convert_to_tensor(x), (repeats,) if isinstance(repeats, int) else tuple(repeats))


def broadcast_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Axes of 1, and missing ones in front, stretched to a shape."""
    return torch.broadcast_to(convert_to_tensor(x), tuple(shape))


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """Backwards along the axes; along all for None."""
    tensor = convert_to_tensor(x)
    places = range(tensor.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return torch.flip(tensor, tuple(places))


def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """Moved on along the axes; what leaves at one end comes back at the other."""
    return torch.roll(convert_to_tensor(x), shift, axis)


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Tensor:
    """Numbers around: pad_width is (before, after) for each axis, or one such pair, or one number, for all.

    mode: constant, reflect (without the edge, at most axis - 1 numbers) or symmetric (with it). Raises ConfigError for another.
    """
    tensor = convert_to_tensor(x)
    pairs = _pairs(pad_width, tensor.ndim)
    if mode == "constant":
        return functional.pad(tensor, [n for pair in reversed(pairs) for n in pair], value=constant_values)
    if mode not in ("reflect", "symmetric"):
        raise ConfigError(f"pad takes the modes 'constant', 'reflect' and 'symmetric'; got {mode!r}")
    for axis, (before, after) in enumerate(pairs):
        length, edge = tensor.shape[axis], int(mode == "reflect")
        front = torch.arange(before, 0, -1) - 1 + edge
        back = length - 1 - edge - torch.arange(after)
        index = torch.cat([front, torch.arange(length), back]).to(tensor.device)
        tensor = tensor.index_select(axis, index)
    return tensor


def _pairs(pad_width: Any, axes: int) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * axes
    widths = list(pad_width)
    if len(widths) == 2 and all(isinstance(width, int) for width in widths):
        return [(widths[0], widths[1])] * axes
    pairs = [(w, w) if isinstance(w, int) else (int(w[0]), int(w[1])) for w in widths]
    return pairs * axes if len(pairs) == 1 else pairs


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """The entries at these places of an axis, in the shape of the places; of the flat order for None. From the end below 0."""
    tensor = ravel(x) if axis is None else convert_to_tensor(x)
    place = convert_to_tensor(indices).long()
    axis = 0 if axis is None else axis % tensor.ndim
    place = torch.where(place < 0, place + tensor.shape[axis], place)
    found = tensor.index_select(axis, place.reshape(-1))
    return found.reshape(*tensor.shape[:axis], *place.shape, *tensor.shape[axis + 1 :])


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Tensor:
    """For each line along the axis, the entries at its own places."""
    return torch.take_along_dim(convert_to_tensor(x), convert_to_tensor(indices).long(), dim=axis)


def diag(x: Any, k: int = 0) -> Tensor:
    """A matrix with x on its k-th diagonal, or that diagonal of a matrix."""
    return torch.diag(convert_to_tensor(x), k)


def tril(x: Any, k: int = 0) -> Tensor:
    """0 above the k-th diagonal."""
    return torch.tril(convert_to_tensor(x), k)


def triu(x: Any, k: int = 0) -> Tensor:
    """0 below the k-th diagonal."""
    return torch.triu(convert_to_tensor(x), k)
