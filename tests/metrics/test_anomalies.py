"""Metrics of anomalies against scikit-learn's, by hand, and under resampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from deepwell.metrics import anomalies

AREA, PRECISION, RECALL = anomalies.metrics(0.1, planted=False)
PAIRS = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=4, max_size=40)


def columns(score, truth):
    return {"score": np.asarray(score, float), "truth": np.asarray(truth, np.int64)}


@given(PAIRS)
def test_area_and_average_precision_are_those_of_scikit_learn_also_with_ties(pairs):
    score, odd = (np.array(side) for side in zip(*pairs, strict=True))
    if odd.all() or not odd.any():
        assert np.isnan(AREA.value(columns(score, odd)))
        assert np.isnan(RECALL.value(columns(score, odd)))
        return
    assert AREA.value(columns(score, odd)) == pytest.approx(roc_auc_score(odd, score))
    assert PRECISION.value(columns(score, odd)) == pytest.approx(average_precision_score(odd, score))


@given(PAIRS, st.integers(0, 2**31))
def test_a_weight_of_two_is_the_row_twice(pairs, seed):
    score, odd = (np.array(side) for side in zip(*pairs, strict=True))
    weights = np.random.default_rng(seed).integers(0, 3, len(score))
    twice = columns(np.repeat(score, weights), np.repeat(odd, weights))
    for metric in (AREA, PRECISION, RECALL):
        resampled = metric.finish(columns(score, odd), weights[None].astype(float))[0]
        plain = metric.value(twice) if weights.any() else np.nan
        assert resampled == pytest.approx(plain, nan_ok=True)


@given(PAIRS)
def test_only_the_order_of_scores_counts(pairs):
    score, odd = (np.array(side) for side in zip(*pairs, strict=True))
    for metric in (AREA, PRECISION, RECALL):
        assert metric.value(columns(np.exp(score), odd)) == pytest.approx(
            metric.value(columns(score, odd)), nan_ok=True
        )


def test_recall_is_what_is_found_while_a_tenth_of_the_usual_rows_is_alarming():
    usual = np.arange(20.0)  # two of them may be alarming: 19 and 18
    score = np.concatenate([usual, [30.0, 18.5, 17.5, 2.0]])
    truth = np.repeat([0, 1], [20, 4])
    assert RECALL.value(columns(score, truth)) == pytest.approx(3 / 4)
    strict = anomalies.metrics(0.01, planted=False)[2]
    assert strict.value(columns(score, truth)) == pytest.approx(1 / 4)


def test_rows_that_nobody_labelled_count_for_nothing():
    score, truth = [1.0, 5.0, 2.0, 9.0], [0, 1, 0, -1]
    for metric in (AREA, PRECISION, RECALL):
        assert metric.value(columns(score, truth)) == metric.value(columns(score[:3], truth[:3]))
    assert AREA.trials(columns(score, truth)) == 1


def test_names_say_that_anomalies_were_planted():
    assert [m.name for m in anomalies.metrics(0.1, planted=True)] == [
        "planted_area_under_curve", "planted_average_precision", "planted_recall_at_alarm_rate",
    ]  # fmt: skip
