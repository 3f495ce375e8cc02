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


TROUBLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NameError)
"""What somebody else's code stops with where it is wrong."""


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
        """What a move is called, as a player types it: one word without commas, capital letters or not."""

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


class _Wrong(Exception):
    """What rules say against themselves, in words."""


def contradiction(game: Game, key: Key, games: int = 64) -> str | None:
    """What the rules say against themselves, in words, found by random games from the start; None: nothing was found.

    Looked at: attributes and the names of moves; that methods do not stop with an error; shapes and types; that a position in
    which the game goes on has a legal move; that applying moves does not change the positions given, and that position by
    position gives what all at once give; that a game ends after at most `longest` plies; and that symmetries keep legal moves,
    outcomes, and what moves lead to.
    """
    draws = key.numpy()
    try:
        _attributes(game)
        _names(game)
        states = _array("start", _ask("start", game.start, games), games)
        if states.dtype.kind not in "biuf":
            raise _Wrong(f"start gave {states.dtype}, not numbers")
        for ply in range(game.longest + 1):
            try:
                states = _going(game, states)
                if not len(states):
                    return None if ply else "the game is over before the first move"
                _shapes(game, states)
                after = _moved(game, states, draws)
                _symmetric(game, states)
                states = after
            except _Wrong as wrong:
                return f"after {ply} plies {wrong}"
    except _Wrong as wrong:
        return str(wrong)
    return f"a game was not over after {game.longest} plies, the most that these rules name"


def _ask(name: str, method: Callable[..., Any], *given: Any) -> Any:
    """What a method of the game gives. Raises _Wrong where it stops with an error."""
    try:
        return method(*given)
    except TROUBLE as error:
        raise _Wrong(f"{name} stopped with {type(error).__name__}: {error}") from error


def _array(name: str, given: Any, *shape: int) -> NDArray[Any]:
    """What was given, if it is an array whose shape begins so. Raises _Wrong otherwise."""
    if not isinstance(given, np.ndarray):
        raise _Wrong(f"{name} gave a {type(given).__name__}, not an array")
    if given.shape[: len(shape)] != shape:
        raise _Wrong(f"{name} gave an array of shape {given.shape} instead of {shape}")
    return given


def _attributes(game: Game) -> None:
    for name in ("actions", "planes", "height", "width", "longest", "opening"):
        value, least = getattr(game, name, None), 0 if name == "opening" else 1
        if value is None:
            raise _Wrong(f"they do not say what {name} is")
        if not isinstance(value, int | np.integer) or value < least:
            raise _Wrong(f"{name} is {value!r} instead of a whole number from {least}")


def _names(game: Game) -> None:
    known: dict[str, str] = {}
    for action in range(game.actions):
        name = _ask("name_of", game.name_of, action)
        if not isinstance(name, str) or not name or "," in name or len(name.split()) != 1 or name != name.strip():
            raise _Wrong(f"a move is called {name!r}: a name is one word without spaces and commas")
        if name.lower() in known:
            same = known[name.lower()]
            raise _Wrong(
                f"two moves are called {name!r}" + ("" if same == name else f" or {same!r}, which reads the same")
            )
        known[name.lower()] = name


def _going(game: Game, states: States) -> States:
    """The positions in which the game goes on, once it was seen that outcomes are what they must be."""
    outcome = _array("outcome", _ask("outcome", game.outcome, states), len(states))
    if outcome.ndim != 1 or outcome.dtype.kind != "f":
        raise _Wrong(f"outcome gave {outcome.dtype} of shape {outcome.shape}, not one float for each position")
    over: NDArray[np.bool_] = ~np.isnan(outcome)
    odd = outcome[over][~np.isin(outcome[over], (-1, 0, 1))]
    if len(odd):
        raise _Wrong(f"outcome gave {odd[0]}, which is neither 1, 0, -1 nor NaN")
    going: States = states[~over]
    return going


