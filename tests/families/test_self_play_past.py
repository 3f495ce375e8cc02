"""Past selves: kept at steps that double, the latest few; they answer as the network did then, and come back after a stop."""

import numpy as np
import torch

from deepwell.core.runner import CalibratedRunner
from deepwell.families.self_play_past import FIRST, MOST, PastSelves
from deepwell.families.self_played import blind
from deepwell.nn.networks.board import BoardNetwork
from deepwell.nn.runner import TorchRunner

VIEW = {"view": (np.random.default_rng(0).random((5, 2, 3, 3)) < 0.3).astype(np.float32)}


def network():
    torch.manual_seed(1)
    return TorchRunner(BoardNetwork((2, 3, 3), 9, 8, 1))


def changed(runner):
    """Other weights and other running statistics."""
    with torch.no_grad():
        for tensor in [*runner.module.parameters(), *runner.module.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))


def met(runner, steps):
    past, answers = PastSelves(), {}
    for step in steps:
        past.meet(runner, step)
        answers[step] = runner.run("forward", VIEW)[0]
        changed(runner)
    return past, answers


def test_the_latest_steps_that_double_are_kept():
    past, _ = met(network(), range(FIRST * 16 + 3))
    assert sorted(past.runners(network())) == [FIRST * 4, FIRST * 8, FIRST * 16]
    assert MOST == 3


def test_they_answer_as_the_network_did_then_and_leave_the_network_alone():
    runner = network()
    past, answers = met(runner, [0, FIRST, 2 * FIRST])
    now = runner.run("forward", VIEW)[0]
    then = past.runners(CalibratedRunner(runner, {}))
    assert list(then) == [2 * FIRST, FIRST]
    for step, self_of_then in then.items():
        found = self_of_then.run("forward", VIEW)[0]
        assert all(np.allclose(found[name], answers[step][name], atol=1e-6) for name in found)
        assert not np.allclose(found["value"], now["value"], atol=1e-4)
    assert np.array_equal(runner.run("forward", VIEW)[0]["value"], now["value"])


def test_they_come_back_after_a_stop():
    runner = network()
    past, answers = met(runner, [FIRST, 2 * FIRST])
    again = PastSelves()
    again.restore({name: array.copy() for name, array in past.state().items()})
    found = again.runners(runner)[FIRST].run("forward", VIEW)[0]
    assert np.allclose(found["policy"], answers[FIRST]["policy"], atol=1e-6)
    again.restore({})
    assert again.runners(runner) == {}
    assert PastSelves().state() == {}


def test_what_is_no_network_has_no_past():
    past = PastSelves()
    past.meet(blind(9), FIRST)
    assert past.state() == {}
    assert past.runners(blind(9)) == {}
