"""Training through the door follows real Keras: from the same weights, on the same batches, step by step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import keras as real
from deepwell import keras as door

Array = np.ndarray[Any, Any]
PLAN = {"threads": 1, "precision": "float32"}
rng = np.random.default_rng(5)
PICTURES, NUMBERS = rng.random((160, 8, 8, 2)).astype("float32"), rng.random((160, 6)).astype("float32")
SERIES = rng.random((160, 5, 3)).astype("float32")
LABELS, WEIGHTS = rng.integers(0, 4, 160), rng.random(160).astype("float32")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights are drawn the same each time, whichever tests ran before."""
    real.utils.set_random_seed(7)


def dense(k: Any) -> Any:
    layers = k.layers
    return k.Sequential([k.Input((6,)), layers.Dense(12, activation="relu"), layers.Dense(4, activation="softmax")])


def convolutional(k: Any) -> Any:
    layers = k.layers
    return k.Sequential([
        k.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(4, activation="softmax"),
    ])  # fmt: skip


def recurrent(k: Any) -> Any:
    layers = k.layers
    return k.Sequential([k.Input((5, 3)), layers.LSTM(6), layers.Dense(4, activation="softmax")])


def twins(build: Callable[[Any], Any]) -> tuple[Any, Any]:
    real.utils.set_random_seed(3)
    theirs, ours = build(real), build(door)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


@pytest.mark.parametrize(("build", "x"), [(dense, NUMBERS), (convolutional, PICTURES), (recurrent, SERIES)])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_fifty_steps_follow_keras(build: Callable[[Any], Any], x: Array, optimizer: str) -> None:
    pair = twins(build)
    for k, model in zip((real, door), pair, strict=True):
        made = k.optimizers.SGD(0.05, momentum=0.9) if optimizer == "sgd" else k.optimizers.get(optimizer)
        options = {} if k is real else {"plan": PLAN}
        model.compile(optimizer=made, loss="sparse_categorical_crossentropy", **options)
    losses: list[list[float]] = [[], []]
    # Ten epochs of five steps, each epoch's mean compared, and the weights in the end.
    for model, found in zip(pair, losses, strict=True):
        history = model.fit(x, LABELS, batch_size=32, epochs=10, shuffle=False, verbose=0)
        found += history.history["loss"]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    for a, b in zip(pair[0].get_weights(), pair[1].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, atol=2e-2)


@pytest.mark.parametrize("weighing", ["sample_weight", "class_weight", "none"])
def test_history_and_evaluate_equal_keras(weighing: str) -> None:
    theirs, ours = twins(dense)
    given: dict[str, Any] = {"sample_weight": WEIGHTS} if weighing == "sample_weight" else {}
    if weighing == "class_weight":
        given = {"class_weight": {0: 0.5, 2: 3.0}}
    for model in (theirs, ours):
        model.compile(
            optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["acc"]
        )
    histories = [
        m.fit(NUMBERS, LABELS, epochs=3, shuffle=False, verbose=0, validation_split=0.25, **given).history
        for m in (theirs, ours)
    ]
    assert list(histories[0]) == list(histories[1])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=2e-4, atol=1e-5, err_msg=name)
    want = theirs.evaluate(NUMBERS, LABELS, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        ours.evaluate(NUMBERS, LABELS, verbose=0), [want[n] for n in ours.metrics_names], rtol=2e-4
    )
    np.testing.assert_allclose(ours.predict(NUMBERS, verbose=0), theirs.predict(NUMBERS, verbose=0), atol=2e-5)


def test_masked_steps_count_as_keras_counts_them() -> None:
    def build(k: Any) -> Any:
        layers = k.layers
        return k.Sequential([
            k.Input((7,), dtype="int32"), layers.Embedding(10, 4, mask_zero=True), layers.LSTM(5, return_sequences=True),
            layers.Dense(3, activation="softmax"),
        ])  # fmt: skip

    words, tags = rng.integers(1, 10, (64, 7)), rng.integers(0, 3, (64, 7))
    for row, length in enumerate(rng.integers(1, 8, 64)):
        words[row, length:] = 0
    pair = twins(build)
    found = []
    for model in pair:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        found.append(model.fit(words, tags, epochs=2, batch_size=16, shuffle=False, verbose=0).history)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(found[1][name], found[0][name], rtol=1e-3, err_msg=name)


