"""Metrics of tags equal scikit-learn's, for many resamples at once; undefined is NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from deepwell.metrics import tags as ours


def made(seed: int, n: int, tags: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of n examples, with ties, and 5 resamples' weights, the first all ones."""
    draw = np.random.default_rng(seed)
    present = draw.random((n, tags)) < 0.3
    logits = (draw.normal(size=(n, tags)) + 2 * present - 1).round(1)
    chances = 1 / (1 + np.exp(-logits))
    nll = np.where(present, -np.log(chances), -np.log(1 - chances)).sum(1)
    weights = draw.integers(0, 4, (5, n)).astype(float)
    weights[0], weights[:, 0] = 1, 1
    columns = {"t.present": present, "t.answered": chances >= 0.5, "t.chances": chances, "t.nll": nll}
    return {**columns, "t.unknown": np.zeros(n, np.int32)}, weights


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(5, 40), st.sampled_from([2, 3, 12]))
def test_every_metric_equals_scikit_learn(seed, n, tags):
    columns, weights = made(seed, n, tags)
    present, answered, chances = (columns[f"t.{name}"] for name in ("present", "answered", "chances"))

    def f1(average):
        return lambda w: oracle.f1_score(present, answered, average=average, sample_weight=w, zero_division=np.nan)

    pairs = {
        ours.micro_f1("t"): f1("micro"),
        ours.macro_f1("t"): f1("macro"),
        ours.label_ranking_average_precision("t"): lambda w: oracle.label_ranking_average_precision_score(
            present, chances, sample_weight=w
        ),
        ours.log_loss("t"): lambda w: sum(
            oracle.log_loss(present[:, k], chances[:, k], labels=[False, True], sample_weight=w) for k in range(tags)
        ),
    }
    for metric, expected in pairs.items():
        found = metric.finish(columns, weights)
        np.testing.assert_allclose(found, [expected(w) for w in weights], rtol=1e-9, err_msg=metric.name)


def test_by_hand():
    columns = {
        "t.present": np.array([[True, False, True], [False, False, False]]),
        "t.answered": np.array([[True, True, False], [False, False, False]]),
        "t.chances": np.array([[0.9, 0.8, 0.4], [0.1, 0.2, 0.3]]),
        "t.unknown": np.array([0, 0]),
    }
    assert ours.micro_f1("t").value(columns) == pytest.approx(2 * 1 / (2 + 2))
    assert ours.macro_f1("t").value(columns) == pytest.approx((1 + 0 + 0) / 3)
    assert ours.label_ranking_average_precision("t").value(columns) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert ours.micro_f1("t").trials(columns) == 2
    missed = {**columns, "t.unknown": np.array([1, 2])}  # as columns of the truth that no answer can hold
    assert ours.micro_f1("t").value(missed) == pytest.approx(2 * 1 / (2 + 2 + 3))
    assert ours.label_ranking_average_precision("t").value(missed) == pytest.approx(((1 + 2 / 3 + 0) / 3 + 0) / 2)
    assert ours.micro_f1("t").trials(missed) == 5


def test_without_any_tag_the_f1_has_no_meaning():
    nothing = np.zeros((3, 2), bool)
    columns = {"t.present": nothing, "t.answered": nothing, "t.unknown": np.zeros(3)}
    assert np.isnan(ours.micro_f1("t").value(columns))
    assert np.isnan(ours.macro_f1("t").value(columns))
