"""What is measured of a model of a game: every line of an opponent, moves against exact scores, a plain search beside ours."""

from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.connect_four import position
from benchmarks.outcomes import Outcome

from benchmarks import games, plain_search, rows_games
from deepwell.core import config
from deepwell.core.fields import Schema
from deepwell.families.self_played import blind, scattered
from deepwell.tasks.game_playing import GameConfig, GamePlaying
from deepwell.tasks.games.tic_tac_toe import TicTacToe


def model(runner, **knobs):
    return SimpleNamespace(task=GamePlaying(Schema(), config.make(GameConfig, knobs)), runner=runner)


def lines_one_by_one(model):
    """Lost and ended games by walking through all of them, none merged."""
    game, player = TicTacToe(), model.task.player(model.runner)

    def walk(states, ours):
        outcome = game.outcome(states)[0]
        if not np.isnan(outcome):
            return int(outcome == (-1 if ours else 1)), 1
        moves = player(states, None) if ours else np.flatnonzero(game.legal(states)[0])
        each = [walk(game.apply(states, np.array([move])), not ours) for move in moves]
        return tuple(map(sum, zip(*each, strict=True)))

    return tuple(map(sum, zip(walk(game.start(1), True), walk(game.start(1), False), strict=True)))


def test_lost_lines_are_counted_as_if_each_were_played():
    poor = model(scattered(9), search=2)
    lost, ended = games.lost_lines(poor)
    assert (lost, ended) == lines_one_by_one(poor)
    assert 0 < lost < ended
    assert games.lost_lines(model(blind(9), search=100))[0] < lost


def test_moves_are_counted_as_best_and_as_good_enough():
    won = games.Solved((3, 0, 3, 0, 3, 0), {0: 2, 1: -3, 2: 0, 3: 18, 4: 0, 5: 0, 6: 0})
    drawn = games.Solved((3, 0, 3, 0, 3, 0), {0: 0, 1: 0, 2: 0, 3: -1, 4: 0, 5: 0, 6: 0})
    slow = games.Solved((3, 0, 3, 0, 3, 0), {0: 0, 1: 0, 2: 0, 3: 17, 4: 18, 5: 0, 6: 0})
    player = model(blind(7), game="connect_four", search=64)  # plays the fourth of a column
    assert games.optimal(player, [won, drawn, slow, won]) == (2, 3)


def test_stored_positions_are_solved_or_counted_and_wrong_scores_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "positions.txt"
    path.write_text("5554224333234511764415115 4\n75734233473735 0\n13712 3\n")
    monkeypatch.setattr(games, "MOST", 20_000)
    found, left = games.solved(path)
    assert left == 1
    assert [max(p.scores.values()) for p in found] == [4, 3]
    path.write_text("5554224333234511764415115 3\n")
    with pytest.raises(ValueError, match="the file says 3"):
        games.solved(path)


def test_the_plain_search_sees_wins_and_blocks_as_ours_does():
    def judge(view):
        return np.zeros((len(view), 7), np.float32), np.zeros(len(view), np.float32)

    wins = plain_search.search(*position([3, 0, 3, 0, 3, 0]), judge, 64)
    blocks = plain_search.search(*position([3, 0, 3, 0, 3]), judge, 400)
    assert max(wins, key=wins.get) == 3
    assert max(blocks, key=blocks.get) == 3
    assert sum(blocks.values()) == 400


def test_both_sides_of_the_speed_show_the_network_the_same_board():
    game = model(blind(7), game="connect_four").task.game
    states = game.start(1)
    for column in (3, 3, 0, 6, 2):
        states = game.apply(states, np.array([column]))
    assert np.array_equal(plain_search.view(*position([3, 3, 0, 6, 2])), game.view(states)[0])


def test_speed_is_told_as_a_ratio_of_positions_a_second():
    times, ours, plain = games.speed(2, 0.05)
    assert times.pairs == 2
    assert times.low > 0
    assert ours > 0 < plain


def test_the_rows_tell_wins_solved_positions_and_lost_lines(tmp_path, monkeypatch):
    path = tmp_path / "positions.txt"
    path.write_text("5554224333234511764415115 4\n")
    scores = [
        {"name": n, "value": v, "low": 0.7, "high": 0.9}
        for n, v in (("wins_minimax_4", 0.8), ("points_minimax_4", 0.85))
    ]
    outcome = Outcome([{"event": "scores", "scores": scores}, {"event": "verdict", "text": "the network wins"}], 120.0)
    made = {
        "connect_four": model(blind(7), game="connect_four", search=400),
        "tic_tac_toe": model(scattered(9), search=2),
    }
    monkeypatch.setattr(rows_games, "_made", lambda game, limit, seed, out: (outcome, made[game]))
    monkeypatch.setattr(rows_games, "POSITIONS", path)
    won, points, solved, wall = rows_games.connect_four(3)
    assert won.seen == "0.800 (0.700 to 0.900)"
    assert points.seen.startswith("0.850")
    assert solved.seen == "1 and 1 of 1"
    assert "0 positions" in solved.beside
    assert wall.seen == "2.0 min"
    lost, _ = rows_games.tic_tac_toe(2)
    assert lost.seen == "; ".join(["{} of {:,}".format(*games.lost_lines(made["tic_tac_toe"]))] * 2)
