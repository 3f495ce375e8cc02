"""Baselines of judges of series, against calculations by hand."""

import numpy as np
import pytest

from deepwell.core.keys import Key
from deepwell.evaluation.window_baselines import from_the_mean, windowed_gaussian


def answers(baseline, values, seen=None):
    values = np.asarray(values, np.float32)
    seen = np.ones(values.shape, np.uint8) if seen is None else np.asarray(seen, np.uint8)
    runner = baseline.fit(None, None, Key(0))
    return runner.run("forward", {"window": values * seen, "window.seen": seen})[0]


def test_the_gaussian_counts_deviations_of_the_values_before():
    """1, 3, 1, 3 have the mean 2 and the deviation 1; 5 is three of these away. The second column stays as it was."""
    window = np.stack([[1, 3, 1, 3, 5], [1, 3, 1, 3, 2]], axis=1)[None]
    found = answers(windowed_gaussian(), window)
    np.testing.assert_allclose(found["parts"][0, :, 0], [3, 0], atol=1e-6)
    assert found["score"] == pytest.approx(3)
    np.testing.assert_allclose(found["expected"], [[2, 2]])
    assert found["onset"] == found["score"]


def test_gaps_do_not_count():
    window = np.array([9, 1, 3, 9, 1, 3, 5.0])[None, :, None]
    seen = np.array([0, 1, 1, 0, 1, 1, 1])[None, :, None]
    assert answers(windowed_gaussian(), window, seen)["score"] == pytest.approx(3)
    seen[0, -1] = 0
    assert answers(windowed_gaussian(), window, seen)["score"] == 0
    assert answers(windowed_gaussian(), window, np.array([0, 0, 0, 0, 0, 1, 1])[None, :, None])["score"] == 0


def test_a_series_that_never_changed_is_no_division_by_zero():
    found = answers(windowed_gaussian(), np.array([2, 2, 2, 2.5])[None, :, None])
    assert 1e4 < found["score"] < 1e9


def test_from_the_mean_is_the_largest_distance_in_training_deviations():
    found = answers(from_the_mean(), np.array([[[0, 0], [1.5, -2.5]]]))
    assert found["score"] == pytest.approx(2.5)
    np.testing.assert_allclose(found["parts"][0, :, 0], [1.5, 2.5])
    assert {"trivial", "classical"} == {from_the_mean().kind, windowed_gaussian().kind}
