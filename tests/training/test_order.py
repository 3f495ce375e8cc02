"""Order: every example once an epoch, nothing silently left untrained, costs bounded."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.core.keys import Key
from deepwell.training.order import ENDLESS_EPOCH, Order, chosen_batch_size


def epoch_of(order, epoch):
    steps = itertools.takewhile(lambda s: order.epoch(s) <= epoch, itertools.count())
    return [order.index(s) for s in steps if order.epoch(s) == epoch]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 64), st.integers(0, 5))
def test_an_epoch_holds_each_example_at_most_once_and_leaves_out_little(count, size, seed):
    batches = epoch_of(Order(count, size, Key(seed)), 0)
    seen = np.concatenate(batches)
    assert len(batches) >= 1
    assert len(set(seen.tolist())) == len(seen)
    assert len(seen) > 7 / 8 * count
    assert all(1 <= len(b) <= size for b in batches)
    if len(seen) == count:
        lengths = [len(b) for b in batches]
        assert max(lengths) - min(lengths) <= 1


def test_data_smaller_than_a_batch_still_trains():
    order = Order(3, 64, Key(0))
    assert order.steps_per_epoch == 1
    assert sorted(order.index(5).tolist()) == [0, 1, 2]


def test_order_is_a_pure_function_of_key_and_step():
    a, b = Order(100, 8, Key(1)), Order(100, 8, Key(1))
    forward = [a.index(s).tolist() for s in range(40)]
    assert [b.index(s).tolist() for s in reversed(range(40))] == forward[::-1]
    assert Order(100, 8, Key(2)).index(0).tolist() != forward[0]
    assert forward[:12] != forward[12:24]


def test_endless_examples():
    order = Order(None, 4, Key(0))
    assert order.index(3).tolist() == [12, 13, 14, 15]
    assert order.epoch(ENDLESS_EPOCH) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1, 50), min_size=1, max_size=200), st.integers(1, 32))
def test_batches_by_cost_are_bounded_and_complete(costs, size):
    costs = np.array(costs)
    order = Order(len(costs), size, Key(0), costs)
    for epoch in (0, 1):
        batches = epoch_of(order, epoch)
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(costs)))
        for batch in batches:
            assert len(batch) == 1 or len(batch) * costs[batch].max() <= costs.mean() * size * (1 + 1e-9)


def test_no_examples():
    with pytest.raises(DataError, match="no examples"):
        Order(0, 8, Key(0))


@pytest.mark.parametrize(
    ("examples", "convolutional", "size"),
    [
        (None, False, 64),
        (5, False, 16),
        (1150, True, 16),
        (26000, False, 256),
        (60000, True, 256),
        (10**7, False, 1024),
    ],
)
def test_batch_size_by_rule(examples, convolutional, size):
    assert chosen_batch_size(examples, convolutional)[0] == size
