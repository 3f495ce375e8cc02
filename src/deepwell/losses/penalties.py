"""Penalties on weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def l1(parameters: Sequence[Tensor]) -> Tensor:
    """Sum of |w| over all parameters, scalar (the lasso's penalty; Tibshirani 1996). Raises ValueError for none."""
    if not parameters:
        raise ValueError("l1 needs at least one parameter")
    return torch.stack(torch._foreach_norm(list(parameters), 1)).sum()
