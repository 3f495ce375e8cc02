"""Losses of margins: an answer is good once it is right by a distance of one.

Unusual: nothing is summed over examples. Answers are scores without a scale; targets are -1 or 1, or one-hot (categorical).
"""

from __future__ import annotations

from torch import Tensor


def hinge(score: Tensor, target: Tensor) -> Tensor:
    """max(0, 1 - target score), element by element, float32. target: -1 or 1 (Cortes and Vapnik 1995)."""
    return (1.0 - target.float() * score.float()).clamp(min=0.0)


def squared_hinge(score: Tensor, target: Tensor) -> Tensor:
    """The square of `hinge`: its slope has no jump."""
    return hinge(score, target).square()


def categorical_hinge(scores: Tensor, target: Tensor) -> Tensor:
    """max(0, 1 + best wrong score - score of the target): (..., K), (..., K) one-hot -> (...), float32.

    Crammer and Singer 2001; as Keras has it, a wrong score below 0 counts as 0, since the target's place is left as 0.
    """
    wide, asked = scores.float(), target.float()
    right = (asked * wide).sum(-1)
    wrong = ((1.0 - asked) * wide).amax(-1)
    return (wrong - right + 1.0).clamp(min=0.0)


def signs(target: Tensor) -> Tensor:
    """Targets as -1 and 1, float32: those of 0 and 1 alone are moved, all others stay. Nothing is asked of the device."""
    wide = target.float()
    binary = ((wide == 0) | (wide == 1)).all()
    return wide + binary * (wide - 1.0)
