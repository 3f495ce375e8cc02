"""Any model that is written down: the order of its layers, its numbers, its copies and its sealed form."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import keras as real
from deepwell import keras as door
from deepwell.core.errors import ConfigError
from deepwell.keras import Input, Lambda, Layer, Model, Sequential, layers, models, naming
from deepwell.nn.graph import Graph

Plan = list[tuple[str, int, int]]
KINDS = ("dense", "shared", "add", "multiply", "concatenate", "norm")
rng = np.random.default_rng(9)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights are drawn the same each time, whichever tests ran before."""
    real.utils.set_random_seed(7)


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, Plan, list[int]]:
    """How many inputs; steps (what, of which value, and which other); which values come out."""
    inputs = draw(st.integers(1, 3))
    steps: Plan = []
    for place in range(draw(st.integers(1, 7))):
        values = inputs + place
        steps.append((draw(st.sampled_from(KINDS)), draw(st.integers(0, values - 1)), draw(st.integers(0, values - 1))))
    last = inputs + len(steps) - 1
    return inputs, steps, draw(st.lists(st.integers(inputs, last), min_size=1, max_size=2, unique=True))


def built(k: Any, plan: tuple[int, Plan, list[int]]) -> Any:
    """The model of a plan, by real Keras or by the door; all values have 4 units."""
    inputs, steps, ends = plan
    values = [k.Input((4,), name=f"in{i}") for i in range(inputs)]
    entries, shared = list(values), k.layers.Dense(4, activation="tanh", name="shared")
    for place, (kind, one, other) in enumerate(steps):
        a, b = values[one], values[other]
        name = f"n{place}"
        if kind == "dense":
            found = k.layers.Dense(4, activation="relu", name=name)(a)
        elif kind == "shared":
            found = shared(a)
        elif kind == "norm":
            found = k.layers.LayerNormalization(name=name)(a)
        elif kind == "concatenate":
            found = k.layers.Dense(4, name=name)(k.layers.Concatenate(name=f"c{place}")([a, b]))
        else:
            found = getattr(k.layers, kind.title())(name=name)([a, b])
        values.append(found)
    return k.Model(entries, [values[end] for end in ends])


@settings(max_examples=25, deadline=None)
@given(plans())
def test_layers_stand_in_keras_order_and_numbers_agree(plan: tuple[int, Plan, list[int]]) -> None:
    theirs, ours = built(real, plan), built(door, plan)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [v.path.split("/", 1)[1] for v in ours.weights] == [v.path for v in theirs.weights]
    ours.set_weights(theirs.get_weights())
    x = [rng.standard_normal((3, 4)).astype("float32") for _ in range(plan[0])]
    want, got = theirs.predict(x, verbose=0), ours.predict(x, verbose=0)
    for a, b in zip(want if isinstance(want, list) else [want], got if isinstance(got, list) else [got], strict=True):
        np.testing.assert_allclose(b, a, atol=1e-4, rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(plans())
def test_sealing_and_copying_keep_everything(plan: tuple[int, Plan, list[int]]) -> None:
    model = built(door, plan)
    x = [rng.standard_normal((3, 4)).astype("float32") for _ in range(plan[0])]
    want = model.predict(x, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m.well")
        back = models.load_model(Path(folder) / "m.well")
    copied = models.clone_model(model)
    copied.set_weights(model.get_weights())
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    for other in (back, copied):
        got = other.predict(x, verbose=0)
        for a, b in zip(np.atleast_3d(want), np.atleast_3d(got), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_graph_is_data() -> None:
    model = built(door, (2, [("dense", 0, 0), ("concatenate", 1, 2)], [3]))
    graph = model.network.graph
    assert Graph.from_json(graph.to_json()).to_json() == graph.to_json()


class Summing(Layer):  # type: ignore[misc]
    """Several values in, several out, in nests; knows lengths only from the data."""

    def call(self, inputs: Any) -> Any:
        left, right = inputs["left"], inputs["right"]
        return {"sum": left + right, "wide": torch.cat([left, right], dim=-1)}


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.one_of(st.none(), st.integers(1, 9)))
def test_shapes_of_ones_own_layers_are_found_out(units: int, length: int | None) -> None:
    found = Summing()({"left": Input((length, units)), "right": Input((length, units))})
    assert found["sum"].shape == (None, length, units)
    assert found["wide"].shape == (None, length, 2 * units)


def test_types_of_ones_own_layers_are_found_out() -> None:
    places = Lambda(lambda x: x.argmax(dim=-1))(Input((5, 3)))
    assert (places.shape, places.dtype) == ((None, 5), "int32")
    assert layers.Embedding(3, 2)(places).shape == (None, 5, 2)


def test_a_number_for_all_examples_is_no_layer() -> None:
    with pytest.raises(ConfigError, match="a single number for all examples"):
        Lambda(lambda x: x.mean())(Input((3,)))


def test_a_layer_called_in_two_forms_shares_its_weights() -> None:
    class Either(Layer):  # type: ignore[misc]
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(1,), initializer="ones", name="w")

        def call(self, x: Any, other: Any = None, sign: float = 1.0) -> Any:
            return x * self.w if other is None else sign * (x + other) * self.w

    either = Either()
    a, b = Input((2,)), Input((2,))
    model = Model([a, b], [either(a), either(a, other=b), either(a, other=b, sign=-1.0)])
    assert len(model.weights) == 1
    x = rng.random((4, 2)).astype("float32")
    one, two, three = model.predict([x, x], verbose=0)
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6)
    np.testing.assert_allclose(three, -two, rtol=1e-6)


