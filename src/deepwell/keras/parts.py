"""What a layer of one's own is made of: the layers and modules in its attributes, and the first numbers of its weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def walked(name: str, value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """Objects of `kind`, torch modules and parameters of a value, also within lists, tuples and dicts, with a name for each."""
    if isinstance(value, kind | nn.Module | nn.Parameter):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from walked(f"{name}_{key}".replace(".", "_"), part, kind)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from walked(f"{name}_{place}", part, kind)


def drawn(initializer: Any, shape: Sequence[int], dtype: str | None) -> Tensor:
    """The first numbers of a weight. initializer: a name, an object, or a function (shape, dtype) -> array; None: by type."""
    from deepwell.keras import initializers

    kind: torch.dtype = getattr(torch, dtype or "float32")
    if initializer is None:
        initializer = "glorot_uniform" if kind.is_floating_point else "zeros"
    if inspect.isfunction(initializer):
        return torch.as_tensor(np.asarray(initializer(tuple(shape), dtype=dtype)), dtype=kind)
    found = initializers.get(initializer)
    return torch.zeros(tuple(shape), dtype=kind) if found is None else found.draw(tuple(shape)).to(kind)
