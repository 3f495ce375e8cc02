"""From the losses of single values to a sum with units, as the loop wants it.

Unusual: a value that is masked out is replaced and not multiplied by 0, so that it may be infinite; and it takes its unit with
it, while a weight changes the sum alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def total(values: Tensor, *, weights: Tensor | None = None, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The sum of weights * values where mask is true, and how many values that are: two scalars, float32.

    values: (n, ...); weights, mask: its shape or leading axes of it, such as (n,).
    """
    loss = values.float()
    if weights is not None:
        loss = loss * along(weights, loss).float()
    if mask is None:
        return loss.sum(), loss.new_tensor(float(loss.numel()))
    kept = along(mask, loss).bool().expand_as(loss)
    return torch.where(kept, loss, 0.0).sum(), kept.sum().float()


def along(leading: Tensor, values: Tensor) -> Tensor:
    """`leading` with axes of 1 at its end, until it has as many as `values`. Raises ValueError where they do not agree."""
    missing = values.ndim - leading.ndim
    shaped = leading.reshape(*leading.shape, *[1] * missing) if missing > 0 else leading
    if missing < 0 or any(a not in (1, b) for a, b in zip(shaped.shape, values.shape, strict=True)):
        raise ValueError(
            f"weights or a mask of shape {tuple(leading.shape)} do not fit values of {tuple(values.shape)}"
        )
    return shaped
