"""How strong a model of a game is, by exact answers: all lines of tic-tac-toe, solved positions of Connect Four. And speed.

Nothing here is drawn at random but the games that speed is measured on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import connect_four, plain_search, ratios
from deepwell.core.game import Game, played_on
from deepwell.core.keys import Key
from deepwell.decoding.tree import Planning, search
from deepwell.families.self_play import SIZES, SelfPlay
from deepwell.families.self_played import SelfPlayConfig, judge_of
from deepwell.nn.networks.board import BoardNetwork
from deepwell.nn.runner import TorchRunner
from deepwell.runtime.predictor import Predictor
from deepwell.tasks.games.connect_four import ConnectFour

MOST = 3_000_000
"""Positions that the solver looks at for one question: half a minute."""
KNOWN = {
    "32164625": (-4, -3, 11, 4, 0, -2, -5),
    "527376": (-3, -1, 0, -2, -2, -2, -2),
    "25144": (-3, 0, -2, 4, 2, 18, -1),
    "13712": (1, 1, 3, 0, -2, 2, 0),
}
"""Scores of all moves of positions that take this solver hours: found by the same search in C, up to 443 million positions."""


# every line of the opponent ------------------------------------------------------------------------------------------
def lost_lines(model: Predictor) -> tuple[int, int]:
    """(lost, ended): of all games that any opponent can play against the model, with either side to begin.

    The model's move is one for each position, so the opponent's moves alone branch; positions that lines share are asked once.
    """
    task = cast(SelfPlay, model.task)
    player, draws = task.player(model.runner), np.random.default_rng(0)
    lost = ended = 0
    for ours in (True, False):
        states, lines = task.game.start(1), np.ones(1, np.int64)
        while len(states):
            if ours:
                states = task.game.apply(states, player(states, draws))
            else:
                rows, moves = np.nonzero(task.game.legal(states))
                states, lines = task.game.apply(states[rows], moves), lines[rows]
            ours = not ours
            outcome = task.game.outcome(states)  # of the side to move
            lost += int(lines[outcome == (-1 if ours else 1)].sum())
            ended += int(lines[~np.isnan(outcome)].sum())
            states, lines = _merged(states[np.isnan(outcome)], lines[np.isnan(outcome)])
    return lost, ended


def _merged(states: NDArray[Any], lines: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    different, where = np.unique(states, axis=0, return_inverse=True)
    return different, np.bincount(where.ravel(), lines, len(different)).astype(np.int64)


# solved positions ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Solved:
    """A position by its moves (columns, 0-based), and the exact score of each legal move."""

    moves: tuple[int, ...]
    scores: dict[int, int]


def solved(path: Path) -> tuple[list[Solved], int]:
    """Those positions of a file (lines of moves 1-7 and the score) whose every move the solver finishes, and how many it left.

    Raises ValueError where the solver's best score is another than the file's.
    """
    found, left = [], 0
    for line in path.read_text().split("\n"):
        if not line.strip():
            continue
        word, score = line.split()
        moves = tuple(int(digit) - 1 for digit in word)
        try:
            known = KNOWN.get(word)
            scores = dict(enumerate(known)) if known else connect_four.Solver(MOST).scores(moves)
        except connect_four.TooLong:
            left += 1
            continue
        if max(scores.values()) != int(score):
            raise ValueError(f"{word}: the file says {score}, the solver {scores}")
        found.append(Solved(moves, scores))
    return found, left


def optimal(model: Predictor, positions: Sequence[Solved], simulations: int = 0) -> tuple[int, int]:
    """(best, kept): how many of the model's moves have the best score, and how many keep what the position is worth.

    Kept: a won position stays won and a drawn one drawn, however long it takes. simulations: 0 as the model was made.
    """
    task = cast(SelfPlay, model.task)
    states = np.concatenate([_after(task.game, p.moves) for p in positions])
    chosen = task.player(model.runner, simulations)(states, np.random.default_rng(0))
    best = kept = 0
    for position, column in zip(positions, chosen, strict=True):
        most, ours = max(position.scores.values()), position.scores[int(column)]
        best += ours == most
        kept += np.sign(ours) == np.sign(most)
    return best, int(kept)


def _after(game: Game, moves: Sequence[int]) -> NDArray[Any]:
    states = game.start(1)
    for column in moves:
        states = game.apply(states, np.array([column]))
    return states


# speed ---------------------------------------------------------------------------------------------------------------
def speed(rounds: int, seconds: float = 2.0) -> tuple[ratios.Median, float, float]:
    """Positions of self-play a second, ours / plain search's, and the medians of both; in turns, same network and simulations.

    Ours plays as many games side by side as a default run and in its precision; the plain one plays one after the other in
    the precision that suits single boards, float32. One thread on either side.
    """
    torch.set_num_threads(1)
    game, knobs = ConnectFour(), SelfPlayConfig()
    torch.manual_seed(0)
    network = BoardNetwork((game.planes, game.height, game.width), game.actions, *SIZES["small"])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast, exact = (judge_of(TorchRunner(network, "cpu", dtype)) for dtype in (torch.bfloat16, torch.float32))
    states = played_on(game, game.start(knobs.games), Key(0).fold("speed"), 8)
    states = states[np.isnan(game.outcome(states))]
    planning, draws = Planning(knobs.simulations, knobs.considered), np.random.default_rng(0)

    def ours() -> int:
        search(game, states, fast, planning, draws)
        return len(states)

    turn = iter(range(10**9))

    def plain() -> int:
        own, every = (int(board) for board in states[next(turn) % len(states)])
        plain_search.search(own, every, exact, knobs.simulations)
        return 1

    ours(), plain()
    both = [(_rate(ours, seconds), _rate(plain, seconds)) for _ in range(rounds)]
    one, other = ([pair[side] for pair in both] for side in (0, 1))
    return ratios.ratio(one, other), float(np.median(one)), float(np.median(other))


def _rate(side: Any, seconds: float) -> float:
    """Positions a second over at least so many seconds."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        count += side()
    return count / (time.perf_counter() - began)
