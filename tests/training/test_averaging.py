"""EMA in progress instead of steps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepwell.training.averaging import Average


def run(every, memory=0.1, steps=240, value=lambda p: 1.0):
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = Average(net, memory)
    for step in range(1, steps + 1):
        nn.init.constant_(net.weight, value(step / steps))
        if step % every == 0:
            average.update(step / steps)
    return average.module.weight.item()


def test_constant_weights_are_their_own_average():
    assert run(1) == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([2, 4, 8]))
def test_updating_every_few_steps_hardly_differs(every):
    assert run(every, value=lambda p: p) == pytest.approx(run(1, value=lambda p: p), abs=0.02)


def test_lags_by_the_memory():
    # An exponential average with memory m of a line of slope 1 lags by m (up to half an update's stretch).
    assert 1.0 - run(1, memory=0.1, steps=2000, value=lambda p: p) == pytest.approx(0.1, rel=0.02)


def test_first_weights_are_soon_forgotten():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 100.0)
    average = Average(net, 0.3)
    nn.init.zeros_(net.weight)
    average.update(0.01)
    assert average.module.weight.item() == pytest.approx(100 * math.exp(-4), rel=1e-3)


def test_buffers_too_and_the_network_is_left_alone():
    net = nn.BatchNorm1d(2)
    average = Average(net, 0.1)
    net(torch.randn(8, 2) + 5)
    before = {n: t.clone() for n, t in net.state_dict().items()}
    average.update(0.5)
    smooth = average.module.state_dict()
    assert smooth["num_batches_tracked"] == 1
    assert 0 < smooth["running_mean"][0] <= net.running_mean[0]
    assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())
    assert not any(p.requires_grad for p in average.module.parameters())


def test_a_module_may_replace_its_buffers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(1))

    net = Net()
    average = Average(net, 0.1)
    net.mean = torch.ones(1)
    average.update(1.0)
    assert average.module.mean.item() == pytest.approx(1.0, abs=1e-4)


def test_state():
    net = nn.Linear(2, 1)
    first = Average(net, 0.1)
    nn.init.ones_(net.weight)
    first.update(0.2)
    second = Average(net, 0.1)
    second.restore(*first.state())
    nn.init.zeros_(net.weight)
    first.update(0.21)
    second.update(0.21)
    assert torch.equal(first.module.weight, second.module.weight)