def _shapes(game: Game, states: States) -> None:
    """What is asked of positions in which the game goes on."""
    n = len(states)
    wanted = {"legal": (n, game.actions), "promise": (n,), "view": (n, game.planes, game.height, game.width)}
    for name, shape in wanted.items():
        given = _array(name, _ask(name, getattr(game, name), states), *shape)
        if given.shape != shape:
            raise _Wrong(f"{name} gave an array of shape {given.shape} instead of {shape}")
        if name == "legal" and given.dtype != np.bool_:
            raise _Wrong(f"legal gave {given.dtype}, not bool")
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise _Wrong(f"{name} gave what is no finite number")
        if name == "promise" and np.abs(given).max() > 1:
            raise _Wrong(f"promise gave {given[np.abs(given).argmax()]}, which is not from -1 to 1")
    text = _ask("text", game.text, states[:1])
    if not isinstance(text, str):
        raise _Wrong(f"text gave a {type(text).__name__}, not words")
    stuck = np.flatnonzero(~game.legal(states).any(axis=1))
    if len(stuck):
        raise _Wrong(f"a game goes on without a legal move:\n{_ask('text', game.text, states[stuck[:1]])}")


def _moved(game: Game, states: States, draws: np.random.Generator) -> States:
    """The positions after random moves, once it was seen that `apply` keeps its word."""
    legal = game.legal(states)
    actions = (legal * draws.random(legal.shape)).argmax(axis=1)
    before = states.copy()
    after = _applied(game, states, actions)
    if not np.array_equal(states, before):
        raise _Wrong("apply changed the positions that it was given")
    if not np.array_equal(_applied(game, states[:1], actions[:1]), after[:1]):
        raise _Wrong("apply gives something else for one position alone than for it among others")
    return after


def _applied(game: Game, states: States, actions: Actions) -> States:
    """The positions after legal moves. Raises _Wrong, which names the move, where `apply` stops with an error."""
    try:
        after = game.apply(states, actions)
    except TROUBLE as error:
        for row in range(len(actions) if len(actions) > 1 else 0):
            _applied(game, states[row : row + 1], actions[row : row + 1])
        name = repr(game.name_of(int(actions[0]))) if len(actions) == 1 else "some moves at once"
        raise _Wrong(f"apply refused {name}, which legal allows: {type(error).__name__}: {error}") from error
    return _array("apply", after, *states.shape)


def _symmetric(game: Game, states: States) -> None:
    legal = game.legal(states)
    first = legal.argmax(axis=1)
    ahead = _applied(game, states, first)
    outcome = _ask("outcome", game.outcome, ahead)
    for symmetry in _ask("symmetries", lambda: list(game.symmetries())):
        if not isinstance(symmetry, Symmetry):
            raise _Wrong(f"symmetries gave a {type(symmetry).__name__}, not a Symmetry")
        called = f"the symmetry {symmetry.name!r}"
        moves = _array(f"{called}, asked for moves,", symmetry.moves, game.actions)
        if not np.array_equal(np.sort(moves), np.arange(game.actions)):
            raise _Wrong(f"{called} does not give each move exactly one move")
        turned = _array(called, _ask(called, symmetry.turn, states), *states.shape)
        if not np.isnan(_ask(f"outcome after {called}", game.outcome, turned)).all():
            raise _Wrong(f"{called} changes who has won")
        if not np.array_equal(_ask(f"legal after {called}", game.legal, turned)[:, moves], legal):
            raise _Wrong(f"{called} changes which moves are legal")
        ahead_turned = _array(called, _ask(called, symmetry.turn, ahead), *ahead.shape)
        if not np.array_equal(ahead_turned, _applied(game, turned, moves[first])):
            raise _Wrong(f"{called} changes what a move leads to")
        if not np.array_equal(_ask(f"outcome after {called}", game.outcome, ahead_turned), outcome, equal_nan=True):
            raise _Wrong(f"{called} changes who has won")
