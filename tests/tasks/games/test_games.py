"""The rules of the games against counts from elsewhere and a slow Othello written another way."""

import numpy as np
import pytest

from deepwell.core.game import Game, Symmetry, contradiction, played_on
from deepwell.core.keys import Key
from deepwell.tasks.games.connect_four import ConnectFour
from deepwell.tasks.games.othello import PASS, Othello
from deepwell.tasks.games.tic_tac_toe import TicTacToe

GAMES = [TicTacToe, ConnectFour, Othello]


def positions(game: Game, plies: int) -> list[int]:
    """How many different positions there are after 0, 1, ... plies."""
    states, counts = game.start(1), [1]
    for _ in range(plies):
        going = states[np.isnan(game.outcome(states))]
        rows, actions = np.nonzero(game.legal(going))
        states = np.unique(game.apply(going[rows], actions), axis=0)
        counts.append(len(states))
    return counts


def test_connect_four_has_as_many_positions_as_were_counted_elsewhere():
    # OEIS A212693, the number of legal 7 x 6 Connect Four positions after n plies.
    assert positions(ConnectFour(), 8) == [1, 7, 49, 238, 1120, 4263, 16422, 54859, 184275]


def test_tic_tac_toe_has_as_many_positions_and_games_as_were_counted_elsewhere():
    # 5,478 positions and 255,168 games: OEIS A008907 and its references, symmetries not taken out.
    game = TicTacToe()
    assert sum(positions(game, 9)) == 5478
    states, games = game.start(1), 0
    for _ in range(9):
        rows, actions = np.nonzero(game.legal(states))
        states = game.apply(states[rows], actions)
        over = ~np.isnan(game.outcome(states))
        games += int(over.sum())
        states = states[~over]
    assert games == 255168


def slow_othello(board: dict, mover: int) -> dict[tuple[int, int], list]:
    """Legal cells and what each turns, by walking over a board as a dict (row, column) -> 1 or -1."""
    found = {}
    for y in range(6):
        for x in range(6):
            turned = []
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    line, at = [], (y + dy, x + dx)
                    while (dy or dx) and board.get(at) == -mover:
                        line.append(at)
                        at = (at[0] + dy, at[1] + dx)
                    if line and board.get(at) == mover:
                        turned += line
            if turned and (y, x) not in board:
                found[y, x] = turned
    return found


@pytest.mark.parametrize("seed", range(12))
def test_othello_agrees_with_walking_over_the_board(seed):
    game, draws = Othello(), np.random.default_rng(seed)
    states, board, mover = game.start(1), {(2, 2): -1, (3, 3): -1, (2, 3): 1, (3, 2): 1}, 1
    while True:
        own, other = game.view(states)[0]
        assert {(y, x) for y, x in np.argwhere(own)} == {at for at, side in board.items() if side == mover}
        assert {(y, x) for y, x in np.argwhere(other)} == {at for at, side in board.items() if side == -mover}
        moves = slow_othello(board, mover)
        outcome = game.outcome(states)[0]
        if not moves and not slow_othello(board, -mover):
            assert outcome == np.sign(sum(board.values()) * mover)
            return
        assert np.isnan(outcome)
        legal = np.flatnonzero(game.legal(states)[0])
        assert set(legal) == ({y * 6 + x for y, x in moves} or {PASS})
        action = int(draws.choice(legal))
        if action != PASS:
            at = divmod(action, 6)
            board[at] = mover
            board.update(dict.fromkeys(moves[at], mover))
        states, mover = game.apply(states, np.array([action])), -mover


@pytest.mark.parametrize("kind", GAMES)
def test_the_rules_keep_their_word(kind):
    assert contradiction(kind(), Key(7), 40) is None


@pytest.mark.parametrize("kind", GAMES)
def test_moves_are_read_as_they_are_written(kind):
    game = kind()
    assert [game.move(f" {game.name_of(a).upper()} ") for a in range(game.actions)] == list(range(game.actions))
    assert game.move("nowhere") is None


def test_four_in_a_row_wins_in_every_direction_and_nowhere_else():
    game = ConnectFour()
    won = {"up": "1212121", "right": "1122334", "up right": "12233434464", "up left": "76655454424"}
    for moves in won.values():
        states = game.start(1)
        for ply, word in enumerate(moves):
            assert np.isnan(game.outcome(states)[0]), moves[:ply]
            states = game.apply(states, np.array([game.move(word)]))
        assert game.outcome(states)[0] == -1  # the side to move has lost
    wrapped = game.start(1)  # the top of one column and the bottom of the next are no line
    for word in "111111":
        wrapped = game.apply(wrapped, np.array([game.move(word)]))
    assert np.isnan(game.outcome(wrapped)[0])
    assert not game.legal(wrapped)[0, 0]


def test_boards_are_drawn_for_people():
    game = ConnectFour()
    states = game.apply(game.apply(game.start(1), np.array([3])), np.array([0]))
    lines = game.text(states).splitlines()
    assert lines[5:] == ["O . . X . . .", "1 2 3 4 5 6 7", "X to move"]
    assert lines[0] == ". . . . . . ."


