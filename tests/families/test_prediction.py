"""Prediction: loss, answers, calibration and metrics of any mix of targets, over a fake Runner without any network."""

import math

import numpy as np
import pytest
import torch

from deepwell.core.batch import Batch
from deepwell.core.config import make
from deepwell.core.errors import ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import CalibratedRunner, NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.core.task import Fit
from deepwell.families.prediction import Prediction, PredictionConfig
from deepwell.families.targets import log_softmax, softmax


class Plain(Prediction):
    """The family with nothing added."""

    @classmethod
    def fits(cls, schema):
        return Fit(1.0)

    @classmethod
    def demo(cls, seed):
        return None

    def network(self, sizes):
        raise NotImplementedError


SCHEMA = Schema((
    Field("a", "number"), Field("k", "category"),
    Field("colour", "category", "target"), Field("price", "number", "target", facts={"unit": "EUR"}),
))  # fmt: skip
TABLE = Table({
    "a": np.array([1.0, 2.0, np.nan, 4.0]), "k": np.array(["u", "v", "u", None], object),
    "colour": np.array(["red", "blue", "red", "red"], object), "price": np.array([10.0, 20.0, 30.0, 40.0]),
})  # fmt: skip


def task_of(*targets, **knobs):
    schema = Schema(tuple(f for f in SCHEMA.fields if f.role != "target" or f.name in targets))
    task = Plain(schema, make(PredictionConfig, knobs))
    return task, task.pipeline(None).fit(TABLE)


def examples_of(task, pipeline, part="train"):
    return task.examples(Part(part, TABLE), pipeline)


def runner_of(**outputs):
    named = {f"{name.replace('_', '.')}": np.array(values, np.float32) for name, values in outputs.items()}
    return NumpyRunner({"forward": lambda arrays, state: (named, state)})


LOGITS = [[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]]  # classes: blue, red


# examples ------------------------------------------------------------------------------------------------------------
def test_examples_hold_the_stacked_inputs_and_the_targets():
    task, pipeline = task_of("colour", "price")
    columns = examples_of(task, pipeline).columns
    assert {n: c.shape for n, c in columns.items()} == {
        "inputs.number": (4, 2), "inputs.number.position": (4, 1), "inputs.category": (4, 1), "colour": (4,), "price": (4,),
    }  # fmt: skip
    assert set(examples_of(task, pipeline, "predict").columns) == {
        "inputs.number",
        "inputs.number.position",
        "inputs.category",
    }


def test_balanced_classes_weigh_in_training_and_selection_but_not_in_proof():
    task, pipeline = task_of("colour", balance="balanced")
    weight = examples_of(task, pipeline).columns["colour.weight"]
    np.testing.assert_allclose(weight, [2 / 3, 2, 2 / 3, 2 / 3], rtol=1e-6)
    assert "colour.weight" in examples_of(task, pipeline, "select").columns
    assert "colour.weight" not in examples_of(task, pipeline, "test").columns


@pytest.mark.parametrize(
    ("metric", "balanced"), [("", False), ("accuracy", False), ("f1", True), ("balanced_accuracy", True)]
)
def test_classes_are_balanced_where_the_primary_metric_asks_for_rare_ones(metric, balanced):
    task, pipeline = task_of("colour", metric=metric)
    assert ("colour.weight" in examples_of(task, pipeline).columns) == balanced


# loss ----------------------------------------------------------------------------------------------------------------
def batch_of(task, pipeline):
    columns = examples_of(task, pipeline).columns
    return Batch({name: torch.tensor(column) for name, column in columns.items()}, np.arange(4))


def loss_of(task, pipeline, **outputs):
    given = {name.replace("_", "."): torch.tensor(values) for name, values in outputs.items()}
    return task.loss(lambda arrays: (given, None), batch_of(task, pipeline), Key(0))


def test_the_loss_of_classes_is_the_sum_of_minus_log_probabilities():
    task, pipeline = task_of("colour")
    loss = loss_of(task, pipeline, colour_logits=LOGITS)
    expected = sum(math.log(1 + math.exp(wrong - right)) for right, wrong in [(0, 2), (0, 1), (0, 3), (0.5, 0)])
    assert loss.total.item() == pytest.approx(expected, rel=1e-6)
    assert loss.units == 4
    assert not loss.parts


