"""Losses of likeness: vectors that belong together are to point the same way.

Unusual: info_nce is coupled, each example is the wrong answer of the others; so a batch must not be cut into micro-batches
(Update.coupled).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LEAST = 1e-12
"""Squared length below which a vector counts as that long; Keras's value."""


def directions(vectors: Tensor, axis: int = -1, *, least: float = LEAST) -> Tensor:
    """The vectors divided by their lengths, float32; a vector of zeros stays one."""
    wide = vectors.float()
    return wide * wide.square().sum(axis, keepdim=True).clamp(min=least).rsqrt()


def cosine(vectors: Tensor, others: Tensor, axis: int = -1) -> Tensor:
    """The cosine of the angle between vectors along `axis`, -1 to 1: that axis is gone, float32."""
    return (directions(vectors, axis) * directions(others, axis)).sum(axis)


def info_nce(
    queries: Tensor, keys: Tensor, *, temperature: float = 0.1, weights: Tensor | None = None, symmetric: bool = True
) -> Tensor:
    """Sum over pairs i of weights * -log softmax_j(cos(query_i, key_j) / temperature)_i: scalar, float32, nats; n units.

    van den Oord et al. 2018, arXiv:1807.03748; symmetric: the mean with the same of keys and queries exchanged (Radford et al.
    2021, arXiv:2103.00020). queries, keys: (n, d), row i of both belonging together; weights: (n,), and a pair of weight 0 is
    nobody's wrong answer either.
    """
    logits = directions(queries) @ directions(keys).mT / temperature
    if weights is not None:
        absent = (weights == 0).unsqueeze(0) & ~torch.eye(len(weights), dtype=torch.bool, device=weights.device)
        logits = logits.masked_fill(absent, -math.inf)
        turned = (directions(keys) @ directions(queries).mT / temperature).masked_fill(absent, -math.inf)
    else:
        turned = logits.mT
    loss = -functional.log_softmax(logits, -1).diagonal()
    if symmetric:
        loss = 0.5 * (loss - functional.log_softmax(turned, -1).diagonal())
    return (loss if weights is None else loss * weights).sum()
