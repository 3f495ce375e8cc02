"""Losses of classes, in nats, as sums over examples.

Unusual: class weights do not change the number of units, so weights must average to one over the training examples
(as the caller sees to); then the mean loss keeps its meaning and its learning rate.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from deepwell.losses import likelihood


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
    loss = likelihood.sparse(functional.log_softmax(logits.float(), dim=-1), target, smoothing=smoothing)
    if class_weights is not None:
        loss = loss * class_weights[target.long()]
    return (loss if weights is None else loss * weights).sum()


def binary_cross_entropy(
    logits: Tensor, target: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Sum over examples and tags of w * (softplus(z) - q z), scalar, float32: each tag is a yes/no question of its own.

    q = (1 - smoothing) target + smoothing / 2.

    logits: (n, ..., tags); target: the same shape, 0 or 1; weights: (n, ...).
    """
    loss = likelihood.binary(logits, target, smoothing=smoothing).sum(-1)
    return (loss if weights is None else loss * weights).sum()