def test_members_are_trained_each_for_itself():
    task, pipeline = task_of("colour")
    other = [[row[1], row[0]] for row in LOGITS]
    members = [list(pair) for pair in zip(LOGITS, other, strict=True)]
    loss = loss_of(task, pipeline, colour_logits=LOGITS, colour_members=members)
    one, two = loss_of(task, pipeline, colour_logits=LOGITS), loss_of(task, pipeline, colour_logits=other)
    assert loss.total.item() == pytest.approx((one.total.item() + two.total.item()) / 2, rel=1e-6)


@pytest.mark.parametrize(("error", "power"), [("squared", 2), ("absolute", 1)])
def test_the_loss_of_numbers_is_of_standardised_residuals(error, power):
    task, pipeline = task_of("price", error=error)
    truth = (np.array([10, 20, 30, 40]) - 25) / np.std([10, 20, 30, 40])
    loss = loss_of(task, pipeline, price_value=[0.0, 0.0, 0.0, 0.0])
    assert loss.total.item() == pytest.approx((np.abs(truth) ** power).sum(), rel=1e-5)


def test_several_targets_add_up_and_are_told_apart():
    task, pipeline = task_of("colour", "price")
    loss = loss_of(task, pipeline, colour_logits=LOGITS, price_value=[0.0, 0.0, 0.0, 0.0])
    assert set(loss.parts) == {"colour", "price"}
    assert loss.total.item() == pytest.approx(sum(part.item() for part in loss.parts.values()))


# answers -------------------------------------------------------------------------------------------------------------
def test_answers_of_a_category_are_class_and_probabilities():
    task, pipeline = task_of("colour")
    batch = examples_of(task, pipeline, "predict").take(np.arange(4), Key(0))
    table = task.predict(runner_of(colour_logits=LOGITS), batch, pipeline, None)
    assert table.names == task.answers(pipeline).names
    assert table.names == ["colour", "colour.probability", "colour.probability.blue", "colour.probability.red"]
    assert table["colour"].tolist() == ["blue", "red", "blue", "red"]
    assert table["colour.probability"][0] == pytest.approx(1 / (1 + math.exp(-2)))
    np.testing.assert_allclose(table["colour.probability.blue"] + table["colour.probability.red"], 1)


def test_more_than_twenty_classes_show_the_probability_of_the_answer_alone():
    names = np.array([f"c{i:02d}" for i in range(21)], object)
    schema = Schema((Field("a", "number"), Field("y", "category", "target")))
    task = Plain(schema, PredictionConfig())
    pipeline = task.pipeline(None).fit(Table({"a": np.arange(21.0), "y": names}))
    assert task.answers(pipeline).names == ["y", "y.probability"]
    batch = task.examples(Part("predict", Table({"a": np.arange(2.0)})), pipeline).take(np.arange(2), Key(0))
    table = task.predict(runner_of(y_logits=np.eye(21)[[3, 20]]), batch, pipeline, None)
    assert table["y"].tolist() == ["c03", "c20"]


def test_answers_of_a_number_stand_in_its_unit_with_an_interval():
    task, pipeline = task_of("price")
    batch = examples_of(task, pipeline, "predict").take(np.arange(2), Key(0))
    plain = runner_of(price_value=[0.0, 1.0])
    table = task.predict(CalibratedRunner(plain, {"price.value.margin": 5.0}), batch, pipeline, None)
    spread = np.std([10, 20, 30, 40])
    np.testing.assert_allclose(table["price"], [25, 25 + spread], rtol=1e-6)
    np.testing.assert_allclose(table["price.low"], table["price"] - 5)
    np.testing.assert_allclose(table["price.high"], table["price"] + 5)
    table = task.predict(plain, batch, pipeline, None)
    assert table.names == task.answers(pipeline).names
    assert np.isnan(table["price.low"]).all()


# proof ---------------------------------------------------------------------------------------------------------------
def measured(task, pipeline, runner):
    return task.measure(runner, examples_of(task, pipeline, "test").take(np.arange(4), Key(0)), pipeline)


