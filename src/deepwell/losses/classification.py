"""Losses of classes, in nats, as sums over examples.

Unusual: class weights do not change the number of units, so weights must average to one over the training examples
(as the caller sees to); then the mean loss keeps its meaning and its learning rate.
"""

from __future__ import annotations

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
    """Sum over examples and tags of w * (softplus(z) - q z), scalar, float32: each tag is a yes/no question of its own.

    q = (1 - smoothing) target + smoothing / 2.

    logits: (n, ..., tags); target: the same shape, 0 or 1; weights: (n, ...).
    """
    wide = logits.float()
    asked = (1.0 - smoothing) * target.float() + smoothing / 2
    loss = (functional.softplus(wide) - asked * wide).sum(-1)
    return (loss if weights is None else loss * weights).sum()
