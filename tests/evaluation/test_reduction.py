"""Baselines of autoencoders against scikit-learn and hand calculations."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.evaluation.reduction import Flat, apart, components

NUMBERS = Schema((Field("a", "number"), Field("b", "number"), Field("c", "number")))
PICTURES = Schema((Field("image", "image"),))


class Sizes:
    """As much of a pipeline as baselines ask for."""

    def __init__(self, sizes):
        self._sizes = sizes

    def sizes(self):
        return self._sizes


def examples(**columns):
    arrays = {name.replace("_", "."): array for name, array in columns.items()}
    return RowExamples(Encoded(arrays, np.arange(len(next(iter(arrays.values()))))))


def rows(n=400, seed=0):
    draws = np.random.default_rng(seed)
    cause = draws.normal(size=(n, 1))
    return (cause @ np.array([[1.0, -2.0, 0.5]]) + draws.normal(0, 0.1, (n, 3))).astype(np.float32)


def test_components_agree_with_scikit_learn():
    values, asked = rows(), rows(50, 1)
    pipeline = Sizes({"a": (1, 2), "b": (1, 2), "c": (1, 2)})
    runner = components(NUMBERS, lambda p: 1, False).fit(examples(inputs_number=values), pipeline, Key(0))
    outputs, _ = runner.run("forward", {"inputs.number": asked, "noise": np.zeros((1, 4, 1), np.float32)})
    theirs = PCA(1).fit(values)
    assert np.allclose(outputs["log_weight"][:, 0], theirs.score_samples(asked), atol=1e-3)
    assert np.allclose(outputs["numbers"], theirs.inverse_transform(theirs.transform(asked)), atol=1e-4)


def test_no_more_components_than_rows_or_values():
    values = rows(2)
    pipeline = Sizes({"a": (1, 2), "b": (1, 2), "c": (1, 2)})
    runner = components(NUMBERS, lambda p: 9, False).fit(examples(inputs_number=values), pipeline, Key(0))
    assert runner.run("forward", {"inputs.number": values})[0]["codes"].shape == (2, 1)


def test_components_of_rows_on_a_line_have_a_density():
    values = np.linspace(-1, 1, 40, dtype=np.float32)[:, None] * np.array([[1.0, 2.0, 0.0]], np.float32)
    pipeline = Sizes({"a": (1, 2), "b": (1, 2), "c": (1, 2)})
    runner = components(NUMBERS, lambda p: 1, False).fit(examples(inputs_number=values), pipeline, Key(0))
    asked = np.array([[0.1, 0.2, 0.0], [0.1, 0.2, 0.5]], np.float32)
    weights = runner.run("forward", {"inputs.number": asked, "noise": np.zeros((1, 1, 1))})[0]["log_weight"][:, 0]
    assert np.isfinite(weights).all()
    assert weights[0] - weights[1] == pytest.approx(
        0.5 * (0.5 / 0.01) ** 2, rel=1e-3
    )  # half a unit away, at least 0.01 wide


def test_components_give_the_density_of_the_known_values_alone():
    """Of a normal distribution that is normal with a part of its mean and covariance; of nothing it is 1."""
    values = rows()
    gaps = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]], np.float32)
    pipeline = Sizes({"a": (2, 2), "b": (2, 2), "c": (2, 2)})
    fitted = examples(inputs_number=np.concatenate([values, np.zeros_like(values)], axis=1))
    runner = components(NUMBERS, lambda p: 1, False).fit(fitted, pipeline, Key(0))
    asked = values[:4] * (1 - gaps)
    arrays = {"inputs.number": np.concatenate([asked, gaps], axis=1), "noise": np.zeros((1, 1, 1))}
    found = runner.run("forward", arrays)[0]["log_weight"][:, 0]
    model = PCA(1).fit(values)
    for row, gap in enumerate(gaps):
        there = np.flatnonzero(gap == 0)
        normal = (
            multivariate_normal(model.mean_[there], model.get_covariance()[np.ix_(there, there)])
            if len(there)
            else None
        )
        assert found[row] == pytest.approx(0.0 if normal is None else normal.logpdf(asked[row, there]), abs=1e-3)


def test_windows_of_series_are_numbers_that_may_be_missing():
    schema = Schema((Field("when", "time", "order"), Field("a", "number"), Field("b", "number")))
    flat = Flat.sized(schema, {"window": (4, 2), "known": (0,), "series": (1,)})
    assert (flat.values, flat.missing) == (8, (True,) * 8)
    assert Flat.sized(Schema((Field("window", "category"),)), {"window": (3,)}).levels == (3,)
    photos = Schema((Field("when", "time", "order"), Field("photo", "image"), Field("window", "number")))
    assert Flat.sized(photos, {"photo": (1, 2, 2), "window": (1, 2)}) == Flat({"photo": (1, 2, 2)}, (False,), ())


def test_values_by_themselves_have_the_likelihood_of_their_own_distribution():
    values = rows()
    pipeline = Sizes({"a": (1, 2), "b": (1, 2), "c": (1, 2)})
    runner = apart(NUMBERS, False).fit(examples(inputs_number=values), pipeline, Key(0))
    outputs, _ = runner.run("forward", {"inputs.number": values, "noise": np.zeros((1, 1, 1), np.float32)})
    wide = values.astype(np.float64)
    z = (wide - wide.mean(0)) / wide.std(0)
    by_hand = (-0.5 * z**2 - np.log(wide.std(0)) - 0.5 * np.log(2 * np.pi)).sum(1)
    assert np.allclose(outputs["log_weight"][:, 0], by_hand, rtol=1e-4)


def test_black_and_white_pixels_have_a_chance_each():
    pictures = np.zeros((10, 1, 1, 2), np.uint8)
    pictures[:4, 0, 0, 0] = 255  # white in 4 of 10, and never
    runner = apart(PICTURES, True).fit(examples(image=pictures), Sizes({"image": (1, 1, 2)}), Key(0))
    outputs, _ = runner.run("forward", {"image": pictures, "noise": np.zeros((1, 1, 1), np.float32)})
    assert outputs["log_weight"][[0, 9], 0] == pytest.approx([np.log(0.4), np.log(0.6)], abs=2e-3)


def test_rows_are_flat_vectors_of_what_is_known():
    schema = Schema((Field("n", "number"), Field("m", "number"), Field("k", "category")))
    flat = Flat.of(schema, Sizes({"n": (2, 2), "m": (1, 2), "k": (3,)}))
    numbers, levels = np.array([[1.0, 2.0, 0.0], [0.0, 5.0, 1.0]]), np.array([[2], [0]])
    values, known = flat.truth({"inputs.number": numbers, "inputs.category": levels})
    assert values.tolist() == [[1, 2, 0, 0, 1], [0, 5, 1, 0, 0]]
    assert known.tolist() == [[True] * 5, [False, True, False, False, False]]  # n is missing, k unknown
    again = flat.written(flat.outputs(values[:1], np.zeros((1, 1))))
    assert np.allclose(again, values[:1], atol=0.01)
    assert flat.plain == 2


def test_likelihoods_that_cannot_be_compared_are_not_given():
    schema = Schema((Field("a", "number"), Field("k", "category")))
    draws = np.random.default_rng(0)
    made = examples(inputs_number=draws.normal(size=(30, 1)), inputs_category=draws.integers(1, 3, (30, 1)))
    runner = components(schema, lambda p: 1, False).fit(made, Sizes({"a": (1, 2), "k": (3,)}), Key(0))
    outputs, _ = runner.run("forward", {**made.take(np.arange(3), Key(0)).arrays, "noise": np.zeros((1, 1, 1))})
    assert np.isnan(outputs["log_weight"]).all()
