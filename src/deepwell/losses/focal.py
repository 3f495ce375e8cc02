"""Focal losses: yes/no questions of which almost all are answered by an easy no, as sums over places and classes.

Li et al. 2020, arXiv:2006.04388 (quality focal loss): what is asked for is not yes or no but a quality from 0 to 1, such as how
well a box fits, so that scores rank boxes by it. With qualities 0 and 1 it is the focal loss of Lin et al. 2017,
arXiv:1708.02002, without its balancing factor.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def quality_focal(logits: Tensor, quality: Tensor, *, gamma: float = 2.0, weights: Tensor | None = None) -> Tensor:
    """Sum of w |q - p|^gamma * (softplus(z) - q z) with p = sigmoid(z), scalar, float32, in nats.

    logits, quality: (..., classes); weights: (...), 0 where nothing is asked.
    """
    wide, asked = logits.float(), quality.float()
    loss = functional.softplus(wide) - asked * wide
    loss = (loss * (asked - wide.sigmoid()).abs().pow(gamma)).sum(-1)
    return (loss if weights is None else loss * weights).sum()
