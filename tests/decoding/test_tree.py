"""Tree search: it finds wins and blocks, agrees with full look-ahead, and each position's search is its own."""

import numpy as np
import pytest

from deepwell.core.game import played_on
from deepwell.core.keys import Key
from deepwell.decoding.tree import Planning, _order, search
from deepwell.evaluation.players import looked_ahead
from deepwell.tasks.games.connect_four import ConnectFour
from deepwell.tasks.games.othello import Othello
from deepwell.tasks.games.tic_tac_toe import TicTacToe


def blind(view):
    return np.zeros((len(view), 9 if view.shape[2] == 3 else 7 if view.shape[3] == 7 else 37), np.float32), np.zeros(
        len(view), np.float32
    )


def after(game, moves):
    states = game.start(1)
    for word in moves.split():
        states = game.apply(states, np.array([game.move(word)]))
    return states


def test_it_wins_and_blocks_at_once():
    game = TicTacToe()
    wins = search(game, after(game, "a3 a2 b3 b2"), blind, Planning(64))
    assert game.name_of(int(wins.actions[0])) == "c3"
    assert wins.policy[0].argmax() == game.move("c3")
    blocks = search(game, after(game, "a3 b2 b3"), blind, Planning(200))
    assert game.name_of(int(blocks.actions[0])) == "c3"


@pytest.mark.parametrize("simulations", [7, 24, 63, 126, 500])
def test_a_won_position_is_worth_a_win_however_many_other_moves_are_looked_at(simulations):
    game = ConnectFour()
    found = search(game, after(game, "1 2 1 2 1 2"), blind, Planning(simulations, 7))
    assert game.name_of(int(found.actions[0])) == "1"
    assert found.value[0] == 1.0
    assert found.average[0] < 0.9  # of all visits, most of which the halving makes to other moves
    lost = search(game, after(game, "4 1 3 1 5"), blind, Planning(500, 7))  # 2 and 6 are both open
    assert lost.value[0] < -0.9


def test_the_average_is_the_mean_of_the_position_and_of_all_that_was_seen_below_it():
    game = ConnectFour()
    # By hand: 7 leaves, one of which is won; they and the position itself, promised 0, make 8.
    assert search(game, after(game, "1 2 1 2 1 2"), blind, Planning(7, 7)).average[0] == pytest.approx(1 / 8)


def test_a_long_search_plays_as_well_as_looking_at_everything():
    game = TicTacToe()
    states = played_on(game, game.start(60), Key(3), 4)
    states = states[np.isnan(game.outcome(states))]
    found = search(game, states, blind, Planning(400, considered=9))
    worth = np.clip(looked_ahead(game, states, 9), -1, 1)  # whether won, drawn or lost, not how soon
    chosen = worth[np.arange(len(states)), found.actions]
    assert (chosen >= worth.max(axis=1) - 1e-6).mean() >= 0.95


@pytest.mark.parametrize("game", [TicTacToe(), ConnectFour(), Othello()])
def test_only_legal_moves_are_played_and_every_simulation_is_counted(game):
    states = played_on(game, game.start(30), Key(5), 5)
    states = states[np.isnan(game.outcome(states))]
    found = search(game, states, blind, Planning(20, considered=6), np.random.default_rng(0))
    legal = game.legal(states)
    assert legal[np.arange(len(states)), found.actions].all()
    assert not found.policy[~legal].any()
    assert np.allclose(found.policy.sum(axis=1), 1, atol=1e-5)
    assert (found.visits.sum(axis=1) == 20).all()
    assert not found.visits[~legal].any()
    assert ((found.visits > 0).sum(axis=1) <= 6).all()
    assert (np.abs(found.value) <= 1 + 1e-6).all()


def test_positions_are_searched_as_if_each_were_alone():
    game = ConnectFour()
    states = played_on(game, game.start(12), Key(8), 7)

    def judge(view):  # by the board alone, so that nothing depends on what is asked beside it
        flat = view.reshape(len(view), -1)
        return np.stack([np.sin(flat @ np.arange(84) + a) for a in range(7)], 1).astype(np.float32), np.tanh(
            flat @ np.cos(np.arange(84)) / 9
        )

    together = search(game, states, judge, Planning(24))
    for row in range(len(states)):
        alone = search(game, states[row : row + 1], judge, Planning(24))
        assert np.array_equal(alone.visits[0], together.visits[row])
        assert alone.actions[0] == together.actions[row]


def test_the_network_is_asked_once_for_all_leaves_of_a_simulation():
    game, asked = ConnectFour(), []
    states = played_on(game, game.start(40), Key(2), 8)
    states = states[np.isnan(game.outcome(states))]

    def judge(view):
        asked.append(len(view))
        return blind(view)

    search(game, states, judge, Planning(50))
    assert len(asked) <= 51
    assert asked[0] == len(states) >= max(asked)
    assert np.mean(asked) > 0.8 * len(states)


def test_values_of_the_network_are_of_the_side_to_move():
    game = ConnectFour()
    states = game.start(1)

    def judge(view):  # whoever has a piece in the left column is happy
        return np.zeros((len(view), 7), np.float32), (view[:, 0, :, 0].sum(1) - view[:, 1, :, 0].sum(1)).clip(-1, 1)

    assert search(game, states, judge, Planning(7, considered=7)).actions[0] == 0


def test_without_noise_it_repeats_itself_and_with_it_the_draws_decide():
    game = ConnectFour()
    states = game.start(40)
    assert len(set(search(game, states, blind, Planning(8)).actions)) == 1
    one, two = (search(game, states, blind, Planning(8), np.random.default_rng(s)).actions for s in (0, 0))
    assert np.array_equal(one, two)
    assert len(set(one)) > 3


def test_sequential_halving_spends_the_visits_on_fewer_and_fewer_moves():
    # By hand: 16 simulations among 4 moves: two rounds of 8; 4 moves twice each, then 2 moves four times each.
    assert _order(4, 16) == (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    assert _order(1, 3) == (0, 1, 2)
    assert all(len(_order(k, n)) == n for k in range(1, 20) for n in (1, 2, 5, 32))
