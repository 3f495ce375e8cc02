"""Functions that make one number of many, along an axis, several, or all: Keras's names over torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepwell.keras.ops.conversion import Dtype, convert_to_tensor, floating, torch_dtype

Axis = int | Sequence[int] | None


def _axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sums."""
    tensor = convert_to_tensor(x)
    return torch.sum(tensor, _axes(tensor, axis), keepdim=keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Means."""
    tensor = floating(x)
    return torch.mean(tensor, _axes(tensor, axis), keepdim=keepdims)


def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The number in the middle; of two in the middle their mean."""
    tensor = floating(x)
    axes = tuple(a % tensor.ndim for a in _axes(tensor, axis))
    rest = [a for a in range(tensor.ndim) if a not in axes]
    lines = tensor.permute(*rest, *axes).reshape(*[tensor.shape[a] for a in rest], -1)
    ordered = lines.sort(-1).values  # torch's own median takes the lower one of two
    count = ordered.shape[-1]
    found = (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2
    return found.reshape([1 if a in axes else side for a, side in enumerate(tensor.shape)]) if keepdims else found


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean squared distances from the mean."""
    tensor = floating(x)
    return torch.var(tensor, _axes(tensor, axis), correction=0, keepdim=keepdims)


def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Square roots of `var`."""
    return var(x, axis, keepdims).sqrt()


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest."""
    tensor = convert_to_tensor(x)
    return torch.amax(tensor, _axes(tensor, axis), keepdim=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest."""
    tensor = convert_to_tensor(x)
    return torch.amin(tensor, _axes(tensor, axis), keepdim=keepdims)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Products."""
    tensor = convert_to_tensor(x)
    for one in sorted((a % tensor.ndim for a in _axes(tensor, axis)), reverse=True):
        tensor = torch.prod(tensor, one, keepdim=keepdims)
    return tensor


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether one is true."""
    tensor = convert_to_tensor(x).bool()
    return torch.any(tensor, _axes(tensor, axis), keepdim=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every one is true."""
    tensor = convert_to_tensor(x).bool()
    return torch.all(tensor, _axes(tensor, axis), keepdim=keepdims)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """ln of the sum of e^x, exact for large x."""
    tensor = floating(x)
    return torch.logsumexp(tensor, _axes(tensor, axis), keepdim=keepdims)


def count_nonzero(x: Any, axis: Axis = None) -> Tensor:
    """How many are not 0."""
    tensor = convert_to_tensor(x)
    return torch.count_nonzero(tensor, _axes(tensor, axis))


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest is, the first of equals; in the flat order for None."""
    return torch.argmax(convert_to_tensor(x), axis, keepdim=keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest is, the first of equals; in the flat order for None."""
    return torch.argmin(convert_to_tensor(x), axis, keepdim=keepdims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Lengths of vectors (Euclidean unless `ord` says otherwise), or norms of matrices for two axes and an `ord`."""
    tensor = floating(x)
    length: Tensor = torch.linalg.norm(tensor, ord=ord, dim=axis, keepdim=keepdims)
    return length


def cumsum(x: Any, axis: int | None = None, dtype: Dtype = None) -> Tensor:
    """Sums of all up to each place; over the flat order for None."""
    tensor = convert_to_tensor(x)
    return torch.cumsum(tensor.flatten() if axis is None else tensor, axis or 0, dtype=torch_dtype(dtype))


def sort(x: Any, axis: int = -1) -> Tensor:
    """Ascending along the axis."""
    return torch.sort(convert_to_tensor(x), dim=axis, stable=True).values


def argsort(x: Any, axis: int = -1) -> Tensor:
    """The places that would sort x, of equals the first before."""
    return torch.argsort(convert_to_tensor(x), dim=axis, stable=True)


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest of the last axis and where they are."""
    found = torch.topk(convert_to_tensor(x), k, sorted=sorted)
    return found.values, found.indices
