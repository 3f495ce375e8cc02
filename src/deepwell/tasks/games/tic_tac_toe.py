"""Tic-tac-toe: three in a row on a board of 3 x 3. With best play a draw.

A state is nine cells in rows, 1 for the first player, -1 for the second, 0 empty; who is to move follows from their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Actions, Floats, Game, States, Symmetry
from deepwell.tasks.games.square import turns

LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]])


class TicTacToe(Game):
    """See the top of this file. Moves are called a1 to c3: column and row, a1 at the lower left."""

    actions, height, width, longest, opening = 9, 3, 3, 9, 1

    def start(self, count: int) -> States:
        """See Game."""
        return np.zeros((count, 9), np.int8)

    def legal(self, states: States) -> NDArray[np.bool_]:
        """Empty cells."""
        return np.asarray(states == 0)

    def apply(self, states: States, actions: Actions) -> States:
        """See Game."""
        after = states.copy()
        after[np.arange(len(states)), actions] = _mover(states)
        return after

    def outcome(self, states: States) -> Floats:
        """Lost for the side to move when the other has three in a row."""
        sums = states[:, LINES].sum(axis=2) * -_mover(states)[:, None]
        lost, full = (sums == 3).any(axis=1), (states != 0).all(axis=1)
        return np.where(lost, -1.0, np.where(full, 0.0, np.nan)).astype(np.float32)

    def view(self, states: States) -> Floats:
        """Own and other pieces."""
        board = states * _mover(states)[:, None]
        return np.stack([board == 1, board == -1], axis=1).reshape(-1, 2, 3, 3).astype(np.float32)

    def text(self, state: States) -> str:
        """See Game."""
        signs = [".XO"[int(cell)] for cell in state[0]]  # -1 is the last
        rows = [f"{3 - row}  {' '.join(signs[3 * row : 3 * row + 3])}" for row in range(3)]
        return "\n".join([*rows, "   a b c", f"{'X' if _mover(state)[0] == 1 else 'O'} to move"])

    def name_of(self, action: int) -> str:
        """See Game."""
        return f"{'abc'[action % 3]}{3 - action // 3}"

    def symmetries(self) -> Sequence[Symmetry]:
        """The other seven of a square."""
        return tuple(Symmetry(name, _Turned(source), np.argsort(source)) for name, source in turns(3))


class _Turned:
    """Cells moved."""

    def __init__(self, source: Actions) -> None:
        self._source = source

    def __call__(self, states: States) -> States:
        """See Symmetry.turn."""
        return states[:, self._source]


def _mover(states: States) -> States:
    """(n,) 1 or -1."""
    return np.where((states != 0).sum(axis=1) % 2 == 0, 1, -1).astype(np.int8)
