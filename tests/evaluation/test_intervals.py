"""Intervals: against hand calculation, by simulated coverage, with grouped units, and where resampling alone would lie."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

from deepwell.core.keys import Key
from deepwell.evaluation import intervals
from deepwell.metrics.classification import accuracy, area_under_curve, log_loss
from deepwell.metrics.regression import mae

KEY = Key(11)
ACCURACY, MAE = accuracy("t"), mae("t")


def answered(right: np.ndarray) -> dict[str, np.ndarray]:
    """Columns in which the given examples are right."""
    right = np.asarray(right, bool)
    return {"t.truth": np.zeros(len(right), int), "t.answer": (~right).astype(int)}


def test_accuracy_of_many_rows_has_the_normal_interval():
    # p = 0.8, n = 4000: 0.8 +- 1.96 sqrt(0.8 * 0.2 / 4000) = 0.8 +- 0.01240
    found = intervals.score(ACCURACY, answered(np.arange(4000) % 5 > 0), None, KEY)
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.7876, abs=0.001)
    assert found.high == pytest.approx(0.8124, abs=0.001)
    assert found.n == 4000


def test_the_interval_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(0)
    covered = {"mae": 0, "accuracy": 0}
    runs = 160
    for run in range(runs):
        error = draw.exponential(size=25)  # skewed, few: mean 1
        low_high = intervals.score(MAE, {"t.truth": np.zeros(25), "t.answer": error}, None, Key(run))
        covered["mae"] += low_high.low <= 1 <= low_high.high
        share = intervals.score(ACCURACY, answered(draw.random(40) < 0.95), None, Key(run))
        covered["accuracy"] += share.low <= 0.95 <= share.high
    assert 0.89 <= covered["mae"] / runs <= 0.98  # the plain percentile interval reaches about 0.90 here
    assert covered["accuracy"] / runs >= 0.93


def test_all_right_is_not_certain():
    # Wilson, 60 of 60: low = 60 / (60 + 1.96^2) = 0.93983
    found = intervals.score(ACCURACY, answered(np.ones(60)), None, KEY)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(0.93983, abs=1e-4)
    nothing = intervals.score(ACCURACY, answered(np.zeros(60)), None, KEY)
    assert (nothing.low, nothing.high) == (0, pytest.approx(1 - 0.93983, abs=1e-4))


def test_a_perfect_area_is_as_uncertain_as_its_rarer_class():
    truth = np.array([0] * 990 + [1] * 10)
    columns = {"t.truth": truth, "t.probabilities": np.stack([1.0 - truth, truth], 1)}
    found = intervals.score(area_under_curve("t"), columns, None, KEY)
    assert found.value == 1
    assert found.low == pytest.approx(10 / (10 + 1.95996**2), abs=1e-4)


@pytest.mark.parametrize(("share", "trials"), [(0.0, 5), (0.3, 10), (0.97, 300), (1.0, 40)])
def test_wilson_equals_scipy(share, trials):
    expected = binomtest(round(share * trials), trials).proportion_ci(method="wilson")
    assert intervals.wilson(share, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_student_series_equals_scipy():
    for freedom in (4, 9, 29, 1000):
        assert intervals._student(freedom) == pytest.approx(student.ppf(0.975, freedom), rel=5e-3)


def test_examples_of_a_unit_stand_or_fall_together():
    draw = np.random.default_rng(1)
    unit = np.repeat(np.arange(30), 50)
    right = draw.random(1500) < np.repeat(draw.uniform(0.4, 1.0, 30), 50)  # users differ, rows within one are alike
    alone = intervals.score(ACCURACY, answered(right), None, KEY)
    together = intervals.score(ACCURACY, answered(right), unit * 7 + 3, KEY)  # any integers
    assert together.n == 30
    by_unit = right.reshape(30, 50).mean(1)
    half = student.ppf(0.975, 29) * by_unit.std(ddof=1) / math.sqrt(30)
    assert together.low == pytest.approx(right.mean() - half, abs=0.02)
    assert together.high == pytest.approx(right.mean() + half, abs=0.02)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_same_key_gives_the_same_interval_whatever_the_block_size(monkeypatch):
    columns = answered(np.arange(500) % 3 > 0)
    first = intervals.score(ACCURACY, columns, None, KEY)
    monkeypatch.setattr(intervals, "CHUNK", 700)
    assert intervals.score(ACCURACY, columns, None, KEY) == first
    assert intervals.score(ACCURACY, columns, None, Key(12)) != first


def test_large_parts_take_fewer_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_WORK", 500_000)
    columns = answered(np.arange(1000) % 2 > 0)
    assert len(intervals.replicate([ACCURACY], columns, None, KEY)["accuracy"].values) == 500
    columns = answered(np.arange(50_000) % 2 > 0)
    assert len(intervals.replicate([ACCURACY], columns, None, KEY)["accuracy"].values) == 200


def test_undefined_scores_are_null_in_json():
    columns = {"t.truth": np.zeros(9, int), "t.probabilities": np.full((9, 2), 0.5)}
    found = intervals.score(area_under_curve("t"), columns, None, KEY)
    assert math.isnan(found.value)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["low"] is None
    empty = intervals.score(ACCURACY, {}, None, KEY)
    assert empty.n == 0
    assert math.isnan(empty.value)


def test_one_unit_has_no_interval():
    found = intervals.score(MAE, {"t.truth": np.zeros(5), "t.answer": np.ones(5)}, np.zeros(5, int), KEY)
    assert found.value == 1
    assert math.isnan(found.low)


def test_a_paired_difference_is_sharper_than_two_intervals():
    draw = np.random.default_rng(2)
    hard = draw.exponential(size=400)
    truth = np.zeros(400)
    network = {"t.truth": truth, "t.answer": hard}
    baseline = {"t.truth": truth, "t.answer": hard + 0.1 + draw.normal(size=400) * 0.1}
    found = intervals.paired(MAE, network, baseline, None, KEY)
    gap = np.abs(network["t.answer"]) - np.abs(baseline["t.answer"])
    half = 1.96 * gap.std() / math.sqrt(400)
    assert found.better == "network"
    assert found.value == pytest.approx(gap.mean())
    assert (found.low, found.high) == pytest.approx((gap.mean() - half, gap.mean() + half), abs=0.003)
    mirrored = intervals.paired(MAE, baseline, network, None, KEY)
    assert mirrored.better == "baseline"
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-6)


def test_a_model_is_not_better_than_itself():
    columns = answered(np.arange(50) % 4 > 0)
    assert intervals.paired(ACCURACY, columns, columns, None, KEY).better == "neither"


@pytest.mark.parametrize(("wins", "losses"), [(4, 0), (5, 0), (7, 1), (6, 0), (10, 0), (12, 2), (30, 10)])
def test_few_disagreements_are_judged_as_the_sign_test_does(wins, losses):
    network, baseline = np.ones(200), np.ones(200)
    baseline[:wins] = 0
    network[wins : wins + losses] = 0
    found = intervals.paired(ACCURACY, answered(network), answered(baseline), None, KEY)
    significant = binomtest(wins, wins + losses).pvalue < 0.05
    assert found.value == pytest.approx((wins - losses) / 200)
    assert (found.better == "network") == significant


@settings(deadline=None, max_examples=25)
@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(0, 9))
def test_the_interval_holds_the_value_and_stays_a_share(right, seed):
    found = intervals.score(ACCURACY, answered(np.array(right)), None, Key(seed))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_scores_keep_the_order_of_metrics():
    columns = {**answered(np.arange(20) % 2 > 0), "t.nll": np.ones(20)}
    assert [s.name for s in intervals.scores([log_loss("t"), ACCURACY], columns, None, KEY)] == ["log_loss", "accuracy"]