def test_measures_are_what_metrics_read():
    task, pipeline = task_of("colour", "price")
    columns = measured(task, pipeline, runner_of(colour_logits=LOGITS, price_value=[0.0, 0.0, 0.0, 0.0]))
    found = {metric.name: metric.value(columns) for metric in task.metrics(pipeline)}
    assert found["colour: accuracy"] == 0.25  # of blue, red, blue, red the last alone
    assert found["price: rmse"] == pytest.approx(np.std([10, 20, 30, 40]))
    assert found["price: r_squared"] == pytest.approx(0, abs=1e-9)
    nll = -np.log(columns["colour.probabilities"][np.arange(4), columns["colour.truth"]])
    assert found["colour: log_loss"] == pytest.approx(nll.mean())
    assert {m.unit for m in task.metrics(pipeline) if m.name in ("price: rmse", "price: mae")} == {"EUR"}


def test_tiny_probabilities_have_a_finite_log_loss():
    task, pipeline = task_of("colour")
    columns = measured(task, pipeline, runner_of(colour_logits=[[0.0, 900.0]] * 4))
    assert columns["colour.nll"][1] == pytest.approx(900)


def test_the_chosen_metric_is_primary():
    for knobs, first in [
        ({}, "accuracy"),
        ({"metric": "log_loss"}, "log_loss"),
        ({"metric": "auc"}, "area_under_curve"),
    ]:
        task, pipeline = task_of("colour", **knobs)
        assert task.metrics(pipeline)[0].name == first
    task, pipeline = task_of("colour", "price", metric="mae")
    assert task.metrics(pipeline)[0].name == "price: mae"


def test_the_positive_class_is_the_last_unless_named():
    logits = [[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]]
    for knobs, positive in [({}, "red"), ({"positive": "blue"}, "blue")]:
        task, pipeline = task_of("colour", **knobs)
        columns = measured(task, pipeline, runner_of(colour_logits=logits))
        f1 = next(m for m in task.metrics(pipeline) if m.name == "f1").value(columns)
        answers, truth = np.array(["blue", "red", "blue", "blue"]), TABLE["colour"]
        hits = ((answers == positive) & (truth == positive)).sum()
        assert f1 == pytest.approx(2 * hits / ((answers == positive).sum() + (truth == positive).sum()))


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"positive": "reed"}, "no class 'reed'; did you mean 'red'"),
        ({"metric": "rmse"}, "the metric rmse does not suit these targets"),
    ],
)
def test_a_metric_or_class_that_is_not_there_is_refused_before_training(knobs, said):
    task, pipeline = task_of("colour", **knobs)
    with pytest.raises(ConfigError, match=said):
        examples_of(task, pipeline)


def test_calibration_gives_the_margin_that_covers_nine_tenths_and_a_temperature():
    task, pipeline = task_of("colour", "price")
    truth = np.arange(100) % 2
    columns = {
        "colour.truth": truth, "colour.logits": np.stack([-20.0 * truth, np.zeros(100)], 1).astype(np.float32),
        "price.truth": np.arange(1.0, 101.0), "price.answer": np.zeros(100),
    }  # fmt: skip
    numbers = task.calibrate(columns, pipeline)
    assert set(numbers) == {"colour.logits.scale", "price.value.margin"}
    assert numbers["price.value.margin"] == 91  # the ceil(101 * 0.9)-th smallest of 1..100
    assert numbers["colour.logits.scale"] > 0


def test_too_few_rows_promise_no_interval():
    task, pipeline = task_of("price")
    assert task.calibrate({"price.truth": np.arange(5.0), "price.answer": np.zeros(5)}, pipeline) == {}


def test_baselines_suit_the_target_and_the_inputs():
    assert [b.name for b in task_of("colour")[0].baselines()] == ["majority", "linear", "boosting"]
    assert [b.name for b in task_of("price")[0].baselines()] == ["mean", "linear", "boosting"]
    photo = Schema((Field("photo", "image"), Field("y", "category", "target")))
    assert [b.name for b in Plain(photo, PredictionConfig()).baselines()] == ["majority", "linear"]
    assert task_of("colour", "price")[0].baselines() == ()


def test_softmax_survives_large_logits():
    logits = np.array([[1000.0, 0.0], [-1000.0, -1000.0]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(log_softmax(logits)[0, 1], -1000)
