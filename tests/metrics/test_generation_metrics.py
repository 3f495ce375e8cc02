"""Distances between sets of features: by hand, by scipy's matrix root, and by cases whose answer is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from deepwell.core.keys import Key
from deepwell.evaluation import intervals
from deepwell.metrics import generation


def columns(real, made):
    return {"real": np.asarray(real, np.float64), "made": np.asarray(made, np.float64)}


def test_the_distance_of_normal_distributions_by_scipy():
    draws = np.random.default_rng(0)
    real = draws.normal(size=(500, 6)) @ draws.normal(size=(6, 6))
    made = draws.normal(size=(500, 6)) @ draws.normal(size=(6, 6)) + 1
    c1, c2 = np.cov(real.T), np.cov(made.T)
    root = np.real(sqrtm(c1 @ c2))
    theirs = ((real.mean(0) - made.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * root)
    assert generation.frechet_distance().value(columns(real, made)) == pytest.approx(theirs, rel=1e-6)


def test_rows_sorted_by_class_are_compared_across_all_classes():
    # Of three classes, two are made wrongly: a third of the pictures is right, in whichever order they come.
    draws = np.random.default_rng(0)
    real = draws.normal(size=(3_000, 8)) + np.repeat([0, 20, 40], 1_000)[:, None]
    wrong = np.arange(3_000)[:, None] >= 1_000
    given = columns(real, real + 0.01 + 500 * wrong)
    for metric in (generation.precision(), generation.recall()):
        assert metric.value(given) == pytest.approx(1 / 3, abs=0.01)
        only_first = (np.arange(3_000) < 1_000).astype(float)[None]
        assert metric.finish(given, only_first)[0] > 0.98  # weights stay with their pictures
        assert intervals.score(metric, given, None, Key(0)).n == 1_000
    assert intervals.score(generation.frechet_distance(), given, None, Key(0)).n == 3_000


def test_the_distance_by_hand_in_one_dimension():
    # Means 0 and 3, variances 1 and 4 (n - 1): 9 + (1 - 2)^2.
    real, made = np.array([[-1.0], [0.0], [1.0]]), np.array([[1.0], [3.0], [5.0]])
    assert generation.frechet_distance().value(columns(real, made)) == pytest.approx(10)
    assert generation.frechet_distance().value(columns(real, real)) == pytest.approx(0, abs=1e-9)


def test_weights_count_pictures_several_times():
    draws = np.random.default_rng(1)
    real, made = draws.normal(size=(2, 8, 3))
    metric = generation.frechet_distance()
    weights = np.array([[2, 1, 0, 1, 3, 1, 0, 1]], float)
    rows = np.repeat(np.arange(8), weights[0].astype(int))
    assert metric.finish(columns(real, made), weights)[0] == pytest.approx(
        metric.value(columns(real[rows], made[rows]))
    )


def test_many_resamples_move_as_the_exact_ones_do():
    draws = np.random.default_rng(3)
    real, made = np.maximum(draws.normal(size=(2, 3000, 5)), 0)
    made = 1.2 * made + 0.1
    weights = draws.multinomial(3000, np.full(3000, 1 / 3000), size=40).astype(float)
    metric, found = generation.frechet_distance(), columns(real, made)
    together = metric.finish(found, weights)
    singly = np.array([metric.finish(found, weights[row : row + 1])[0] for row in range(40)])
    assert np.corrcoef(together, singly)[0, 1] > 0.98
    assert np.abs(together - singly).max() < 0.3 * singly.std() + 0.01


def test_features_that_never_vary_cost_nothing():
    draws = np.random.default_rng(4)
    real, made = draws.normal(size=(2, 50, 3))
    flat = [np.hstack([side, np.zeros((50, 2))]) for side in (real, made)]
    weights = draws.multinomial(50, np.full(50, 1 / 50), size=9).astype(float)
    metric = generation.frechet_distance()
    assert metric.finish(columns(*flat), weights) == pytest.approx(
        metric.finish(columns(real, made), weights), rel=1e-6
    )


def test_more_features_than_pictures_give_finite_resamples():
    draws = np.random.default_rng(5)
    found = columns(*draws.normal(size=(2, 10, 30)))
    weights = draws.multinomial(10, np.full(10, 0.1), size=20).astype(float)
    resampled = generation.frechet_distance().finish(found, weights)
    assert np.isfinite(resampled).all()
    assert resampled.std() < generation.frechet_distance().value(found)


def test_made_pictures_of_one_kind_have_precision_and_no_recall():
    draws = np.random.default_rng(2)
    real = np.concatenate([draws.normal(0, 1, (100, 2)), draws.normal(50, 1, (100, 2))])
    made = draws.normal(0, 0.5, (200, 2))
    found = columns(real, made)
    assert generation.precision().value(found) > 0.95
    assert generation.recall().value(found) < 0.6
    assert generation.precision().value(columns(real, made + 500)) == 0


def test_precision_by_hand():
    # Real 0, 1, 2, 3, 10: reach to the third neighbour 3, 2, 2, 3, 9. Made 3.5 and 5.9 lie within 3 of 3; 20 within none.
    real = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    made = np.array([[3.5], [5.9], [20.0], [-2.5], [-9.0]])
    assert generation.precision().value(columns(real, made)) == pytest.approx(3 / 5)


def test_distances_between_points():
    assert generation.distances(np.array([[0.0, 0.0]], np.float32), np.array([[3.0, 4.0]], np.float32)).tolist() == [
        [25.0]
    ]
