"""Order: every example once an epoch, nothing silently left untrained, costs bounded."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.core.keys import Key, permutation
from deepwell.training.order import BLOCKS, ENDLESS_EPOCH, WINDOW_BATCHES, Order, chosen_batch_size, share, window_of


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


# windows -------------------------------------------------------------------------------------------------------------
def windowed(draw):
    """An order whose examples do not fit into a window, with or without costs."""
    size = draw(st.integers(1, 40))
    least = math.ceil(WINDOW_BATCHES * size / BLOCKS) * BLOCKS
    count = draw(st.integers(least + 1, 6 * least))
    costs = None
    if draw(st.booleans()):
        costs = np.random.default_rng(draw(st.integers(0, 9))).integers(1, 50, count).astype(float)
    order = Order(count, size, Key(draw(st.integers(0, 99))), costs, window=draw(st.integers(1, 2 * least)))
    assume(order.window)
    return order


WINDOWED = st.composite(windowed)()


@settings(max_examples=40, deadline=None)
@given(WINDOWED)
def test_with_a_window_each_example_still_comes_once_an_epoch(order):
    for epoch in (0, 1):
        batches = epoch_of(order, epoch)
        seen = np.concatenate(batches)
        assert len(np.unique(seen)) == len(seen)
        assert seen.min() >= 0
        assert seen.max() < order.count
        assert order.count - len(seen) < order.batch_size
        assert order.epoch(0) == 0
        assert len(batches) == order.steps_per_epoch or epoch


@settings(max_examples=40, deadline=None)
@given(WINDOWED, st.randoms(use_true_random=False))
def test_with_a_window_the_order_is_a_pure_function_of_the_step(order, shuffler):
    steps = list(range(2 * order.steps_per_epoch))
    forward = [order.index(s).tolist() for s in steps]
    shuffler.shuffle(steps)
    for step in steps[:50]:
        assert order.index(step).tolist() == forward[step]


@settings(max_examples=40, deadline=None)
@given(WINDOWED)
def test_a_window_reads_few_blocks_and_says_so_before(order):
    """Every example of a batch lies in a block that was named ahead, and no more than two windows are ever needed."""
    named = []
    for step in range(order.steps_per_epoch + 2):
        spans = order.ahead(step)
        named.append(spans) if spans else None
        assert sum(stop - start for start, stop in spans) <= order.window * (2 if step == 0 else 1)
        known = {start: stop for spans in named[-3:] for start, stop in spans}
        starts = np.array(sorted(known))
        for example in order.index(step)[:3].tolist():
            assert example < known[starts[np.searchsorted(starts, example, "right") - 1]]
    whole = [row for spans in named for start, stop in spans for row in range(start, stop)]
    assert set(whole) == set(range(order.count))
    assert len(whole) <= order.count + 3 * order.window  # with what the first steps of the next epoch name


@pytest.mark.parametrize("window", [0, 1 << 30])
def test_data_within_one_window_are_permuted_as_a_whole(window):
    """Golden: what the order of these data has always been."""
    order, key = Order(1000, 64, Key(3), window=window), Key(3).fold("order", 1)
    assert order.windows == 1
    assert np.concatenate(epoch_of(order, 1)).tolist() == permutation(1000, key)[:960].tolist()
    assert order.ahead(0) == []


def test_sorted_classes_are_mixed_in_a_window():
    """50,000 pictures sorted by 100 classes, in windows of a tenth: a batch still holds many classes."""
    order = Order(50_000, 64, Key(0), window=5_000)
    classes = [len(np.unique(order.index(step) // 500)) for step in range(order.steps_per_epoch)]
    assert min(classes) > 30


def test_a_window_of_very_many_examples_is_made_without_the_rest():
    order = Order(10**9, 512, Key(0), window=1 << 16)
    index = order.index(order.steps_per_epoch // 2)
    assert len(np.unique(index)) == 512
    assert index.max() < 10**9
    assert sum(part.nbytes for part in order._windows.values()) <= 2 * 8 * (1 << 16)


@pytest.mark.parametrize(
    ("bytes_per_example", "count", "batch_size", "window"),
    [
        (784, 60_000, 256, 0),  # MNIST: all at once
        (784, 10**6, 256, 342_528),  # 256 MB
        (40, 10**8, 1024, 1 << 20),  # many small rows: their order is held in memory
        (3 * 224 * 224, 10**6, 256, 4096),  # pictures: 16 batches
        (3 * 224 * 224, 4096, 256, 0),
        (0, 10**9, 64, 0),
        (784, None, 64, 0),
    ],
)
def test_the_window_by_rule(bytes_per_example, count, batch_size, window):
    assert window_of(bytes_per_example, count, batch_size) == window


@given(st.integers(0, 300), st.integers(1, 9))
def test_processes_share_a_batch_in_order_whatever_their_number(size, world):
    index = np.arange(size) * 7
    cuts = [share(index, rank, world) for rank in range(world)]
    assert np.concatenate(cuts).tolist() == index.tolist()
    assert max(map(len, cuts)) - min(map(len, cuts)) <= 1


def test_one_process_then_two_then_one_see_the_same_examples():
    order = Order(10_000, 32, Key(5), window=1)
    alone = [order.index(step).tolist() for step in range(30)]
    worlds = [1] * 10 + [2] * 10 + [1] * 10
    again = Order(10_000, 32, Key(5), window=1)
    shared = [
        np.concatenate([share(again.index(step), rank, world) for rank in range(world)]).tolist()
        for step, world in enumerate(worlds)
    ]
    assert shared == alone
