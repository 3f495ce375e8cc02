"""Values that are not there yet: constants among them, masks, operators; settings of layers, configurations, copies."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import keras as real
from deepwell import keras as door
from deepwell.core.errors import ConfigError
from deepwell.keras import Input, Lambda, Layer, Model, Sequential, layers, models, ops

rng = np.random.default_rng(4)
X = rng.standard_normal((6, 5)).astype("float32")
STEPS = rng.integers(1, 9, (6, 6))
STEPS[1, 3:] = STEPS[2, 1:] = STEPS[4, 5:] = 0


@pytest.fixture(autouse=True)
def seeded() -> None:
    real.utils.set_random_seed(7)


def agree(build: Callable[[Any], Any], x: Any) -> Any:
    """Both models give the same; ours comes back."""
    theirs, ours = build(real), build(door)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)
    return ours


# constants -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "use",
    [
        lambda k, v: k.layers.Add()([v, np.full((1, 5), 100.0, "float32"), k.layers.Dense(5)(v)]),
        lambda k, v: k.layers.Concatenate()([v, np.full((6, 2), 3.0, "float32")]),
        lambda k, v: k.layers.MultiHeadAttention(2, 3)(
            k.layers.Reshape((5, 1))(v), np.linspace(0, 1, 24, dtype="float32").reshape(6, 4, 1)
        ),
        lambda k, v: k.layers.GRU(3)(k.layers.Reshape((5, 1))(v), initial_state=np.ones((6, 3), "float32")),
        lambda k, v: v * np.arange(5) + np.float32(2) - np.ones((1, 5)),
        lambda k, v: k.ops.take(v, np.array([0, 3]), axis=1),
    ],
)
def test_arrays_among_the_values_count(use: Any) -> None:
    def build(k: Any) -> Any:
        v = k.Input((5,))
        return k.Model(v, use(k, v))

    agree(build, X)


def test_numbers_among_the_values_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'add\w*' \(Add\) is called on arrays and symbolic values; got 3.0"):
        layers.Add()([Input((5,)), 3.0, Input((5,))])
    with pytest.raises(ConfigError, match=r"got .*2\.0"):
        layers.Add()([X, np.float32(2.0), X])
    with pytest.raises(ConfigError, match="got True"):
        layers.Dropout(0.5)(X, True)


def test_constants_follow_the_network_to_another_device() -> None:
    v = Input((5,))
    model = Model(v, layers.Add()([v * np.arange(5, dtype="float32"), np.ones((1, 5), "float32")]))
    network = model.network.to("meta")
    given = {model.inputs[0].name: torch.empty(3, 5, device="meta")}
    assert all(value.device.type == "meta" for value in network(given)[0].values())


def test_what_is_made_inside_a_call_stands_on_its_device() -> None:
    class Places(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * ops.arange(5, dtype="float32") + ops.ones((5,))

    v = Input((5,))
    model = Model(v, Places()(v))
    network = model.network.to("meta")
    found = network({model.inputs[0].name: torch.empty(3, 5, device="meta")})[0]
    assert all(value.device.type == "meta" for value in found.values())


def test_two_constants_of_one_layer_stay_apart() -> None:
    class Plus(Layer):
        def call(self, inputs: Any, other: Any) -> Any:
            return inputs + other

    v, plus = Input((2000,)), Plus()
    one, other = np.zeros((1, 2000), "float32"), np.zeros((1, 2000), "float32")
    other[0, 1000] = 5
    model = Model(v, [plus(v, one), plus(v, other)])
    a, b = model.predict(np.zeros((2, 2000), "float32"), verbose=0)
    assert (a.sum(), b.sum()) == (0, 10)


def test_weights_outside_the_model_are_refused() -> None:
    v = Input((6,))
    places = layers.Embedding(6, 8)(ops.arange(6))
    with pytest.raises(ConfigError, match="would not learn") as caught:
        layers.Embedding(9, 8)(v) + places
    assert "layer of your own" in str(caught.value)


# masks ---------------------------------------------------------------------------------------------------------------
MASKS: dict[str, Any] = {
    "times": lambda k, e: k.layers.LSTM(2)(e * 2.0),
    "plus": lambda k, e: k.layers.LSTM(2)(e + e),
    "minus": lambda k, e: k.layers.LSTM(2)(e - k.layers.Dense(4)(e)),
    "add": lambda k, e: k.layers.LSTM(2)(k.layers.Add()([e, e])),
    "relu": lambda k, e: k.layers.LSTM(2)(k.ops.relu(e)),
    "part": lambda k, e: k.layers.LSTM(2)(e[:, :4]),
    "turned": lambda k, e: k.layers.LSTM(2)(k.ops.transpose(k.layers.Dense(6)(e), (0, 2, 1))),
    "lambda": lambda k, e: k.layers.LSTM(2)(k.layers.Lambda(lambda t: t * 2.0)(e)),
    "lambda_mask": lambda k, e: k.layers.LSTM(2)(k.layers.Lambda(lambda t: t * 2.0, mask=lambda t, m: m)(e)),
    "unit": lambda k, e: k.layers.LSTM(2)(k.layers.UnitNormalization()(e)),
}


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
@pytest.mark.parametrize("name", MASKS)
def test_functions_have_no_mask(name: str) -> None:
    def build(k: Any) -> Any:
        v = k.Input((6,))
        return k.Model(v, MASKS[name](k, k.layers.Embedding(9, 4, mask_zero=True)(v)))

    agree(build, STEPS)


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
@pytest.mark.parametrize(
    "use",
    [
        lambda k, e: e[:, 0],
        lambda k, e: k.ops.mean(e, axis=1),
        lambda k, e: k.layers.Lambda(lambda t: t[:, -1])(e),
        lambda k, e: k.layers.LSTM(3, return_sequences=True)(e)[:, -1],
    ],
)
def test_models_that_leave_the_steps_behind_train(use: Any) -> None:
    losses = []
    start: list[Any] = []
    for k in (real, door):
        v = k.Input((6,))
        model = k.Model(v, k.layers.Dense(1)(use(k, k.layers.Embedding(9, 4, mask_zero=True)(v))))
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile("sgd", "mse")
        losses.append(model.fit(STEPS, np.arange(6.0), epochs=2, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_sums_of_two_values_can_still_be_sealed(tmp_path: Any) -> None:
    v = Input((6,))
    e = layers.Embedding(9, 4, mask_zero=True)(v)
    model = Model(v, layers.LSTM(2)(e + e))
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(
        models.load_model(tmp_path / "m").predict(STEPS, verbose=0), model.predict(STEPS, verbose=0)
    )


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_a_layer_of_ones_own_is_given_its_mask() -> None:
    def build(k: Any) -> Any:
        class Pool(k.layers.Layer):
            def call(self, x: Any, mask: Any = None) -> Any:
                there = k.ops.expand_dims(k.ops.cast(mask, "float32"), -1)
                return k.ops.sum(x * there, axis=1) / k.ops.sum(there, axis=1)

        v = k.Input((6,))
        return k.Model(v, k.layers.Dense(1)(Pool()(k.layers.Embedding(9, 4, mask_zero=True)(v))))

    agree(build, STEPS)


def test_masks_are_known_through_networks_in_networks() -> None:
    v = Input((6,))
    embedded = layers.Embedding(9, 4, mask_zero=True)(v)
    steps, last = Input((6, 4)), Input((6, 4))
    keeps = Model(steps, layers.LSTM(5, return_sequences=True)(steps))(embedded)
    drops = Model(last, layers.LSTM(5)(last))(embedded)
    makes = Sequential([Input((6,)), layers.Embedding(9, 5, mask_zero=True)])(v)
    assert [x.masked for x in (v, embedded, keeps, drops, makes, layers.Add()([keeps, makes]), keeps + makes)] == [
        False, True, True, False, True, True, False,
    ]  # fmt: skip
    assert not layers.Add()([drops, layers.LSTM(5)(embedded)]).masked


def test_a_mask_can_be_given_by_hand() -> None:
    v, there = Input((6, 2)), Input((6,), dtype="int32")
    x, mask = rng.standard_normal((6, 6, 2)).astype("float32"), (STEPS > 0).astype("int32")
    lstm = layers.LSTM(3)
    model = Model([v, there], lstm(v, mask=there > 0))
    want = lstm(x, mask=torch.as_tensor(mask > 0)).detach().numpy()
    np.testing.assert_allclose(model.predict([x, mask], verbose=0), want, atol=1e-6)
    assert np.abs(want - lstm(x).numpy()).max() > 1e-3


# operators -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "use",
    [
        lambda k, v: k.ops.cast(v > 0.2, "float32"),
        lambda k, v: k.ops.cast(v <= 0.2, "float32"),
        lambda k, v: k.ops.where((v < -0.5) | (v >= 0.5), v, 0.0),
        lambda k, v: k.ops.where(~((v > -0.5) & (v < 0.5)), v, 0.0),
        lambda k, v: k.ops.cast(v != 0.0, "float32"),
        lambda k, v: abs(v) // 0.3,
        lambda k, v: v % 0.7,
        lambda k, v: 2.0**v,
    ],
)
def test_operators(use: Any) -> None:
    def build(k: Any) -> Any:
        v = k.Input((5,))
        return k.Model(v, use(k, v))

    agree(build, X)


def test_symbolic_values_are_no_arrays() -> None:
    v = Input((5,))
    for function in (np.sum, np.asarray, np.mean):
        with pytest.raises(ConfigError, match="no array"):
            function(v)
    assert v == v
    assert v != Input((5,))
    assert len({v, v}) == 1
    zero = Model(v, ops.cast(v == 0.0, "float32"))
    assert zero.predict(np.array([[0, 1, 0, 2, 0]], "float32"), verbose=0).tolist() == [[1, 0, 1, 0, 1]]


def test_arrays_on_the_left_of_an_operator() -> None:
    v, left = Input((5,)), np.arange(5, dtype="float32")
    model = Model(v, [left - v, left > v, np.ones((5, 5), "float32") @ ops.reshape(v, (-1, 5, 1))])
    minus, more, product = model.predict(X, verbose=0)
    np.testing.assert_array_equal(minus, left - X)
    np.testing.assert_array_equal(more.astype(bool), left > X)
    np.testing.assert_allclose(product[:, 0, 0], X.sum(1), atol=1e-5)
    with pytest.raises(ConfigError, match="no array"):
        np.exp(v)


def test_arithmetic_on_weights() -> None:
    dense = layers.Dense(3)
    dense.build((None, 5))
    kernel = dense.kernel.numpy()
    assert torch.equal(dense.kernel * 0, torch.zeros(5, 3))
    for got, want in [
        (2 - dense.kernel, 2 - kernel),
        (np.ones((5, 3), "float32") + dense.kernel, 1 + kernel),
        (dense.kernel + dense.kernel, 2 * kernel),
        (X @ dense.kernel, X @ kernel),
        (torch.abs(dense.kernel), np.abs(kernel)),
        (ops.sum(dense.kernel, axis=0), kernel.sum(0)),
        (dense.kernel[1:], kernel[1:]),
        (ops.norm(dense.kernel), np.linalg.norm(kernel)),
        (dense.kernel.mean(), kernel.mean()),
    ]:
        np.testing.assert_allclose(np.asarray(torch.as_tensor(got).detach()), want, atol=1e-5)


# settings of layers --------------------------------------------------------------------------------------------------
def test_layers_tell_what_they_were_made_with() -> None:
    made = [
        (layers.Dense(3, activation="relu", use_bias=False), ("units", "use_bias")),
        (layers.Dropout(0.3), ("rate",)),
        (layers.Conv2D(4, 3, strides=2), ("filters", "strides")),
        (layers.LSTM(3, return_sequences=True), ("units", "return_sequences")),
    ]
    for layer, names in made:
        their = getattr(real.layers, type(layer).__name__).from_config(
            {n: getattr(layer, n) for n in (*names, *(("kernel_size",) if type(layer).__name__ == "Conv2D" else ()))}
        )
        assert [getattr(layer, n) for n in names] == [getattr(their, n) for n in names]
    assert made[0][0].activation(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
    with pytest.raises(AttributeError):
        _ = made[0][0].unit


def test_a_setting_acts_before_the_first_call_and_is_refused_after() -> None:
    dense = layers.Dense(3, activation="relu")
    dense.activation, dense.units = "tanh", 4
    np.testing.assert_allclose(dense(X).detach(), np.tanh(X @ dense.kernel.numpy()), atol=1e-5)
    for name, value in (("activation", "relu"), ("units", 5), ("kernel_regularizer", "l2")):
        with pytest.raises(ConfigError, match=f"{name} of the layer .* is fixed since it was called"):
            setattr(dense, name, value)
    with pytest.raises(ConfigError, match=r"kernel is a weight .*") as caught:
        dense.kernel = np.zeros((5, 4))
    assert "layer.kernel.assign" in str(caught.value)
    dense.remark = "mine"
    assert dense.remark == "mine"


def test_inner_layers_can_be_built_by_hand() -> None:
    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def build(self, input_shape: Any) -> None:
            self.dense.build(input_shape)
            assert self.dense.built
            assert self.dense.kernel.shape == (3, 2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    outer = Outer()
    assert outer(np.ones((1, 3), "float32")).shape == (1, 2)
    assert len(outer.get_weights()) == 2
    attention = layers.MultiHeadAttention(2, 3)
    attention.build((None, 5, 4), (None, 7, 4))
    assert len(attention.get_weights()) == 8


# a model at every step -----------------------------------------------------------------------------------------------
VIDEO = rng.standard_normal((4, 3, 8, 8, 1)).astype("float32")


def test_a_network_at_every_step(tmp_path: Any) -> None:
    def build(k: Any) -> Any:
        cnn = k.Sequential([k.Input((8, 8, 1)), k.layers.Conv2D(3, 3, activation="relu"), k.layers.Flatten()])
        v = k.Input((3, 8, 8, 1))
        return k.Model(v, k.layers.Dense(1)(k.layers.LSTM(2)(k.layers.TimeDistributed(cnn)(v))))

    model = agree(build, VIDEO)
    model.save(tmp_path / "m")
    want = model.predict(VIDEO, verbose=0)
    np.testing.assert_array_equal(models.load_model(tmp_path / "m").predict(VIDEO, verbose=0), want)
    copied = models.clone_model(model)
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(copied.predict(VIDEO, verbose=0), want)


def test_a_network_at_every_step_is_the_network_itself() -> None:
    cnn = Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    steps = layers.TimeDistributed(cnn)
    model = Sequential([Input((3, 8, 8, 1)), steps, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = cnn.get_weights()
    model.fit(VIDEO, np.ones(4), epochs=1, verbose=0)
    assert np.abs(cnn.get_weights()[0] - before[0]).max() > 0
    cnn.trainable = False
    before = cnn.get_weights()
    model.compile("sgd", "mse")
    model.fit(VIDEO, np.ones(4), epochs=1, verbose=0)
    np.testing.assert_array_equal(cnn.get_weights()[0], before[0])


def test_functions_and_own_layers_at_every_step() -> None:
    class Scale(Layer):
        def build(self, shape: Any) -> None:
            self.factor = self.add_weight((shape[-1],), "ones", name="factor")

        def call(self, x: Any) -> Any:
            return x * self.factor

    x = rng.standard_normal((4, 3, 2)).astype("float32")
    v = Input((3, 2))
    model = Model(
        v, layers.TimeDistributed(Scale())(layers.TimeDistributed(Lambda(lambda t: ops.sum(t, -1, keepdims=True)))(v))
    )
    model.set_weights([np.array([3.0])])
    np.testing.assert_allclose(model.predict(x, verbose=0), 3 * x.sum(-1, keepdims=True), rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(x, x[..., :1], epochs=1, verbose=0)
    assert model.get_weights()[0] != 3


# configurations and copies -------------------------------------------------------------------------------------------
def nested() -> Model:
    inner = Sequential([Input((4,)), layers.Dense(4, activation="tanh")])
    v = Input((4,), name="v")
    return Model(v, {"one": layers.Dense(2)(inner(v) + v), "two": layers.Dropout(0.5)(v)}, name="mine")


def test_configurations_make_the_same_model() -> None:
    model, x = nested(), rng.standard_normal((3, 4)).astype("float32")
    for copied in (Model.from_config(model.get_config()), models.model_from_json(model.to_json(indent=1))):
        assert [layer.name for layer in copied.layers] == [layer.name for layer in model.layers]
        assert copied.name == "mine"
        copied.set_weights(model.get_weights())
        want, got = model.predict(x, verbose=0), copied.predict(x, verbose=0)
        assert list(want) == list(got)
        np.testing.assert_array_equal(got["one"], want["one"])
    row = Sequential([Input((4,)), layers.Dense(3)])
    copied = Sequential.from_config(row.get_config())
    assert isinstance(copied, Sequential)
    assert copied.get_weights()[0].shape == (4, 3)


def test_configurations_of_others_and_of_code_are_refused() -> None:
    theirs = real.Sequential([real.Input((4,)), real.layers.Dense(3)])
    with pytest.raises(ConfigError, match="no configuration of a model of deepwell"):
        Sequential.from_config(theirs.get_config())
    with pytest.raises(ConfigError, match="no configuration of a model of deepwell"):
        models.model_from_json(theirs.to_json())
    for text in ("{", json.dumps([1]), json.dumps({"config": 3})):
        with pytest.raises(ConfigError):
            models.model_from_json(text)
    with pytest.raises(ConfigError, match="code of your own"):
        Sequential([Input((4,)), Lambda(lambda t: t)]).get_config()


def test_copies_of_models_with_functions() -> None:
    class Scale(Layer):
        def __init__(self, by: float = 2.0, **base: Any) -> None:
            super().__init__(**base)
            self.by = by

        def build(self, shape: Any) -> None:
            self.factor = self.add_weight((shape[-1],), "ones", name="factor")

        def call(self, x: Any) -> Any:
            return x * self.factor * self.by

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "by": self.by}

    v = Input((5,))
    own = layers.Dense(5, activation=lambda t: t * 3)(ops.relu(v) + np.ones(5))
    model = Model(v, Scale(4.0)(Lambda(lambda t: t + 1)(own)) + v)
    copied = models.clone_model(model)
    copied.set_weights([w + 1 for w in model.get_weights()])
    assert np.abs(copied.predict(X, verbose=0) - model.predict(X, verbose=0)).max() > 0.1
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(copied.predict(X, verbose=0), model.predict(X, verbose=0))


class Holds(Layer):
    """A functional model inside a layer of one's own."""

    def __init__(self) -> None:
        super().__init__()
        v = Input((5,))
        self.inner = Model(v, layers.Dense(3)(v) * np.arange(3))

    def call(self, x: Any) -> Any:
        return self.inner(x)


