"""Several values into one: element by element, side by side, or by inner products."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn

MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "difference": torch.sub,
    "product": torch.mul,
    "largest": torch.maximum,
    "least": torch.minimum,
}


class Merge(nn.Module):
    """Several values -> one, element by element; axes of length 1 are stretched, and examples' missing axes come first.

    merge: a name out of MERGES, or "mean".
    """

    def __init__(self, merge: str) -> None:
        super().__init__()
        self.merge = merge

    def forward(self, *values: Tensor) -> Tensor:
        """See the class."""
        most = max(value.dim() for value in values)
        level = [v.reshape(v.shape[0], *[1] * (most - v.dim()), *v.shape[1:]) for v in values]
        if self.merge == "mean":
            return reduce(torch.add, level) / len(level)
        return reduce(MERGES[self.merge], level)


class Join(nn.Module):
    """Several values -> one, side by side along an axis, which is counted with that of the examples."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *values: Tensor) -> Tensor:
        """See the class."""
        return torch.cat(values, dim=self.axis)


class Inner(nn.Module):
    """x (n, a..., K), y (n, b..., K) -> (n, a..., b...): inner products along one axis of each; (n, 1) where nothing is left.

    axes: one of each, counted with that of the examples. unit: vectors are brought to length 1 first, which gives the cosine.
    """

    def __init__(self, axes: tuple[int, int], unit: bool) -> None:
        super().__init__()
        self.axes, self.unit = axes, unit

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """See the class."""
        if self.unit:
            x, y = _unit(x, self.axes[0]), _unit(y, self.axes[1])
        x, y = x.movedim(self.axes[0], -1), y.movedim(self.axes[1], -1)
        found = x.flatten(1, -2) if x.dim() > 2 else x.unsqueeze(1)
        other = y.flatten(1, -2) if y.dim() > 2 else y.unsqueeze(1)
        product = found @ other.mT
        rest = [*x.shape[1:-1], *y.shape[1:-1]]
        return product.reshape(x.shape[0], *(rest or [1]))


def _unit(x: Tensor, axis: int) -> Tensor:
    return x * x.square().sum(axis, keepdim=True).clamp(min=1e-12).rsqrt()
