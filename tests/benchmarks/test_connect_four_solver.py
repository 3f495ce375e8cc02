"""The exact solver against scores from elsewhere, and against looking at every line with the rules of the game itself."""

import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.connect_four import Solver, TooLong, position
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.tasks.games.connect_four import ConnectFour

GAME = ConnectFour()
# Quoted in the tests of P. Pons' solver: moves as columns 1 to 7, and the score.
QUOTED = {
    "2252576253462244111563365343671351441": -1, "7422341735647741166133573473242566": 1, "67152117737262713366376314254": 6,
    "2762751722231276466633475674533": 5, "5554224333234511764415115": 4, "2737772244262123677516643354": 0,
    "3575316255751336464276636772271112": -3, "71255763773133525731261364622167124446454": 0,
}  # fmt: skip


def columns(word):
    return [int(digit) - 1 for digit in word]


def states_after(moves):
    states = GAME.start(1)
    for column in moves:
        states = GAME.apply(states, np.array([column]))
    return states


def slow(states, played):
    """The score by looking at all lines: 22 less the pieces that the winner will have played."""
    outcome = GAME.outcome(states)[0]
    if not np.isnan(outcome):
        return 0 if outcome == 0 else -(22 - (played + 1) // 2)  # the other side has just won with its last piece
    moves = np.flatnonzero(GAME.legal(states)[0])
    return max(-slow(GAME.apply(states, np.array([move])), played + 1) for move in moves)


@pytest.mark.parametrize(("word", "score"), QUOTED.items())
def test_the_best_move_scores_what_was_found_elsewhere(word, score):
    assert max(Solver().scores(columns(word)).values()) == score


@given(st.integers(0, 2**32 - 1), st.integers(34, 39))
@settings(max_examples=25, deadline=None)
def test_every_move_scores_what_all_lines_say(seed, plies):
    draws, moves, states = np.random.default_rng(seed), [], GAME.start(1)
    while len(moves) < plies:
        column = int(draws.choice(np.flatnonzero(GAME.legal(states)[0])))
        after = GAME.apply(states, np.array([column]))
        if not np.isnan(GAME.outcome(after)[0]):
            return  # the game was over before
        moves, states = [*moves, column], after
    legal = np.flatnonzero(GAME.legal(states)[0])
    expected = {int(c): -slow(GAME.apply(states, np.array([c])), plies + 1) for c in legal}
    assert Solver().scores(moves) == expected


def test_a_question_that_is_too_long_is_given_up():
    with pytest.raises(TooLong, match="more than 100 positions"):
        Solver(100).scores([])


@pytest.mark.parametrize(("word", "why"), [("1111111", "column 1 is full"), ("12121213", "move 7 ends the game")])
def test_moves_that_cannot_be_played_are_refused(word, why):
    with pytest.raises(ValueError, match=why):
        position(columns(word))


def test_the_stored_positions_agree_as_far_as_they_are_soon_solved():
    path = Path(os.environ.get("DEEPWELL_DATA", "")) / "game-ai" / "connect4_scored_positions" / "positions.txt"
    if not path.is_file():
        pytest.skip("DEEPWELL_DATA names no folder with solved positions")
    lines = [line.split() for line in path.read_text().splitlines() if line]
    late = [(word, int(score)) for word, score in lines if len(word) >= 25]
    assert len(late) >= 20
    assert [w for w, s in late if max(Solver().scores(columns(w)).values()) != s] == []
