"""Two recurrent layers over the same steps, one from each end (Schuster and Paliwal 1997)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepwell.nn.layers.recurrent import Recurrent

JOINS = ("concat", "sum", "mul", "ave")


class BothWays(nn.Module):
    """(n, T, I) -> what both give, joined; for "concat" (n, 2 U) or (n, T, 2 U). States: the first layer's, then the other's.

    join: one of JOINS, or None: both as they are. backward_layer: it runs from the end and gives its steps in that order.
    Unusual, and as Keras has it: padded steps give 0 here, where either layer alone would repeat what it gave before.
    """

    def __init__(self, forward_layer: Recurrent, backward_layer: Recurrent, join: str | None) -> None:
        super().__init__()
        self.onward, self.backward, self.join = forward_layer, backward_layer, join

    def forward(self, x: Tensor, *states: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        """See the class. states: those to begin with, or none. mask: (n, T), True where a step counts."""
        half = len(states) // 2
        one = self.onward(x, *states[:half], mask=mask)
        other = self.backward(x, *states[half:], mask=mask)
        ends: tuple[Tensor, ...] = ()
        if self.onward.manner.states:
            ends = (*one[1:], *other[1:])
            one, other = one[0], other[0]
        if self.onward.manner.sequences:
            other = other.flip(1)
            if mask is not None:
                there = mask.unsqueeze(-1).to(one.dtype)
                one, other = one * there, other * there
        found = self._joined(one, other)
        return found[0] if len(found) == 1 and not ends else (*found, *ends)

    def _joined(self, one: Tensor, other: Tensor) -> tuple[Tensor, ...]:
        if self.join is None:
            return one, other
        if self.join == "concat":
            return (torch.cat([one, other], -1),)
        if self.join == "mul":
            return (one * other,)
        return ((one + other) / (2 if self.join == "ave" else 1),)
