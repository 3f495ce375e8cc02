"""Mirroring: whether a picture's mirror image still shows the same class, found out on the training pictures.

A class can live in the orientation (digits, letters, arrows), and then mirrored copies teach what is wrong. The rule: the
nearest neighbour among one half of the pictures, made small, names the class of each of the other half, and of its mirror
image. If mirroring costs it little of its lead over guessing, it is harmless. Where so simple a classifier cannot tell
the classes apart at all, the pictures as a whole decide: if they lie no closer to other pictures than to the mirror
images of these, nothing in them has a left and a right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.evaluation.design import small_pixels

MOST = 2000
"""Pictures that are looked at, drawn evenly."""
KEPT = 0.6
"""Mirroring is harmless where so much of the lead over guessing is kept. Seen: digits 0.3, handwritten characters of ten
alphabets 0.3, faces 0.63 to 0.70, chest X-rays 0.9, symmetric shapes 1.0."""
CERTAIN = 2.0
"""A share differs from chance when it is so many standard errors away."""


def harmless(pictures: NDArray[np.uint8], labels: Sequence[IntArray]) -> tuple[bool, str]:
    """Whether pictures (n, c, h, w) may be mirrored left to right, and why, in words for the record.

    labels: class indices (n,) of each target; mirroring must be harmless to all. Pure: equal data, equal answer.
    """
    order = Key(0).fold("mirroring").numpy().permutation(len(pictures))[:MOST]
    if len(order) < 2:
        return False, "too few pictures to find out whether mirroring is harmless"
    chosen = pictures[order]
    plain, mirrored = small_pixels(chosen), small_pixels(chosen[..., ::-1])
    found = [_by_class(plain, mirrored, label[order]) for label in labels]
    told = [verdict for verdict in found if verdict is not None]
    refused = [verdict for verdict in told if not verdict[0]]
    if refused or told:
        return (refused or told)[0]
    return _by_sides(plain, mirrored)


def _by_class(plain: NDArray[np.float32], mirrored: NDArray[np.float32], label: IntArray) -> tuple[bool, str] | None:
    """The verdict by classes; None when the nearest neighbour does no better than guessing."""
    first, second = _halves(len(label))
    answers = [
        (label[ask], label[known][_nearest(plain[known], asked[ask])])
        for asked in (plain, mirrored)
        for known, ask in ((first, second), (second, first))
    ]
    right = [np.concatenate([truth == answer for truth, answer in answers[i : i + 2]]).mean() for i in (0, 2)]
    chance = np.bincount(label).max() / len(label)
    lead = right[0] - chance
    if lead <= CERTAIN * np.sqrt(chance * (1 - chance) / len(label)):
        return None
    kept = max(0.0, (right[1] - chance) / lead)
    return bool(kept >= KEPT), (
        f"the nearest of small pictures names the class of {right[0]:.0%} of them and of {right[1]:.0%} of their mirror "
        f"images: {min(kept, 1.0):.0%} of its lead over guessing is kept, {KEPT:.0%} are needed"
    )


def _by_sides(plain: NDArray[np.float32], mirrored: NDArray[np.float32]) -> tuple[bool, str]:
    """The verdict without classes: whether pictures lie closer to other pictures than to the mirror images of these."""
    right = []
    for known, ask in (_halves(len(plain)), _halves(len(plain))[::-1]):
        apart = [_distances(side[known], plain[ask]).min(axis=1) for side in (plain, mirrored)]
        # What is equal to its own mirror image lies as close to both: half a picture for each.
        right.append(np.where(apart[0] == apart[1], 0.5, apart[0] < apart[1]))
    share = float(np.concatenate(right).mean())
    return share - 0.5 <= CERTAIN * 0.5 / np.sqrt(len(plain)), (
        f"simple pixels do not tell the classes apart; {share:.0%} of pictures lie closer to another picture than to "
        "any one's mirror image (50%: they have no left and right)"
    )


def _halves(count: int) -> tuple[IntArray, IntArray]:
    return np.arange(0, count, 2), np.arange(1, count, 2)


def _nearest(known: NDArray[np.float32], asked: NDArray[np.float32]) -> IntArray:
    """(asked,): the index of the known row at the least Euclidean distance."""
    return np.asarray(_distances(known, asked).argmin(axis=1), np.int64)


def _distances(known: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float32]:
    """(asked, known): squares of Euclidean distances, less those of the asked rows from 0."""
    return np.asarray((known**2).sum(axis=1)[None, :] - 2.0 * asked @ known.T, np.float32)
