"""The task of arrays: networks as data, from memory and from files of numpy's, with answers by hand."""

import json

import numpy as np
import pytest

import deepwell as dw
from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import NumpyRunner
from deepwell.nn.blocks.dense import Dense
from deepwell.nn.graph import Graph, Input, Node
from deepwell.tasks.arrays import Arrays, ArraysConfig

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(240, 4, 3)).astype(np.float32)


def trained(data, tmp_path, **more):
    return dw.train(data, task="arrays", steps=40, out=str(tmp_path / "runs"), **more)


def graph(units=2, end="softmax", output="y"):
    return Graph((Input("x", (5,)),), {"d": Dense(units, end)}, (Node("d", (0,)),), {output: 1})


def task(end, units, loss="auto"):
    schema = Schema((Field("x", "vector"), Field("y", "vector", "target")))
    return Arrays(schema, ArraysConfig(graph=json.dumps(graph(units, end).to_json()), loss=loss))


class Fitted:
    """A pipeline that knows only sizes."""

    def sizes(self):
        return {"x": (0, 0, 5), "y": (0, 0, 0)}


def measured(end, answer, truth, units=2, **more):
    given = {"y": np.asarray(answer, np.float32)}
    runner = NumpyRunner({"forward": lambda arrays, state: ({**given, **more}, state)})
    batch = Batch({"x": np.zeros((len(truth), 5), np.float32), "y": np.asarray(truth)}, np.arange(len(truth)))
    return task(end, units).measure(runner, batch, Fitted())


def test_numbers_are_measured_by_their_errors():
    columns = measured("linear", [[1.0, 2.0], [0.0, 0.0]], np.array([[1.0, 4.0], [0.0, 3.0]], np.float32))
    np.testing.assert_allclose(columns["y.square"], [2.0, 4.5])
    np.testing.assert_allclose(columns["y.absolute"], [1.0, 1.5])
    np.testing.assert_allclose(columns["loss"], [2.0, 4.5])


@pytest.mark.parametrize("truth", [[0, 1, 1], [[0], [1], [1]], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
def test_classes_are_right_where_the_largest_share_stands_there(truth):
    truth = np.array(truth, np.float32 if isinstance(truth[0], list) and len(truth[0]) == 2 else np.int32)
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)
    columns = measured("softmax", shares, truth, **{"y.logits": np.log(shares)})
    np.testing.assert_allclose(columns["y.right"], [1, 1, 0])
    np.testing.assert_allclose(columns["loss"], -np.log([0.9, 0.8, 0.3]), rtol=1e-5)


def test_yes_and_no_are_measured_each():
    shares = np.array([[0.9, 0.2]], np.float32)
    columns = measured(
        "sigmoid", shares, np.array([[1.0, 1.0]], np.float32), **{"y.logits": np.log(shares / (1 - shares))}
    )
    np.testing.assert_allclose(columns["y.right"], [0.5])
    np.testing.assert_allclose(columns["loss"], [-(np.log(0.9) + np.log(0.2)) / 2], rtol=1e-5)


def test_masked_places_do_not_count():
    answer, truth = np.array([[1.0, 5.0], [2.0, 2.0]], np.float32)[..., None], np.zeros((2, 2, 1), np.float32)
    runner = NumpyRunner(
        {"forward": lambda arrays, state: ({"y": answer, "y.mask": np.array([[1, 0], [1, 1]], bool)}, state)}
    )
    asked = task("linear", 2)
    batch = Batch({"x": np.zeros((2, 5), np.float32), "y": truth}, np.arange(2))
    np.testing.assert_allclose(asked.measure(runner, batch, Fitted())["loss"], [1.0, 4.0])


def test_labels_beside_arrays_become_classes_and_the_bundle_answers_with_shares(tmp_path):
    y = (X[:, 0, 0] > 0).astype(np.int64) + (X[:, 1, 1] > 0)
    run = trained((X, y), tmp_path)
    answers = dw.load(run.path).predict({"x": X[:9]})
    assert answers["y"].shape == (9, 3)
    np.testing.assert_allclose(answers["y"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(answers["y.class"], answers["y"].argmax(axis=1))
    assert run.scores["accuracy"].value > 0.6


def test_a_network_of_ones_own_is_sealed_and_answers_from_a_file(tmp_path):
    from deepwell.nn.blocks.shaping import Flatten

    layers = {"f": Flatten(), "h": Dense(16, "relu"), "y": Dense(1)}
    own = Graph((Input("x", (4, 3)),), layers, (Node("f", (0,)), Node("h", (1,)), Node("y", (2,))), {"y": 3})
    np.savez(tmp_path / "train.npz", x=X, y=X.sum(axis=(1, 2))[:, None])
    np.savez(tmp_path / "asked.npz", x=X[:5])
    run = trained(str(tmp_path / "train.npz"), tmp_path, set={"graph": json.dumps(own.to_json()), "loss": "huber"})
    answers = dw.predict(run.path, str(tmp_path / "asked.npz"))
    assert answers["y"].shape == (5, 1)
    np.testing.assert_allclose(answers["y"], dw.load(run.path).predict({"x": X[:5]})["y"])


def test_a_row_that_does_not_suit_has_its_reason(tmp_path):
    run = trained((X, X[:, 0]), tmp_path)
    asked = X[:4].copy()
    asked[2, 0, 0] = np.nan
    answers = dw.load(run.path).predict({"x": asked})
    assert answers["y"][2] is None
    assert "not finite" in answers["problem"][2]
    assert answers["y"][3].shape == (3,)
    assert not answers["problem"][3]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"graph": "{"}, "no JSON"),
        ({"graph": "{}"}, "exactly the entries"),
        ({"graph": json.dumps(graph(output="z").to_json())}, "'z'"),
        ({"loss": "mean_square_error"}, "mean_squared_error"),
        ({"loss": "dice"}, "whole batch"),
    ],
)
def test_wrong_networks_and_losses_are_refused_in_words(tmp_path, knobs, words):
    with pytest.raises(ConfigError, match=words):
        trained((DRAWS.normal(size=(60, 5)), DRAWS.normal(size=(60, 2))), tmp_path, set=knobs)


