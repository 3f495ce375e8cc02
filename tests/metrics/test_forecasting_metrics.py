"""Metrics of forecasts against scikit-learn and by hand; what is missing counts nowhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from deepwell.metrics import forecasting as ours
from deepwell.metrics.forecasting import Forecast, sums

LEVELS = (0.1, 0.5, 0.9)


def forecast(seed: int, n: int = 5, steps: int = 4, targets: int = 2, missing: float = 0.0) -> Forecast:
    draw = np.random.default_rng(seed)
    shape = (n, steps, targets)
    truth, answer = draw.normal(size=shape), draw.normal(size=shape)
    seen = (draw.random(shape) >= missing).astype(np.uint8)
    quantiles = np.sort(draw.normal(size=(*shape, 3)), axis=-1)
    factor, offset = draw.uniform(1, 9, (n, targets)), draw.normal(size=(n, targets))
    naive = draw.uniform(0.5, 2, (n, targets))
    return Forecast(truth, answer, seen, factor, offset, naive, quantiles, LEVELS, quantiles[..., 0], quantiles[..., 2])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.4]))
def test_metrics_equal_scikit_learn_with_resamples(seed, missing):
    found = forecast(seed, missing=missing)
    weights = np.random.default_rng(seed).integers(0, 3, (3, 5)).astype(float)
    weights[:, 0] += 1
    there = found.seen.astype(bool)
    own = [side * found.factor[:, None] + found.offset[:, None] for side in (found.truth, found.answer)]
    columns = sums(found)
    for row, weight in enumerate(weights):
        each = np.broadcast_to(weight[:, None, None], found.truth.shape)
        if each[there].sum() == 0:
            continue
        y, f, w = (a[there] for a in (found.truth, found.answer, each))
        expected = {
            "mse": oracle.mean_squared_error(y, f, sample_weight=w),
            "mae": oracle.mean_absolute_error(y, f, sample_weight=w),
            "quantile_loss": 2
            * np.mean(
                [oracle.mean_pinball_loss(y, found.quantiles[..., i][there], sample_weight=w, alpha=q)
                 for i, q in enumerate(LEVELS)]
            ),
        }  # fmt: skip
        for make in (ours.mse, ours.mae, ours.quantile_loss):
            assert make().finish(columns, weights)[row] == pytest.approx(expected[make().name])
        first = there[..., 0]
        if each[..., 0][first].sum():
            y, f, w = (a[..., 0][first] for a in (own[0], own[1], each))
            rmse, mae = ours.rmse_of(0, "a"), ours.mae_of(0, "a")
            assert rmse.finish(columns, weights)[row] == pytest.approx(
                oracle.root_mean_squared_error(y, f, sample_weight=w)
            )
            assert mae.finish(columns, weights)[row] == pytest.approx(oracle.mean_absolute_error(y, f, sample_weight=w))


def by_hand(**changed):
    """Two windows of two steps, one target: truths 10, 20 and 0, missing; answers 12, 18 and 0, 7."""
    values = {
        "truth": np.array([[[0.0], [1.0]], [[-1.0], [np.nan]]]),
        "answer": np.array([[[0.2], [0.8]], [[-1.0], [-0.3]]]),
        "seen": np.array([[[1], [1]], [[1], [0]]]),
        "factor": np.full((2, 1), 10.0), "offset": np.full((2, 1), 10.0), "naive": np.array([[0.1], [np.nan]]),
    }  # fmt: skip
    return Forecast(**(values | changed))


def test_smape_and_mase_by_hand():
    columns = sums(by_hand())
    assert ours.smape().value(columns) == pytest.approx((200 * 2 / 22 + 200 * 2 / 38 + 0) / 3)
    assert ours.mase().value(columns) == pytest.approx(2.0)  # 0.2 over 0.1, twice; the second series has no naive error
    assert ours.mae_of(0, "a").value(columns) == pytest.approx(4 / 3)


def test_coverage_counts_truths_that_are_there():
    low, high = np.array([[[-1.0], [2.0]], [[-2.0], [-9.0]]]), np.array([[[1.0], [3.0]], [[0.0], [9.0]]])
    metric = ours.coverage(0.8)
    assert metric.name == "coverage_80"
    assert metric.value(sums(by_hand(low=low, high=high))) == pytest.approx(2 / 3)


def test_nothing_seen_is_undefined_not_zero():
    columns = sums(by_hand(seen=np.zeros((2, 2, 1)), naive=np.full((2, 1), np.nan)))
    for metric in (ours.mse(), ours.mae(), ours.smape(), ours.mase(), ours.rmse_of(0, "a")):
        assert np.isnan(metric.value(columns)), metric.name


def test_units_and_directions():
    assert ours.rmse_of(1, "load", "kW").unit == "kW"
    assert ours.rmse_of(1, "load").name == "rmse load"
    assert ours.coverage(0.8).direction == "higher"
    assert {m.direction for m in (ours.mse(), ours.mae(), ours.smape(), ours.mase())} == {"lower"}
