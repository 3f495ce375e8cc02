"""Losses of the door against real Keras: values and gradients of every one, shapes drawn; reductions, masks, names, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import losses as ours
from deepwell.keras.loss_classes import CLASSES
from deepwell.losses.named import NAMED

keras = pytest.importorskip("keras", reason='real Keras is not installed: pip install "deepwell[dev]"')


def probabilities(draws, shape):
    return draws.dirichlet(np.ones(shape[-1]), shape[:-1]).astype("float32")


def numbers(draws, shape):
    return draws.normal(size=shape).astype("float32")


def one_hot(draws, shape):
    return np.eye(shape[-1], dtype="float32")[draws.integers(shape[-1], size=shape[:-1])]


def index(draws, shape):
    return draws.integers(shape[-1], size=shape[:-1])


def yes_no(draws, shape):
    return draws.integers(2, size=shape).astype("float32")


def chances(draws, shape):
    return draws.uniform(0.02, 0.98, shape).astype("float32")


def sizes(draws, shape):
    return draws.gamma(2.0, size=shape).astype("float32") + np.float32(0.1)


CASES = [
    # class, settings, targets, answers
    ("MeanSquaredError", {}, numbers, numbers),
    ("MeanAbsoluteError", {}, numbers, numbers),
    ("MeanAbsolutePercentageError", {}, sizes, sizes),
    ("MeanSquaredLogarithmicError", {}, sizes, sizes),
    ("Huber", {}, numbers, numbers),
    ("Huber", {"delta": 0.3}, numbers, numbers),
    ("LogCosh", {}, numbers, numbers),
    ("Poisson", {}, sizes, sizes),
    ("CosineSimilarity", {}, numbers, numbers),
    ("CosineSimilarity", {"axis": 1}, numbers, numbers),
    ("Hinge", {}, yes_no, numbers),
    ("SquaredHinge", {}, yes_no, numbers),
    ("Hinge", {}, numbers, numbers),
    ("CategoricalHinge", {}, one_hot, numbers),
    ("KLDivergence", {}, probabilities, probabilities),
    ("CategoricalCrossentropy", {}, one_hot, probabilities),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot, numbers),
    ("CategoricalCrossentropy", {"axis": 1}, one_hot, chances),
    ("CategoricalFocalCrossentropy", {}, one_hot, probabilities),
    ("CategoricalFocalCrossentropy", {"alpha": 0.6, "gamma": 3.0, "label_smoothing": 0.2}, one_hot, probabilities),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, one_hot, numbers),
    ("SparseCategoricalCrossentropy", {}, index, probabilities),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, index, numbers),
    ("BinaryCrossentropy", {}, yes_no, chances),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, yes_no, numbers),
    ("BinaryFocalCrossentropy", {}, yes_no, chances),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5}, yes_no, chances),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, yes_no, numbers),
    ("Dice", {}, yes_no, chances),
    ("Dice", {"axis": (1,)}, yes_no, chances),
    ("Tversky", {"alpha": 0.3, "beta": 0.9}, yes_no, chances),
]  # fmt: skip
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=2).map(lambda leading: (*leading, 3))


def gradient(loss, truth, answer, weight=None):
    """The scalar and its slope by the answers."""
    answer = torch.tensor(answer, requires_grad=True)
    value = loss(torch.tensor(truth), answer, weight)
    return value.item(), torch.autograd.grad(value, answer)[0]


@pytest.mark.parametrize(
    ("name", "given_settings", "targets", "answers"), CASES, ids=lambda v: getattr(v, "__name__", str(v))
)
@settings(max_examples=8, deadline=None)
@given(shape=shapes, seed=st.integers(0, 1000), weighted=st.booleans())
def test_values_and_gradients_are_those_of_keras(name, given_settings, targets, answers, shape, seed, weighted):
    draws = np.random.default_rng(seed)
    truth, answer = targets(draws, shape), answers(draws, shape)
    values_shape = tuple(CLASSES[name](**given_settings).values(torch.tensor(truth), torch.tensor(answer)).shape)
    weight = draws.uniform(size=values_shape).astype("float32") if weighted and values_shape else None
    mine = gradient(CLASSES[name](**given_settings), truth, answer, weight)
    theirs = gradient(getattr(keras.losses, name)(**given_settings), truth, answer, weight)
    assert mine[0] == pytest.approx(theirs[0], rel=2e-5, abs=1e-6)
    torch.testing.assert_close(mine[1], theirs[1], rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "given_settings", "targets", "answers"), CASES[::3], ids=lambda v: getattr(v, "__name__", str(v))
)
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight", "none"])
def test_reductions_are_those_of_keras(name, given_settings, targets, answers, reduction):
    draws = np.random.default_rng(0)
    truth, answer, weight = targets(draws, (5, 3)), answers(draws, (5, 3)), draws.uniform(size=5).astype("float32")
    mine = CLASSES[name](reduction=reduction, **given_settings)(truth, answer, sample_weight=weight)
    theirs = getattr(keras.losses, name)(reduction=reduction, **given_settings)(truth, answer, sample_weight=weight)
    torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=1e-6)


def test_a_mask_is_as_in_keras():
    draws = np.random.default_rng(0)
    truth, answer = index(draws, (4, 6, 3)), probabilities(draws, (4, 6, 3))
    mask = torch.tensor(draws.integers(2, size=(4, 6)), dtype=torch.bool)
    other = torch.tensor(answer)
    other._keras_mask = mask
    theirs = keras.losses.SparseCategoricalCrossentropy()(truth, other)
    summed, units = ours.get("sparse_categorical_crossentropy").total(
        torch.tensor(truth), torch.tensor(answer), mask=mask
    )
    assert units.item() == mask.sum()
    torch.testing.assert_close(summed / units, theirs)


def test_parts_add_up_to_the_whole():
    draws = np.random.default_rng(1)
    truth, answer = torch.tensor(yes_no(draws, (9, 3))), torch.tensor(chances(draws, (9, 3)))
    loss = ours.BinaryCrossentropy()
    parts = [loss.total(truth[a:b], answer[a:b]) for a, b in ((0, 2), (2, 7), (7, 9))]
    summed, units = (sum(p[i] for p in parts) for i in (0, 1))
    torch.testing.assert_close(summed / units, loss(truth, answer))


@pytest.mark.parametrize("name", sorted(n for n, entry in NAMED.items() if entry.ends))
def test_logits_keep_what_probabilities_lose(name):
    """An answer that is wrong by 100 nats: probabilities are clipped at 16, and teach nothing; logits do."""
    logits = torch.tensor([[100.0, -100.0, 0.0]], requires_grad=True)
    sparse = NAMED[name].truth == "classes"
    truth = torch.tensor([1]) if sparse else torch.tensor([[0.0, 1.0, 0.0]])
    answer = logits.softmax(-1) if NAMED[name].ends == "softmax" else logits.sigmoid()
    loss = ours.get(name)
    value = loss.values(truth, answer, logits=logits).sum()
    slope = torch.autograd.grad(value, logits)[0]
    assert torch.isfinite(slope).all()
    assert slope[0, 1] < -0.01
    assert value > 16
    assert loss.values(truth, answer.detach()).sum() < value


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_goes_into_data_and_back(name):
    loss = CLASSES[name](reduction="sum")
    again = ours.deserialize(ours.serialize(loss))
    assert type(again) is CLASSES[name]
    assert again.get_config() == loss.get_config()
    mine, theirs = loss.get_config(), getattr(keras.losses, name)(reduction="sum").get_config()
    assert {k: v for k, v in theirs.items() if k in mine} == {k: v for k, v in mine.items() if k in theirs}


@pytest.mark.parametrize("text", [*NAMED, *CLASSES, "mse", "MAE", "bce", "KLD", "mape", "MSLE"])
def test_names_that_keras_knows_mean_the_same(text):
    draws = np.random.default_rng(2)
    truth, answer = one_hot(draws, (4, 3)), probabilities(draws, (4, 3))
    truth = truth.argmax(-1) if "parse" in text else truth
    theirs = keras.losses.get(text)(truth, torch.tensor(answer)).mean()
    torch.testing.assert_close(ours.get(text)(truth, answer), theirs, rtol=2e-5, atol=1e-6)


def test_functions_take_arrays_and_give_a_loss_for_each_example():
    draws = np.random.default_rng(3)
    truth, answer = numbers(draws, (4, 3)), numbers(draws, (4, 3))
    for name in ("mean_squared_error", "huber", "log_cosh", "cosine_similarity"):
        mine, theirs = getattr(ours, name)(truth, answer), getattr(keras.losses, name)(truth, torch.tensor(answer))
        if name == "cosine_similarity":  # Keras's function takes unit vectors as given
            theirs = -torch.cosine_similarity(torch.tensor(truth), torch.tensor(answer))
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=1e-6)
    assert ours.mse is ours.mean_squared_error


def test_own_losses_are_functions_or_subclasses():
    class Cubic(ours.Loss):
        def call(self, y_true, y_pred):
            return (y_true - y_pred).abs().pow(3).mean(-1)

    truth, answer = np.zeros((2, 2)), np.array([[1.0, 1.0], [2.0, 2.0]])
    assert Cubic()(truth, answer).item() == 4.5
    assert Cubic().name == "cubic"
    assert ours.get(lambda t, p: (t - p).abs().mean(-1))(truth, answer).item() == 1.5
    assert ours.get(lambda t, p: (t - p).abs().sum()).total(torch.zeros(2, 2), torch.ones(2, 2))[0].item() == 4.0
    assert ours.get(ours.mean_squared_error).get_config() == ours.get("mse").get_config()
    with pytest.raises(ConfigError, match="code of your own"):
        ours.serialize(Cubic())


def test_one_unit_and_no_axis_go_together():
    answer = np.array([[1.0], [3.0]])
    assert ours.get("mse")(np.array([0.0, 0.0]), answer).item() == 5.0
    assert ours.get("mae")(np.array([[0.0], [0.0]]), answer[:, 0]).item() == 2.0
    assert ours.get("binary_crossentropy")(np.array([1, 0]), np.array([[0.5], [0.5]])).item() == pytest.approx(
        np.log(2)
    )


@pytest.mark.parametrize(
    ("name", "truth", "answer", "text"),
    [
        ("categorical_crossentropy", (4,), (4, 3), r"targets of shape \(4,\) do not fit answers of shape \(4, 3\)"),
        ("categorical_crossentropy", (4, 1), (4, 3), r"sparse_categorical_crossentropy, or to_categorical\(y, 3\)"),
        ("sparse_categorical_crossentropy", (4, 3), (4, 3), "one-hot targets need categorical_crossentropy"),
        ("sparse_categorical_crossentropy", (4, 2), (4, 3), "give the index of the class for each place"),
        ("mse", (4, 2), (4, 3), "give the last layer 2 units, or the targets 3 numbers each"),
        ("mse", (4,), (4, 3), "do not fit"),
    ],
)
def test_shapes_that_keras_would_broadcast_are_refused(name, truth, answer, text):
    with pytest.raises(ConfigError, match=text):
        ours.get(name)(np.zeros(truth), np.zeros(answer))


@pytest.mark.parametrize(
    ("identifier", "text"),
    [
        (
            "categorical_crossentorpy",
            "there is no loss 'categorical_crossentorpy'; did you mean 'categorical_crossentropy'?",
        ),
        (3, "a loss is a name, a function or a Loss; got int"),
        ({"class_name": "Huber", "config": {"dleta": 1}}, "Huber has no argument 'dleta'; did you mean 'delta'?"),
    ],
)
def test_unknown_losses_are_refused_with_the_nearest(identifier, text):
    with pytest.raises(ConfigError) as caught:
        ours.get(identifier)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "width", "activation", "text"),
    [
        ("categorical_crossentropy", 3, "linear", "activation='softmax' in the last layer, or from_logits=True"),
        ("binary_crossentropy", 1, "softmax", "a softmax over one unit is always 1"),
        ("sparse_categorical_crossentropy", 1, "sigmoid", "one unit for each class; the layer has 1"),
        (ours.CategoricalCrossentropy(from_logits=True), 3, "softmax", "leave from_logits out"),
    ],
)
def test_a_loss_that_does_not_fit_the_activation(loss, width, activation, text):
    with pytest.raises(ConfigError) as caught:
        ours.get(loss).check(None, width, activation, "layer 'dense_1'")
    assert text in str(caught.value)
    assert str(caught.value).startswith("layer 'dense_1': ")


@pytest.mark.parametrize(
    ("loss", "targets", "width", "text"),
    [
        ("sparse_categorical_crossentropy", [0, 1, 10], 10, "labels from 0 to 9, one for each unit; row 2 holds 10"),
        ("sparse_categorical_crossentropy", [1, 2, 3], 3, "give the last layer 4 units, or number the classes from 0"),
        ("sparse_categorical_crossentropy", [0, -1], 3, "row 1 holds -1"),
        ("sparse_categorical_crossentropy", [0.5], 3, "takes the index of a class; row 0 holds 0.5"),
        ("binary_crossentropy", [0, 2], 1, "targets from 0 to 1; row 1 holds 2"),
        ("categorical_crossentropy", [[0, 1], [3, 0]], 2, "row 1 holds 3"),
        ("binary_crossentropy", [0.0, np.nan], 1, "finite targets; row 1"),
    ],
)
def test_targets_out_of_range(loss, targets, width, text):
    with pytest.raises(DataError) as caught:
        ours.get(loss).check(np.array(targets), width, None, "the output 'dense'")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "shape", "text"),
    [
        ("categorical_crossentropy", (8,), "sparse_categorical_crossentropy, or to_categorical(y, 3)"),
        ("categorical_crossentropy", (8, 1), "targets of shape (8, 1) do not fit an output of 3 units"),
        ("mse", (8,), "whose last axis is the 3 units of the output"),
        ("binary_crossentropy", (8, 2), "targets of shape (8, 2)"),
        ("categorical_crossentropy", (8, 4), "give the last layer 4 units"),
    ],
)
def test_targets_of_another_shape_name_the_layer(loss, shape, text):
    with pytest.raises(ConfigError) as caught:
        ours.get(loss).check(np.zeros(shape), 3, None, "the layer 'dense'")
    assert text in str(caught.value)
    assert str(caught.value).startswith("the layer 'dense': ")


def test_one_hot_targets_for_indices_name_the_layer():
    loss = ours.get("sparse_categorical_crossentropy")
    with pytest.raises(
        ConfigError, match=r"layer 'end': .*targets of shape \(5, 3\) are one-hot\n.*categorical_crossentropy"
    ):
        loss.check(np.eye(3)[[0, 1, 2, 1, 0]], 3, "softmax", "layer 'end'")
    loss.check(np.array([[0, 1, 2], [2, 2, 0]]), 3, "softmax", "three places of three classes")


def test_what_fits_is_let_through():
    ours.get("mse").check(np.zeros(8), 1, "linear", "")
    ours.get("mse").check(np.zeros((8, 5)), 1, "linear", "")
    ours.get("mse").check(np.zeros((8, 5, 1)), 5, "linear", "")
    ours.get("mse").check(np.zeros((8, 5, 3)), 3, "linear", "")
    ours.get("mse").check(np.zeros((8, 5)), None, "linear", "")
    ours.get("sparse_categorical_crossentropy").check(np.arange(3), 3, "softmax", "")
    ours.SparseCategoricalCrossentropy(ignore_class=-1).check(np.array([-1, 2]), 3, "softmax", "")
    ours.get("binary_crossentropy").check(np.array([[0, 1], [1, 1]]), 2, "sigmoid", "")
    ours.get("mse").check(np.array([-5.0]), 1, "linear", "")
    ours.BinaryCrossentropy(from_logits=True).check(np.array([0.3]), 1, "linear", "")


def test_ignored_classes_cost_nothing_and_may_be_out_of_range():
    answer = torch.full((2, 3), 1 / 3, requires_grad=True)
    loss = ours.SparseCategoricalCrossentropy(ignore_class=-1)
    values = loss.values(torch.tensor([-1, 2]), answer)
    assert values.tolist() == pytest.approx([0.0, np.log(3)])


def test_unknown_arguments_are_refused_with_the_nearest():
    with pytest.raises(
        ConfigError, match="CategoricalCrossentropy has no argument 'from_logit'; did you mean 'from_logits'"
    ):
        ours.CategoricalCrossentropy(from_logit=True)

    class Twice(ours.MeanSquaredError):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) * self.factor

        def values(self, y_true, y_pred, logits=None, mask=None):
            return super().values(y_true, y_pred) * self.factor

    assert Twice(factor=2)(np.zeros((1, 1)), np.ones((1, 1))).item() == 2.0


def test_a_reduction_of_none_cannot_be_trained():
    with pytest.raises(ConfigError, match="reduction='sum_over_batch_size'"):
        ours.MeanSquaredError(reduction=None).total(torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(ConfigError, match="there is no reduction 'avg'"):
        ours.MeanSquaredError(reduction="avg")


def test_functions_of_ones_own_make_tensors_where_the_answers_are():
    from deepwell.keras import metrics, ops

    def weighed(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) * ops.arange(3, dtype="float32"), axis=-1)

    answer = torch.zeros(4, 3, device="meta")
    assert ours.get(weighed).values(answer, answer).device.type == "meta"
    assert metrics.get(weighed).values(answer, answer).device.type == "meta"
