"""Temperature, calibration error and conformal margins against independent calculations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from deepwell.evaluation.calibration import (
    conformal_margin,
    expected_calibration_error,
    reliability,
    temperature,
)


def drawn(n: int, classes: int, true_temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, K), and truths drawn from softmax(logits / true_temperature)."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(n, classes)) * 3
    return logits, (logits / true_temperature + draw.gumbel(size=logits.shape)).argmax(1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again_and_minimises_the_likelihood(true_temperature):
    logits, truth = drawn(20_000, 5, true_temperature)
    found = temperature(logits.astype(np.float32), truth)
    assert found == pytest.approx(true_temperature, rel=0.05)
    best = minimize_scalar(
        lambda t: -log_softmax(logits / t, axis=1)[np.arange(len(truth)), truth].mean(),
        bounds=(0.05, 20),
        method="bounded",
    )
    assert found == pytest.approx(best.x, rel=3e-3)


def test_a_small_perfect_part_does_not_ask_for_endless_certainty():
    logits = 4.0 * np.eye(3)[np.arange(30) % 3]
    assert 0.1 < temperature(logits, np.arange(30) % 3) < 1
    assert temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1


def test_temperature_stays_in_bounds_and_survives_large_logits():
    logits, truth = drawn(500, 4, 1.0)
    assert 0.05 <= temperature(logits * 1e4, truth) <= 20.01
    assert temperature(logits * 1e4, (truth + 1) % 4) == pytest.approx(20, rel=0.01)


def test_expected_calibration_error_by_hand():
    # Bins (0.5, 0.6] and (0.9, 1.0] of ten: |0.5 - 0.55| * 4 / 10 + |1 - 0.95| * 6 / 10 = 0.05
    confidence = np.array([0.55] * 4 + [0.95] * 6)
    correct = np.array([1, 0, 1, 0] + [1] * 6, bool)
    assert expected_calibration_error(confidence, correct, bins=10) == pytest.approx(0.05)
    assert expected_calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.5, 0.6, 0.61, 0.9, 1.0]), max_size=200), st.integers(1, 20))
def test_reliability_counts_every_example_once(confidence, bins):
    sure = np.array(confidence)
    points = reliability(sure, sure > 0.6, bins)["bins"]
    assert sum(p["count"] for p in points) == len(sure)
    assert len(points) <= bins
    assert all(p["low"] <= p["confidence"] + 1e-9 and p["confidence"] <= p["high"] + 1e-9 for p in points)
    highs = [p["high"] for p in points]
    assert all(high < p["low"] for high, p in zip(highs, points[1:], strict=False))


def test_conformal_margin_is_the_finite_sample_quantile():
    # n = 9, coverage 0.9: the 9th of 9; n = 19: the 18th of 19; n = 8: none is enough.
    residuals = np.arange(1.0, 20) * np.resize([1, -1], 19)
    assert conformal_margin(residuals[:9]) == 9
    assert conformal_margin(residuals) == 18
    assert conformal_margin(residuals[:8]) == math.inf


def test_conformal_margin_covers_new_rows():
    draw = np.random.default_rng(3)
    covered = [np.mean(np.abs(draw.normal(size=200)) <= conformal_margin(draw.normal(size=50))) for _ in range(200)]
    assert np.mean(covered) == pytest.approx(46 / 51, abs=0.015)  # exact expectation: ceil(0.9 * 51) / 51
