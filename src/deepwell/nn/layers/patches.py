"""Patches: a stretch of consecutive steps as one place of a sequence (Nie et al. 2023, PatchTST, arXiv:2211.14730).

A transformer over patches of P steps looks at C / P places instead of C, and each place holds a shape, not a point. Unusual:
patches do not overlap, so that steps that are asked for are cut in the same way as steps that are known.

Legend: n sequences, C steps, P steps of a patch, F features of a step.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def count(steps: int, patch: int) -> int:
    """How many patches hold so many steps; the last one that is cut may hold fewer."""
    return -(-steps // patch)


def cut(x: Tensor, patch: int, *, at_front: bool) -> Tensor:
    """x (n, C, F) -> (n, count(C, P), P * F), zeros where a patch has no step.

    at_front: the zeros stand before the first step, so that patches end with the window (a past); else after the last one (a
    future).
    """
    n, steps, features = x.shape
    lacking = count(steps, patch) * patch - steps
    padded = functional.pad(x, (0, 0, lacking, 0) if at_front else (0, 0, 0, lacking))
    return padded.reshape(n, -1, patch * features)


def joined(patches: Tensor, steps: int) -> Tensor:
    """(n, count(steps, P), P) -> (n, steps): the steps of a future that was cut; the zeros behind the last are left out."""
    return patches.flatten(1)[:, :steps]
