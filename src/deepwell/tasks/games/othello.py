"""Othello on a board of 6 x 6: a move turns all rows of the other's pieces between two of one's own; most pieces win.

A state is three numbers: the pieces of the side to move, those of the other, and 0 or 1 for the first or second player to move.
Boards are bits, cell = 6 * row + column from the upper left. Who has no move passes, by a move of its own; when both have none
the game is over. Lines of pieces are followed by shifting whole boards, as engines do, which is faster than cell by cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Actions, Floats, Game, States, Symmetry
from deepwell.tasks.games.square import turns

SIDE = 6
CELLS = SIDE * SIDE
PASS = CELLS
Board = NDArray[np.uint64]
BITS = np.uint64(1) << np.arange(CELLS, dtype=np.uint64)
BOARD = np.uint64((1 << CELLS) - 1)
WEST = np.uint64(sum(1 << (SIDE * row) for row in range(SIDE)))
EAST = WEST << np.uint64(SIDE - 1)
ANY = np.uint64(0)
STEPS = (
    (1, WEST),
    (-1, EAST),
    (SIDE, ANY),
    (-SIDE, ANY),
    (SIDE + 1, WEST),
    (SIDE - 1, EAST),
    (1 - SIDE, WEST),
    (-SIDE - 1, EAST),
)
"""The eight directions: by how many bits pieces move, and the column that none of them can come to."""


class Othello(Game):
    """See the top of this file. Moves are called a1 to f6, column and row, a1 at the upper left, and `pass`."""

    actions, height, width, opening = CELLS + 1, SIDE, SIDE, 4
    longest = 2 * CELLS  # every cell once, and between two of them at most one pass

    def start(self, count: int) -> States:
        """Two pieces each, crosswise in the middle; the first to move."""
        low, high = SIDE // 2 - 1, SIDE // 2
        own = BITS[low * SIDE + high] | BITS[high * SIDE + low]
        other = BITS[low * SIDE + low] | BITS[high * SIDE + high]
        return np.tile(np.array([own, other, 0], np.uint64), (count, 1))

    def legal(self, states: States) -> NDArray[np.bool_]:
        """Empty cells that turn something; to pass only where there are none."""
        moves = _moves(states[:, 0], states[:, 1])
        return np.concatenate([(moves[:, None] & BITS) != 0, (moves == 0)[:, None]], axis=1)

    def apply(self, states: States, actions: Actions) -> States:
        """See Game."""
        own, other = states[:, 0], states[:, 1]
        placed = np.where(actions == PASS, np.uint64(0), BITS[np.minimum(actions, CELLS - 1)])
        turned = np.zeros_like(own)
        for by, edge in STEPS:
            line = _line(placed, other, by, edge)
            closed = (_shifted(line | placed, by, edge) & own) != 0
            turned |= np.where(closed, line, np.uint64(0))
        return np.stack([other & ~turned, own | placed | turned, states[:, 2] ^ np.uint64(1)], axis=1)

    def outcome(self, states: States) -> Floats:
        """By the number of pieces when neither side has a move."""
        own, other = states[:, 0], states[:, 1]
        over = (_moves(own, other) == 0) & (_moves(other, own) == 0)
        return np.asarray(np.where(over, np.sign(self._lead(states)), np.nan), np.float32)

    def view(self, states: States) -> Floats:
        """Own and other pieces."""
        return np.asarray((states[:, :2, None] & BITS) != 0, np.float32).reshape(-1, 2, SIDE, SIDE)

    def text(self, state: States) -> str:
        """See Game."""
        own, other = self.view(state)[0].reshape(2, CELLS)
        mine, theirs = "OX" if state[0, 2] else "XO"
        signs = np.where(own > 0, mine, np.where(other > 0, theirs, ".")).reshape(SIDE, SIDE)
        rows = [f"{row + 1}  {' '.join(signs[row])}" for row in range(SIDE)]
        return "\n".join(["   a b c d e f", *rows, f"{mine} to move"])

    def name_of(self, action: int) -> str:
        """See Game."""
        return "pass" if action == PASS else f"{'abcdef'[action % SIDE]}{action // SIDE + 1}"

    def symmetries(self) -> Sequence[Symmetry]:
        """The other seven of a square."""
        return tuple(
            Symmetry(name, _Turned(source), np.append(np.argsort(source), PASS)) for name, source in turns(SIDE)
        )

    def promise(self, states: States) -> Floats:
        """The lead in pieces, as a share of the board."""
        return np.asarray(self._lead(states) / CELLS, np.float32)

    def _lead(self, states: States) -> NDArray[np.int64]:
        own, other = ((states[:, side, None] & BITS != 0).sum(axis=1) for side in (0, 1))
        return np.asarray(own - other, np.int64)


def _shifted(board: Board, by: int, edge: np.uint64) -> Board:
    """All pieces moved one cell in a direction; those that leave the board are gone."""
    moved = board << np.uint64(by) if by > 0 else board >> np.uint64(-by)
    return np.asarray(moved & BOARD & ~edge, np.uint64)


def _line(start: Board, other: Board, by: int, edge: np.uint64) -> Board:
    """The other's pieces that follow a piece of `start` in a direction without a gap."""
    line = _shifted(start, by, edge) & other
    for _ in range(SIDE - 3):
        line = line | (_shifted(line, by, edge) & other)
    return line


def _moves(own: Board, other: Board) -> Board:
    """Cells where the side to move turns something."""
    found = np.zeros_like(own)
    for by, edge in STEPS:
        found |= _shifted(_line(own, other, by, edge), by, edge)
    return np.asarray(found & ~(own | other), np.uint64)


class _Turned:
    """Both boards turned; whose move it is stays."""

    def __init__(self, source: Actions) -> None:
        self._source = source

    def __call__(self, states: States) -> States:
        """See Symmetry.turn."""
        cells = (states[:, :2, None] & BITS) != 0
        turned = states.copy()
        turned[:, :2] = (cells[:, :, self._source] * BITS).sum(axis=2, dtype=np.uint64)
        return turned
