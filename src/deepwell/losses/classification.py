"""Losses of classes, in nats, as sums over examples.

Unusual: class weights do not change the number of units, so weights must average to one over the training examples
(`balanced` gives such weights); then the mean loss keeps its meaning and its learning rate.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Sum over examples of w * -sum_c q_c log softmax(logits)_c, scalar, float32.

    q = (1 - smoothing) on the target class + smoothing / classes on all (label smoothing, Szegedy et al. 2016,
    arXiv:1512.00567). w = class_weights[target] * weights.

    logits: (n, ..., classes); target: (n, ...) integers; class_weights: (classes,); weights: (n, ...).
    Positions after n count as examples of their own: divide by them where they should not.
    """
    log_p = functional.log_softmax(logits.float(), dim=-1)
    index = target.long()
    loss = -log_p.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    if smoothing:
        loss = (1.0 - smoothing) * loss - smoothing * log_p.mean(-1)
    if class_weights is not None:
        loss = loss * class_weights[index]
    return (loss if weights is None else loss * weights).sum()


def binary_cross_entropy(
    logits: Tensor, target: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Sum over all elements of the cross-entropy of sigmoid(logits) against target in [0, 1], scalar, float32.

    smoothing moves the targets towards one half. logits, target, weights: same shape.
    """
    target = target.float() * (1.0 - smoothing) + 0.5 * smoothing
    return functional.binary_cross_entropy_with_logits(logits.float(), target, weight=weights, reduction="sum")


def balanced(counts: Tensor, power: float = 1.0) -> Tensor:
    """Class weights proportional to counts ** -power that average to one over the examples: (classes,) float32.

    counts: (classes,) examples of each class; a class without examples gets weight 0. power 1 gives every class the same
    total weight, 0 none at all; 0.5 is the usual compromise (square root of the inverse frequency).
    """
    counts = counts.float()
    weights = torch.where(counts > 0, counts.clamp(min=1.0) ** -power, torch.zeros_like(counts))
    return weights * counts.sum() / (weights * counts).sum().clamp(min=1e-12)
