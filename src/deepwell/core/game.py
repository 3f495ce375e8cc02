"""Game: the rules of a board game for two, as search, self-play, the terminal and tests need them.

Unusual: rules are written for many positions at once, because hundreds of games are played side by side. `states` is always
one array whose first axis is positions; what is in it is the game's own business, but it must say who is to move, and it must
be all that the future depends on. Values are of the side to move: 1 it has won, 0 a draw, -1 it has lost.

A game is one final class in one file: those of tasks/games, or a user's own, named by its path. `contradiction` plays at random
and finds out whether rules keep their word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from deepwell.core.keys import Key

States = NDArray[Any]
Floats = NDArray[np.float32]
Actions = NDArray[np.int64]


@dataclass(frozen=True)
class Symmetry:
    """A change of the board that changes nothing for the players.

    turn: states -> states. moves: (actions,) int64, moves[a] is what action `a` becomes on the turned board.
    """

    name: str
    turn: Callable[[States], States]
    moves: Actions


class Game(ABC):
    """The rules. Attributes: actions: how many moves there are at all. planes, height, width: of what a network sees.

    longest: plies after which every game is over. opening: random plies before a game that measures strength; so many that
    games differ, so few that neither side has won by them.
    """

    actions: ClassVar[int]
    planes: ClassVar[int] = 2
    height: ClassVar[int]
    width: ClassVar[int]
    longest: ClassVar[int]
    opening: ClassVar[int] = 2

    @abstractmethod
    def start(self, count: int) -> States:
        """`count` times the position in which a game begins."""

    @abstractmethod
    def legal(self, states: States) -> NDArray[np.bool_]:
        """(n, actions): which moves the rules allow; what is given for positions where the game is over has no meaning."""

    @abstractmethod
    def apply(self, states: States, actions: Actions) -> States:
        """The positions after one legal move each, the other side to move. New arrays; actions: (n,)."""

    @abstractmethod
    def outcome(self, states: States) -> Floats:
        """(n,) the value where the game is over, NaN where it goes on."""

    @abstractmethod
    def view(self, states: States) -> Floats:
        """(n, planes, height, width): what the side to move sees, its own pieces first. All that matters must be in it."""

    @abstractmethod
    def text(self, state: States) -> str:
        """One position (1, ...) for people, several lines, with who is to move."""

    @abstractmethod
    def name_of(self, action: int) -> str:
        """What a move is called, as a player types it."""

    def symmetries(self) -> Sequence[Symmetry]:
        """Those beside doing nothing. Default: none."""
        return ()

    def promise(self, states: States) -> Floats:
        """(n,) from -1 to 1: how good positions look without looking ahead, for the simple opponents. Default: all alike."""
        return np.zeros(len(states), np.float32)

    def move(self, text: str) -> int | None:
        """The move that somebody typed; None where there is none of this name."""
        wanted = text.strip().lower()
        return next((a for a in range(self.actions) if self.name_of(a).lower() == wanted), None)


def played_on(game: Game, states: States, key: Key, plies: int) -> States:
    """The positions after so many random legal moves; games that are over before stay where they ended."""
    draws = key.numpy()
    states = states.copy()
    for _ in range(plies):
        going = np.flatnonzero(np.isnan(game.outcome(states)))
        if not len(going):
            break
        chances = game.legal(states[going]) * draws.random((len(going), game.actions))
        states[going] = game.apply(states[going], chances.argmax(axis=1))
    return states


def contradiction(game: Game, key: Key, games: int = 64) -> str | None:
    """What the rules say against themselves, in words, found by random games from the start; None: nothing was found.

    Looked at: shapes and types; that a position in which the game goes on has a legal move; that applying moves does not
    change the positions given, and that position by position gives what all at once give; that a game ends after at most
    `longest` plies; and that symmetries keep legal moves, views of equal positions, outcomes, and what moves lead to.
    """
    states = game.start(games)
    if len(states) != games:
        return f"start({games}) gave {len(states)} positions"
    draws = key.numpy()
    names = [game.name_of(a) for a in range(game.actions)]
    if len(set(names)) < len(names):
        return f"two moves are called {next(n for n in names if names.count(n) > 1)!r}"
    for ply in range(game.longest + 1):
        found = _shapes(game, states) or _symmetric(game, states)
        if found:
            return f"after {ply} plies {found}"
        states = states[np.isnan(game.outcome(states))]
        if not len(states):
            return None
        legal = game.legal(states)
        stuck = np.flatnonzero(~legal.any(axis=1))
        if len(stuck):
            return f"after {ply} plies a game goes on without a legal move:\n{game.text(states[stuck[:1]])}"
        actions = (legal * draws.random(legal.shape)).argmax(axis=1)
        before = states.copy()
        after = game.apply(states, actions)
        if not np.array_equal(states, before):
            return "apply changed the positions that it was given"
        if not np.array_equal(game.apply(states[:1], actions[:1]), after[:1]):
            return "apply gives something else for one position alone than for it among others"
        states = after
    return f"a game was not over after {game.longest} plies, the most that these rules name"


def _shapes(game: Game, states: States) -> str | None:
    legal, outcome, view = game.legal(states), game.outcome(states), game.view(states)
    n = len(states)
    wanted = {"legal": (n, game.actions), "outcome": (n,), "view": (n, game.planes, game.height, game.width)}
    for name, array in (("legal", legal), ("outcome", outcome), ("view", view)):
        if array.shape != wanted[name]:
            return f"{name} gave an array of shape {array.shape} instead of {wanted[name]}"
    if legal.dtype != np.bool_:
        return f"legal gave {legal.dtype}, not bool"
    over = outcome[~np.isnan(outcome)]
    odd = over[~np.isin(over, (-1, 0, 1))]
    return f"outcome gave {odd[0]}, which is neither 1, 0, -1 nor NaN" if len(odd) else None


def _symmetric(game: Game, states: States) -> str | None:
    outcome = game.outcome(states)
    going = np.isnan(outcome)
    legal = game.legal(states)
    first = legal.argmax(axis=1)
    for symmetry in game.symmetries():
        if not np.array_equal(np.sort(symmetry.moves), np.arange(game.actions)):
            return f"the symmetry {symmetry.name!r} does not give each move exactly one move"
        turned = symmetry.turn(states)
        if not np.array_equal(game.outcome(turned), outcome, equal_nan=True):
            return f"the symmetry {symmetry.name!r} changes who has won"
        if not np.array_equal(game.legal(turned)[going][:, symmetry.moves], legal[going]):
            return f"the symmetry {symmetry.name!r} changes which moves are legal"
        one, other = states[going], turned[going]
        if len(one):
            ahead = symmetry.turn(game.apply(one, first[going]))
            if not np.array_equal(ahead, game.apply(other, symmetry.moves[first[going]])):
                return f"the symmetry {symmetry.name!r} changes what a move leads to"
    return None
