"""Tags as a target of the prediction family: loss, answers, the fitted threshold, metrics; over a fake Runner."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch.nn import functional

from deepwell.core.batch import Batch
from deepwell.core.config import make
from deepwell.core.errors import ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import CalibratedRunner, NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.core.task import Fit
from deepwell.families.prediction import Prediction, PredictionConfig
from deepwell.families.targets import FEWEST_TAGS, best_threshold, sigmoid


class Tagging(Prediction):
    """The family with nothing added."""

    @classmethod
    def fits(cls, schema):
        return Fit(1.0)

    @classmethod
    def demo(cls, seed):
        return None

    def network(self, sizes):
        raise NotImplementedError


SCHEMA = Schema((Field("a", "number"), Field("y", "tags", "target")))
TABLE = Table({"a": np.arange(3.0), "y": np.array(["red;blue", "blue", "[]"], object)})
LOGITS = np.array([[2.0, -1.0], [0.5, 1.0], [-3.0, -0.1]], np.float32)  # blue, red


def task_of(**knobs):
    task = Tagging(SCHEMA, make(PredictionConfig, knobs))
    return task, task.pipeline(None).fit(TABLE)


def batch_of(task, pipeline, part="test"):
    return task.examples(Part(part, TABLE), pipeline).take(np.arange(3), Key(0))


def runner_of(logits=LOGITS):
    return NumpyRunner({"forward": lambda arrays, state: ({"y.logits": np.array(logits, np.float32)}, state)})


def loss_of(outputs, **knobs):
    task, pipeline = task_of(**knobs)
    arrays = {name: torch.tensor(array) for name, array in batch_of(task, pipeline).arrays.items()}
    return task.loss(lambda given: (outputs, None), Batch(arrays, np.arange(3)), Key(0)).total


def test_the_loss_is_a_yes_or_no_question_for_each_tag():
    truth = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    logits = torch.tensor(LOGITS)
    plain = functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
    torch.testing.assert_close(loss_of({"y.logits": logits}), plain)
    smooth = functional.binary_cross_entropy_with_logits(logits, 0.8 * truth + 0.1, reduction="sum")
    torch.testing.assert_close(loss_of({"y.logits": logits}, label_smoothing=0.2), smooth)
    members = torch.stack([logits, -logits], dim=1)
    other = functional.binary_cross_entropy_with_logits(-logits, truth, reduction="sum")
    torch.testing.assert_close(loss_of({"y.logits": logits, "y.members": members}), (plain + other) / 2)


def test_answers_are_the_tags_with_their_probabilities_in_the_form_of_the_data():
    task, pipeline = task_of()
    table = task.predict(runner_of(), batch_of(task, pipeline, "predict"), pipeline, None)
    assert table.names == task.answers(pipeline).names
    assert table.names == ["y", "y.probability", "y.probability.blue", "y.probability.red"]
    assert table["y"].tolist() == ["blue", "blue;red", "[]"]
    np.testing.assert_allclose(table["y.probability"][:2], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-0.5))], rtol=1e-6)
    assert np.isnan(table["y.probability"][2])


def test_a_calibrated_threshold_decides_which_tags_are_answered():
    task, pipeline = task_of()
    strict = CalibratedRunner(runner_of(), {"y.logits.scale": 1.0, "y.logits.threshold": 0.7})
    table = task.predict(strict, batch_of(task, pipeline, "predict"), pipeline, None)
    assert table["y"].tolist() == ["blue", "red", "[]"]


def test_measures_are_what_metrics_read():
    task, pipeline = task_of()
    columns = task.measure(runner_of(), batch_of(task, pipeline), pipeline)
    found = {metric.name: metric.value(columns) for metric in task.metrics(pipeline)}
    assert list(found) == ["micro_f1", "macro_f1", "label_ranking_average_precision", "log_loss"]
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert task_of(metric="lrap")[0].metrics(pipeline)[0].name == "label_ranking_average_precision"
    assert found["log_loss"] == pytest.approx(columns["y.nll"].mean())


def test_tags_that_training_lacks_are_missed():
    task, pipeline = task_of()
    table = Table({"a": np.arange(3.0), "y": np.array(["red;blue", "blue;pink;grey", "pink"], object)})
    batch = task.examples(Part("test", table), pipeline).take(np.arange(3), Key(0))
    columns = task.measure(runner_of(), batch, pipeline)
    found = {metric.name: metric.value(columns) for metric in task.metrics(pipeline)}
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 3 + 3))  # answered: blue; blue, red; none
    assert found["label_ranking_average_precision"] == pytest.approx((1 + (1 / 2) / 3 + 0) / 3)


def test_a_metric_of_classes_does_not_suit_tags():
    task, pipeline = task_of(metric="accuracy")
    with pytest.raises(ConfigError, match="the metric accuracy does not suit"):
        task.metrics(pipeline)


def test_the_threshold_has_the_best_micro_f1_of_all():
    draw = np.random.default_rng(0)
    present = draw.random((200, 5)) < 0.2
    chances = np.clip(0.3 * present + 0.6 * draw.random((200, 5)), 0, 1).round(2)
    best = best_threshold(chances, present)
    reached = f1_score(present, chances >= best, average="micro")
    others = [f1_score(present, chances >= t, average="micro", zero_division=0) for t in np.linspace(0, 1, 201)]
    assert reached >= max(others) - 1e-12
    assert best not in chances  # so that rounding decides nothing


def test_tags_that_training_lacks_make_it_worth_answering_more():
    chances, present = np.linspace(1, 0, 100)[:, None], np.arange(100)[:, None] % 10 == 0
    present[:30] = True

    def f1(threshold, unknown):
        answered = chances >= threshold
        return 2 * (answered & present).sum() / (answered.sum() + present.sum() + unknown)

    for unknown in (0, 40, 400):
        best = best_threshold(chances, present, unknown)
        assert f1(best, unknown) >= max(f1(t, unknown) for t in np.linspace(0, 1, 201)) - 1e-12
    assert best_threshold(chances, present, 400) < best_threshold(chances, present)


def test_too_few_true_tags_fit_no_threshold():
    present = np.zeros((50, 2), bool)
    present[: FEWEST_TAGS - 1, 0] = True
    assert best_threshold(np.full((50, 2), 0.4), present) is None
    task, _ = task_of()
    columns = {"y.logits": np.zeros((50, 2), np.float32), "y.present": present, "y.unknown": np.zeros(50)}
    assert set(task.calibrate(columns, None)) == {"y.logits.scale"}


def test_calibration_cools_what_is_too_sure():
    draw = np.random.default_rng(1)
    logits = draw.normal(size=(400, 3)).astype(np.float32)
    present = draw.random((400, 3)) < 1 / (1 + np.exp(-logits))
    task, _ = task_of()
    numbers = task.calibrate({"y.logits": 4 * logits, "y.present": present, "y.unknown": np.zeros(400)}, None)
    assert numbers["y.logits.scale"] == pytest.approx(0.25, rel=0.2)
    assert 0.2 < numbers["y.logits.threshold"] < 0.6


@given(st.lists(st.floats(-1e4, 1e4), min_size=1))
def test_sigmoid_stays_within_its_range(values):
    found = sigmoid(np.array(values))
    assert np.all((found >= 0) & (found <= 1))
    np.testing.assert_allclose(found + sigmoid(-np.array(values)), 1, rtol=1e-12)


def test_the_trivial_baseline_gives_the_shares_of_training():
    task, pipeline = task_of()
    (baseline,) = task.baselines()
    runner = baseline.fit(task.examples(Part("train", TABLE), pipeline), pipeline, Key(0))
    columns = task.measure(runner, batch_of(task, pipeline), pipeline)
    np.testing.assert_allclose(columns["y.chances"], [[2 / 3, 1 / 3]] * 3, rtol=1e-5)