def test_masks_find_their_way_through_a_call() -> None:
    """As in Keras: padded steps do not count, neither in a model of one's own nor when layers are called by hand."""

    class Reading(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = layers.Embedding(9, 4, mask_zero=True)
            self.memory = layers.LSTM(3)

        def call(self, x: Any) -> Any:
            return self.memory(self.words(x))

    model = Reading()
    short, padded = np.array([[5, 2]]), np.array([[5, 2, 0, 0]])
    np.testing.assert_allclose(model(short).numpy(), model(padded).numpy(), atol=1e-6)
    np.testing.assert_allclose(model.predict(padded, verbose=0), model(short).numpy(), atol=1e-6)


def test_a_layer_of_ones_own_hands_masks_on_only_if_it_says_so() -> None:
    class Passing(Layer):  # type: ignore[misc]
        supports_masking = True

        def call(self, x: Any, mask: Any = None) -> Any:
            seen.append(mask)
            return x

    class Dropping(Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    seen: list[Any] = []
    words = np.array([[1, 0]])
    embedded = layers.Embedding(3, 2, mask_zero=True)(words)
    assert getattr(Passing()(embedded), "_keras_mask").tolist() == [[True, False]]  # noqa: B009
    assert seen[-1].tolist() == [[True, False]]
    assert not hasattr(Dropping()(embedded * 1), "_keras_mask")


def test_training_is_told_to_those_who_ask() -> None:
    told: list[Any] = []

    class Asking(Layer):  # type: ignore[misc]
        def call(self, x: Any, training: Any = None) -> Any:
            told.append(bool(training))
            return x

    entry = Input((2,))
    asking = Asking()
    model = Model(entry, layers.Dense(1)(asking(asking(entry), training=False)))
    model.compile("sgd", "mse")
    told.clear()
    model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)
    assert told == [True, False]
    model.predict(np.zeros((2, 2)), verbose=0)
    assert told == [True, False, False, False]


def test_what_cannot_be_written_down_is_said_in_words() -> None:
    a = Input((2,))
    with pytest.raises(ConfigError, match="needs both its inputs and its outputs"):
        Model(a)
    with pytest.raises(ConfigError, match="begin with x = Input"):
        Model(np.zeros(2), np.zeros(2))
    with pytest.raises(ConfigError, match="walked through"):
        list(a)
    with pytest.raises(ConfigError, match="is not built"):
        _ = Sequential([layers.Dense(2)]).inputs
    with pytest.raises(ConfigError, match="gives several values"):
        Sequential([Input((3, 2)), layers.LSTM(2, return_state=True)])
    with pytest.raises(ConfigError, match="has not been called on a symbolic value"):
        _ = layers.Dense(2).output
    with pytest.raises(ConfigError, match="needs a shape"):
        Input(None)
    with pytest.raises(ConfigError, match="constraints are not known here"):
        Layer().add_weight((2,), constraint="non_neg")
    used = layers.LSTM(2)
    used(np.zeros((1, 3, 2), "float32"))
    with pytest.raises(ConfigError, match="wraps a layer that has no weights yet"):
        layers.Bidirectional(used)


def test_a_summary_shows_what_is_within_and_what_learns(capsys: pytest.CaptureFixture[str]) -> None:
    naming.reset()
    base = Sequential([layers.Dense(3, input_shape=(2,))], name="base")
    base.trainable = False
    model = Sequential([base, layers.Dense(1)])
    model.summary(expand_nested=True, show_trainable=True, line_length=90)
    printed = capsys.readouterr().out
    assert "└ dense (Dense)" in printed
    assert "Trainable params: 4 (16.00 B)" in printed
    assert "Non-trainable params: 9 (36.00 B)" in printed
    told: list[str] = []
    model.summary(print_fn=told.append, layer_range=["dense_1", "dense_1"])
    assert "base" not in told[0]
    assert "dense_1 (Dense)" in told[0]
    Sequential([layers.Dense(2)]).summary()
    assert "0 (unbuilt)" in capsys.readouterr().out


def test_layers_tell_what_they_are_made_of() -> None:
    bidirectional = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="sum", name="both")
    config = bidirectional.get_config()
    assert config["layer"]["class_name"] == "LSTM"
    again = layers.Bidirectional.from_config(config)
    x = rng.random((2, 4, 3)).astype("float32")
    assert again(x).shape == bidirectional(x).shape == (2, 4, 3)
    again.set_weights(bidirectional.get_weights())
    np.testing.assert_allclose(again(x).numpy(), bidirectional(x).numpy(), atol=1e-6)
    assert repr(bidirectional) == "<Bidirectional name=both, built=True>"