def test_random_plies_are_drawn_by_the_key():
    game = ConnectFour()
    one, same, other = (played_on(game, game.start(20), Key(seed), 5) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_rules_that_contradict_themselves_are_found():
    class NoMoves(TicTacToe):
        def legal(self, states):
            return np.zeros((len(states), 9), bool)

    class Endless(TicTacToe):
        longest = 4

    class Changes(TicTacToe):
        def symmetries(self):
            return ()

        def apply(self, states, actions):
            states[:, 0] = 1
            return super().apply(states, actions)

    class Favours(TicTacToe):
        def symmetries(self):
            return (
                Symmetry("first row gone", lambda s: np.where(np.arange(9) < 3, 0, s).astype(s.dtype), np.arange(9)),
            )

    class Twice(TicTacToe):
        def symmetries(self):
            return (Symmetry("nothing", lambda s: s, np.zeros(9, np.int64)),)

    class Named(TicTacToe):
        def name_of(self, action):
            return "there"

    class Values(TicTacToe):
        def outcome(self, states):
            return super().outcome(states) * 2

    found = {
        kind: contradiction(kind(), Key(0), 20) for kind in (NoMoves, Endless, Changes, Favours, Twice, Named, Values)
    }
    assert "without a legal move" in found[NoMoves]
    assert "not over after 4 plies" in found[Endless]
    assert "apply changed" in found[Changes]
    assert "'first row gone'" in found[Favours]
    assert "exactly one move" in found[Twice]
    assert "'there'" in found[Named]
    assert "neither 1, 0, -1" in found[Values]


class Heap(Game):
    """Nim: one heap of nine, take 1 to 3, who takes the last wins."""

    actions, planes, height, width, longest = 3, 1, 1, 9, 9

    def start(self, count):
        return np.full((count, 1), 9, np.int16)

    def legal(self, states):
        return states >= np.array([1, 2, 3])

    def apply(self, states, actions):
        return states - actions[:, None].astype(np.int16) - np.int16(1)

    def outcome(self, states):
        return np.where(states[:, 0] == 0, -1.0, np.nan).astype(np.float32)

    def view(self, states):
        return (np.arange(9) < states).astype(np.float32).reshape(-1, 1, 1, 9)

    def text(self, state):
        return f"{int(state[0, 0])} left"

    def name_of(self, action):
        return str(action + 1)


def refuses_three(self, states, actions):
    if (actions == 2).any():
        raise ValueError("three is too many")
    return Heap.apply(self, states, actions)


def turned(turn):
    return lambda self: [Symmetry("odd", turn, np.arange(3))]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"apply": refuses_three}, "after 0 plies apply refused '3', which legal allows: ValueError: three is too many"),
        ({"apply": lambda self, states, actions: states[0]}, "apply gave an array of shape (1,)"),
        ({"outcome": lambda self, states: [None] * len(states)}, "outcome gave a list, not an array"),
        ({"outcome": lambda self, states: np.zeros(len(states), int)}, "outcome gave int64 of shape (64,), not one float"),
        ({"outcome": lambda self, states: np.zeros(len(states), np.float32)}, "over before the first move"),
        ({"view": lambda self, states: Heap.view(self, states) * np.nan}, "view gave what is no finite number"),
        ({"view": lambda self, states: Heap.view(self, states)[:, :, :, :8]}, "view gave an array of shape (64, 1, 1, 8)"),
        ({"legal": lambda self, states: 1 // 0}, "legal stopped with ZeroDivisionError"),
        ({"legal": lambda self, states: np.ones((len(states), 3))}, "legal gave float64, not bool"),
        ({"start": lambda self, count: [9] * count}, "start gave a list, not an array"),
        ({"start": lambda self, count: np.full((count, 1), None)}, "start gave object, not numbers"),
        ({"promise": lambda self, states: np.full(len(states), 50.0)}, "promise gave 50.0, which is not from -1 to 1"),
        ({"text": lambda self, state: state}, "text gave a ndarray, not words"),
        ({"longest": None}, "they do not say what longest is"),
        ({"width": 2.5}, "width is 2.5 instead of a whole number from 1"),
        ({"symmetries": lambda self: None}, "symmetries stopped with TypeError"),
        ({"symmetries": lambda self: ["odd"]}, "symmetries gave a str, not a Symmetry"),
        ({"symmetries": turned(lambda states: 1 // 0)}, "the symmetry 'odd' stopped with ZeroDivisionError"),
        ({"symmetries": turned(lambda states: states[:3])}, "the symmetry 'odd' gave an array of shape (3, 1)"),
        ({"symmetries": turned(np.zeros_like)}, "the symmetry 'odd' changes who has won"),
        ({"name_of": lambda self, action: f"take {action}"}, "'take 0': a name is one word"),
        ({"name_of": lambda self, action: f"1,{action}"}, "'1,0': a name is one word"),
        ({"name_of": lambda self, action: ""}, "'': a name is one word"),
        ({"name_of": lambda self, action: action}, "0: a name is one word"),
        ({"name_of": lambda self, action: "aAb"[action]}, "'A' or 'a', which reads the same"),
        ({"name_of": lambda self, action: "ab"[action]}, "name_of stopped with IndexError"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_rules_is_said_in_words(wrong, words):
    assert contradiction(Heap(), Key(0)) is None
    assert words in contradiction(type("Mine", (Heap,), wrong)(), Key(0))
