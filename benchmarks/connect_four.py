"""An exact solver of Connect Four: what each move is worth under best play of both sides. Knows nothing of Deepwell.

Unusual: pure Python numbers as bit boards (bit 7 * column + row, as in J. Tromp's Fhourstones), alpha-beta (Knuth and Moore
1975, Artificial Intelligence 6:293) with a table of upper bounds, moves that make most threats first, and windows of no width
(Plaat et al. 1996, Artificial Intelligence 87:255). Positions from about the 14th ply on take seconds, an empty board is out
of reach.

A score is that of the side to move: 22 less the pieces that the winner will have played, above 0 if it wins, below if it
loses; 0 a draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

COLUMNS, ROWS, BITS = 7, 6, 7
CELLS = COLUMNS * ROWS
BOTTOM = sum(1 << (BITS * c) for c in range(COLUMNS))
BOARD = BOTTOM * ((1 << ROWS) - 1)
FILES = tuple(((1 << ROWS) - 1) << (BITS * c) for c in range(COLUMNS))
CENTRE_FIRST = tuple(FILES[c] for c in (3, 2, 4, 1, 5, 0, 6))


class TooLong(Exception):
    """More positions would have to be looked at than were allowed."""


@dataclass
class Solver:
    """Scores of positions. most: positions looked at for one question; more raise TooLong."""

    most: int = 5_000_000
    looked: int = field(default=0, init=False)
    _bounds: dict[int, int] = field(default_factory=dict, init=False)

    def scores(self, moves: Sequence[int]) -> dict[int, int]:
        """Column (0-based) -> score, for the side to move, of each legal move after these moves (columns, 0-based).

        Raises TooLong, and ValueError for a column that is full or a game that was over before.
        """
        own, every = position(moves)
        self.looked = 0
        found = {}
        for column, file in enumerate(FILES):
            move = (every + BOTTOM) & file
            if not move:
                continue
            if move & completing(own, every):
                found[column] = _soonest(len(moves))
            else:
                found[column] = -self._score(own ^ every, every | move, len(moves) + 1)
        return found

    def _score(self, own: int, every: int, played: int) -> int:
        """By windows of no width that close in on it."""
        if (every + BOTTOM) & BOARD & completing(own, every):
            return _soonest(played)
        low, high = -((CELLS - played) // 2), (CELLS + 1 - played) // 2
        while low < high:
            middle = low + (high - low) // 2  # wins and losses far from 0 come soon and are dear to exclude: 0 first
            if middle <= 0 and low // 2 < middle:
                middle = low // 2
            elif middle >= 0 and high // 2 > middle:
                middle = high // 2
            found = self._bounded(own, every, played, middle, middle + 1)
            low, high = (low, found) if found <= middle else (found, high)
        return low

    def _bounded(self, own: int, every: int, played: int, low: int, high: int) -> int:
        """A bound of the score, exact between `low` and `high`; the side to move cannot win at once."""
        self.looked += 1
        if self.looked > self.most:
            raise TooLong(f"more than {self.most:,} positions")
        threats = completing(own ^ every, every)
        moves = (every + BOTTOM) & BOARD
        forced = moves & threats
        if forced:
            if forced & (forced - 1):
                return -((CELLS - played) // 2)  # two threats at once
            moves = forced
        moves &= ~(threats >> 1)  # a piece below a threat lets the other side win
        if not moves:
            return -((CELLS - played) // 2)
        if played >= CELLS - 2:
            return 0
        low = max(low, -((CELLS - 2 - played) // 2))
        key = own + every + BOTTOM
        high = min(high, self._bounds.get(key, (CELLS - 1 - played) // 2))
        if low >= high:
            return high
        tried = [move for file in CENTRE_FIRST if (move := moves & file)]
        tried.sort(key=lambda move: -completing(own | move, every).bit_count())
        for move in tried:
            found = -self._bounded(own ^ every, every | move, played + 1, -high, -low)
            if found >= high:
                return found
            low = max(low, found)
        self._bounds[key] = low
        return low


def position(moves: Sequence[int]) -> tuple[int, int]:
    """Bit boards after moves (columns, 0-based): pieces of the side to move, all pieces. Raises ValueError for a wrong move."""
    own = every = 0
    for ply, column in enumerate(moves):
        move = (every + BOTTOM) & FILES[column]
        if not move:
            raise ValueError(f"move {ply + 1}: column {column + 1} is full")
        if move & completing(own, every) and ply + 1 < len(moves):
            raise ValueError(f"move {ply + 1} ends the game")
        own, every = own ^ every, every | move
    return own, every


def completing(own: int, every: int) -> int:
    """The empty cells that would complete four in a row, whether or not a piece can fall there already."""
    found = (own << 1) & (own << 2) & (own << 3)
    for by in (BITS, BITS - 1, BITS + 1):
        two = (own << by) & (own << (2 * by))
        found |= two & ((own << (3 * by)) | (own >> by))
        two = (own >> by) & (own >> (2 * by))
        found |= two & ((own >> (3 * by)) | (own << by))
    return found & BOARD & ~every


def _soonest(played: int) -> int:
    """The score of a win by the next piece."""
    return (CELLS + 1 - played) // 2
