"""What counts how much in training: classes that are left out, weights of classes and of examples; against real Keras."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import keras as real
from deepwell import keras as door
from deepwell.core.errors import ConfigError, DataError

rng = np.random.default_rng(3)
X, LABELS = rng.random((24, 5)).astype("float32"), rng.integers(0, 3, 24)
STEPS, STEP_LABELS = rng.random((24, 4, 5)).astype("float32"), rng.integers(0, 3, (24, 4))
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
PLAN = {"threads": 1, "precision": "float32"}


def net(k: Any, shape: tuple[int, ...] = (5,), units: int = 3, end: str = "softmax") -> Any:
    return k.Sequential([k.Input(shape), k.layers.Dense(6, activation="relu"), k.layers.Dense(units, activation=end)])


def histories(loss: Any, x: Any, y: Any, build: Callable[[Any], Any] = net, **options: Any) -> list[Any]:
    """The history of real Keras and that of the door, from the same weights. loss: made of the library."""
    real.utils.set_random_seed(1)
    start, found = build(real).get_weights(), []
    for k in (real, door):
        model = build(k)
        model.set_weights(start)
        model.compile("adam", loss(k), metrics=options.get("metrics"), **({} if k is real else {"plan": PLAN}))
        given = {name: value for name, value in options.items() if name != "metrics"}
        found.append(model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0, **given).history)
    return found


def alike(found: list[Any]) -> None:
    theirs, ours = found
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("x", "y"), [(X, LABELS), (STEPS, STEP_LABELS)], ids=["examples", "steps"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_class_that_is_ignored_counts_neither_in_the_sum_nor_in_the_mean(x: Any, y: Any, weighted: bool) -> None:
    def loss(k: Any) -> Any:
        return k.losses.SparseCategoricalCrossentropy(ignore_class=0)

    options = {"sample_weight": rng.random(y.shape)} if weighted else {}
    alike(histories(loss, x, y, lambda k: net(k, x.shape[1:]), **options))


def test_an_ignored_class_beside_masked_steps() -> None:
    words = np.where(np.arange(4) < rng.integers(1, 5, 24)[:, None], rng.integers(1, 9, (24, 4)), 0)

    def build(k: Any) -> Any:
        layers = k.layers
        return k.Sequential([
            k.Input((4,)), layers.Embedding(9, 5, mask_zero=True), layers.LSTM(4, return_sequences=True),
            layers.Dense(3, activation="softmax"),
        ])  # fmt: skip

    alike(histories(lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=1), words, STEP_LABELS, build))


def test_the_loss_itself_leaves_out_the_ignored_class() -> None:
    answer = rng.dirichlet(np.ones(3), 24).astype("float32")
    mine, theirs = (k.losses.SparseCategoricalCrossentropy(ignore_class=2)(LABELS, answer) for k in (door, real))
    assert float(mine) == pytest.approx(float(theirs), rel=1e-5)
    everything = door.losses.SparseCategoricalCrossentropy(ignore_class=2)(np.full(24, 2), answer)
    assert float(everything) == 0.0


@pytest.mark.parametrize("y", [LABELS, ONE_HOT], ids=["labels", "one-hot"])
@pytest.mark.parametrize("weights", [{0: 3.0, 2: 0.5}, {0.0: 2.0}, {np.int64(1): 4}])
def test_class_weights_are_those_of_keras(y: Any, weights: dict[Any, float]) -> None:
    name = "sparse_categorical_crossentropy" if y.ndim == 1 else "categorical_crossentropy"
    alike(histories(lambda k: name, X, y, class_weight=weights))


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({"1": 50.0}, "names classes by their numbers; got '1'"),
        ({1.5: 2.0}, "names classes by their numbers; got 1.5"),
        ({float("nan"): 2.0}, "names classes by their numbers; got nan"),
        ({True: 2.0}, "names classes by their numbers; got True"),
        ({7: 50.0}, "names the class 7; the classes are 0 to 2"),
        ({-1: 50.0}, "names the class -1"),
        ([1.0, 2.0, 3.0], "dict(enumerate(weights))"),
        ("balanced", "np.unique(y, return_counts=True)"),
        ({1: -2.0}, "the class_weight of 1 must be a number of at least 0; got -2.0"),
        ({1: float("nan")}, "must be a number of at least 0; got nan"),
        ({1: "2"}, "must be a number of at least 0; got '2'"),
    ],
)
def test_class_weights_without_effect_or_sense_are_refused(weights: Any, text: str) -> None:
    model = net(door)
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError) as caught:
        model.fit(X, LABELS, verbose=0, class_weight=weights)
    assert text in str(caught.value)


def test_class_weights_of_steps_are_refused() -> None:
    """Keras takes the place of the largest label among the steps for the class."""
    model = net(door, (4, 5))
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match="class_weight needs one class for each example"):
        model.fit(STEPS, STEP_LABELS, verbose=0, class_weight={1: 2.0})


def test_class_weights_of_yes_and_no_and_of_signs() -> None:
    yes = (LABELS > 0).astype("float32")
    alike(
        histories(
            lambda k: "binary_crossentropy", X, yes, lambda k: net(k, units=1, end="sigmoid"), class_weight={1: 3}
        )
    )
    found = histories(lambda k: "hinge", X, yes * 2 - 1, lambda k: net(k, units=1, end="tanh"), class_weight={-1: 3.0})
    alike(found)


@pytest.mark.parametrize("shape", [(24,), (24, 1), (24, 4), (24, 4, 1)])
def test_weights_of_examples_and_of_their_steps_fit(shape: tuple[int, ...]) -> None:
    model = net(door, (4, 5))
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(STEPS, STEP_LABELS, verbose=0, sample_weight=np.ones(shape)).history
    plain = net(door, (4, 5))
    plain.compile("adam", "sparse_categorical_crossentropy")
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("call", ["fit", "evaluate", "validation"])
@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones((24, 3)), "is of shape (24, 3); it weighs losses of shape (n)"),
        (np.where(np.arange(24) == 5, np.nan, 1.0), "must be finite; row 5 holds nan"),
        (np.array(2.0), "is a single number"),
    ],
    ids=["shape", "nan", "number"],
)
def test_weights_that_do_not_fit_are_refused_before_anything_is_trained(call: str, weights: Any, text: str) -> None:
    model = net(door)
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    ask = {
        "fit": lambda: model.fit(X, LABELS, verbose=0, sample_weight=weights),
        "evaluate": lambda: model.evaluate(X, LABELS, verbose=0, sample_weight=weights),
        "validation": lambda: model.fit(X, LABELS, verbose=0, validation_data=(X, LABELS, weights)),
    }[call]
    with pytest.raises(DataError) as caught:
        ask()
    assert text in str(caught.value)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_below_nothing_push_away_as_in_keras() -> None:
    """Policy gradients weigh what was done by how it went."""
    advantages = rng.normal(size=24)
    alike(histories(lambda k: "sparse_categorical_crossentropy", X, LABELS, sample_weight=advantages))


def test_targets_of_yes_and_no_are_ones_and_zeros() -> None:
    """pd.get_dummies(y), np.eye(3, dtype=bool)[y]."""
    theirs, ours = histories(lambda k: "categorical_crossentropy", X, ONE_HOT, metrics=["accuracy"])
    model = net(door)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy", "categorical_accuracy", "f1_score"])
    history = model.fit(X, ONE_HOT.astype(bool), verbose=0).history
    assert 0.0 <= history["accuracy"][0] == history["categorical_accuracy"][0] <= 1.0
    answer = rng.random((24, 3)).astype("float32")
    for name, arguments in (
        ("CategoricalAccuracy", {}), ("TopKCategoricalAccuracy", {"k": 2}), ("F1Score", {}),
        ("OneHotMeanIoU", {"num_classes": 3}), ("AUC", {}), ("Precision", {}), ("BinaryAccuracy", {}),
    ):  # fmt: skip
        both = [getattr(door.metrics, name)(**arguments)(y, answer) for y in (ONE_HOT, ONE_HOT.astype(bool))]
        np.testing.assert_array_equal(*both, err_msg=name)
    assert set(ours) == set(theirs)


def test_a_score_for_each_class_is_an_array_also_for_one_class() -> None:
    yes = (LABELS > 0).astype("float32")[:, None]

    def build(k: Any) -> Any:
        return net(k, units=1, end="sigmoid")

    real.utils.set_random_seed(1)
    found = []
    for k in (real, door):
        model = build(k)
        model.compile("adam", "binary_crossentropy", metrics=[k.metrics.F1Score(threshold=0.5)])
        history = model.fit(X, yes, verbose=0, validation_data=(X, yes)).history
        found.append(history)
        assert np.shape(model.evaluate(X, yes, verbose=0)[1]) == (1,)
    for history in found:
        assert [np.shape(v) for v in history["f1_score"]] == [(1,)]
        assert [np.shape(v) for v in history["val_f1_score"]] == [(1,)]


def test_a_score_of_one_class_can_be_watched_and_one_of_several_is_refused() -> None:
    yes = (LABELS > 0).astype("float32")[:, None]
    watch = door.callbacks.EarlyStopping("f1_score", patience=5, mode="max")
    model = net(door, units=1, end="sigmoid")
    model.compile("adam", "binary_crossentropy", metrics=["f1_score"])
    model.fit(X, yes, epochs=2, verbose=0, callbacks=[watch])
    assert isinstance(watch.best, float)
    several = net(door)
    several.compile("adam", "categorical_crossentropy", metrics=["f1_score"])
    with pytest.raises(ConfigError, match="one number for each class"):
        several.fit(X, ONE_HOT, verbose=0, callbacks=[watch])
