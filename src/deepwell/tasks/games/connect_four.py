"""Connect Four: pieces fall down seven columns of six; four in a row win. With best play the first player wins.

A state is two bit boards, the pieces of the side to move and all pieces: bit 7 * column + row, row 0 at the bottom. The seventh
bit of each column stays empty, so that no line runs from one column's top into the next one's bottom; the scheme is that of
J. Tromp's Fhourstones benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Actions, Floats, Game, States, Symmetry

COLUMNS, ROWS, BITS = 7, 6, 7
Board = NDArray[np.uint64]
BOTTOM = np.array([1 << (BITS * c) for c in range(COLUMNS)], np.uint64)
TOP = np.array([1 << (BITS * c + ROWS - 1) for c in range(COLUMNS)], np.uint64)
FULL = np.uint64(sum(((1 << ROWS) - 1) << (BITS * c) for c in range(COLUMNS)))
DIRECTIONS = tuple(np.uint64(d) for d in (1, BITS, BITS - 1, BITS + 1))
"""Up, right, and the two diagonals, as distances between bits."""
CELLS = np.array([[BITS * c + r for c in range(COLUMNS)] for r in reversed(range(ROWS))], np.uint64)
"""(rows, columns) from the top left, as people see the board."""


class ConnectFour(Game):
    """See the top of this file. Moves are called 1 to 7 from the left."""

    actions, height, width, longest, opening = COLUMNS, ROWS, COLUMNS, ROWS * COLUMNS, 4

    def start(self, count: int) -> States:
        """See Game."""
        return np.zeros((count, 2), np.uint64)

    def legal(self, states: States) -> NDArray[np.bool_]:
        """Columns that are not full."""
        return np.asarray((states[:, 1, None] & TOP) == 0)

    def apply(self, states: States, actions: Actions) -> States:
        """A piece falls; then the pieces of the other side are those of the side to move."""
        own, every = states[:, 0], states[:, 1]
        return np.stack([own ^ every, every | (every + BOTTOM[actions])], axis=1)

    def outcome(self, states: States) -> Floats:
        """Lost for the side to move when the other has four in a row."""
        other = np.asarray(states[:, 0] ^ states[:, 1], np.uint64)
        lost, full = four(other), states[:, 1] == FULL
        return np.where(lost, -1.0, np.where(full, 0.0, np.nan)).astype(np.float32)

    def view(self, states: States) -> Floats:
        """Own and other pieces, the top row first."""
        boards = np.stack([states[:, 0], states[:, 0] ^ states[:, 1]], axis=1)
        return ((boards[:, :, None, None] >> CELLS) & np.uint64(1)).astype(np.float32)

    def text(self, state: States) -> str:
        """See Game."""
        own, other = self.view(state)[0]
        first = int(state[0, 1]).bit_count() % 2 == 0
        mine, theirs = "XO" if first else "OX"
        signs = np.where(own > 0, mine, np.where(other > 0, theirs, "."))
        return "\n".join([*(" ".join(row) for row in signs), "1 2 3 4 5 6 7", f"{mine} to move"])

    def name_of(self, action: int) -> str:
        """See Game."""
        return str(action + 1)

    def symmetries(self) -> Sequence[Symmetry]:
        """Left for right."""
        return (Symmetry("mirrored", _mirrored, np.arange(COLUMNS)[::-1].copy()),)


def four(board: Board) -> NDArray[np.bool_]:
    """(n,): whether there are four in a row."""
    found = np.zeros(len(board), np.bool_)
    for by in DIRECTIONS:
        two = board & (board >> by)
        found |= (two & (two >> (by + by))) != 0
    return found


def _mirrored(states: States) -> States:
    column = np.uint64((1 << BITS) - 1)
    turned = np.zeros_like(states)
    for c in range(COLUMNS):
        turned |= ((states >> np.uint64(BITS * c)) & column) << np.uint64(BITS * (COLUMNS - 1 - c))
    return turned
