"""Whether the first row of a text table names its columns.

Unusual: every column gives evidence by itself and the sum decides. A name above numbers or above prose speaks for a header; a
number above numbers, or a word that stands again further down in its column, against.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from deepwell.data.sources.columns import MISSING

ABSENT = frozenset(MISSING)
NAME = re.compile(r"[^\W\d][\w \-().%#°]*")
LONGEST_NAME = 64
CONTRAST, AGAINST = 2, -2
PROSE_WORDS, PROSE_CELLS = 4, 3
"""A single word is a name above so many cells or more that nearly all have so many words."""
NAME_WORDS = 6
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def is_number(cell: str) -> bool:
    """Whether a stripped cell is written as a number (also with a decimal comma)."""
    return bool(NUMBER.fullmatch(cell) or DECIMAL_COMMA.fullmatch(cell))


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows[0] is a header of the rows below. rows: stripped cells, ragged ones allowed."""
    if not rows:
        return False
    first = rows[0]
    if len(rows) == 1:
        return _looks_like_names(first)
    width = Counter(len(row) for row in rows[1:]).most_common(1)[0][0]
    body = [row for row in rows[1:] if len(row) == width]
    votes = [_vote(cell, [row[i] for row in body]) for i, cell in enumerate(first[:width])]
    if sum(votes) > 0:
        return CONTRAST in votes or _looks_like_names(first)
    return sum(votes) == 0 and len(first) > 1 and _looks_like_names(first)


def _vote(name: str, column: Sequence[str]) -> int:
    """What one column says: above 0 for a header, below 0 against."""
    cells = [c for c in column if c not in ABSENT]
    if name in ABSENT or not cells:
        return 0
    numeric = sum(is_number(c) for c in cells)
    if numeric >= 0.95 * len(cells):
        return AGAINST if is_number(name) else CONTRAST
    if is_number(name):
        return AGAINST
    distinct = set(cells)
    if name in distinct:
        return AGAINST
    if len(distinct) <= len(cells) / 2:
        return 1
    long = sum(len(c.split()) >= PROSE_WORDS for c in cells)
    if name.isidentifier() and len(cells) >= PROSE_CELLS and long >= 0.95 * len(cells):
        return 1
    digits = sum(any(ch.isdigit() for ch in c) for c in cells)
    return 1 if digits >= 0.95 * len(cells) and not any(ch.isdigit() for ch in name) else 0


def _looks_like_names(cells: Sequence[str]) -> bool:
    """Whether cells are unique short names that begin with a letter."""
    short = all(len(c) <= LONGEST_NAME and len(c.split()) <= NAME_WORDS for c in cells)
    return short and len(set(cells)) == len(cells) and all(NAME.fullmatch(c) for c in cells)
