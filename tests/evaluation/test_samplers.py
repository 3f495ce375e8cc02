"""Baselines of made pictures: what they make follows from the noise alone, and is like the training pictures as far as told."""

import numpy as np

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.evaluation import samplers


def pictures(n=300, seed=0):
    draws = np.random.default_rng(seed)
    light = draws.uniform(20, 200, (n, 1, 1, 1))
    return np.clip(light + draws.normal(0, 5, (n, 1, 6, 5)), 0, 255).astype(np.uint8)


def fitted(make, given):
    examples = RowExamples(Encoded({"image": given}, np.arange(len(given))))
    return make("image", lambda pipeline: lambda p: p.reshape(len(p), -1)).fit(examples, None, Key(0))


def made(runner, n=200, seed=1):
    noise = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return runner.run("forward", {"noise": noise})[0]["picture"]


def test_components_make_pictures_of_the_same_mean_and_spread():
    given = pictures()
    drawn = made(fitted(samplers.components, given))
    assert drawn.shape == (200, 1, 6, 5)
    assert drawn.min() >= 0
    assert drawn.max() <= 255
    assert abs(drawn.mean() - given.mean()) < 8
    light = drawn.mean((1, 2, 3))
    assert abs(light.std() - given.mean((1, 2, 3)).std()) < 8  # the brightness of a picture is one component


def test_principal_components_by_another_library():
    from sklearn.decomposition import PCA

    draws = np.random.default_rng(0)
    for n, d in ((40, 7), (9, 30)):
        rows = draws.normal(size=(n, d)) @ draws.normal(size=(d, d))
        mean, axes, deviations = samplers.principal(rows)
        theirs = PCA(min(n - 1, d)).fit(rows)
        assert np.allclose(mean, theirs.mean_)
        assert np.allclose(deviations**2, theirs.explained_variance_)
        assert np.allclose(np.abs(axes @ theirs.components_.T), np.eye(len(axes)), atol=1e-6)


def test_large_pictures_sorted_by_class_are_taken_from_all_classes():
    given = np.full((2_500, 1, 46, 46), 50, np.uint8)
    given[2_000:] = 200
    given += np.random.default_rng(0).integers(0, 20, given.shape).astype(np.uint8)
    drawn = made(fitted(samplers.components, given))
    assert abs(drawn.mean() - given.mean()) < 12  # 30 less without the last class


def test_moved_pictures_are_training_pictures_but_for_a_pixel():
    given = pictures()
    drawn = made(fitted(samplers.moved, given))
    inner = {p[0, 1:-1, 1:-1].tobytes() for p in given}
    shifted = {p[0, 1 + y : 5 + y, 1 + x : 4 + x].tobytes() for p in given for y in (-1, 0, 1) for x in (-1, 0, 1)}
    assert inner <= shifted
    assert all(p[0, 1:-1, 1:-1].astype(np.uint8).tobytes() in shifted for p in drawn)


def test_the_same_noise_makes_the_same_pictures_and_other_noise_others():
    for make in (samplers.components, samplers.moved):
        runner = fitted(make, pictures())
        assert np.array_equal(made(runner), made(runner))
        assert not np.array_equal(made(runner), made(runner, seed=2))


def test_features_are_those_of_the_judge():
    runner = fitted(samplers.moved, pictures())
    given = pictures(3, 9)
    assert np.array_equal(runner.run("features", {"picture": given})[0]["features"], given.reshape(3, -1))
