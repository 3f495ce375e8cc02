"""Players of games side by side: the simple opponents, and matches between any two.

A player gives one legal move for each of many positions. Opponents: random moves; greedy, the best promise after one ply;
minimax, the best after several (Shannon 1950), which sees every win and loss within its depth and breaks ties at random.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Actions, Floats, Game, States
from deepwell.core.keys import Key

Player = Callable[[States, np.random.Generator], Actions]
MOST_POSITIONS = 1 << 17
"""Positions of one ply that minimax holds at once."""
SURE = 2.0
"""What a won game is worth beside promises, which lie between -1 and 1; the sooner it is won the more."""


def random_moves(game: Game) -> Player:
    """Any legal move."""
    return lambda states, draws: _any(game.legal(states), draws)


def minimax(game: Game, depth: int) -> Player:
    """The move with the best outcome after `depth` plies of best play on both sides, by Game.promise where it goes on."""

    def choose(states: States, draws: np.random.Generator) -> Actions:
        worth = looked_ahead(game, states, depth)
        return _any(worth >= worth.max(axis=1, keepdims=True) - 1e-6, draws)

    return choose


def looked_ahead(game: Game, states: States, depth: int) -> Floats:
    """(n, actions) what each move is worth by minimax of so many plies (1: after the move itself); -inf where it is illegal."""
    legal = game.legal(states)
    worth = np.full(legal.shape, -np.inf, np.float32)
    rows, actions = np.nonzero(legal)
    for start in range(0, len(rows), MOST_POSITIONS):
        piece = slice(start, start + MOST_POSITIONS)
        worth[rows[piece], actions[piece]] = -_value(game, game.apply(states[rows[piece]], actions[piece]), depth - 1)
    return worth


def _value(game: Game, states: States, depth: int) -> Floats:
    """(n,) of the side to move; a win or loss counts the more the sooner it comes."""
    outcome = game.outcome(states)
    going = np.isnan(outcome)
    value = np.where(outcome == 0, 0.0, outcome * (SURE + depth)).astype(np.float32)
    if going.any():
        ahead = states[going]
        value[going] = looked_ahead(game, ahead, depth).max(axis=1) if depth else game.promise(ahead)
    return value


def play(game: Game, states: States, first: Player, second: Player, key: Key) -> NDArray[np.float64]:
    """(n,) points of `first`, who moves first from each position: 1 a win, 1/2 a draw, 0 a loss.

    All games are played side by side, each player asked for all its games at once. Raises ValueError for an illegal move.
    """
    draws = key.numpy()
    states, points = states.copy(), np.full(len(states), np.nan)
    for ply in range(game.longest + 1):
        outcome = game.outcome(states)
        mover_points = (outcome + 1) / 2  # of the side to move
        points = np.where(np.isnan(points), mover_points if ply % 2 == 0 else 1 - mover_points, points)
        going = np.flatnonzero(np.isnan(points))
        if not len(going):
            break
        actions = (first if ply % 2 == 0 else second)(states[going], draws)
        if not game.legal(states[going])[np.arange(len(going)), actions].all():
            raise ValueError("a player made a move that the rules forbid")
        states[going] = game.apply(states[going], actions)
    return points


def elo(points: float, games: float) -> float:
    """How many points of Elo a player is stronger than an opponent of whom it won this share of points (Elo 1978).

    The logistic form, 400 log10(p / (1 - p)); half a game is added to either side, so that it stays finite.
    """
    share = (points * games + 0.5) / (games + 1)
    return float(400 * np.log10(share / (1 - share)))


def _any(allowed: NDArray[np.bool_], draws: np.random.Generator) -> Actions:
    """(n,) one of the allowed moves, all equally likely."""
    return np.asarray((allowed * (1 - draws.random(allowed.shape))).argmax(axis=1))
