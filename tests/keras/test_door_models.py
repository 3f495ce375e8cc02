"""Models of the door: written down, subclassed, nested, frozen, saved and copied; names, orders and summaries are Keras's."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import deepwell as tf
import keras as real
from deepwell import keras as door
from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import Input, Lambda, Layer, Model, Sequential, layers, models, naming

rng = np.random.default_rng(3)
A, B = rng.random((64, 4)).astype("float32"), rng.random((64, 3)).astype("float32")
PRICE, KIND = rng.random(64).astype("float32"), rng.integers(0, 3, 64)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights are drawn the same each time, whichever tests ran before."""
    real.utils.set_random_seed(7)


def two_headed(k: Any) -> Any:
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    both = k.layers.Concatenate()([k.layers.Dense(5, activation="relu")(a), k.layers.Dense(5, activation="tanh")(b)])
    hidden = both + k.layers.Dense(10)(both)
    price = k.layers.Dense(1, name="price")(hidden)
    return k.Model([a, b], [price, k.layers.Dense(3, activation="softmax", name="kind")(hidden)])


def as_printed(model: Any) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        model.summary(line_length=76)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def test_attribute_paths_lead_to_the_same_things() -> None:
    assert tf.keras.layers.Dense is layers.Dense
    assert tf.keras.Sequential is models.Sequential is door.Sequential
    with pytest.raises(AttributeError, match="did you mean 'layers'"):
        tf.keras.layer_s  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'Dense'"):
        layers.Denes  # noqa: B018


def test_several_inputs_and_outputs_as_in_keras() -> None:
    naming.reset()
    real.backend.clear_session()
    theirs, ours = two_headed(real), two_headed(door)
    # What operators make is a layer here; Keras does not list it.
    assert [layer.name for layer in ours.layers if layer.name != "add"] == [layer.name for layer in theirs.layers]
    ours.set_weights(theirs.get_weights())
    for model in (theirs, ours):
        model.compile(
            "adam",
            loss={"price": "mse", "kind": "sparse_categorical_crossentropy"},
            loss_weights={"price": 0.5, "kind": 2.0},
            metrics={"price": ["mae"], "kind": ["accuracy"]},
        )
    x, y = {"a": A, "b": B}, {"price": PRICE, "kind": KIND}
    found = [m.fit(x, y, epochs=3, shuffle=False, verbose=0, validation_data=(x, y)).history for m in (theirs, ours)]
    assert list(found[0]) == list(found[1])
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-3, atol=1e-5, err_msg=name)
    one, other = ours.predict([A, B], verbose=0)
    assert (one.shape, other.shape) == ((64, 1), (64, 3))


def test_the_summary_reads_like_keras() -> None:
    def build(k: Any) -> Any:
        return k.Sequential([
            k.Input((28, 28, 1)), k.layers.Conv2D(32, (3, 3), activation="relu", name="c"),
            k.layers.MaxPooling2D((2, 2), name="m"), k.layers.BatchNormalization(name="b"),
            k.layers.Flatten(name="f"), k.layers.Dense(10, name="d"),
        ], name="net")  # fmt: skip

    assert as_printed(build(door)) == as_printed(build(real))
    naming.reset()
    real.backend.clear_session()
    assert as_printed(two_headed(door)) == as_printed(two_headed(real))


def test_the_classic_network_counts_as_keras_counts() -> None:
    model = Sequential([
        layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)), layers.MaxPooling2D((2, 2)),
        layers.Conv2D(64, (3, 3), activation="relu"), layers.MaxPooling2D((2, 2)), layers.Conv2D(64, (3, 3), activation="relu"),
        layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    assert "Total params: 93,322 (364.54 KB)" in as_printed(model)


def test_names_are_given_as_keras_gives_them() -> None:
    naming.reset()
    real.backend.clear_session()
    kinds = ["Dense", "Dense", "MaxPooling2D", "LSTM", "BatchNormalization", "MultiHeadAttention", "Conv2DTranspose"]
    options = {"Dense": (3,), "LSTM": (3,), "MultiHeadAttention": (2, 3), "Conv2DTranspose": (2, 3)}
    ours, theirs = ([getattr(k.layers, n)(*options.get(n, ())).name for n in kinds] for k in (door, real))
    assert ours == theirs
    assert Sequential().name == real.Sequential().name


