"""Calibration of forecasts: the better family gets more say with evidence, and intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.runner import CalibratedRunner, NumpyRunner
from deepwell.evaluation import forecast_calibration as ours


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_better_family_gets_more_weight_and_few_windows_leave_halves():
    truth = noise(0, 400, 4, 2)
    good, bad = truth + 0.1 * noise(1, 400, 4, 2), truth + noise(2, 400, 4, 2)
    assert ours.weight(good, bad, truth) > 0.9
    assert ours.weight(bad, good, truth) < 0.1
    assert abs(ours.weight(good[:4], bad[:4], truth[:4]) - 0.5) < 0.2
    assert 0.4 < ours.weight(truth + noise(3, 400, 4, 2), bad, truth) < 0.6
    assert ours.weight(good, good, truth) == 0.5
    nearly = good + 1e-4 * noise(4, 400, 4, 2)  # where both say the same, what both miss says nothing about either
    assert abs(ours.weight(good[:1], nearly[:1], truth[:1] + 5) - 0.5) < 0.1


def test_unknown_truths_do_not_count():
    truth = noise(0, 50, 4, 1)
    linear, patches = truth + 0.3, truth - 0.1
    holes = truth.copy()
    holes[::2] = np.nan
    spoilt = np.where(np.isnan(holes), 1e6, linear)
    assert ours.weight(spoilt, patches, holes) == ours.weight(linear, patches, holes)
    assert ours.weight(linear, patches, np.full_like(truth, np.nan)) == 0.5
    assert ours.width(linear, linear - 1, linear + 1, np.full_like(truth, np.nan), 0.8) == 1.0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.8, 0.9]), st.floats(0.4, 1.5))
def test_the_widened_interval_holds_its_share(seed, share, spread):
    truth = noise(seed, 200, 3, 1)
    value, low, high = np.zeros_like(truth), np.full_like(truth, -spread), np.full_like(truth, 0.7 * spread)
    factor = ours.width(value, low, high, truth, share)
    assert factor > 1 or factor >= ours.NARROWEST
    inside = np.mean((factor * low <= truth) & (truth <= factor * high))
    if ours.NARROWEST < factor < ours.WIDEST:
        assert inside >= share - 0.01
        assert inside <= share + (0.01 if factor > 1 else 0.08)


def test_the_factor_is_bounded():
    truth = noise(0, 50, 2, 1)
    value = np.zeros_like(truth)
    assert ours.width(value, value - 1e-3, value + 1e-3, truth, 0.8) == ours.WIDEST
    many = np.repeat(truth, 400, axis=0)
    far = np.full_like(many, 1e3)
    assert ours.width(0 * many, -far, far, many, 0.8) == pytest.approx(ours.NARROWEST, rel=1e-3)


def test_a_short_quiet_stretch_narrows_little():
    quiet = 0.1 * noise(0, 4, 4, 1)  # one window that does not overlap another
    wide = np.ones_like(quiet)
    assert 0.85 < ours.width(0 * quiet, -wide, wide, quiet, 0.8) < 1


def test_numbers_are_worked_in_beside_a_runner():
    linear, patches = np.zeros((1, 2, 1), np.float32), np.ones((1, 2, 1), np.float32)
    quantiles = np.float32([-1.5, 0.5, 4.5]) * np.ones((1, 2, 1, 1), np.float32)
    outputs = {
        "future.value": (linear + patches) / 2, "future.linear": linear, "future.patches": patches,
        "future.quantiles": quantiles,
    }  # fmt: skip
    runner = NumpyRunner({"forward": lambda arrays, state: (outputs, state)})
    found = ours.corrected(CalibratedRunner(runner, {ours.WEIGHT: 0.25, ours.WIDTH: 2.0}).run("forward", {})[0])
    assert set(found) == set(outputs)
    np.testing.assert_allclose(found["future.value"], 0.75)
    np.testing.assert_allclose(found["future.quantiles"][0, 0, 0], [0.75 - 4, 0.75, 0.75 + 8])
    plain = ours.corrected(runner.run("forward", {})[0])
    for name in outputs:
        np.testing.assert_allclose(plain[name], outputs[name])
    only = ours.corrected({"future.value": patches})
    assert list(only) == ["future.value"]
