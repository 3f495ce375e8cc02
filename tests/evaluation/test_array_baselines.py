"""Baselines of arrays against numpy's means and scikit-learn's own models."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.evaluation.array_baselines import linear, mean

KEY = Key(0)


def examples(**columns):
    rows = len(next(iter(columns.values())))
    return RowExamples(Encoded(columns, np.arange(rows)))


@pytest.fixture
def numbers():
    draws = np.random.default_rng(0)
    x, beside = draws.normal(size=(200, 3, 2)).astype(np.float32), draws.normal(size=(200, 1)).astype(np.float32)
    y = (x.sum(axis=(1, 2))[:, None, None] * np.ones((1, 2, 2)) + 1).astype(np.float32)
    return {"x": x, "beside": beside, "y": y}


def test_the_mean_has_the_shape_of_a_target(numbers):
    runner = mean(lambda pipeline: {"y": 0}).fit(examples(**numbers), None, KEY)
    answer = runner.run("forward", {"x": numbers["x"][:5]})[0]["y"]
    assert answer.shape == (5, 2, 2)
    np.testing.assert_allclose(answer[3], numbers["y"].mean(axis=0), rtol=1e-5)


def test_the_linear_model_is_ridge_regression_on_standardised_numbers_of_all_inputs(numbers):
    runner = linear(["x", "beside"], lambda pipeline: {"y": 0}).fit(examples(**numbers), None, KEY)
    answer = runner.run("forward", {"x": numbers["x"][:7], "beside": numbers["beside"][:7]})[0]["y"]
    flat = np.concatenate([numbers["x"].reshape(200, -1), numbers["beside"]], axis=1).astype(np.float64)
    scaled = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    truth = Ridge().fit(scaled, numbers["y"].reshape(200, -1)).predict(scaled[:7]).reshape(7, 2, 2)
    np.testing.assert_allclose(answer, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_classes_get_their_shares_and_a_logistic_regression(numbers, shape):
    x = numbers["x"]
    classes = (x[:, 0, 0] > 0).astype(np.int32) + (x[:, 1, 1] > 1)
    columns = {"x": x, "y": classes.reshape(-1, *shape)}
    counted = {"y": 4}
    trivial = mean(lambda pipeline: counted).fit(examples(**columns), None, KEY)
    shares = trivial.run("forward", {"x": x[:2]})[0]
    assert shares["y"].shape == (2, 4)
    np.testing.assert_allclose(shares["y"][1], np.maximum(np.bincount(classes, minlength=4) / 200, 1e-7), rtol=1e-5)
    runner = linear(["x"], lambda pipeline: counted).fit(examples(**columns), None, KEY)
    answer = runner.run("forward", {"x": x})[0]
    flat = x.reshape(200, -1).astype(np.float64)
    scaled = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    theirs = LogisticRegression(max_iter=100, tol=1e-3).fit(scaled, classes).predict_proba(scaled)
    np.testing.assert_allclose(answer["y"][:, :3], theirs, atol=1e-3)
    np.testing.assert_allclose(np.exp(answer["y.logits"]), answer["y"], rtol=1e-5)


def test_classes_in_many_places_get_the_shares_of_each_place():
    truth = np.array([[0, 1], [0, 2], [1, 1], [0, 1]], np.int32)
    columns = {"x": np.zeros((4, 1), np.float32), "y": truth}
    runner = linear(["x"], lambda pipeline: {"y": 3}).fit(examples(**columns), None, KEY)
    answer = runner.run("forward", {"x": np.zeros((2, 1), np.float32)})[0]["y"]
    assert answer.shape == (2, 2, 3)
    np.testing.assert_allclose(answer[0], [[0.75, 0.25, 1e-7], [1e-7, 0.75, 0.25]], rtol=1e-5)


def test_many_rows_are_sampled_and_it_is_said():
    x = np.random.default_rng(0).normal(size=(2_000, 8_000)).astype(np.float32)
    runner = linear(["x"], lambda pipeline: {"y": 0}).fit(examples(x=x, y=x[:, :1]), None, KEY)
    assert any("1,000 of 2,000" in note for note in runner.notes)
