"""A layer at every step of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Run = Callable[
    [nn.Module, tuple[Tensor, ...], tuple[Tensor | None, ...], dict[str, Any]], tuple[tuple[Tensor, ...], Any]
]
"""How a layer is called: (its module, values, masks, arguments) -> (what comes out, masks); see nn/blocks/base.py."""


class EachStep(nn.Module):
    """(n, T, ...) -> (n, T, ...): a layer at each of T steps, as one call on n T examples."""

    def __init__(self, layer: nn.Module, run: Run) -> None:
        super().__init__()
        self.layer, self.run = layer, run

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        (found, *_), _ = self.run(self.layer, (x.flatten(0, 1),), (None,), {})
        return found.reshape(*x.shape[:2], *found.shape[1:])
