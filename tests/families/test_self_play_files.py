"""A game of one's own in one file: found by its path, trained, sealed, opened, asked; and rules that contradict themselves."""

import pytest

import deepwell as dw
from deepwell.core.errors import BundleError, DataError
from deepwell.families.self_play import Question

NIM = '''
"""nim: seven matches; who takes the last of them wins. A move takes one, two or three."""

import numpy as np

from deepwell.core.game import Game
from deepwell.families.self_play import SelfPlay


class Matches(Game):
    """A state is the number of matches that are left."""

    actions, planes, height, width, longest, opening = 3, 1, 1, 7, LONGEST, 1

    def start(self, count):
        return np.full((count, 1), 7, np.int64)

    def legal(self, states):
        return np.arange(1, 4) <= states

    def apply(self, states, actions):
        return states - actions[:, None] - 1

    def outcome(self, states):
        return np.where(states[:, 0] == 0, -1.0, np.nan).astype(np.float32)

    def view(self, states):
        return (np.arange(7) < states).astype(np.float32).reshape(-1, 1, 1, 7)

    def text(self, state):
        return "|" * int(state[0, 0])

    def name_of(self, action):
        return str(action + 1)


class Nim(SelfPlay):
    """Learn to take matches."""

    def rules(self):
        return Matches()
'''
KNOBS = {"games": "16", "simulations": "8", "search": "64", "depth": "1", "batch_size": "16", "capacity": "512"}


def written(path, longest):
    path.write_text(NIM.replace("LONGEST", longest))
    return str(path)


def test_a_game_of_ones_own_is_one_file_and_its_bundle_opens_again(tmp_path):
    task = written(tmp_path / "nim.py", "7")
    run = dw.train(task=task, steps=40, device="cpu", out=str(tmp_path / "runs"), set=KNOBS, sinks=())
    model = dw.load(str(run.directory.model), task=task)
    # Whoever leaves a multiple of four wins: 7 - 3 = 4; after 7 - 1 - 1 = 5 it is one.
    assert model.predict()["move"][0] == "3"
    assert model.predict(request=Question("1 1"))["move"][0] == "1"
    assert model.predict(request=Question("1 1"))["board"][0] == "||||"
    with pytest.raises(DataError, match="is not one of the legal moves 1"):
        model.predict(request=Question("3 3 2"))
    with pytest.raises(BundleError, match="nim"):
        dw.load(str(run.directory.model))


def test_rules_in_a_file_that_contradict_themselves_stop_the_run_before_it_trains(tmp_path):
    task = written(tmp_path / "nim.py", "3")
    with pytest.raises(DataError, match=r"Matches contradict themselves: a game was not over after 3 plies"):
        dw.train(task=task, steps=5, device="cpu", out=str(tmp_path / "runs"), set=KNOBS, sinks=())