def test_a_number_per_row_is_learnt_beside_both_baselines(tmp_path):
    flat = DRAWS.normal(size=(200, 4)).astype(np.float32)
    run = trained((flat, flat.sum(axis=1)), tmp_path)
    assert np.isfinite(run.scores["rmse"].value)
    assert dw.load(run.path).predict({"x": flat[:3]})["y"].shape == (3, 1)


def test_counts_are_numbers_and_not_a_class_each(tmp_path):
    counts = DRAWS.integers(0, 400_000, 240)
    run = trained((X, counts), tmp_path)
    assert "rmse" in run.scores
    assert "accuracy" not in run.scores


@pytest.mark.parametrize(
    ("own", "y", "words"),
    [
        (graph(units=2), np.arange(100) % 3, "3,.* or more"),
        (graph(units=4, end="linear"), DRAWS.normal(size=(100, 2)), "need"),
    ],
)
def test_a_network_whose_shapes_are_not_those_of_the_data_is_refused(tmp_path, own, y, words):
    with pytest.raises(ConfigError, match=words):
        trained((DRAWS.normal(size=(100, 5)), y), tmp_path, set={"graph": json.dumps(own.to_json())})
    with pytest.raises(ConfigError, match="'x'"):
        trained((DRAWS.normal(size=(100, 7)), y), tmp_path, set={"graph": json.dumps(own.to_json())})


def test_a_loss_of_classes_does_not_take_numbers(tmp_path):
    with pytest.raises(ConfigError, match="takes classes"):
        trained((X, X[:, 0]), tmp_path, set={"loss": "sparse_categorical_crossentropy"})


def test_a_graph_nested_without_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nested|JSON|entries"):
        trained((X, X[:, 0]), tmp_path, set={"graph": "[" * 100_000})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((X, X[:7]), "rows"),
        ({"x": X, "y": np.array(["a"] * 240)}, "no array of numbers"),
        ((X[:0], X[:0]), "at least one row"),
        ((X, np.full((240, 2), np.nan)), "."),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_words(tmp_path, data, words):
    with pytest.raises(DataError, match=words):
        trained(data, tmp_path)
