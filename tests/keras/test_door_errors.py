"""Errors of the door name the layer, what was received, and the repair."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deepwell.core.errors import ConfigError, DataError, DeepwellError
from deepwell.keras import Input, Model, Sequential, layers

rng = np.random.default_rng(1)
X, LABELS = rng.random((40, 6)).astype("float32"), rng.integers(0, 3, 40)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]


def net(units: int = 3, activation: str = "softmax") -> Any:
    return Sequential(
        [layers.Dense(5, input_shape=(6,), name="hidden"), layers.Dense(units, activation=activation, name="end")]
    )


def fitted(loss: Any, x: Any = X, y: Any = LABELS, model: Any = None, **options: Any) -> Callable[[], Any]:
    def run() -> Any:
        made = net() if model is None else model()
        made.compile("adam", loss)
        return made.fit(x, y, verbose=0, **options)

    return run


def pictures() -> Any:
    return Sequential([layers.Conv2D(4, 3, input_shape=(8, 8, 1), name="conv"), layers.Flatten(), layers.Dense(3)])


def twice() -> None:
    shared = layers.Dense(2, name="two")
    shared(Input((4,)))
    shared(Input((5,)))


SPARSE, DENSE = "sparse_categorical_crossentropy", "categorical_crossentropy"
CASES: list[tuple[Callable[[], Any], str]] = [
    (
        fitted("mse", rng.random((4, 8, 8, 3)), rng.random((4, 3)), pictures),
        r"the layer 'conv': the input 'input_layer\w*' takes \(None, 8, 8, 1\); the shape received is \(4, 8, 8, 3\)\n  repair: ",
    ),
    (fitted("mse", rng.random((4, 64)), rng.random((4, 3)), pictures), r"repair: x\.reshape\(\(-1, 8, 8, 1\)\)"),
    (fitted("mse", rng.random((4, 1, 8, 8)), rng.random((4, 3)), pictures), "channels are last"),
    (lambda: net().compile("adm"), "there is no optimizer 'adm'; did you mean 'adam'?"),
    (lambda: net().compile("adam", "categorical_crosentropy"), "did you mean 'categorical_crossentropy'?"),
    (lambda: net().compile("adam", "mse", metrics=["acuracy"]), "there is no metric 'acuracy'; did you mean 'accuracy'?"),
    (lambda: net().compile("adam", "mse", metric=["mae"]), "compile has no argument 'metric'; did you mean"),
    (lambda: net().compile("adam", "mse", ["mae"]), "loss_weights are numbers; got 'mae'\n  repair: metrics="),
    (lambda: net().fit(X, LABELS), "is not compiled"),
    (fitted("mse", y=ONE_HOT, epoch=3), "fit has no argument 'epoch'; did you mean 'epochs'?"),
    (lambda: layers.Dense(3, activation="rellu", name="d"),
     r"the layer 'd' \(Dense\): there is no activation 'rellu'; did you mean 'relu'?"),
    (lambda: layers.Dense(3, activaton="relu"), "Dense has no argument 'activaton'; did you mean 'activation'?"),
    (lambda: layers.Dense(), "Dense needs the argument 'units'"),
    (lambda: layers.Dense(2.5), "units must be a whole number; got 2.5"),
    (lambda: layers.Dense(3, kernel_initializer="glorot"), "there is no initiali"),
    (lambda: layers.Conv2D(3, 3, data_format="channels_first"), "channels are the last axis"),
    (lambda: layers.Dense(3, dtype="float16"), "must be 'float32'"),
    (fitted("binary_crossentropy", y=LABELS % 2, model=lambda: net(1)),
     r"the layer 'end': a softmax over one unit is always 1[\s\S]*sigmoid"),
    (fitted(SPARSE, y=LABELS + 1),
     r"the layer 'end': .* labels from 0 to 2, one for each unit; row \d+ holds 3\n  repair: give the last layer 4 units"),
    (fitted(DENSE), r"to_categorical\(y, 3\)"),
    (fitted(SPARSE, model=lambda: net(3, "relu")), r"the layer ends in 'relu'[\s\S]*activation='softmax' in the last layer"),
    (fitted(DENSE, y=np.eye(4)[LABELS]), r"targets of shape \(\d+, 4\) do not fit an output of 3 units"),
    (fitted(SPARSE, y=LABELS[:30]), r"has 40 rows, the target 'end' has 30 rows"),
    (fitted("mse", [X, X], ONE_HOT), r"the model has 1 input .*; got 2 values"),
    (fitted("mse", {"hiden": X}, ONE_HOT), "there is no input 'hiden'"),
    (fitted("mse", np.array([["a"] * 6] * 40), ONE_HOT), "must hold numbers"),
    (fitted("mse", [[1.0], [1.0, 2.0]], ONE_HOT[:2]), "pad_sequences"),
    (fitted("mse", (row for row in X), ONE_HOT), "must be an array; got generator"),
    (fitted("mse", X[:0], ONE_HOT[:0]), "there are no examples"),
    (fitted("mse", y=None), "the output 'end' has a loss and no targets"),
    (fitted(None, y=ONE_HOT), "no output has a loss"),
    (fitted("mse", y=ONE_HOT, validation_split=0.999), "one part is empty"),
    (fitted("mse", y=ONE_HOT, class_weight={0: 1.0}, sample_weight=np.ones(40)), "cannot both be given"),
    (twice, r"the layer 'two' \(Dense\) has weights for the shape \(None, 4\); the shape received is \(None, 5\)"),
    (
        lambda: Sequential([Input((8, 8, 1)), layers.Dense(4), layers.LSTM(3, name="rnn")]),
        r"the layer 'rnn' \(LSTM\): it takes 3 axes, examples included; the shape received is \(None, 8, 8, 4\)",
    ),
    (lambda: Sequential([layers.Dense]), "it is a class: call it"),
    (lambda: Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]), "two layers of the model are called 'a'"),
    (lambda: Model(Input((2,)), layers.Dense(2)(Input((2,)))), r"also hang on the input [\s\S]*add it to `inputs`"),
    (lambda: net().get_layer("hiden"), "has no layer 'hiden'; did you mean 'hidden'?"),
    (lambda: net().set_weights([np.zeros((6, 5))]), r"has 4 weights .*; got 1 arrays"),
    (lambda: layers.LSTM(3, return_sequence=True), "did you mean 'return_sequences'?"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "text"), CASES, ids=lambda v: v[:40] if isinstance(v, str) else "")
def test_an_error_teaches(case: Callable[[], Any], text: str) -> None:
    with pytest.raises((ConfigError, DataError), match=text.rstrip("?")):
        case()


def test_a_step_of_ones_own_is_refused_in_words() -> None:
    class Stepping(Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

        def train_step(self, data: Any) -> Any:
            return {}

    with pytest.raises(ConfigError, match="writes its own 'train_step'; all models are trained by one loop"):
        Stepping().compile("adam", "mse")


def test_a_layer_of_the_closed_set_that_computes_something_else_is_refused() -> None:
    """It would be built as the layer that it is made from."""
    with pytest.raises(ConfigError, match="Doubled is a Conv2D with a `call` of its own") as told:

        class Doubled(layers.Conv2D):  # type: ignore[misc]
            def call(self, x: Any) -> Any:
                return super().call(x) * 2

    assert "layers.Layer that holds one" in told.value.repair

    class Negated:
        def call(self, x: Any) -> Any:
            return -x

    with pytest.raises(ConfigError, match="Mixed is a Dense with a `call` of its own"):
        type("Mixed", (Negated, layers.Dense), {})

    class Wide(layers.Dense):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(7, **options)

    assert Wide()(Input((3,))).shape == (None, 7)


def test_errors_are_value_errors_too() -> None:
    """Scripts written for Keras catch ValueError."""
    with pytest.raises(ValueError):
        layers.Dense(3, activation="rellu")
    assert issubclass(ConfigError, DeepwellError)


def test_a_model_in_which_nothing_learns_is_named() -> None:
    model = net()
    model.trainable = False
    model.compile("adam", "mse")
    with pytest.raises(ConfigError, match="has no weights that learn"):
        model.fit(X, ONE_HOT, verbose=0)


def test_a_call_that_gives_no_tensor_is_named() -> None:
    class Wrong(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return None

    with pytest.raises(ConfigError, match="gave no tensor but NoneType"):
        Wrong(name="w")(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("shape", "x", "rows"), [((2,), [[1.0, 2.0]], 1), ((2,), [[1.0, 2.0], [3.0, 4.0]], 2), ((1,), [10.0], 1), ((1,), [1, 2], 2),
                             ((2,), [np.ones((4, 2))], 4), ((2,), [torch.ones(3, 2)], 3), ((1,), [np.float32(3.0)], 1)]
)  # fmt: skip
def test_a_list_of_one_row_or_number_is_one_example(shape: tuple[int, ...], x: Any, rows: int) -> None:
    model = Sequential([Input(shape), layers.Dense(1)])
    assert model.predict(x, verbose=0).shape == (rows, 1)
    model.compile("adam", "mse")
    assert len(model.fit(x, [0.5] * rows, verbose=0).history["loss"]) == 1


def test_a_table_of_several_types_of_numbers_says_how_to_make_one() -> None:
    table = np.array([[True, 1.5], [False, 2.5]], object)
    with pytest.raises(DataError, match=r"x\.astype\('float32'\)"):
        Sequential([Input((2,)), layers.Dense(1)]).predict(table)
    with pytest.raises(DataError, match="turn texts into numbers"):
        Sequential([Input((2,)), layers.Dense(1)]).predict(np.array([["a", 1.5]], object))