def test_a_shared_layer_has_one_set_of_weights() -> None:
    shared = layers.Dense(2)
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], layers.Subtract()([shared(a), shared(b)]))
    assert len(model.get_weights()) == 2
    np.testing.assert_allclose(model.predict([A, A], verbose=0), 0.0, atol=1e-6)
    model.compile("sgd", "mse")
    model.fit([A, A[::-1].copy()], rng.random((64, 2)), verbose=0)


def test_what_is_frozen_stays_and_learns_again_when_told() -> None:
    base = Sequential([layers.Dense(6, activation="relu", input_shape=(4,)), layers.BatchNormalization()], name="base")
    base.trainable = False
    entry = Input((4,))
    model = Model(entry, layers.Dense(1)(base(entry, training=False)))
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (2, 6)
    model.compile("adam", "mse")
    before = base.get_weights()
    model.fit(A, PRICE, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))
    base.trainable = True
    model.compile("adam", "mse")
    model.fit(A, PRICE, epochs=2, verbose=0)
    assert not np.array_equal(before[0], base.get_weights()[0])


class Scale(Layer):  # type: ignore[misc]
    """A layer of a user's own, with a weight, a counter that does not learn, and a layer within."""

    def __init__(self, units: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.inner = layers.Dense(units)

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            self.seen.assign_add(1.0)
        return self.inner(inputs * self.factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def test_a_layer_of_ones_own_trains_in_any_model() -> None:
    model = Sequential([layers.Dense(5, input_shape=(4,)), Scale(2), layers.Dense(1)])
    assert [v.name for v in model.layers[1].weights] == ["factor", "seen", "kernel", "bias"]
    assert model.layers[1].count_params() == 5 + 1 + 5 * 2 + 2
    model.compile("adam", "mse", plan={"threads": 1, "precision": "float32"})
    model.fit(A, PRICE, batch_size=16, epochs=2, verbose=0)
    scale = model.layers[1]
    assert float(scale.seen) == 8
    assert not np.allclose(scale.factor.detach(), 1.0)
    assert models.clone_model(model).layers[1].units == 2
    with pytest.raises(ConfigError, match=r"'scale\w*' \(Scale\) is code of your own"):
        model.save("never.keras")


class Branched(Model):  # type: ignore[misc]
    """A model of a user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(6, activation="relu")
        self.more = [layers.Dense(6), layers.Dense(6)]
        self.ends = {"price": layers.Dense(1), "kind": layers.Dense(3, activation="softmax")}
        self.off = layers.Dropout(0.5)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self.first(inputs["a"])
        for layer in self.more:
            x = x + layer(x)
        x = self.off(x, training=training)
        return {name: end(x) for name, end in self.ends.items()}


def test_a_model_of_ones_own_finds_its_layers_and_trains() -> None:
    model = Branched()
    model.compile("adam", {"price": "mse", "kind": "sparse_categorical_crossentropy"}, metrics={"kind": "accuracy"})
    history = model.fit({"a": A}, {"price": PRICE, "kind": KIND}, epochs=2, verbose=0).history
    assert sorted(history) == ["kind_accuracy", "kind_loss", "loss", "price_loss"]
    assert len(model.layers) == 6
    assert len(model.get_weights()) == 10
    answers = model.predict({"a": A}, verbose=0)
    assert answers["kind"].shape == (64, 3)
    eager = model({"a": A})
    np.testing.assert_allclose(eager["price"].numpy(), answers["price"], atol=1e-6)  # dropout is off
    with pytest.raises(ConfigError, match="has a `call` of your own"):
        model.save("never.keras")


def test_gradients_reach_a_layer_that_reads_constants() -> None:
    class Placed(Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.places = layers.Embedding(4, 1)

        def call(self, inputs: Any) -> Any:
            return inputs + self.places(np.arange(4))[:, 0]

    model = Sequential([Input((4,)), Placed()])
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(A, A + 1, verbose=0)
    assert not np.array_equal(before, model.get_weights()[0])
    assert not model(A).requires_grad
    assert model(torch.from_numpy(A)).requires_grad


def test_torch_modules_and_functions_stand_as_layers() -> None:
    model = Sequential(
        [Input((4,)), nn.Linear(4, 3), nn.ReLU(), lambda x: x * 2, Lambda(lambda x: x + 1), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(A, PRICE, verbose=0)
    assert [w.shape for w in before] == [(3, 4), (3,), (3, 1), (1,)]
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_operators_and_torch_functions_on_symbolic_values() -> None:
    a = Input((4,))
    model = Model(a, [torch.sin(a), 1.0 - a, a[:, :2] / 2.0, -a, a @ np.ones((4, 2), "float32")])
    got = model.predict(A, verbose=0)
    for value, want in zip(got, [np.sin(A), 1 - A, A[:, :2] / 2, -A, A @ np.ones((4, 2))], strict=True):
        np.testing.assert_allclose(value, want, atol=1e-6)
    with pytest.raises(ConfigError, match="has no truth"):
        bool(a)


def test_a_part_of_a_model_is_a_model() -> None:
    whole = two_headed(door)
    part = Model(whole.inputs[0], whole.get_layer(index=2).output)
    np.testing.assert_allclose(
        part.predict(A, verbose=0), np.maximum(A @ part.get_weights()[0] + part.get_weights()[1], 0), atol=1e-5
    )
    entry = Input((4,))
    nested = Model(entry, layers.Dense(2)(part(entry)))
    assert nested.predict(A, verbose=0).shape == (64, 2)
    assert nested.get_layer(part.name) is part


def test_dicts_of_inputs_and_outputs_go_by_their_names() -> None:
    first, second = Input((4,), name="f"), Input((3,), name="s")
    ends = {"sum": layers.Dense(1)(layers.Concatenate()([first, second])), "same": layers.Activation("linear")(first)}
    model = Model({"one": first, "two": second}, ends)
    model.compile("sgd", {"sum": "mse"})
    assert list(model.fit({"two": B, "one": A}, {"sum": PRICE}, verbose=0).history) == ["loss", "sum_loss"]
    np.testing.assert_array_equal(model.predict({"two": B, "one": A}, verbose=0)["same"], A)
    np.testing.assert_array_equal(model({"two": B, "one": A})["same"].numpy(), A)
    with pytest.raises(DataError, match="there is no input 'thre'; known: 'one', 'two'"):
        model.predict({"thre": A, "one": A}, verbose=0)


def test_the_logits_of_a_written_call_reach_the_loss() -> None:
    """A softmax of logits that are far apart is 0 in float32; its cross-entropy is not."""

    class Ending(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.end = layers.Dense(3, activation="softmax", kernel_initializer=door.initializers.Constant(0.0))

        def call(self, x: Any) -> Any:
            return self.end(x)

    model = Ending()
    model(A)
    model.end.kernel.assign(np.array([[500.0, 0.0, 0.0]] * 4))
    model.compile("sgd", "sparse_categorical_crossentropy")
    want = (500 * A.sum(1))[KIND != 0].sum() / 64
    assert model.evaluate(A, KIND, verbose=0) == pytest.approx(want, rel=1e-4)


def test_a_sequential_is_built_by_its_first_data() -> None:
    model = Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.get_weights()
    model.compile("sgd", "mse")
    model.fit(A, rng.random((64, 2)), verbose=0)
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 2), (2,)]
    model.pop()
    assert model.predict(A, verbose=0).shape == (64, 3)
    model.add(layers.Dense(5))
    assert model.predict(A, verbose=0).shape == (64, 5)


@pytest.mark.parametrize("kind", ["functional", "sequential", "nested"])
def test_a_saved_model_comes_back_with_layers_weights_and_settings(tmp_path: Path, kind: str) -> None:
    base = Sequential([layers.Dense(4, activation="relu", input_shape=(4,)), layers.Dropout(0.5)], name="base")
    if kind == "functional":
        model, x, y = two_headed(door), [A, B], [PRICE, KIND]
        losses: Any = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    else:
        model, x, y, losses = Sequential([layers.Dense(3, input_shape=(4,), activation="softmax")]), A, KIND, None
        if kind == "nested":
            base.trainable = False
            entry = Input((4,), name="entry")
            model = Model(entry, layers.Dense(3, activation="softmax", name="end")(base(entry)))
        losses = "sparse_categorical_crossentropy"
        if kind == "nested":
            losses = door.losses.SparseCategoricalCrossentropy(reduction="sum")
    metrics = None if kind == "functional" else ["accuracy", door.metrics.SparseTopKCategoricalAccuracy(k=2)]
    model.compile(door.optimizers.Adam(0.01, beta_1=0.8), losses, metrics=metrics)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.keras")
    back = models.load_model(tmp_path / "m.keras")
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    assert [layer.trainable for layer in back.layers] == [layer.trainable for layer in model.layers]
    assert type(back) is type(model)
    assert back.optimizer.get_config() == model.optimizer.get_config()
    for a, b in zip(
        np.atleast_1d(model.evaluate(x, y, verbose=0)), np.atleast_1d(back.evaluate(x, y, verbose=0)), strict=True
    ):
        assert a == b
    back.fit(x, y, verbose=0)
    with pytest.raises(ConfigError, match="is there already"):
        model.save(tmp_path / "m.keras", overwrite=False)
    assert models.load_model(tmp_path / "m.keras", compile=False).training is None


def test_weights_are_written_and_read_by_place(tmp_path: Path) -> None:
    one, other = two_headed(door), two_headed(door)
    one.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(a, b)
    third = Sequential([layers.Dense(3, input_shape=(4,))])
    with pytest.raises(ConfigError, match=r"the file holds 10 weights; the model .* has 2"):
        third.load_weights(tmp_path / "w.weights.h5")
    third.save_weights(tmp_path / "third")
    with pytest.raises(
        ConfigError, match=r"weight 0 of the model is 'sequential\w*/dense\w*/kernel' with the shape \(4, 2\)"
    ):
        Sequential([layers.Dense(2, input_shape=(4,))]).load_weights(tmp_path / "third")


def test_arguments_as_keras_takes_them() -> None:
    assert layers.LSTM(4, "tanh", "hard_sigmoid").get_config()["recurrent_activation"] == "hard_sigmoid"
    assert layers.LeakyReLU(alpha=0.1).get_config()["negative_slope"] == 0.1
    assert layers.Dropout(0.5, seed=3).get_config()["rate"] == 0.5
    assert layers.Conv2D(4, [3, 5], strides=np.int64(2)).get_config()["filters"] == 4
    assert layers.MaxPool2D is layers.MaxPooling2D
    own = layers.Dense(2, activation=lambda x: x * 3)
    np.testing.assert_allclose(own(A).numpy(), 3 * A @ own.kernel.numpy(), rtol=1e-4, atol=1e-5)


def test_statistics_are_learnt_from_data_beforehand() -> None:
    standard = layers.Normalization()
    standard.adapt(A * 5 + 2)
    got = standard(A * 5 + 2).numpy()
    np.testing.assert_allclose([got.mean(), got.std()], [0.0, 1.0], atol=1e-4)
    with pytest.raises(ConfigError, match="learns nothing from data before training"):
        layers.Dense(2).adapt(A)


def test_a_clone_has_the_same_layers_and_other_weights() -> None:
    model = two_headed(door)
    copied = models.clone_model(model)
    assert [layer.name for layer in copied.layers] == [layer.name for layer in model.layers]
    assert [w.shape for w in copied.get_weights()] == [w.shape for w in model.get_weights()]
    assert not np.array_equal(copied.get_weights()[0], model.get_weights()[0])


def test_states_go_from_an_encoder_into_a_decoder_as_in_keras() -> None:
    def build(k: Any) -> Any:
        source, target = k.Input((5, 3)), k.Input((6, 2))
        _, h, c = k.layers.LSTM(4, return_state=True)(source)
        steps = k.layers.LSTM(4, return_sequences=True)(target, initial_state=[h, c])
        return k.Model([source, target], k.layers.Dense(2)(steps))

    theirs, ours = build(real), build(door)
    ours.set_weights(theirs.get_weights())
    x = [rng.random((8, 5, 3)).astype("float32"), rng.random((8, 6, 2)).astype("float32")]
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)


def test_attention_by_keyword_and_with_a_causal_mask_as_in_keras() -> None:
    def build(k: Any) -> Any:
        x = k.Input((6, 8))
        seen = k.layers.MultiHeadAttention(2, 4)(query=x, value=x, use_causal_mask=True)
        return k.Model(x, k.layers.LayerNormalization()(x + seen))

    theirs, ours = build(real), build(door)
    ours.set_weights(theirs.get_weights())
    x = rng.random((8, 6, 8)).astype("float32")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)


def test_weights_are_seen_as_keras_sees_them() -> None:
    dense = layers.Dense(3, weights=[np.full((4, 3), 2.0), np.zeros(3)])
    dense(A)
    assert dense.kernel.shape == (4, 3)
    np.testing.assert_allclose(dense(A).numpy(), A.sum(1, keepdims=True).repeat(3, 1) * 2, rtol=1e-5)
    dense.kernel.assign(np.ones((4, 3)))
    assert float(np.asarray(dense.kernel).sum()) == 12.0
    with pytest.raises(ConfigError, match=r"kernel' has the shape \(4, 3\); got \(3, 4\)"):
        dense.kernel.assign(np.ones((3, 4)))
    rebuilt = layers.Dense.from_config(dense.get_config())
    assert rebuilt.get_config() == dense.get_config()
