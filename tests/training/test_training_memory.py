"""What a step needs is estimated from two small batches; a batch that does not fit is cut."""

from dataclasses import replace

import pytest
import torch
from tests.training.test_loop import Net, data, job
from torch import nn

from deepwell.core.config import Recipe
from deepwell.core.task import Update
from deepwell.data import memory as of_data
from deepwell.training import memory
from deepwell.training.memory import Need
from deepwell.training.plan import Plan

NEED = Need(weights=1_000, state=4_000, fixed=500, example=100.0)
BATCH = Plan(batch_size=64)


class Wide(nn.Module):
    """Three numbers -> 100 -> 50 -> 1."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 1))

    def forward(self, arrays, state=None):
        return {"y": self.body(arrays["x"]).squeeze(1)}, state


def test_activations_are_what_autograd_keeps() -> None:
    """Per example: 3 inputs, 100 and 50 activations, and at the most 4 numbers of the loss; beside them twice the largest."""
    found = memory.need(job(Wide()))
    low = 4 * (3 + 100 + 50) + 2 * 4 * 100
    assert low <= found.example <= low + 16
    assert found.fixed <= 16


def test_weights_gradients_moments_and_average_are_counted() -> None:
    found = memory.need(job(Net(), recipe=Recipe(ema=0.05)))
    assert (found.weights, found.state) == (16, 3 * 16 + 16)
    assert memory.need(job(Net(), recipe=Recipe(ema=0.0))).state == 3 * 16
    frozen = Net()
    frozen.body.bias.requires_grad_(False)
    assert memory.need(job(frozen, recipe=Recipe(ema=0.0))).state == 3 * 12


def test_bfloat16_needs_less_for_activations() -> None:
    plain = memory.need(job(Wide())).example
    half = memory.need(job(Wide(), plan=replace(BATCH, precision="bfloat16"))).example
    assert 0.4 * plain < half < 0.8 * plain


def test_the_estimate_does_not_depend_on_the_batch_and_changes_nothing() -> None:
    start = job(Net(8))
    before = {n: t.clone() for n, t in start.network.state_dict().items()}
    found = memory.need(start)
    assert found == memory.need(replace(start, plan=replace(start.plan, batch_size=100_000, micro_batch=3)))
    assert all(torch.equal(t, before[n]) for n, t in start.network.state_dict().items())
    assert not [p for p in start.network.parameters() if p.grad is not None]
    assert memory.need(job(examples=data(1))).example >= 0.0


def test_the_dearest_update_counts_alone() -> None:
    single = memory.need(job(Wide()))
    assert memory.need(job(Wide(), updates=(Update("a"), Update("b")))) == single


def test_self_made_data_are_not_stepped_through() -> None:
    endless = data()
    endless.count = None
    assert memory.need(job(examples=endless)) is None


def test_bytes_add_up() -> None:
    assert NEED.step(64) == 500 + 6_400
    assert NEED.whole(64) == 1_000 + 4_000 + 6_900


@pytest.mark.parametrize(
    ("room", "size"), [(100_000, None), (14_875, None), (14_874, 32), (9_000, 16), (7_000, 1), (10, 1)]
)
def test_the_batch_is_halved_until_it_fits(room, size) -> None:
    """A step on 64 takes 6,900 beside 5,000 of weights and state, and four fifths of the room may be used."""
    found = memory.micro_batch(job(plan=BATCH), NEED, room)
    assert (None if found is None else found[0]) == size


def test_the_reason_has_the_figures() -> None:
    large = Need(0, 0, 0, 1e8)
    assert memory.micro_batch(job(plan=BATCH), large, int(2e9)) == (
        16,
        "a step on 64 needs about 6.4 GB, and 2 GB are free",
    )


def test_what_cannot_be_cut_or_is_not_known_stays_whole() -> None:
    coupled = job(plan=BATCH, updates=(Update(coupled=True),))
    assert memory.micro_batch(coupled, NEED, 10) is None
    assert memory.micro_batch(job(plan=BATCH), NEED, None) is None


def test_free_memory_is_that_of_the_device(monkeypatch) -> None:
    monkeypatch.setattr(of_data, "available", lambda: 12345)
    assert memory.free("cpu") == 12345
    assert memory.free("meta") is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (777, 1000))
    assert memory.free("cuda") == 777
