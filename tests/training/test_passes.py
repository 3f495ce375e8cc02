"""How an epoch goes through the examples where a caller asks for exact batches: all once, the rest as a last short batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.keys import Key
from deepwell.training.order import Order, Passes


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 200), st.booleans(), st.sampled_from([0, 512]), st.integers(0, 2))
def test_every_example_comes_once_an_epoch(count: int, size: int, shuffled: bool, window: int, epoch: int) -> None:
    order = Order(count, size, Key(3), window=window, passes=Passes(whole=True, shuffled=shuffled))
    steps = order.steps_per_epoch
    assert steps == -(-count // size)
    batches = [order.index(epoch * steps + step) for step in range(steps)]
    assert [len(b) for b in batches[:-1]] == [size] * (steps - 1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    if not shuffled:
        assert np.concatenate(batches).tolist() == list(range(count))


def test_epochs_have_other_orders() -> None:
    order = Order(100, 32, Key(3), passes=Passes(whole=True))
    first, second = (np.concatenate([order.index(e * 4 + s) for s in range(4)]) for e in range(2))
    assert not np.array_equal(first, second)
    again = Order(100, 32, Key(3), passes=Passes(whole=True))
    assert np.array_equal(first, np.concatenate([again.index(s) for s in range(4)]))


@pytest.mark.parametrize("count", [10, 1000])
def test_without_being_asked_batches_are_as_they_were(count: int) -> None:
    order = Order(count, 64, Key(3))
    sizes = [len(order.index(step)) for step in range(order.steps_per_epoch)]
    assert sizes == ([10] if count == 10 else [64] * 15)
