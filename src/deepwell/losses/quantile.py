"""The loss of quantiles, as a sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deepwell.losses import numbers


def pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float], *, weights: Tensor | None = None) -> Tensor:
    """Sum over elements of weights * mean over levels of max(q e, (q - 1) e), e = target - quantile; scalar, float32.

    It is least where quantile q exceeds the target with probability q (Koenker and Bassett 1978). Twice its mean over many
    levels is near the continuous ranked probability score (Gneiting and Raftery 2007).

    quantiles: (..., Q); target, weights: (...); levels: the Q levels, each in (0, 1).
    """
    level = torch.tensor(levels, dtype=torch.float32, device=quantiles.device)
    loss = numbers.quantile(quantiles, target.unsqueeze(-1), level).mean(-1)
    return (loss if weights is None else loss * weights).sum()
