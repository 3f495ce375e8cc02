"""Regularisers: what a network pays for large weights, added to its loss as Keras adds it: once per batch, not per example."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class L1L2:
    """l1 sum |w| + l2 sum w^2. For example l2 = 0.01."""

    l1: float = 0.0
    l2: float = 0.0

    def penalty(self, weight: Tensor) -> Tensor:
        """What this weight costs, a scalar in float32."""
        found = weight.new_zeros(())
        if self.l1:
            found = found + self.l1 * weight.abs().sum()
        if self.l2:
            found = found + self.l2 * weight.square().sum()
        return found


def penalty(network: nn.Module) -> Tensor | None:
    """The sum over all weights that have a regulariser, or None where none has. A shared layer pays once.

    A module says in its attribute `regularised` which of its parameters has which: ((name, L1L2), ...).
    """
    costs = [
        rule.penalty(module.get_parameter(name))
        for module in network.modules()
        for name, rule in getattr(module, "regularised", ())
    ]
    return sum(costs[1:], costs[0]) if costs else None
