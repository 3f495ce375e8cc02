"""Rows of games: one command each, then the sealed model against opponents, all lines, and solved positions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import deepwell as dw
from benchmarks import games
from benchmarks.outcomes import DATA, Check, Outcome, Row, run
from deepwell.runtime.predictor import Predictor

POSITIONS = DATA / "game-ai" / "connect4_scored_positions" / "positions.txt"


def _made(game: str, limit: str, seed: int, out: str) -> tuple[Outcome, Predictor]:
    words = ["train", "--task", "game_playing", "--set", f"game={game}", "--time", limit, "--seed", str(seed)]
    outcome = run(*words, out=out)
    return outcome, dw.load(str(next(Path(out).rglob("model.well"))))


def connect_four(seeds: int) -> list[Row]:
    """An hour: points and wins against minimax of four plies from random openings, and exact moves."""
    with tempfile.TemporaryDirectory() as out:
        outcome, model = _made("connect_four", "60m", 0, out)
        positions, left = games.solved(POSITIONS)
        best, kept = games.optimal(model, positions)
        quick_best, quick_kept = games.optimal(model, positions, 1)
    share = "{value:.3f} ({low:.3f} to {high:.3f})"
    won, n = share.format(**outcome.interval("wins_minimax_4")), len(positions)
    beside = f"with one position looked at: {quick_best} and {quick_kept}; not solved here: {left} positions"
    return [
        Row("games won against minimax of 4 plies", ">= 0.80", won, outcome.beaten()),
        Row("points against it, a draw 1/2", "", share.format(**outcome.interval("points_minimax_4"))),
        Row("solved positions: best score, and worth kept", "", f"{best} and {kept} of {n}", beside),
        Row("wall, all included", "<= 60m", f"{outcome.seconds / 60:.1f} min"),
    ]  # fmt: skip


def tic_tac_toe(seeds: int) -> list[Row]:
    """Two minutes; then every game that an opponent can play."""
    told, walls = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as out:
            outcome, model = _made("tic_tac_toe", "2m", seed, out)
            lost, ended = games.lost_lines(model)
        told.append(f"{lost} of {ended:,}")
        walls.append(f"{outcome.seconds:.0f} s")
    return [
        Row("games lost of all that an opponent can play, both sides", "0", "; ".join(told)),
        Row("wall, all included", "<= 120 s", "; ".join(walls)),
    ]


def speed(seeds: int) -> list[Row]:
    """Positions of self-play a second beside a plain search of one position at a time."""
    times, ours, plain = games.speed(9)
    text = f"{ours:,.0f} and {plain:,.1f} positions/s, one thread each"
    return [Row("self-play, times a plain tree search", ">= 5", str(times), text)]


GAMES: Mapping[str, Check] = {"connect-four": connect_four, "tic-tac-toe": tic_tac_toe, "self-play-speed": speed}
