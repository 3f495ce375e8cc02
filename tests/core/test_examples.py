"""Examples: batches cover everything once, in order, and never cost more than they should; states of fakes nest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.batch import Batch, Encoded, Ragged
from deepwell.core.examples import Picked, RowExamples, Windows, spread
from deepwell.core.keys import Key
from deepwell.core.runner import CalibratedRunner, NumpyRunner


def rows(count: int) -> RowExamples:
    return RowExamples(Encoded({"x": np.arange(count)}, np.arange(count)))


@given(st.integers(0, 50), st.integers(1, 20))
def test_batches_cover_all_examples_once_and_in_order(count: int, size: int) -> None:
    batches = list(rows(count).batches(size, Key(0)))
    assert [int(i) for b in batches for i in b.examples] == list(range(count))
    assert all(0 < len(b) <= size for b in batches)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60), st.integers(1, 20))
def test_batches_of_costly_examples_cost_at_most_so_many_average_ones(costs: list[int], size: int) -> None:
    examples = rows(len(costs))
    examples.costs = np.array(costs, np.float64)
    batches = list(examples.batches(size, Key(0)))
    assert [int(i) for b in batches for i in b.examples] == list(range(len(costs)))
    for batch in batches:
        padded = len(batch) * examples.costs[batch.examples].max()
        assert len(batch) == 1 or padded <= size * examples.costs.mean() + 1e-9


def test_ragged_columns_are_taken_flat_with_the_row_of_each_value() -> None:
    points = Ragged(np.array([10, 11, 20, 30, 31, 32]), np.array([0, 2, 3, 6]))
    examples = RowExamples(Encoded({"p": points}, np.arange(3)))
    assert examples.columns is None
    batch = examples.take(np.array([2, 0]), Key(0))
    np.testing.assert_array_equal(batch.arrays["p"], [30, 31, 32, 10, 11])
    np.testing.assert_array_equal(batch.arrays["p.row"], [0, 0, 0, 1, 1])


def test_padded_columns_are_taken_as_rectangles_with_the_length_of_each_row() -> None:
    words = Ragged(np.array([10, 11, 20, 30, 31, 32]), np.array([0, 2, 3, 6]), padded=True)
    examples = RowExamples(Encoded({"w": words, "x": np.arange(3)}, np.arange(3)))
    batch = examples.take(np.array([2, 0]), Key(0))
    np.testing.assert_array_equal(batch.arrays["w"], [[30, 31, 32, 0, 0, 0, 0, 0], [10, 11, 0, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(batch.arrays["w.length"], [3, 2])
    assert examples.costs is not None
    np.testing.assert_array_equal(examples.costs, [9, 9, 9])  # each is padded to 8


@given(st.lists(st.lists(st.integers(1, 9), max_size=20), min_size=1, max_size=9))
def test_padding_loses_nothing(rows_of_values: list[list[int]]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows_of_values])]).astype(np.int64)
    padded = Ragged(np.array([v for r in rows_of_values for v in r], np.int64), offsets, padded=True).pad()
    assert padded.shape[1] % 8 == 0
    assert [[int(v) for v in row if v] for row in padded] == rows_of_values


@given(st.integers(0, 60), st.integers(2, 13), st.data())
def test_spread_windows_ask_for_every_value_but_the_first_exactly_once(
    total: int, length: int, data: st.DataObject
) -> None:
    fresh = data.draw(st.integers(1, length - 1))
    starts, since, until = spread(total, length, fresh)
    asked = [int(s) + 1 + j for s, a, b in zip(starts, since, until, strict=True) for j in range(a, b)]
    assert asked == list(range(1, total))
    assert (since[1:] == length - 1 - fresh).all()  # each but the first has its context


def test_windows_are_slices_with_what_stands_beside_them() -> None:
    windows = Windows({"x": np.arange(20), "y": np.arange(20) * 10}, np.array([0, 4, 8]), 5, {"z": np.array([7, 8, 9])})
    batch = windows.take(np.array([2, 0]), Key(1))
    np.testing.assert_array_equal(batch.arrays["x"], [[8, 9, 10, 11, 12], [0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(batch.arrays["y"], batch.arrays["x"] * 10)
    np.testing.assert_array_equal(batch.arrays["z"], [9, 7])
    assert windows.count == 3


@pytest.mark.parametrize("total", [3, 24, 25])
def test_moved_windows_cover_a_ring_in_every_epoch_and_begin_elsewhere_in_each(total: int) -> None:
    windows = Windows({"x": np.arange(total)}, np.arange(0, 24, 4), 4, shift=4)
    seen = set()
    for epoch in range(30):
        key = Key(5).fold("epoch", epoch)
        whole = windows.take(np.arange(6), key).arrays["x"]
        again = windows.take(np.array([4, 1]), key).arrays["x"]
        np.testing.assert_array_equal(again, whole[[4, 1]])  # pure in the key, whoever stands beside
        assert set(whole.ravel()) == set(range(total)) or total == 25
        seen.add(int(whole[0, 0]))
    assert seen == {0, 1, 2, 3} if total > 3 else {0, 1, 2}


def test_a_state_of_any_nesting_is_picked() -> None:
    state = {"a": np.arange(3), "b": (np.arange(3) * 10, [np.arange(3) * 100])}
    picked = NumpyRunner({}).pick(state, np.array([2, 0]))
    np.testing.assert_array_equal(picked["a"], [2, 0])
    np.testing.assert_array_equal(picked["b"][0], [20, 0])
    np.testing.assert_array_equal(picked["b"][1][0], [200, 0])
    assert NumpyRunner({}).pick(None, np.array([0])) is None


def test_calibration_scales_named_outputs_and_adds_numbers() -> None:
    inner = NumpyRunner({"forward": lambda arrays, state: ({"y.logits": np.ones((2, 2), np.float32)}, state)})
    runner = CalibratedRunner(inner, {"y.logits.scale": 0.5, "y.logits.margin": 3.0, "z.value.margin": 1.0})
    outputs, _ = runner.run("forward", {})
    np.testing.assert_array_equal(outputs["y.logits"], [[0.5, 0.5], [0.5, 0.5]])
    assert outputs["y.logits.margin"].tolist() == [3.0]
    assert "z.value.margin" not in outputs


def test_a_batch_copy_shares_what_it_does_not_replace() -> None:
    batch = Batch({"x": np.arange(2), "y": np.arange(2)}, np.arange(2))
    changed = batch.replace(x=np.zeros(2))
    assert changed.arrays["y"] is batch.arrays["y"]
    assert batch.arrays["x"].tolist() == [0, 1]


def test_picked_examples_are_the_chosen_ones_numbered_anew():
    whole = rows(10)
    some = Picked(whole, np.array([7, 2, 2]))
    batch = some.take(np.array([1, 0]), Key(0))
    assert batch.arrays["x"].tolist() == [2, 7]
    assert batch.examples.tolist() == [1, 0]
    assert (some.count, some.rows.tolist(), some.units) == (3, [7, 2, 2], None)
    assert whole.answered is None
