"""Unfilled: a network as names, shapes and types only, before anything is loaded into it.

Unusual: on the meta device, where tensors have no memory, the functions of torch.nn.init are left out. There is nothing to
fill, and for some of them torch would import its compiler first, which takes a second of every start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def unfilled() -> Iterator[None]:
    """Networks that are built inside have parameters without memory, which nothing has filled."""
    with torch.device("meta"), _LeftOut():
        yield


class _LeftOut(TorchFunctionMode):
    """Functions of torch.nn.init return the tensor as they got it."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else named["tensor"]
        return function(*args, **named)
