"""Metrics of the door against real Keras over several batches; users' own metrics, "accuracy", refusals."""

import numpy as np
import pytest
import torch

from deepwell.core.errors import ConfigError
from deepwell.keras import metrics as ours
from deepwell.keras import ops

keras = pytest.importorskip("keras", reason='real Keras is not installed: pip install "deepwell[dev]"')
N, K = 40, 4


def probabilities(draws):
    return draws.dirichlet(np.ones(K), N).astype("float32")


def numbers(draws):
    return draws.normal(size=(N, K)).astype("float32")


def one_hot(draws):
    return np.eye(K, dtype="float32")[draws.integers(K, size=N)]


def index(draws):
    return draws.integers(K, size=N)


def column(draws):
    return draws.integers(K, size=(N, 1))


def yes_no(draws):
    return draws.integers(2, size=(N, K)).astype("float32")


def flat(draws):
    return draws.integers(2, size=N)


def chances(draws):
    return draws.uniform(0.0, 1.0, (N, K)).astype("float32")


def chance(draws):
    return draws.uniform(0.0, 1.0, (N, 1)).astype("float32")


def sizes(draws):
    return draws.gamma(2.0, size=(N, K)).astype("float32") + np.float32(0.1)


CASES = [
    # class, arguments, targets, answers
    ("Accuracy", {}, index, index),
    ("BinaryAccuracy", {}, yes_no, chances),
    ("BinaryAccuracy", {"threshold": 0.3}, flat, chance),
    ("CategoricalAccuracy", {}, one_hot, probabilities),
    ("SparseCategoricalAccuracy", {}, index, probabilities),
    ("SparseCategoricalAccuracy", {}, column, probabilities),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, probabilities),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, index, probabilities),
    ("MeanSquaredError", {}, numbers, numbers),
    ("RootMeanSquaredError", {}, numbers, numbers),
    ("MeanAbsoluteError", {}, numbers, numbers),
    ("MeanAbsolutePercentageError", {}, sizes, sizes),
    ("MeanSquaredLogarithmicError", {}, sizes, sizes),
    ("LogCoshError", {}, numbers, numbers),
    ("CosineSimilarity", {}, numbers, numbers),
    ("R2Score", {}, numbers, numbers),
    ("R2Score", {"class_aggregation": None}, numbers, numbers),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, numbers, numbers),
    ("KLDivergence", {}, probabilities, probabilities),
    ("Poisson", {}, sizes, sizes),
    ("Hinge", {}, yes_no, numbers),
    ("SquaredHinge", {}, yes_no, numbers),
    ("CategoricalHinge", {}, one_hot, numbers),
    ("BinaryCrossentropy", {}, yes_no, chances),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, yes_no, numbers),
    ("CategoricalCrossentropy", {}, one_hot, probabilities),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot, numbers),
    ("SparseCategoricalCrossentropy", {}, index, probabilities),
    ("TruePositives", {}, yes_no, chances),
    ("FalsePositives", {"thresholds": [0.8, 0.2]}, yes_no, chances),
    ("FalseNegatives", {"thresholds": 0.4}, flat, chance),
    ("TrueNegatives", {}, yes_no, chances),
    ("Precision", {}, flat, chance),
    ("Precision", {"thresholds": [0.1, 0.9, 0.5]}, yes_no, chances),
    ("Precision", {"top_k": 2}, one_hot, probabilities),
    ("Precision", {"class_id": 1}, one_hot, probabilities),
    ("Recall", {}, yes_no, chances),
    ("Recall", {"top_k": 2, "class_id": 0}, one_hot, probabilities),
    ("AUC", {}, flat, chance),
    ("AUC", {"curve": "PR"}, yes_no, chances),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, yes_no, chances),
    ("AUC", {"summation_method": "majoring", "num_thresholds": 7}, yes_no, chances),
    ("AUC", {"multi_label": True}, yes_no, chances),
    ("AUC", {"multi_label": True, "curve": "PR", "num_thresholds": 20}, yes_no, chances),
    ("AUC", {"from_logits": True}, yes_no, numbers),
    ("AUC", {"thresholds": [0.2, 0.5, 0.55]}, flat, chance),
    ("PrecisionAtRecall", {"recall": 0.6}, flat, chance),
    ("RecallAtPrecision", {"precision": 0.5}, yes_no, chances),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, flat, chance),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5, "num_thresholds": 1}, flat, chance),
    ("F1Score", {}, one_hot, probabilities),
    ("F1Score", {"average": "macro", "threshold": 0.4}, yes_no, chances),
    ("FBetaScore", {"average": "micro", "beta": 2.0}, one_hot, probabilities),
    ("FBetaScore", {"average": "weighted", "beta": 0.5, "threshold": 0.3}, yes_no, chances),
    ("MeanIoU", {"num_classes": K}, index, index),
    ("MeanIoU", {"num_classes": K, "ignore_class": 1, "sparse_y_pred": False}, index, probabilities),
    ("IoU", {"num_classes": K, "target_class_ids": [0, 2]}, index, index),
    ("OneHotIoU", {"num_classes": K, "target_class_ids": [1]}, one_hot, probabilities),
    ("OneHotMeanIoU", {"num_classes": K}, one_hot, probabilities),
    ("BinaryIoU", {"threshold": 0.6}, flat, chance),
]  # fmt: skip
UNWEIGHTED = ("MeanIoU", "IoU", "OneHotIoU", "OneHotMeanIoU", "BinaryIoU")
"""Whose weights Keras makes whole numbers of."""
NAMES = pytest.mark.parametrize(
    ("name", "arguments", "targets", "answers"), CASES, ids=lambda v: getattr(v, "__name__", str(v))
)