def test_a_layer_of_texts_and_of_another_length_uses_the_same_weights() -> None:
    reading = Sequential([layers.Embedding(9, 4), layers.GlobalAveragePooling1D(), layers.Dense(2)])
    for length in (3, 7, 3):
        assert reading(rng.integers(0, 9, (2, length))).shape == (2, 2) if length == 3 else True
    functional = Model(words := Input((None,), dtype="int32"), layers.LSTM(2)(layers.Embedding(9, 4)(words)))
    assert [functional.predict(rng.integers(0, 9, (2, n)), verbose=0).shape for n in (3, 7)] == [(2, 2), (2, 2)]


@pytest.mark.parametrize("side", [24, 40])
def test_a_model_within_a_model_sees_all_of_a_larger_picture(side: int) -> None:
    """Declared for 28 x 28, of which 26 x 26 are enough; another size is computed in full, or as much as there is."""
    windows = [layers.Conv2D(3, 3), layers.MaxPooling2D(), layers.Conv2D(2, 3), layers.MaxPooling2D()]
    inner = Sequential([Input((28, 28, 1)), *windows, layers.GlobalAveragePooling2D()])
    x = rng.random((2, side, side, 1)).astype("float32")
    seen = Input((None, None, 1))
    found = Model(seen, inner(seen)).predict(x, verbose=0)
    wanted = torch.from_numpy(x)
    for layer in inner.layers:
        wanted = layer(wanted)
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
