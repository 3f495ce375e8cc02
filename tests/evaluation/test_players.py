"""Opponents and matches: minimax against counting everything, points, Elo by hand."""

import numpy as np
import pytest

from deepwell.core.game import played_on
from deepwell.core.keys import Key
from deepwell.evaluation import players
from deepwell.tasks.games.connect_four import ConnectFour
from deepwell.tasks.games.othello import Othello
from deepwell.tasks.games.tic_tac_toe import TicTacToe


def slow(game, states, depth):
    """Minimax one position at a time; a win counts the more the sooner it comes, as SURE + plies that are left."""
    outcome = game.outcome(states)[0]
    if not np.isnan(outcome):
        return 0.0 if outcome == 0 else outcome * (players.SURE + depth)
    if depth == 0:
        return float(game.promise(states)[0])
    moves = np.flatnonzero(game.legal(states)[0])
    return max(-slow(game, game.apply(states, np.array([a])), depth - 1) for a in moves)


@pytest.mark.parametrize(("game", "depth"), [(TicTacToe(), 3), (ConnectFour(), 2), (Othello(), 2)])
def test_looking_ahead_agrees_with_one_position_at_a_time(game, depth):
    states = played_on(game, game.start(6), Key(1), 6)
    states = states[np.isnan(game.outcome(states))]
    worth = players.looked_ahead(game, states, depth)
    for row, legal in enumerate(game.legal(states)):
        assert np.array_equal(np.isfinite(worth[row]), legal)
        for action in np.flatnonzero(legal):
            ahead = game.apply(states[row : row + 1], np.array([action]))
            assert worth[row, action] == pytest.approx(-slow(game, ahead, depth - 1))


def test_perfect_players_draw_tic_tac_toe_and_beat_random_ones():
    game = TicTacToe()
    perfect, random = players.minimax(game, 9), players.random_moves(game)
    assert (players.play(game, game.start(3), perfect, perfect, Key(0)) == 0.5).all()
    points = players.play(game, game.start(30), random, players.minimax(game, 6), Key(1))
    assert points.max() <= 0.5
    assert points.mean() < 0.3


def test_a_deeper_player_beats_a_shallower_one():
    game = ConnectFour()
    states = played_on(game, game.start(20), Key(2), 4)
    deep, shallow = players.minimax(game, 3), players.minimax(game, 1)
    assert players.play(game, states, deep, shallow, Key(3)).mean() > 0.7
    assert players.play(game, states, shallow, deep, Key(3)).mean() < 0.3


def test_points_are_those_of_the_first_player():
    game = TicTacToe()

    def takes(order):
        return lambda states, draws: np.array([next(a for a in order if legal[a]) for legal in game.legal(states)])

    first_wins = players.play(game, game.start(2), takes([0, 1, 2, 3]), takes([3, 4, 8, 7]), Key(0))
    second_wins = players.play(game, game.start(2), takes([0, 1, 8, 7]), takes([3, 4, 5, 6]), Key(0))
    assert first_wins.tolist() == [1, 1]
    assert second_wins.tolist() == [0, 0]


def test_an_illegal_move_is_an_error():
    game = TicTacToe()
    with pytest.raises(ValueError, match="forbid"):
        players.play(
            game, game.start(1), lambda s, d: np.zeros(len(s), int), lambda s, d: np.zeros(len(s), int), Key(0)
        )


def test_elo_by_hand():
    assert players.elo(0.5, 100) == pytest.approx(0)
    # 10 of 10 points: (10 + 1/2) / 11, so 400 log10(10.5 / 0.5) = 400 log10(21)
    assert players.elo(1.0, 10) == pytest.approx(400 * np.log10(21))
    assert players.elo(0.2, 50) == pytest.approx(-players.elo(0.8, 50))
