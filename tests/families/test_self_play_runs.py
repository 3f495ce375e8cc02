"""A game through a whole run: it trains without data, is sealed, answers, plays line by line, and goes on after a stop."""

import numpy as np
import pytest

import deepwell as dw
from deepwell.core.errors import DataError
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.data.pipeline import FieldPipeline
from deepwell.decoding.tree import Planning, search
from deepwell.evaluation.players import looked_ahead
from deepwell.runtime.conversation import Conversation
from deepwell.tasks.game_playing import GamePlaying
from deepwell.tasks.games.tic_tac_toe import TicTacToe

SMALL = {"games": "8", "simulations": "4", "search": "8", "depth": "1", "batch_size": "16", "capacity": "512"}


def train(out, steps, **more):
    options = {"task": "game_playing", "device": "cpu", "out": str(out), "set": {**SMALL, **more}, "sinks": ()}
    return dw.train(steps=steps, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs"), 6)


def test_the_record_has_points_against_every_opponent_and_the_bundle_answers_as_the_network_did(run):
    assert list(run.scores) == ["points_minimax_1", "points_greedy", "points_random", "wins_minimax_1"]
    assert [e["name"] for e in run.events if e["event"] == "baseline"] == ["random moves", "search without a network"]
    first = run.model.predict()
    assert first["move"][0] in first["moves"][0]
    assert "O to move" in first["board"][0]
    assert dw.load(str(run.directory.model)).predict().csv() == first.csv()


def test_it_is_measured_again_without_data(run, tmp_path):
    again = dw.evaluate(str(run.directory.model))
    assert [score.name for score in again.scores] == list(run.scores)
    assert {score.n for score in again.scores} == {9}
    ours = {score.name: score.value for score in again.scores}
    assert ours == pytest.approx({name: score.value for name, score in run.scores.items()})
    (tmp_path / "rows.csv").write_text("moves,move\n1,2\n")
    with pytest.raises(DataError, match="measured by what it makes itself"):
        dw.evaluate(str(run.directory.model), str(tmp_path / "rows.csv"))
    said = repr(dw.compare(str(run.directory.model), str(run.directory.model)))
    assert "200 games from 9 openings, both colours: the first is +0 Elo stronger" in said


def test_the_same_command_gives_the_same_weights(run, tmp_path):
    again = train(tmp_path, 6)
    ours, theirs = (r.model.contents.weights for r in (run, again))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_game_is_played_line_by_line(run):
    talk = Conversation(run.model)
    assert talk.continues
    assert talk.names == ["moves"]
    first = talk.ask([""])["move"][0]
    reply = next(cell for cell in ("a1", "b2", "c3") if cell != first)
    second = talk.ask([reply])
    assert second["moves"][0].split()[:2] == [first, reply]
    assert len(second["moves"][0].split()) == 3
    with pytest.raises(DataError, match="is not one of the legal moves"):
        talk.ask([reply])
    assert talk.so_far == second["moves"][0]  # a wrong move changes nothing
    talk.command("/new")
    assert len(talk.ask([""])["moves"][0].split()) == 1


def knows_all(game):
    """A judge of tic-tac-toe that knows what every position and every move is worth."""

    def judge(view):
        own, other = view.reshape(len(view), 2, 9).transpose(1, 0, 2)
        first = np.where((own + other).sum(axis=1) % 2 == 0, 1, -1)
        states = ((own - other) * first[:, None]).astype(np.int8)
        worth = np.clip(looked_ahead(game, states, 9), -1, 1)
        return (100 * worth).astype(np.float32), worth.max(axis=1)

    return judge


def test_with_a_judge_that_knows_all_no_game_is_lost_whatever_the_other_plays():
    game, planning = TicTacToe(), Planning(18, considered=9)

    def loses(states, ours):
        outcome = game.outcome(states)
        over = ~np.isnan(outcome)
        if (outcome[over] == (-1 if ours else 1)).any():
            return True
        states = np.unique(states[~over], axis=0)
        if not len(states):
            return False
        if ours:
            moves = search(game, states, knows_all(game), planning).actions
            return loses(game.apply(states, moves), False)
        rows, moves = np.nonzero(game.legal(states))
        return loses(game.apply(states[rows], moves), True)

    assert not loses(game.start(1), True)
    assert not loses(game.start(1), False)


def test_test_games_are_the_same_for_all():
    examples = [
        GamePlaying(Schema(), GamePlaying.Config()).examples(Part("test", Table({})), FieldPipeline(Schema()))
        for _ in range(2)
    ]
    one, two = (e.take(np.arange(20), Key(0)).arrays["opening"] for e in examples)
    assert np.array_equal(one, two)
