"""Whether bfloat16 trains alike: an ordinary network does, one that lives on small differences does not."""

import math
import time
from dataclasses import replace

import pytest
import torch
from tests.training.test_loop import Net, data, job, loss
from torch import nn

from deepwell.core.task import Loss, Update
from deepwell.training import halves
from deepwell.training.plan import Plan

PLAN = Plan(batch_size=64, fused=False)
ENDLESS = math.inf


class Difference(Net):
    """Its answer is a small difference of large numbers, of which bfloat16 knows only every eighth."""

    def forward(self, arrays, state=None):
        large = arrays["x"] + 1000.0
        return {"y": (self.body(large) - self.body(torch.full_like(large, 1000.0))).squeeze(1)}, state


def test_an_ordinary_network_tracks() -> None:
    verdict = halves.tracks(job(Net(16)), PLAN, ENDLESS)
    assert verdict.holds
    assert "over 20 steps the loss is 0." in verdict.words


def test_a_network_of_small_differences_does_not() -> None:
    verdict = halves.tracks(job(Difference()), PLAN, ENDLESS)
    assert verdict.holds is False
    assert "gradient cosine" in verdict.words


def test_the_gradient_counts_even_where_losses_agree() -> None:
    def turned(network, batch, draw):
        """The same loss, whose gradient has the other sign in bfloat16."""
        found = loss(network, batch, draw)
        half = torch.is_autocast_enabled("cpu")
        return Loss(2 * found.total.detach() - found.total if half else found.total, found.units)

    calm = replace(job(), loss=turned, recipe=replace(job().recipe, learning_rate=1e-6))
    verdict = halves.tracks(calm, PLAN, ENDLESS)
    assert verdict.holds is False
    assert "gradient cosine -" in verdict.words


@pytest.mark.parametrize("worse", ["first", "second"])
def test_each_update_must_track(worse) -> None:
    def off(network, batch, draw):
        found = loss(network, batch, draw)
        return Loss(found.total * (1.02 if torch.is_autocast_enabled("cpu") else 1.0), found.units)

    updates = [Update(name, loss=off if name == worse else loss) for name in ("first", "second")]
    assert halves.tracks(job(updates=updates), PLAN, ENDLESS).holds is False
    assert halves.tracks(job(updates=[Update("first"), Update("second")]), PLAN, ENDLESS).holds


def test_a_loss_that_overflows_is_named() -> None:
    def endless(network, batch, draw):
        found = loss(network, batch, draw)
        return Loss(found.total * (math.inf if torch.is_autocast_enabled("cpu") else 1.0), found.units)

    verdict = halves.tracks(job(loss=endless), PLAN, ENDLESS)
    assert verdict.holds is False
    assert "loss became inf" in verdict.words


def test_without_time_nobody_knows() -> None:
    verdict = halves.tracks(job(), PLAN, time.perf_counter())
    assert verdict.holds is None
    assert "no time" in verdict.words


def test_dropout_and_the_run_are_left_as_they_were() -> None:
    start = job(Net(8))
    before = {n: t.clone() for n, t in start.network.state_dict().items()}
    halves.tracks(start, PLAN, ENDLESS)
    assert all(torch.equal(t, before[n]) for n, t in start.network.state_dict().items())
    assert [m.p for m in start.network.modules() if isinstance(m, nn.Dropout)] == [0.2]
    assert start.sink.events == []


def test_few_examples_will_do() -> None:
    assert halves.tracks(job(examples=data(3)), PLAN, ENDLESS).holds is not None
