"""Distances between sets of features: by hand, by scipy's matrix root, and by cases whose answer is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

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
