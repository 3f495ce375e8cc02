"""Baselines answer like the networks they are compared with, and are as good as scikit-learn used by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge

from deepwell.core.batch import Encoded, Ragged
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.evaluation import baselines, design

KEY = Key(5)


def pipeline(classes: int, *images: str) -> SimpleNamespace:
    """What a baseline asks of a Pipeline."""
    fields = [Field(name, "image") for name in images]
    names = [f"c{i}" for i in range(classes)]
    return SimpleNamespace(schema=Schema((*fields, Field("y", "category", "target"))), classes=lambda name: names)


def examples(**columns) -> RowExamples:
    return RowExamples(Encoded(columns, np.arange(len(columns["y"]))))


def table(n: int = 600, seed: int = 0) -> dict[str, np.ndarray]:
    """Numbers and levels that decide a class of two, and a third class that never occurs."""
    draw = np.random.default_rng(seed)
    number, category = draw.normal(size=(n, 3)).astype(np.float32), draw.integers(0, 5, (n, 2)).astype(np.int32)
    score = 2 * number[:, 0] - number[:, 1] + np.array([-2, 0, 0, 1, 2])[category[:, 1]]
    return {
        "inputs.number": number,
        "inputs.category": category,
        "y": (score + draw.logistic(size=n) / 2 > 0).astype(np.int64),
    }


def questions(columns):
    return {name: array for name, array in columns.items() if name != "y"}


def forward(runner, columns, output="y.logits"):
    before = {name: array.copy() for name, array in columns.items()}
    outputs, state = runner.run("forward", questions(columns))
    assert state is None
    assert all((columns[name] == before[name]).all() for name in columns)
    return outputs[output]


@pytest.mark.parametrize("make", [baselines.linear, baselines.boosting])
def test_classifiers_learn_and_give_log_probabilities_of_every_class(make):
    columns, new = table(), table(seed=1)
    baseline = make("y", "category")
    logits = forward(baseline.fit(examples(**columns), pipeline(3), KEY), new)
    assert baseline.kind == "classical"
    assert logits.shape == (600, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(np.exp(logits).sum(1), 1, atol=1e-5)
    assert (logits[:, 2] < -16).all()  # never seen: possible, very unlikely, finite
    assert np.isfinite(logits).all()
    assert (logits.argmax(1) == new["y"]).mean() > 0.8


@pytest.mark.parametrize("make", [baselines.linear, baselines.boosting])
def test_regressors_learn_the_standardised_number(make):
    columns, new = table(), table(seed=1)
    columns["y"], new["y"] = (c["inputs.number"][:, 0] * 2 + (c["inputs.category"][:, 0] == 3) for c in (columns, new))
    runner = make("y", "number").fit(examples(**columns), pipeline(0), KEY)
    value = forward(runner, new, "y.value")
    assert value.shape == (600,)
    assert 1 - ((value - new["y"]) ** 2).mean() / new["y"].var() > 0.95


def test_linear_is_ridge_on_scaled_and_one_hot_columns():
    columns = table()
    columns["y"] = columns["inputs.number"][:, 0].astype(np.float64) ** 2 + columns["inputs.category"][:, 1]
    found = forward(baselines.linear("y", "number").fit(examples(**columns), pipeline(0), KEY), columns, "y.value")
    number = columns["inputs.number"].astype(np.float64)
    levels = [(columns["inputs.category"][:, [c]] == np.arange(5)).astype(float) for c in range(2)]
    matrix = np.concatenate([(number - number.mean(0)) / number.std(0), *levels], 1)
    np.testing.assert_allclose(found, Ridge().fit(matrix, columns["y"]).predict(matrix), atol=1e-3)


def test_boosting_is_scikit_learns_with_its_defaults():
    columns = table()
    found = forward(baselines.boosting("y", "category").fit(examples(**columns), pipeline(2), KEY), columns)
    matrix = np.concatenate([columns["inputs.number"], columns["inputs.category"]], 1).astype(float)
    model = HistGradientBoostingClassifier(categorical_features=[3, 4]).fit(matrix, columns["y"])
    np.testing.assert_allclose(np.exp(found), model.predict_proba(matrix), atol=0.02)


def test_trivial_baselines_look_at_no_input():
    columns = table()
    majority = baselines.majority("y").fit(examples(**columns), pipeline(3), KEY)
    shares = np.bincount(columns["y"], minlength=3) / 600
    np.testing.assert_allclose(np.exp(forward(majority, columns)), np.tile(shares.clip(1e-7), (600, 1)), rtol=1e-4)
    columns["y"] = columns["inputs.number"][:, 0]
    mean = baselines.mean("y").fit(examples(**columns), pipeline(0), KEY)
    np.testing.assert_allclose(forward(mean, columns, "y.value"), columns["y"].mean(), rtol=1e-5)
    assert baselines.majority("y").kind == baselines.mean("y").kind == "trivial"


def test_unseen_levels_and_an_empty_batch_are_answered():
    columns = table()
    new = {"inputs.number": columns["inputs.number"][:2], "inputs.category": np.array([[99, 3], [4, 10_000]], np.int32)}
    for make in (baselines.linear, baselines.boosting):
        runner = make("y", "category").fit(examples(**columns), pipeline(2), KEY)
        assert np.isfinite(runner.run("forward", new)[0]["y.logits"]).all()
        empty = {name: array[:0] for name, array in new.items()}
        assert runner.run("forward", empty)[0]["y.logits"].shape == (0, 2)


def test_a_column_of_many_levels_is_boosted_by_its_frequent_ones():
    draw = np.random.default_rng(0)
    codes = np.concatenate([np.repeat(np.arange(200), 10), np.arange(200, 1000)])[:, None]
    columns = {"inputs.category": codes.astype(np.int32), "y": (codes[:, 0] % 2).astype(np.int64)}
    order = draw.permutation(len(codes))
    columns = {name: array[order] for name, array in columns.items()}
    logits = forward(baselines.boosting("y", "category").fit(examples(**columns), pipeline(2), KEY), columns)
    frequent = columns["inputs.category"][:, 0] < 200
    assert (logits.argmax(1) == columns["y"])[frequent].mean() > 0.95


def test_pictures_are_read_as_small_pixels():
    digits = load_digits()
    images = np.kron((digits.images * 15).astype(np.uint8), np.ones((1, 3, 3), np.uint8))[:, None]  # 24 x 24
    train, test = slice(0, 1300), slice(1300, None)
    fitted = baselines.linear("y", "category").fit(
        examples(image=images[train], y=digits.target[train]), pipeline(10, "image"), KEY
    )
    logits = forward(fitted, {"image": images[test]})
    assert (logits.argmax(1) == digits.target[test]).mean() > 0.88  # published for a linear model: about 0.9 to 0.95


def test_weights_of_the_loss_count():
    columns = table()
    heavy = {**columns, "y.weight": np.where(columns["y"] == 1, 20.0, 1.0).astype(np.float32)}
    for make in (baselines.linear, baselines.boosting):
        plain, weighted = (make("y", "category").fit(examples(**c), pipeline(2), KEY) for c in (columns, heavy))
        assert forward(weighted, columns).argmax(1).mean() > forward(plain, columns).argmax(1).mean()


def test_the_same_key_gives_the_same_answers_and_a_sample_is_said(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_LINEAR_WORK", 1)
    monkeypatch.setattr(baselines, "FEWEST_ROWS", 300)
    columns = table()
    runs = [baselines.linear("y", "category").fit(examples(**columns), pipeline(2), KEY) for _ in range(2)]
    assert (forward(runs[0], columns) == forward(runs[1], columns)).all()
    assert runs[0].notes == ("fitted on 300 of 600 rows, drawn at random, to bound time and memory",)


def test_a_wide_table_is_sampled_for_the_linear_model(monkeypatch):
    monkeypatch.setattr(baselines, "FEWEST_ROWS", 10)
    columns = table()
    width = baselines.Linear(()).width({n: a for n, a in columns.items() if n != "y"})
    monkeypatch.setattr(baselines, "MOST_LINEAR_CELLS", 200 * width)
    found = baselines.linear("y", "category").fit(examples(**columns), pipeline(2), KEY)
    assert found.notes == ("fitted on 200 of 600 rows, drawn at random, to bound time and memory",)


def test_many_classes_take_fewer_rounds_and_say_so(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_TREES", 60)
    draw = np.random.default_rng(0)
    columns = {"inputs.number": draw.normal(size=(200, 2)), "y": draw.integers(0, 4, 200)}
    runner = baselines.boosting("y", "category").fit(examples(**columns), pipeline(4), KEY)
    assert runner.notes == ("15 rounds instead of 100, because each grows 4 trees",)


def test_one_class_alone_is_answered_without_a_fit():
    columns = {**table(), "y": np.zeros(600, np.int64)}
    for make in (baselines.linear, baselines.boosting):
        logits = forward(make("y", "category").fit(examples(**columns), pipeline(2), KEY), columns)
        assert (logits[:, 0] == 0).all()


class Streamed(Examples):
    """Examples that only batches can be taken of."""

    def __init__(self, inner: RowExamples) -> None:
        self.inner, self.count = inner, inner.count

    def take(self, index, key):
        return self.inner.take(index, key)


def test_examples_without_columns_are_taken_in_batches():
    columns = table()
    whole = baselines.linear("y", "category").fit(examples(**columns), pipeline(2), KEY)
    streamed = baselines.linear("y", "category").fit(Streamed(examples(**columns)), pipeline(2), KEY)
    np.testing.assert_allclose(forward(whole, columns), forward(streamed, columns), atol=1e-5)


def test_what_a_baseline_cannot_read_is_said():
    with pytest.raises(DataError, match="these examples have none"):
        baselines.linear("y", "category").fit(examples(y=np.zeros(3, int)), pipeline(2), KEY)
    pictures = np.zeros((3, 1, 4, 4), np.uint8)
    with pytest.raises(DataError, match="neither"):
        baselines.boosting("y", "category").fit(examples(y=np.arange(3), p=pictures), pipeline(3, "p"), KEY)
    with pytest.raises(DataError, match="can be counted"):
        baselines.majority("y").fit(examples(y=np.zeros(0, int)), pipeline(2), KEY)


def test_the_number_of_examples_is_read_off_a_dense_array():
    flat = Ragged(np.arange(5), np.array([0, 2, 5]))
    arrays = {"points": flat.values, "points.row": flat.row_of_value, "x": np.zeros((2, 3))}
    assert design.row_count(arrays) == 2
    with pytest.raises(DataError, match="ragged"):
        design.row_count({"points": flat.values, "points.row": flat.row_of_value})


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3), st.integers(0, 999))
def test_small_pixels_keep_the_mean_brightness(height, width, channels, seed):
    images = np.random.default_rng(seed).integers(0, 256, (2, channels, height, width)).astype(np.uint8)
    small = design.small_pixels(images)
    assert small.shape == (2, channels * min(14, height) * min(14, width))
    np.testing.assert_allclose(small.mean(1), images.mean((1, 2, 3)) / 255, atol=1e-5)


def test_small_pixels_are_block_means():
    image = np.arange(28 * 28).reshape(1, 1, 28, 28) % 256
    expected = image.reshape(14, 2, 14, 2).mean((1, 3)).ravel() / 255
    np.testing.assert_allclose(design.small_pixels(image.astype(np.uint8))[0], expected, atol=1e-6)
