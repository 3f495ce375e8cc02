"""Every metric equals scikit-learn's with sample_weight, for many resamples at once; undefined is NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from deepwell.metrics import regression as ours


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(5, 60), st.sampled_from([0.0, 1e6]))
def test_metrics_equal_scikit_learn(seed, n, offset):
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=n) + offset
    columns = {"t.truth": truth, "t.answer": (truth + draw.normal(size=n)).astype(np.float64)}
    answer = columns["t.answer"]
    weights = draw.integers(0, 4, (5, n)).astype(float)
    weights[:, :2] += 1
    weights[0] = 1
    pairs = {
        ours.rmse("t"): oracle.root_mean_squared_error, ours.mae("t"): oracle.mean_absolute_error,
        ours.r_squared("t"): oracle.r2_score,
    }  # fmt: skip
    for metric, expected in pairs.items():
        np.testing.assert_allclose(
            metric.finish(columns, weights),
            [expected(truth, answer, sample_weight=w) for w in weights],
            rtol=1e-6, err_msg=metric.name,
        )  # fmt: skip
    medians = ours.median_absolute_error("t").finish(columns, weights)
    repeated = [np.median(np.repeat(np.abs(answer - truth), w.astype(int))) for w in weights]
    np.testing.assert_allclose(medians, repeated, rtol=1e-9)


def test_units_and_directions():
    assert ours.rmse("price", "EUR").unit == "EUR"
    assert ours.rmse("price").direction == "lower"
    assert ours.r_squared("price").direction == "higher"


def test_r_squared_of_a_constant_truth_is_undefined():
    columns = {"t.truth": np.full(10, 0.1), "t.answer": np.arange(10.0)}
    assert np.isnan(ours.r_squared("t").value(columns))
    assert ours.rmse("t").value(columns) == pytest.approx(np.sqrt(np.mean((np.arange(10) - 0.1) ** 2)))


def test_no_weight_is_undefined():
    columns = {"t.truth": np.arange(4.0), "t.answer": np.zeros(4)}
    for make in (ours.rmse, ours.mae, ours.median_absolute_error):
        assert np.isnan(make("t").finish(columns, np.zeros((1, 4)))[0])
