"""Where two parallel texts of unequal length part: the line at which one of them lacks lines, or has too many.

Unusual: the place is found exactly, by sums over the two alignments that are possible if the lines are missing in one place:
line i with line i before it, line i with line i + d after it. Lines that belong together have lengths in nearly the same
ratio (Gale and Church 1993) and the same numbers written in digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SURE = 6.0
DIGITS = re.compile(r"\d+")
SAME_NUMBERS, OTHER_NUMBERS = 1.0, -2.0


def where_they_part(one: Sequence[str], other: Sequence[str]) -> int | None:
    """The first line (0-based) that has no partner, or a wrong one; None where it cannot be told.

    At or beyond the end of the shorter text: it is cut off.
    """
    shorter, longer = sorted((one, other), key=len)
    missing, n = len(longer) - len(shorter), len(shorter)
    if not missing or not n:
        return None
    facts_short, facts_long = _facts(shorter), _facts(longer)
    scale = float(np.median(facts_short[0]) - np.median(facts_long[0]))
    before = _likeness(facts_short, [f[:n] for f in facts_long], scale)
    after = _likeness(facts_short, [f[missing:] for f in facts_long], scale)
    # gain[k]: how much better it is that lines below k align as they stand, and the others shifted.
    gain = np.concatenate([[0.0], np.cumsum(before)]) + np.concatenate([np.cumsum(after[::-1])[::-1], [0.0]])
    place = int(gain.argmax())
    other = gain[n] if place < n else gain[0]  # that nothing is missing before the end, or that all lines are shifted
    return place if gain[place] - other > SURE else None


def _facts(lines: Sequence[str]) -> list[NDArray[np.float64]]:
    """(n,) log length of each line, and (n,) a number that stands for the numbers written in it; 0 without any."""
    length = np.log1p([len(line.strip()) for line in lines])
    digits = [hash(tuple(sorted(found))) % 2**40 + 1 if (found := DIGITS.findall(line)) else 0 for line in lines]
    return [length, np.array(digits, dtype=np.float64)]


def _likeness(
    one: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]], scale: float
) -> NDArray[np.float64]:
    """(n,) how well lines suit each other, larger is better."""
    numbers = np.where(one[1] == other[1], np.where(one[1] > 0, SAME_NUMBERS, 0.0), OTHER_NUMBERS)
    return np.asarray(numbers - np.abs(one[0] - other[0] - scale))
