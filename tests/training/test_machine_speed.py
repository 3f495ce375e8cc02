"""Operations are counted as by hand, and peaks are plausible figures of this machine."""

from dataclasses import replace

import pytest
import torch
from tests.training.test_loop import Net, data, job
from torch import nn

from deepwell.core.task import Loss, Update
from deepwell.training import flops, sample, speed


def test_operations_of_a_dense_network_are_those_of_the_textbook() -> None:
    """3 -> 8 -> 1: 2 per weight forward, 2 for its gradient, and 2 for the gradient of its input but in the first layer."""
    assert flops.step_flops(job(Net(8))) == 4 * 24 + 6 * 8


def test_operations_of_the_sample_are_those_of_the_textbook() -> None:
    first, others = 26 * 26 * 9 * 32, 11 * 11 * 9 * 32 * 64 + 3 * 3 * 9 * 64 * 64 + 576 * 64 + 64 * 10
    assert flops.step_flops(sample.convolutional(64, "cpu")) == 4 * first + 6 * others


def test_a_rarer_update_counts_for_its_part() -> None:
    updates = (Update("a"), Update("b", every=2))
    assert flops.step_flops(job(Net(8), updates=updates)) == 1.5 * flops.step_flops(job(Net(8)))


def test_nothing_to_multiply_is_not_counted() -> None:
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.by = nn.Parameter(torch.zeros(1))

    def total(network, batch, draw):
        return Loss((batch.arrays["y"] - network.by).square().sum(), len(batch))

    assert flops.step_flops(job(Shift(), loss=total)) is None
    endless = data()
    endless.count = None
    assert flops.step_flops(job(examples=endless)) is None


def test_counting_changes_nothing() -> None:
    start = job(Net(8))
    before = {n: t.clone() for n, t in start.network.state_dict().items()}
    start = replace(start, plan=replace(start.plan, precision="bfloat16", channels_last=True))
    assert flops.step_flops(start) == 144
    assert all(torch.equal(t, before[n]) for n, t in start.network.state_dict().items())


def test_a_peak_is_a_median_of_products(monkeypatch) -> None:
    """Products that take 2 ms each: the largest matrices count."""
    monkeypatch.setattr(speed, "_median", lambda a, b, seconds: 2e-3)
    assert speed.peak("float32", 1, 1.0) == pytest.approx(2 * 2048**3 / 2e-3)


def test_a_slow_machine_never_gets_to_the_large_ones(monkeypatch) -> None:
    sides = []

    def slow(a, b, seconds):
        sides.append(len(a))
        return 1.0

    monkeypatch.setattr(speed, "_median", slow)
    assert speed.peak("bfloat16", 1) == pytest.approx(2 * 256**3)
    assert sides == [256]


def test_a_real_peak_leaves_the_threads_alone() -> None:
    before = torch.get_num_threads()
    assert 1e8 < speed.peak("float32", 2, 0.02) < 1e15
    assert torch.get_num_threads() == before


def test_the_share_of_a_peak() -> None:
    assert speed.share(flops=16e6, rate=10_000, of=400e9) == pytest.approx(0.4)
