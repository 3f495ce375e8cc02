"""Lag regression: it equals scikit-learn's ridge, finds the rule of a made series, and falls back to simple forecasts."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from tests.evaluation.windows_of import SeriesWindows

from deepwell.core.errors import DataError
from deepwell.core.keys import Key
from deepwell.evaluation import lag_regression

KEY = Key(0)
DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "time-series" / "etth1"
TRAIN, SEEN = 12 * 30 * 24, 16 * 30 * 24
"""Hours of ETTh1 that papers train on, and that they train and validate on; what follows is their test and is not read here."""


def season(steps, period=12):
    return np.sin(2 * np.pi * np.arange(steps) / period)[:, None]


def test_with_a_fixed_penalty_it_is_ridge_regression_of_changes_since_the_last_value():
    values = np.random.default_rng(0).normal(size=(80, 1)).cumsum(0)
    examples = SeriesWindows(values, 6, 3)
    arrays = examples.take(np.arange(examples.count), KEY).arrays
    past, future, weight = lag_regression.sequences(arrays)
    middle = past.mean(1, keepdims=True)
    inner, outer = past - middle, future - past[:, -1:]
    gram = (inner * weight[:, None]).T @ inner
    ridge = Ridge(alpha=0.5 * np.trace(gram) / 6, fit_intercept=False).fit(inner, outer, weight)
    found = lag_regression.fit(examples, 0, KEY, 0.5)
    expected = past[:, -1:] + ridge.predict(inner)
    np.testing.assert_allclose(past @ found.weight, expected, atol=2e-4)
    np.testing.assert_allclose(found.weight.sum(0), 1, atol=1e-5)


def test_a_rule_of_lags_is_found():
    values = np.zeros((400, 1))
    values[:2, 0] = 1.0, 0.3
    for t in range(2, 400):
        values[t] = 1.6 * values[t - 1] - values[t - 2]  # a wave that no season of whole steps has
    found = lag_regression.fit(SeriesWindows(values, 8, 4), 0, KEY)
    past, future, _ = lag_regression.sequences(SeriesWindows(values, 8, 4).take(np.arange(50), KEY).arrays)
    assert np.abs(past @ found.weight - future).max() < 0.05


def test_noise_around_a_season_is_averaged_out():
    values = season(180) + 0.5 * np.random.default_rng(1).normal(size=(180, 1))
    found = lag_regression.fit(SeriesWindows(values, 36, 12), 12, KEY)
    past, _, _ = lag_regression.sequences(SeriesWindows(season(200), 36, 12).take(np.arange(24), KEY).arrays)
    truth = np.stack([season(200)[i + 36 : i + 48, 0] for i in range(24)])
    answered = np.mean((past @ found.weight - truth) ** 2)
    assert answered < 0.06  # the last season alone has the noise's variance, 0.25


def test_the_spread_is_what_hold_outs_missed_in_deviations_of_the_window():
    """White noise: the best answer is about the mean of the window, and what it misses is one deviation at each step."""
    noise = SeriesWindows(3 * np.random.default_rng(5).normal(size=(600, 1)), 24, 12)
    np.testing.assert_allclose(lag_regression.fit(noise, 0, KEY).spread, 1.05, atol=0.15)
    walk = lag_regression.fit(
        SeriesWindows(np.random.default_rng(6).normal(size=(600, 1)).cumsum(0), 24, 12), 0, KEY
    ).spread
    assert walk[-1] > 1.5 * walk[0]
    assert lag_regression.fit(SeriesWindows(season(37), 24, 12), 12, KEY).spread.shape == (12,)


def test_a_walk_is_answered_by_its_last_value():
    values = np.random.default_rng(2).normal(size=(300, 1)).cumsum(0)
    found = lag_regression.fit(SeriesWindows(values, 12, 6), 4, KEY)
    assert found.weight[-1].min() > 0.6


@pytest.mark.parametrize(("noise", "near"), [(0.05, 0.15), (1.0, 0.3)])
def test_effects_of_what_is_known_ahead(noise, near):
    draw = np.random.default_rng(3)
    known = draw.integers(0, 2, (400, 1)).astype(np.float32)
    values = season(400) + 2 * known + noise * draw.normal(size=(400, 1))
    found = lag_regression.fit(SeriesWindows(values, 24, 6, known), 12, KEY)
    assert found.effect is not None
    np.testing.assert_allclose(found.effect, [[2]], atol=near)
    useless = lag_regression.fit(SeriesWindows(values - 2 * known, 24, 6, known), 12, KEY)
    assert useless.effect is None


def test_an_effect_does_not_change_how_much_a_window_counts():
    """Two yardsticks, one with the effect and one without, cannot be compared: nearly no effect would be chosen."""
    draw = np.random.default_rng(7)
    known = draw.integers(0, 2, (200, 1)).astype(np.float32)
    arrays = SeriesWindows(3 * known + 0.3 * draw.normal(size=(200, 1)), 24, 6, known).take(np.arange(50), KEY).arrays
    effect = np.array([[3.0]], np.float32)
    with_it, without = lag_regression.sequences(arrays, effect), lag_regression.sequences(arrays)
    np.testing.assert_array_equal(with_it[2], without[2])
    assert with_it[0].std() < 0.2 * without[0].std()


def test_a_season_that_grows_with_its_level_is_a_matter_of_logarithms():
    steps = np.arange(140)
    growing = (100 * 1.01**steps * (1 + 0.3 * np.sin(2 * np.pi * steps / 12)))[:, None]
    examples = SeriesWindows((growing - 200) / 50, 24, 12, factor=50.0, offset=200.0)
    found = lag_regression.fit(examples, 12, KEY)
    assert found.growth
    assert "logarithms" in found.note
    arrays = lag_regression.logarithms(examples.take(np.array([examples.count - 1]), KEY).arrays)
    past, future, _ = lag_regression.sequences(arrays)
    np.testing.assert_allclose(past @ found.weight, future, atol=0.01)
    assert not lag_regression.fit(
        SeriesWindows((growing - 200) / 50, 24, 12, factor=50.0), 12, KEY
    ).growth  # not all are positive
    adding = season(140) + 0.05 * steps[:, None]
    assert not lag_regression.fit(SeriesWindows(adding, 24, 12, offset=3.0), 12, KEY).growth


@pytest.mark.parametrize("period", [0, 1, 5, 12, 30])
def test_starting_points_pass_a_level_through_and_know_their_season(period):
    starts = lag_regression.starting_points(26, 14, period)
    for name, weight in starts.items():
        np.testing.assert_allclose(weight.sum(0), 1, atol=1e-12, err_msg=name)
    wave = np.sin(2 * np.pi * np.arange(40) / period) if 1 < period <= 26 else np.ones(40)
    for name in starts:
        if "season" in name:
            np.testing.assert_allclose(wave[:26] @ starts[name], wave[26:], atol=1e-9, err_msg=name)
    assert ("last season" in starts) == (1 < period <= 26)


def test_a_season_with_a_rise_goes_on_rising():
    values = np.arange(48) + 5 * np.sin(2 * np.pi * np.arange(48) / 12)
    weight = lag_regression.starting_points(30, 18, 12)["last season with its rise"]
    np.testing.assert_allclose(values[:30] @ weight, values[30:], atol=1e-9)


def test_too_few_windows_give_a_simple_forecast():
    found = lag_regression.fit(SeriesWindows(season(37), 24, 12), 12, KEY)
    assert "unchanged" in found.note
    np.testing.assert_allclose(found.weight.sum(0), 1, rtol=1e-6)


def test_gaps_are_filled_and_windows_without_a_future_do_not_count():
    seen = (np.random.default_rng(4).random((300, 1)) > 0.2).astype(np.uint8)
    found = lag_regression.fit(SeriesWindows(season(300, 24), 48, 12, seen=seen), 24, KEY)
    past, _, _ = lag_regression.sequences(SeriesWindows(season(120, 24), 48, 12).take(np.arange(24), KEY).arrays)
    truth = np.stack([season(120, 24)[i + 48 : i + 60, 0] for i in range(24)])
    assert np.mean((past @ found.weight - truth) ** 2) < 0.02
    blind = SeriesWindows(season(60), 24, 12).take(np.arange(3), KEY).arrays
    _, _, weight = lag_regression.sequences(blind | {"future.seen": np.zeros((3, 12, 1), np.uint8)})
    assert weight.tolist() == [0, 0, 0]


def test_no_windows_are_refused():
    examples = SeriesWindows(season(10), 24, 12)
    examples.count = 0
    with pytest.raises(DataError, match="training windows"):
        lag_regression.fit(examples, 12, KEY)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"ETTh1 is not at {DATA} (set DEEPWELL_DATA)")
def test_hourly_loads_are_forecast_far_better_than_by_simple_forecasts(monkeypatch):
    monkeypatch.setattr(lag_regression, "MOST_SEQUENCES", 6000)
    raw = np.loadtxt(DATA / "ETTh1.csv", delimiter=",", skiprows=1, usecols=range(1, 8), max_rows=SEEN)
    values = (raw - raw[:TRAIN].mean(0)) / raw[:TRAIN].std(0)
    found = lag_regression.fit(SeriesWindows(values[:TRAIN], 336, 96), 24, KEY)
    held = SeriesWindows(values[TRAIN - 336 :], 336, 96)
    past, future, _ = lag_regression.sequences(held.take(np.arange(0, held.count, 40), KEY).arrays)
    starts = lag_regression.starting_points(336, 96, 24)
    simple = min(np.mean((past @ start - future) ** 2) for start in starts.values())
    assert np.mean((past @ found.weight - future) ** 2) < 0.72
    assert np.mean((past @ found.weight - future) ** 2) < 0.9 * simple