def test_deep_copies_have_weights_of_their_own() -> None:
    functional, row, own = Input((5,)), Sequential([Input((5,)), Holds(), layers.Dense(1)]), Holds()
    for model in (
        row,
        Model(functional, layers.Dense(2)(own(functional)) + 1.0),
        Sequential([Input((5,)), Holds().inner]),
    ):
        copied, want = copy.deepcopy(model), model.predict(X, verbose=0)
        np.testing.assert_array_equal(copied.predict(X, verbose=0), want)
        copied.set_weights([w + 1 for w in copied.get_weights()])
        np.testing.assert_array_equal(model.predict(X, verbose=0), want)
        assert np.abs(copied.predict(X, verbose=0) - want).max() > 0.1
        network = copy.deepcopy(model.network)
        given = {model.inputs[0].name: torch.as_tensor(X)}
        np.testing.assert_array_equal(next(iter(network(given)[0].values())).detach(), want)


def test_saving_is_a_part_of_the_door(tmp_path: Any) -> None:
    @door.saving.register_keras_serializable(package="mine")
    class Mine(Layer):
        def call(self, x: Any) -> Any:
            return x

    assert Mine()(X).shape == X.shape
    model = Sequential([Input((5,)), layers.Dense(2)])
    door.saving.save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(
        door.saving.load_model(tmp_path / "m").predict(X, verbose=0), model.predict(X, verbose=0)
    )
