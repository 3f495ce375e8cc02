"""Examples: batches cover everything once, in order, and never cost more than they should; states of fakes nest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.batch import Batch, Encoded, Ragged
from deepwell.core.examples import RowExamples
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
    np.testing.assert_array_equal(examples.costs, [3, 2, 4])


@given(st.lists(st.lists(st.integers(1, 9), max_size=20), min_size=1, max_size=9))
def test_padding_loses_nothing(rows_of_values: list[list[int]]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows_of_values])]).astype(np.int64)
    padded = Ragged(np.array([v for r in rows_of_values for v in r], np.int64), offsets, padded=True).pad()
    assert padded.shape[1] % 8 == 0
    assert [[int(v) for v in row if v] for row in padded] == rows_of_values


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
