"""Losses of boxes, as sums over boxes.

Boxes are (left, top, right, bottom) with left <= right and top <= bottom, edges in any one unit, on which nothing depends.
Everything is float32 inside: areas of large pictures do not fit bfloat16.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-7
"""Added to areas that are divided by, in squares of the unit: two boxes without area overlap by 0."""


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each box with its counterpart, 0 to 1: (..., 4), (..., 4) -> (...), broadcast, float32."""
    boxes, others = boxes.float(), others.float()
    return _overlap(boxes, others)[0]


def generalised_overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union less the share of the smallest enclosing box that neither covers, -1 to 1.

    Rezatofighi et al. 2019, arXiv:1902.09630: boxes that do not meet have a slope towards each other.
    (..., 4), (..., 4) -> (...), broadcast, float32.
    """
    boxes, others = boxes.float(), others.float()
    share, union = _overlap(boxes, others)
    low, high = torch.minimum(boxes[..., :2], others[..., :2]), torch.maximum(boxes[..., 2:], others[..., 2:])
    around = (high - low).prod(-1)
    return share - (around - union) / (around + SMALLEST)


def box_loss(boxes: Tensor, truth: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Sum of weights * (1 - generalised_overlap), scalar, float32; 0 for no boxes. boxes, truth: (m, 4); weights: (m,)."""
    loss = 1.0 - generalised_overlap(boxes, truth)
    return (loss if weights is None else loss * weights).sum()


def _overlap(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and the area of the union."""
    low, high = torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = (boxes[..., 2:] - boxes[..., :2]).prod(-1) + (others[..., 2:] - others[..., :2]).prod(-1) - shared
    return shared / (union + SMALLEST), union
