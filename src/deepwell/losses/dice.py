"""Losses of pixels that are classes: cross-entropy that leaves void pixels out, and one minus the Dice coefficient.

Unusual: both are sums over PICTURES, so micro-batches add up and no update needs to be coupled. A picture's cross-entropy
is its sum over known pixels divided by all its pixels: a pixel counts the same in every picture of a batch, whatever is void
beside it. Dice is taken per picture over the classes that occur in it, so a class of few pixels counts as much there as the
road that fills half the picture; a class that does not occur is left to the cross-entropy, since its coefficient would be
0 however little of it is seen.

Legend: n pictures, K classes, h x w pixels. Targets are class indices, VOID where nothing is known.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

VOID = 255
"""The target of a pixel that is known to nobody; it has no part in any loss."""


def pixel_cross_entropy(
    logits: Tensor, target: Tensor, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Sum over pictures of (1 / (h w)) sum over known pixels of w * -sum_c q_c log softmax(logits)_c: scalar, float32, nats.

    q = (1 - smoothing) on the target + smoothing / K on all classes (arXiv:1512.00567); w = class_weights[target].
    logits: (n, K, h, w); target: (n, h, w) integers, VOID where unknown; class_weights: (K,), averaging 1 over training pixels.
    """
    index, known = _index(target)
    log_p = functional.log_softmax(logits.float(), dim=1)
    loss = -log_p.gather(1, index.unsqueeze(1)).squeeze(1)
    if smoothing:
        loss = (1.0 - smoothing) * loss - smoothing * log_p.mean(1)
    if class_weights is not None:
        loss = loss * class_weights[index]
    return (loss * known).sum() / max(1, target[0].numel() if len(target) else 1)


def dice(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Sum over pictures of 1 - mean over the classes in a picture of (2 sum p g + smooth) / (sum p + sum g + smooth).

    p: softmax of the logits, g: 1 where the target is the class, both over known pixels (Milletari et al. 2016,
    arXiv:1606.04797, with p and g instead of their squares as in Sudre et al. 2017, arXiv:1707.03237). smooth: pixels; it
    keeps the gradient finite for classes of very few pixels. A picture without known pixels adds 0. Scalar, float32.

    logits: (n, K, h, w); target: (n, h, w) integers, VOID where unknown.
    """
    index, known = _index(target)
    p = functional.softmax(logits.float(), dim=1) * known.unsqueeze(1)
    n, classes = p.shape[:2]
    at_target = p.gather(1, index.unsqueeze(1)).squeeze(1)
    flat, kept = index.flatten(1), known.float().flatten(1)
    both = torch.zeros(n, classes, device=p.device).scatter_add(1, flat, at_target.flatten(1))
    truth = torch.zeros(n, classes, device=p.device).scatter_add(1, flat, kept)
    coefficient = (2.0 * both + smooth) / (p.sum((2, 3)) + truth + smooth)
    occurs = (truth > 0).float()
    share = occurs / occurs.sum(1, keepdim=True).clamp(min=1.0)
    return ((1.0 - coefficient) * share).sum()


def halved(target: Tensor, size: tuple[int, ...]) -> Tensor:
    """Targets (n, h, w) for a map of another `size` (h', w') whose sides are a power of two smaller, rounded up: (n, h', w').

    One pixel of each block speaks for it, the one after its middle; of a block that is cut off before that, the last.
    """
    lines, places = (_middles(old, new, target.device) for old, new in zip(target.shape[1:], size, strict=True))
    return target[:, lines][:, :, places]


def _middles(old: int, new: int, device: torch.device) -> Tensor:
    step = 1
    while step * new < old:
        step *= 2
    return (torch.arange(new, device=device) * step + step // 2).clamp(max=old - 1)


def _index(target: Tensor) -> tuple[Tensor, Tensor]:
    """Targets that can be looked up (0 where void), int64, and where they are known, bool."""
    known = target != VOID
    return torch.where(known, target, 0).long(), known
