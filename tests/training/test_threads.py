"""Threads are measured on copies: the fastest number wins, the network and the examples are left as they were."""

from dataclasses import replace

import pytest
import torch
from tests.training.test_loop import Net, data, job

from deepwell.training import threads
from deepwell.training.loop import Job
from deepwell.training.plan import Plan


def two_threads(**rest) -> Job:
    return job(plan=Plan(threads=2, batch_size=50, fused=False), **rest)


@pytest.mark.parametrize(("seconds", "best"), [({1: 0.1, 2: 0.06}, 2), ({1: 0.1, 2: 1.7}, 1)])
def test_the_fastest_number_of_threads_is_taken(seconds, best, monkeypatch) -> None:
    monkeypatch.setattr(threads, "_step_seconds", lambda job, count, end, others: [seconds[count]] * 3)
    found, words = threads.measured(two_threads(), 10.0)
    assert found.plan.threads == best
    assert found.plan.reasons["threads"] == f"measured: {words}"
    assert words.startswith("1 thread 10 steps/s, 2 threads")


def test_measuring_changes_neither_network_nor_threads() -> None:
    asked = two_threads()
    before = {n: t.clone() for n, t in asked.network.state_dict().items()}
    now = torch.get_num_threads()
    found, _ = threads.measured(asked, 5.0)
    assert torch.get_num_threads() == now
    assert all(torch.equal(t, before[n]) for n, t in asked.network.state_dict().items())
    assert found.network is asked.network
    assert found.plan.threads in (1, 2)


def test_one_thread_and_self_made_data_are_left_alone() -> None:
    single = job(plan=Plan(threads=1, batch_size=50))
    assert threads.measured(single, 5.0) == (single, "")
    endless = data()
    endless.count = None
    asked = replace(two_threads(), examples=endless)
    assert threads.measured(asked, 5.0) == (asked, "")


def test_a_hopeless_candidate_is_given_up_after_one_step(monkeypatch) -> None:
    taken = threads._step_seconds(two_threads(network=Net()), 1, float("inf"), best=1e-9)
    assert len(taken) == 1
