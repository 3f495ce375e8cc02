"""A plain tree search of AlphaZero for one position of Connect Four at a time, as tutorials write it: what stands beside ours.

Nodes are objects, each simulation walks down by PUCT (Silver et al. 2018, Science 362:1140) and asks the network for one board.
The rules are those of benchmarks/connect_four.py on plain numbers, which are as fast as Python has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.connect_four import BOARD, BOTTOM, COLUMNS, FILES, completing

EXPLORATION = 1.5
Judge = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]
SHIFTS = np.array([[7 * c + r for c in range(COLUMNS)] for r in reversed(range(6))])


class Node:
    """A position. own, every: bit boards; children: column -> Node; value: of the side to move where the game is over."""

    def __init__(self, own: int, every: int, prior: float) -> None:
        self.own, self.every, self.prior = own, every, prior
        self.visits, self.total = 0, 0.0
        self.children: dict[int, Node] = {}
        self.over: float | None = None

    def expand(self, judge: Judge) -> float:
        """Ask the network once; gives the value for the side to move."""
        logits, values = judge(view(self.own, self.every)[None])
        columns = [c for c in range(COLUMNS) if (self.every + BOTTOM) & FILES[c]]
        weights = np.exp(logits[0, columns] - logits[0, columns].max())
        for column, weight in zip(columns, weights / weights.sum(), strict=True):
            move = (self.every + BOTTOM) & FILES[column]
            child = Node(self.own ^ self.every, self.every | move, float(weight))
            won = bool(move & completing(self.own, self.every))
            child.over = -1.0 if won else 0.0 if child.every == BOARD else None
            self.children[column] = child
        return float(values[0])

    def best(self) -> Node:
        """The child with the largest upper bound."""
        root = EXPLORATION * math.sqrt(self.visits + 1)
        return max(
            self.children.values(),
            key=lambda c: (-c.total / c.visits if c.visits else 0.0) + root * c.prior / (1 + c.visits),
        )


def search(own: int, every: int, judge: Judge, simulations: int) -> dict[int, int]:
    """Visits of each column from one position in which the game goes on."""
    root = Node(own, every, 1.0)
    root.expand(judge)
    for _ in range(simulations):
        path = [root]
        while path[-1].children:
            path.append(path[-1].best())
        leaf = path[-1]
        value = leaf.over if leaf.over is not None else leaf.expand(judge)
        for node in reversed(path):
            node.visits += 1
            node.total += value
            value = -value
    return {column: child.visits for column, child in root.children.items()}


def view(own: int, every: int) -> NDArray[np.float32]:
    """(2, 6, 7): own and other pieces, the top row first."""
    boards = np.array([own, own ^ every])[:, None, None]
    return np.asarray((boards >> SHIFTS) & 1, np.float32)
