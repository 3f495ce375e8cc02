"""What a denoising network is measured on: spoilt alike in any batch, by values of other examples in the same place."""

import numpy as np
import pytest

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.families.spoiling import Spoilt, chances


def examples(n):
    numbers = np.arange(n)[:, None] * 100.0 + np.arange(50)
    return RowExamples(Encoded({"numbers": numbers, "other": np.zeros(n)}, np.arange(n)))


def spoilt(n, share=0.3):
    return Spoilt(examples(n), ["numbers"], share)


@pytest.mark.parametrize("size", [1, 7, 256])
def test_the_size_of_batches_changes_nothing(size):
    found = [batch.arrays["numbers.spoilt"] for batch in spoilt(40).batches(size, Key(size))]
    assert np.array_equal(np.concatenate(found), spoilt(40).take(np.arange(40), Key(0)).arrays["numbers.spoilt"])


def test_about_the_share_are_values_of_another_example_in_the_same_place():
    arrays = spoilt(200).take(np.arange(200), Key(0)).arrays
    changed = arrays["numbers.spoilt"] != arrays["numbers"]
    assert changed.mean() == pytest.approx(0.3, abs=0.02)
    assert changed.any(axis=1).all()
    assert np.array_equal(arrays["numbers.spoilt"] % 100, np.tile(np.arange(50.0), (200, 1)))
    assert set(arrays) == {"numbers", "other", "numbers.spoilt"}
    others = (arrays["numbers.spoilt"] // 100)[changed]
    assert len(np.unique(others)) > 100  # not one row for all


def test_a_single_example_has_no_other():
    assert set(spoilt(1).take(np.arange(1), Key(0)).arrays) == {"numbers", "other"}
    two = spoilt(2, 0.9).take(np.array([1]), Key(0)).arrays
    assert set((two["numbers.spoilt"] // 100).ravel()) == {0.0, 1.0}


def test_what_is_known_of_examples_stays():
    inner = examples(5)
    marked = Spoilt(inner, ["numbers"], 0.1)
    assert (marked.count, marked.rows.tolist(), marked.problems) == (5, [0, 1, 2, 3, 4], inner.problems)


def test_chances_follow_the_number_of_an_example():
    whole = chances(Key(3), np.arange(6), (2, 3))
    assert whole.shape == (6, 2, 3)
    assert np.array_equal(whole[[4, 1]], chances(Key(3), np.array([4, 1]), (2, 3)))
    assert ((whole >= 0) & (whole < 1)).all()