def test_the_last_part_is_for_validation_whatever_is_shuffled() -> None:
    seen: list[Array] = []

    class Watching(door.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.evaluate(NUMBERS[120:], LABELS[120:], verbose=0, return_dict=True)["loss"])

    model = dense(door)
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(NUMBERS, LABELS, epochs=2, validation_split=0.25, verbose=0, callbacks=Watching())
    np.testing.assert_allclose(history.history["val_loss"], seen, rtol=1e-6)


def test_a_seed_repeats_a_fit_bit_for_bit() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        model = dense(door)
        model.add(door.layers.Dropout(0.3))
        model.compile("adam", "mse", plan=PLAN)
        model.fit(NUMBERS, NUMBERS[:, :4], epochs=2, verbose=0)
        found.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.array_equal(found[0], found[1])


def test_a_second_fit_goes_on_from_what_the_optimizer_remembers() -> None:
    once, twice = dense(door), dense(door)
    twice.set_weights(once.get_weights())
    for model in (once, twice):
        model.compile("adam", "sparse_categorical_crossentropy", plan=PLAN)
    once.fit(NUMBERS, LABELS, epochs=4, shuffle=False, verbose=0)
    for _ in range(2):
        twice.fit(NUMBERS, LABELS, epochs=2, shuffle=False, verbose=0)
    assert once.optimizer.iterations == twice.optimizer.iterations == 20
    for a, b in zip(once.get_weights(), twice.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_regularisers_and_added_losses_are_part_of_the_loss() -> None:
    class Costly(door.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            self.add_loss(0.5 * inputs.square().mean())
            return inputs

    class TheirCostly(real.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            self.add_loss(0.5 * real.ops.mean(real.ops.square(inputs)))
            return inputs

    def build(k: Any) -> Any:
        cost = Costly() if k is door else TheirCostly()
        return k.Sequential([k.Input((6,)), k.layers.Dense(4, kernel_regularizer="l2"), cost])

    pair = twins(build)
    found = []
    for model in pair:
        model.compile("sgd", "mse")
        found.append(model.fit(NUMBERS, NUMBERS[:, :4], epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_train_on_batch_is_one_step() -> None:
    model = dense(door)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.get_weights()
    first = model.train_on_batch(NUMBERS, LABELS, return_dict=True)
    assert set(first) == {"loss", "accuracy"}
    assert model.optimizer.iterations == 1
    assert not np.array_equal(before[0], model.get_weights()[0])
    assert model.test_on_batch(NUMBERS, LABELS, return_dict=True)["loss"] < first["loss"]


@pytest.mark.parametrize("kind", ["torch", "list", "dlpack", "float64", "uint8", "reversed", "big-endian"])
def test_arrays_of_all_kinds(kind: str) -> None:
    class OnlyDlpack:
        def __dlpack__(self, **_: Any) -> Any:
            return NUMBERS.__dlpack__()

        def __dlpack_device__(self) -> Any:
            return NUMBERS.__dlpack_device__()

    forms: dict[str, Any] = {
        "torch": torch.from_numpy(NUMBERS), "list": NUMBERS.tolist(), "dlpack": OnlyDlpack(),
        "float64": NUMBERS.astype("float64"), "uint8": (NUMBERS * 255).astype("uint8"), "reversed": NUMBERS[::-1],
        "big-endian": NUMBERS.astype(">f4"),
    }  # fmt: skip
    model = dense(door)
    want = model.predict(np.asarray(forms[kind], "float32") if kind != "dlpack" else NUMBERS, verbose=0)
    assert model.predict(forms[kind], verbose=0).shape == (160, 4)
    np.testing.assert_allclose(model.predict(forms[kind], verbose=0), want, atol=1e-6)


def test_float32_arrays_are_not_copied() -> None:
    from deepwell.keras.arrays import input_columns

    model = dense(door)
    assert np.shares_memory(
        input_columns(model.network.graph, NUMBERS)["in/input_layer" + model.inputs[0].name[11:]], NUMBERS
    )


def test_steps_per_epoch_and_initial_epoch() -> None:
    model = dense(door)
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(NUMBERS, LABELS, batch_size=16, steps_per_epoch=3, initial_epoch=2, epochs=5, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert model.optimizer.iterations == 9
