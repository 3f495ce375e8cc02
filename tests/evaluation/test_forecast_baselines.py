"""Baselines of forecasts: each answers its own kind of series exactly, and quantiles hold what they missed."""

import numpy as np
import pytest
from tests.evaluation.windows_of import SeriesWindows

from deepwell.core.keys import Key
from deepwell.evaluation import forecast_baselines as baselines
from deepwell.evaluation.smoothing import Factors, smooth

KEY, LEVELS = Key(0), (0.1, 0.5, 0.9)


def run(baseline, values, context=24, horizon=8, **options):
    """Truth and answers (n, H, T) of the last 20 windows of values (steps, T)."""
    examples = SeriesWindows(values, context, horizon, **options)
    runner = baseline.fit(examples, None, KEY)
    arrays = examples.take(np.arange(examples.count - 20, examples.count), KEY).arrays
    before = {name: array.copy() for name, array in arrays.items()}
    outputs, _ = runner.run("forward", arrays)
    for name, array in before.items():
        np.testing.assert_array_equal(arrays[name], array)
    return arrays["future"], outputs["future.value"], outputs["future.quantiles"]


def wave(steps, period=8):
    return np.stack([np.sin(2 * np.pi * np.arange(steps) / period), np.cos(2 * np.pi * np.arange(steps) / period)], 1)


def test_each_is_exact_on_its_own_kind_of_series():
    line = np.arange(80)[:, None] * np.array([0.1, -0.2])
    kinds = {
        "repeat last": (baselines.repeat_last(LEVELS), np.ones((80, 2)), 1e-5),
        "seasonal naive": (baselines.seasonal_naive(8, LEVELS), wave(80), 1e-5),
        "drift": (baselines.drift(LEVELS), line, 1e-4),
        "exponential smoothing": (baselines.exponential_smoothing(8, LEVELS), wave(80) + line, 0.15),
        "linear": (baselines.linear(LEVELS), wave(80) + line, 0.15),
    }
    for name, (baseline, values, near) in kinds.items():
        truth, answer, quantiles = run(baseline, values)
        assert baseline.name == name
        np.testing.assert_allclose(answer, truth, atol=near, err_msg=name)
        assert answer.shape == truth.shape
        assert quantiles.shape == (*truth.shape, 3)


def test_quantiles_hold_the_misses_and_rise():
    noise = np.random.default_rng(0).normal(size=(600, 1))
    truth, _, quantiles = run(baselines.repeat_last(LEVELS), noise, 12, 4)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert np.mean((quantiles[..., 0] <= truth) & (truth <= quantiles[..., 2])) == pytest.approx(0.8, abs=0.12)


def test_a_season_longer_than_the_window_repeats_the_last_value():
    values = np.random.default_rng(1).normal(size=(80, 1)).cumsum(0)
    long, last = (run(b, values)[1] for b in (baselines.seasonal_naive(99, LEVELS), baselines.repeat_last(LEVELS)))
    np.testing.assert_array_equal(long, last)


def test_a_growing_season_is_smoothed_with_a_season_that_multiplies():
    steps = np.arange(120)
    growing = ((2 + 0.05 * steps) * (1 + 0.4 * np.sin(2 * np.pi * steps / 8)))[:, None]
    truth, answer, _ = run(baselines.exponential_smoothing(8, LEVELS), (growing - 5) / 2, factor=2.0, offset=5.0)
    naive = run(baselines.seasonal_naive(8, LEVELS), (growing - 5) / 2)[1]
    assert np.mean((answer - truth) ** 2) < 0.05 * np.mean((naive - truth) ** 2)


def test_answers_do_not_depend_on_what_else_is_in_the_batch():
    values = np.abs(wave(120)) + 0.3
    examples = SeriesWindows(values, 24, 8)
    runner = baselines.exponential_smoothing(8, LEVELS).fit(examples, None, KEY)
    arrays = examples.take(np.arange(2), KEY).arrays
    both = {name: array.copy() for name, array in arrays.items()}
    both["past"][1] -= 5
    alone = runner.run("forward", {name: array[:1] for name, array in both.items()})[0]["future.value"]
    np.testing.assert_array_equal(runner.run("forward", both)[0]["future.value"][:1], alone)


def test_drift_begins_where_the_series_does():
    values = np.arange(80.0)[:, None]
    seen = np.ones((80, 1), np.uint8)
    seen[:70] = 0
    _, answer, _ = run(baselines.drift(LEVELS), values, 24, 4, seen=seen)
    np.testing.assert_allclose(answer[-1], np.arange(76, 80)[:, None], atol=1e-3)


# smoothing -----------------------------------------------------------------------------------------------------------
def factors(alpha, beta=0.0, gamma=0.0, phi=1.0, multiplicative=False):
    return Factors(np.array(alpha), np.array(beta), np.array(gamma), np.array(phi), multiplicative)


def test_simple_smoothing_by_hand():
    x = np.array([[1.0, 2.0, 4.0]])
    # levels 1, 1.5, 2.75
    np.testing.assert_allclose(smooth(x, 1, 2, factors(0.5)), [[2.75, 2.75]])


def test_holts_damped_trend_by_hand():
    # Level 1 without a trend; at 3: level (3 + 1) / 2 = 2, trend (2 - 1) / 2 = 0.5, of which phi and phi + phi^2 are added.
    found = smooth(np.array([[1.0, 3.0]]), 1, 2, factors(0.5, 0.5, 0.0, 0.5))
    np.testing.assert_allclose(found, [[2.25, 2.375]])


@pytest.mark.parametrize("multiplicative", [False, True])
def test_a_pure_season_is_kept_whatever_the_factors(multiplicative):
    x = np.tile([[3.0, 1.0, 2.0, 4.0]], (2, 5))
    found = smooth(x, 4, 6, factors([0.3, 0.8], [0.1, 0.3], [0.2, 0.6], [0.9, 1.0], multiplicative))
    np.testing.assert_allclose(found, np.tile([[3.0, 1.0, 2.0, 4.0, 3.0, 1.0]], (2, 1)), atol=1e-9)


def test_a_window_shorter_than_two_seasons_has_none():
    x = np.random.default_rng(0).normal(size=(3, 7))
    np.testing.assert_allclose(smooth(x, 4, 5, factors(0.3, 0.1)), smooth(x, 1, 5, factors(0.3, 0.1)))
