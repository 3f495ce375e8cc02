"""Tensors out of anything, and back: numbers, lists, numpy, torch, and whatever has `__array__` or DLPack.

Unusual: floats become float32, as everywhere in Keras, also where numpy made float64 of them; integers and booleans keep
their type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.keras.ops.placing import place

DTYPES: dict[str, torch.dtype] = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
    "complex64": torch.complex64,
    "float": torch.float32,
    "int": torch.int32,
}
"""Types by Keras's names."""
Dtype = str | torch.dtype | type | None


def torch_dtype(dtype: Dtype) -> torch.dtype | None:
    """The torch type for a name, a numpy type or a torch type; None for None. Raises ConfigError for another."""
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise ConfigError(f"there is no dtype {name!r}{nearest(name, DTYPES)}")
    return DTYPES[name]


def is_tensor(x: Any) -> bool:
    """Whether x is a torch tensor."""
    return isinstance(x, Tensor)


def convert_to_tensor(x: Any, dtype: Dtype = None) -> Tensor:
    """x as a tensor; of Python's and numpy's float64 as float32 unless `dtype` says otherwise.

    A tensor stays where it is; arrays are shared with where possible, and within a layer go to its device. Raises DataError for
    what is no numbers.
    """
    wanted = torch_dtype(dtype)
    if isinstance(x, Tensor):
        return x if wanted is None else x.to(wanted)
    if hasattr(type(x), "__torch_function__"):  # a symbolic value of a functional model stays what it is
        symbolic: Tensor = x
        return symbolic
    if hasattr(x, "__dlpack__") and not isinstance(x, np.ndarray):
        tensor: Tensor = torch.utils.dlpack.from_dlpack(x)
    else:
        tensor = _of_array(x)
    if wanted is None and tensor.dtype == torch.float64:
        wanted = torch.float32
    return tensor.to(device=place(), dtype=wanted)


def _of_array(x: Any) -> Tensor:
    if isinstance(x, list | tuple) and any(isinstance(part, Tensor) for part in x):
        return torch.stack([convert_to_tensor(part) for part in x])
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise DataError(f"{type(x).__name__} cannot be read as an array: {error}") from None
    if array.dtype.kind not in "biufc":
        what = "rows of unequal length" if array.dtype == object else f"values of type {array.dtype}"
        raise DataError(
            f"{type(x).__name__} with {what} cannot become a tensor",
            repair="pad sequences with pad_sequences(); turn texts and categories into numbers first",
        )
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    if isinstance(x, int) and array.dtype == np.int64:
        array = array.astype(np.int32) if abs(x) < 2**31 else array
    if not array.flags.writeable or not array.dtype.isnative or any(step < 0 for step in array.strides):
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    return torch.from_numpy(array)


def floating(x: Any) -> Tensor:
    """x as a tensor of floats: whole numbers become float32."""
    tensor = convert_to_tensor(x)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.float()


def convert_to_numpy(x: Any) -> NDArray[Any]:
    """x as a numpy array on the host, without its gradient."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def cast(x: Any, dtype: Dtype) -> Tensor:
    """x as another type."""
    return convert_to_tensor(x, dtype)


def shape(x: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return tuple(convert_to_tensor(x).shape)


def stop_gradient(variable: Any) -> Tensor:
    """The same numbers, through which no gradient flows."""
    return convert_to_tensor(variable).detach()


def zeros(shape: Sequence[int] | int, dtype: Dtype = None) -> Tensor:
    """Zeros."""
    return torch.zeros(shape, dtype=torch_dtype(dtype), device=place())


def ones(shape: Sequence[int] | int, dtype: Dtype = None) -> Tensor:
    """Ones."""
    return torch.ones(shape, dtype=torch_dtype(dtype), device=place())


def full(shape: Sequence[int] | int, fill_value: float, dtype: Dtype = None) -> Tensor:
    """One number everywhere; float32 unless said otherwise."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return torch.full(sizes, fill_value, dtype=torch_dtype(dtype) or torch.float32, device=place())


def eye(N: int, M: int | None = None, k: int = 0, dtype: Dtype = None) -> Tensor:
    """Ones on the k-th diagonal: (N, M), M = N unless said."""
    columns = N if M is None else M
    row, column = torch.arange(N, device=place()).unsqueeze(1), torch.arange(columns, device=place()).unsqueeze(0)
    return (column - row == k).to(torch_dtype(dtype) or torch.float32)


def zeros_like(x: Any, dtype: Dtype = None) -> Tensor:
    """Zeros of x's shape."""
    return torch.zeros_like(convert_to_tensor(x), dtype=torch_dtype(dtype))


def ones_like(x: Any, dtype: Dtype = None) -> Tensor:
    """Ones of x's shape."""
    return torch.ones_like(convert_to_tensor(x), dtype=torch_dtype(dtype))


def full_like(x: Any, fill_value: float, dtype: Dtype = None) -> Tensor:
    """One number in x's shape."""
    return torch.full_like(convert_to_tensor(x), fill_value, dtype=torch_dtype(dtype))


def arange(start: float, stop: float | None = None, step: float = 1, dtype: Dtype = None) -> Tensor:
    """start, start + step, ... below stop; from 0 where only one number is given. Whole numbers give int32."""
    first, last = (0, start) if stop is None else (start, stop)
    whole = all(isinstance(number, int) for number in (first, last, step))
    kind = torch_dtype(dtype) or (torch.int32 if whole else torch.float32)
    return torch.arange(first, last, step, dtype=kind, device=place())


def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Dtype = None) -> Tensor:
    """num numbers at equal distances, stop among them or not."""
    last = stop if endpoint or num == 0 else start + (stop - start) * (num - 1) / num
    return torch.linspace(start, last, num, dtype=torch_dtype(dtype), device=place())