def close(mine, theirs):
    np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=2e-5, atol=2e-6)


@NAMES
@pytest.mark.parametrize("weighted", [False, True])
def test_three_batches_measure_what_keras_measures(name, arguments, targets, answers, weighted):
    draws = np.random.default_rng(len(name))
    mine, theirs = getattr(ours, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    for _ in range(2):
        mine.reset_state()
        theirs.reset_state()
        for size in (N, 7, 12):
            truth, answer = targets(draws)[:size], answers(draws)[:size]
            weight = draws.uniform(size=size).astype("float32") if weighted and name not in UNWEIGHTED else None
            mine.update_state(truth, answer, sample_weight=weight)
            theirs.update_state(torch.tensor(truth), torch.tensor(answer), sample_weight=weight)
        close(mine.result(), theirs.result().numpy())
    assert (
        mine.name == theirs.name.removesuffix("_" + theirs.name.rsplit("_", 1)[-1])
        if mine.name != theirs.name
        else True
    )


@NAMES
def test_sums_of_parts_and_masks(name, arguments, targets, answers):
    """As the engine uses them: parts add up to the whole, and masked rows are as if they were not there."""
    draws = np.random.default_rng(1)
    metric = getattr(ours, name)(**arguments)
    truth, answer = torch.tensor(targets(draws)), torch.tensor(answers(draws))
    keep = torch.arange(N) % 3 != 0
    masked = metric.sums(truth, answer, mask=keep)
    parts = [metric.sums(truth[keep][a:b], answer[keep][a:b]) for a, b in ((0, 5), (5, N))]
    if name != "R2Score" or not arguments.get("num_regressors"):
        close(metric.finish(masked), metric.finish({n: parts[0][n] + parts[1][n] for n in masked}))


@NAMES
def test_every_metric_goes_into_data_and_back(name, arguments, targets, answers):
    metric = getattr(ours, name)(**arguments)
    again = ours.deserialize(ours.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_areas_are_those_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    draws = np.random.default_rng(0)
    truth, answer = draws.integers(2, size=2000), draws.uniform(size=2000).round(3)
    area = ours.AUC(num_thresholds=4001)
    area.update_state(truth, answer)
    assert float(area.result()) == pytest.approx(roc_auc_score(truth, answer), abs=1e-4)


@pytest.mark.parametrize(
    "identifier",
    ["accuracy", "acc", "mse", "mae", "AUC", "Precision", "RootMeanSquaredError", "top_k_categorical_accuracy"],
)
def test_a_metric_of_a_name_is_called_by_it(identifier):
    assert ours.resolved(identifier, (None, 3), (None, 3)).name == identifier


@pytest.mark.parametrize(
    ("truth", "answer", "kind"),
    [
        ((None, 1), (None, 1), ours.BinaryAccuracy),
        ((None,), (None, 1), ours.BinaryAccuracy),
        ((None,), (None, 10), ours.SparseCategoricalAccuracy),
        ((None, 1), (None, 10), ours.SparseCategoricalAccuracy),
        ((None, 10), (None, 10), ours.CategoricalAccuracy),
        ((None, 5), (None, 5, 10), ours.SparseCategoricalAccuracy),
    ],
)
def test_accuracy_is_what_the_shapes_say(truth, answer, kind):
    assert type(ours.resolved("accuracy", truth, answer)) is kind


class Positives(ours.Metric):
    """The example of Keras's own documentation."""

    def __init__(self, name="positives", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.found = self.add_weight(name="found", initializer="zeros")
        self.seen = self.add_variable(shape=(), initializer="ones", name="seen")

    def update_state(self, y_true, y_pred, sample_weight=None):
        both = ops.logical_and(ops.cast(y_true, "bool"), ops.greater(y_pred, 0.5))
        self.found.assign_add(ops.sum(ops.cast(both, "float32")))
        self.seen.assign(self.seen + len(y_true))

    def result(self):
        return self.found / (self.seen - 1)


def test_own_metrics_with_variables():
    metric = Positives()
    assert metric.keeps_state
    assert not ours.BinaryAccuracy().keeps_state
    metric.update_state(np.array([1, 1, 0]), torch.tensor([0.9, 0.1, 0.8]))
    metric.update_state(np.array([1]), torch.tensor([0.9]))
    assert float(metric.result()) == 0.5
    assert type(metric.result()) is torch.Tensor
    metric.found.assign_sub(1)
    assert float(metric.found) == 1.0
    metric.reset_state()
    assert [float(v) for v in metric.variables] == [0.0, 1.0]
    with pytest.raises(ConfigError, match="code of your own"):
        ours.serialize(metric)


def test_own_functions_are_means_of_values():
    def largest(y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    metric = ours.get(largest)
    assert metric.name == "largest"
    assert float(metric(np.zeros((2, 2)), np.array([[1.0, 2.0], [4.0, 3.0]]))) == 3.0


def test_means_and_sums_of_what_is_handed_over():
    mean, total = ours.Mean("loss"), ours.Sum()
    for values, weights in (([1.0, 3.0], None), ([5.0], [2.0])):
        mean.update_state(values, sample_weight=weights)
        total.update_state(values, sample_weight=weights)
    assert (mean.name, float(mean.result()), float(total.result())) == ("loss", 3.5, 14.0)
    assert float(mean(10.0)) == pytest.approx(24 / 5)
    mean.reset_state()
    assert float(mean.result()) == 0.0


@pytest.mark.parametrize(
    ("make_it", "text"),
    [
        (lambda: ours.get("acuracy"), "there is no metric 'acuracy'; did you mean 'accuracy'?"),
        (lambda: ours.get("MeanIoU"), "needs an argument"),
        (lambda: ours.get(3), "a metric is a name, a function or a Metric; got int"),
        (lambda: ours.AUC(curve="roc"), "curve is 'ROC' or 'PR'; got 'roc'"),
        (lambda: ours.AUC(num_thresholds=1), "num_thresholds must be at least 2"),
        (lambda: ours.AUC(summation_method="mean"), "summation_method is"),
        (lambda: ours.Precision(thresholds=2.0)(np.ones(2), np.ones(2)), "thresholds must be numbers from 0 to 1"),
        (lambda: ours.Precision(class_id=5)(np.ones((2, 3)), np.ones((2, 3))), "class_id must be from 0 to 2; got 5"),
        (lambda: ours.F1Score(average="mean")(np.ones((2, 3)), np.ones((2, 3))), "average is None, 'micro'"),
        (lambda: ours.R2Score("mean"), "class_aggregation is"),
        (lambda: ours.MeanIoU(3)(np.ones(4), np.ones((4, 3))), "sparse_y_pred=False"),
        (lambda: ours.IoU(3, [3])(np.ones(4), np.ones(4)), "target_class_ids must be below num_classes = 3"),
        (lambda: ours.BinaryAccuracy()(np.ones(3), np.ones((3, 2))), "do not fit answers of shape (3, 2)"),
        (lambda: ours.SparseCategoricalAccuracy()(np.ones((3, 2)), np.ones((3, 2))), "one-hot targets need"),
        (lambda: ours.Metric().add_variable(initializer="normal"), "begins with 'zeros' or 'ones'"),
        (lambda: ours.deserialize({"class_name": "AUCC"}), "did you mean 'AUC'?"),
        (lambda: ours.Precision(treshold=0.3), "Precision has no argument 'treshold'; did you mean 'thresholds'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(make_it, text):
    with pytest.raises(ConfigError) as caught:
        make_it()
    assert text in str(caught.value)


def test_a_metric_without_sums_or_update_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="neither sums and finish nor update_state and result"):
        ours.Metric().update_state(np.ones(1), np.ones(1))
