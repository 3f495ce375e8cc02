"""Every metric equals scikit-learn's with sample_weight, for many resamples at once; undefined is NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from deepwell.metrics import classification as ours


def made(seed: int, n: int, classes: int, ties: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of n examples with every class present, and 5 resamples' weights, the first all ones."""
    draw = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), draw.integers(0, classes, n - classes)])
    logits = draw.normal(size=(n, classes)) + 1.5 * np.eye(classes)[truth]
    if ties:
        logits = logits.round()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    nll = -np.log(shares[np.arange(n), truth])
    columns = {"t.truth": truth, "t.answer": shares.argmax(1), "t.probabilities": shares, "t.nll": nll}
    weights = draw.integers(0, 4, (5, n)).astype(float)
    weights[:, :classes] += 1  # every class keeps some weight
    weights[0] = 1
    return columns, weights


CASES = given(st.integers(0, 10**6), st.integers(25, 60), st.sampled_from([2, 3, 5, 20]))


@settings(deadline=None, max_examples=25)
@CASES
def test_shares_and_losses_equal_scikit_learn(seed, n, classes):
    columns, weights = made(seed, n, classes)
    truth, answer, shares = columns["t.truth"], columns["t.answer"], columns["t.probabilities"]
    labels = np.arange(classes)
    pairs = {
        ours.accuracy("t"): lambda w: oracle.accuracy_score(truth, answer, sample_weight=w),
        ours.balanced_accuracy("t"): lambda w: oracle.balanced_accuracy_score(truth, answer, sample_weight=w),
        ours.f1("t"): lambda w: oracle.f1_score(truth, answer, average="macro", sample_weight=w, zero_division=np.nan),
        ours.f1("t", positive=0): lambda w: oracle.f1_score(
            truth, answer, labels=[0], average="macro", sample_weight=w
        ),
        ours.log_loss("t"): lambda w: oracle.log_loss(truth, shares, labels=labels, sample_weight=w),
        ours.brier("t"): lambda w: oracle.brier_score_loss(
            truth, shares if classes > 2 else shares[:, 1], labels=labels, sample_weight=w
        ),
    }
    for metric, expected in pairs.items():
        np.testing.assert_allclose(
            metric.finish(columns, weights), [expected(w) for w in weights], rtol=1e-9, err_msg=metric.name
        )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(25, 60), st.sampled_from([2, 3, 5]), st.booleans())
def test_area_under_curve_equals_scikit_learn_with_and_without_ties(seed, n, classes, ties):
    columns, weights = made(seed, n, classes, ties)
    truth, shares = columns["t.truth"], columns["t.probabilities"]
    for positive in range(classes):
        expected = [oracle.roc_auc_score(truth == positive, shares[:, positive], sample_weight=w) for w in weights]
        found = ours.area_under_curve("t", positive).finish(columns, weights)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    found = ours.area_under_curve("t").value(columns)
    if classes > 2:
        assert found == pytest.approx(oracle.roc_auc_score(truth, shares, multi_class="ovr"))
    else:
        assert found == pytest.approx(oracle.roc_auc_score(truth, shares[:, 1]))


@settings(deadline=None, max_examples=20)
@CASES
def test_a_weight_of_two_is_the_example_twice(seed, n, classes):
    columns, weights = made(seed, n, classes)
    for metric in (ours.accuracy("t"), ours.balanced_accuracy("t"), ours.f1("t"), ours.area_under_curve("t")):
        for w in weights:
            repeated = {k: np.repeat(v, w.astype(int), axis=0) for k, v in columns.items()}
            assert metric.finish(columns, w[None])[0] == pytest.approx(metric.value(repeated), rel=1e-9)


def test_what_has_no_meaning_is_nan_in_that_resample_only():
    columns, _ = made(1, 30, 2)
    one_class = (columns["t.truth"] == 0).astype(float)
    weights = np.stack([np.ones(30), one_class, np.zeros(30)])
    area = ours.area_under_curve("t").finish(columns, weights)
    assert np.isfinite(area[0])
    assert np.isnan(area[1:]).all()
    for metric in (ours.accuracy("t"), ours.balanced_accuracy("t"), ours.f1("t"), ours.log_loss("t"), ours.brier("t")):
        found = metric.finish(columns, weights)
        assert np.isfinite(found[:2]).all()
        assert np.isnan(found[2])


def test_a_constant_answer_has_an_area_of_one_half():
    columns, weights = made(2, 40, 2)
    columns["t.probabilities"] = np.tile([0.7, 0.3], (40, 1))
    np.testing.assert_allclose(ours.area_under_curve("t").finish(columns, weights), 0.5)


def test_trials_behind_a_share():
    truth = np.array([0] * 90 + [1] * 10)
    columns = {"t.truth": truth, "t.answer": truth, "t.probabilities": np.eye(2)[truth]}
    assert ours.accuracy("t").trials(columns) == 100
    assert ours.area_under_curve("t").trials(columns) == 10
    assert ours.balanced_accuracy("t").trials(columns) == 20  # a rare example moves it by 1 / 20
    assert ours.f1("t", positive=1).trials(columns) == 10
    assert ours.log_loss("t").trials is None


def test_names_are_those_of_the_functions():
    for make in (ours.accuracy, ours.balanced_accuracy, ours.f1, ours.log_loss, ours.brier, ours.area_under_curve):
        assert make("t").name == make.__name__
