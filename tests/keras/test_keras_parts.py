"""Small parts of the door against real Keras: initialisers, regularisers, activations, utils, random, backend."""

import inspect
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import activations, backend, initializers, regularizers, utils
from deepwell.keras import random as draws
from deepwell.keras.preprocessing.sequence import pad_sequences
from deepwell.nn.layers.activations import ACTIVATIONS

keras = pytest.importorskip("keras", reason='real Keras is not installed: pip install "deepwell[dev]"')
X = np.linspace(-3, 3, 25, dtype="float32").reshape(5, 5)


# utils ---------------------------------------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=8), st.sampled_from([(), (1,), (1, 1)]), st.none() | st.just(12)
)
def test_one_hot_targets_are_those_of_keras(labels, more, classes):
    y = np.array(labels).reshape(-1, *more)
    np.testing.assert_array_equal(utils.to_categorical(y, classes), keras.utils.to_categorical(y, classes))
    tensor = utils.to_categorical(torch.tensor(y), 12)
    np.testing.assert_array_equal(tensor.numpy(), keras.utils.to_categorical(y, 12))


sequences = st.lists(st.lists(st.integers(1, 99), max_size=6), min_size=1, max_size=5)
ends = st.sampled_from(["pre", "post"])


@settings(max_examples=60, deadline=None)
@given(sequences, st.none() | st.integers(1, 7), ends, ends, st.sampled_from(["int32", "float32"]))
def test_padded_sequences_are_those_of_keras(given_sequences, maxlen, padding, truncating, dtype):
    arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "dtype": dtype, "value": 7}
    mine, theirs = pad_sequences(given_sequences, **arguments), keras.utils.pad_sequences(given_sequences, **arguments)
    np.testing.assert_array_equal(mine, theirs)
    assert mine.dtype == theirs.dtype


def test_padded_sequences_of_vectors_and_texts():
    steps = [np.ones((2, 3)), np.full((1, 3), 2.0)]
    np.testing.assert_array_equal(pad_sequences(steps, maxlen=3), keras.utils.pad_sequences(steps, maxlen=3))
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]
    assert pad_sequences([[], []]).shape == (2, 0)


@pytest.mark.parametrize("arguments", [{}, {"axis": 0}, {"order": 1}])
def test_normalised_vectors_are_those_of_keras(arguments):
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, -1.0]], "float32")
    if arguments.get("axis") != 0:  # where Keras takes 0 for the last axis
        np.testing.assert_allclose(utils.normalize(x, **arguments), keras.utils.normalize(x, **arguments), rtol=1e-6)
    np.testing.assert_allclose(
        utils.normalize(torch.tensor(x), **arguments).numpy(),
        keras.utils.normalize(torch.tensor(x), **arguments),
        atol=1e-6,
    )


def test_one_seed_begins_all_draws_anew():
    found = []
    for _ in range(2):
        utils.set_random_seed(7)
        found.append((random.random(), np.random.rand(), torch.rand(2).tolist(), draws.normal((2,)).tolist()))
    assert found[0] == found[1]


def test_files_by_address(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path))
    folder = tmp_path / "datasets" / "files" / "datasets"
    folder.mkdir(parents=True)
    (folder / "nietzsche.txt").write_text("thus")
    assert utils.get_file("nietzsche.txt", origin="https://example.invalid/other.txt") == str(folder / "nietzsche.txt")
    assert utils.get_file(origin="https://example.invalid/nietzsche.txt") == str(folder / "nietzsche.txt")


@utils.register_keras_serializable(package="mine")
class Decorated:
    """Stays what it is."""


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda: utils.to_categorical([0, 5], 3), DataError, "indices from 0 to 2; row 1 holds 5"),
        (lambda: utils.to_categorical([0, -1]), DataError, "row 1 holds -1"),
        (lambda: utils.to_categorical(["a"]), DataError, "takes the indices of classes"),
        (lambda: utils.to_categorical([]), DataError, "got none"),
        (lambda: pad_sequences([[1]], padding="left"), ConfigError, "padding is 'pre' or 'post'; got 'left'"),
        (lambda: pad_sequences([1, 2]), DataError, "row 0 is 1"),
        (lambda: pad_sequences([["a"]], value="-"), ConfigError, "dtype=object for texts"),
        (lambda: pad_sequences([np.ones((1, 2)), np.ones((1, 3))]), DataError, "row 1 has steps of shape (3,)"),
        (lambda: utils.set_random_seed(-1), ConfigError, "a seed is a whole number"),
        (lambda: utils.get_file("a.txt"), ConfigError, "needs the address"),
        (lambda: utils.get_file("a.txt", "file:///etc/passwd"), ConfigError, "downloads from http and https"),
        (lambda: utils.get_file("../a.txt", "https://example.invalid/a"), ConfigError, "the name of one file"),
        (
            lambda: utils.get_file("a.zip", "https://example.invalid/a", extract=True),
            ConfigError,
            "unpacks no archives",
        ),
    ],
)
def test_utils_refuse_in_words(ask, error, text):
    with pytest.raises(error) as caught:
        ask()
    assert text in str(caught.value)


# activations ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(set(activations.__all__) - {"get", "serialize", "deserialize"}))
def test_activations_are_those_of_keras(name):
    theirs = keras.activations.get(name)(torch.tensor(X))
    torch.testing.assert_close(activations.get(name)(torch.tensor(X)), theirs, rtol=1e-5, atol=1e-6)
    function = getattr(activations, name)
    torch.testing.assert_close(function(torch.tensor(X)), theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.as_tensor(activations.get(name)(X)), theirs, rtol=1e-5, atol=1e-6
    )  # an array will do as well
    assert activations.deserialize(activations.serialize(function)) is not None


@pytest.mark.parametrize(
    "arguments", [{}, {"negative_slope": 0.1}, {"max_value": 1.0}, {"threshold": 0.5, "negative_slope": 0.2}]
)
def test_relu_with_arguments(arguments):
    mine, theirs = (a.relu(torch.tensor(X), **arguments) for a in (activations, keras.activations))
    torch.testing.assert_close(mine, theirs)


def test_activations_of_ones_own_and_unknown_ones():
    def own(x):
        return x

    assert activations.get(own) is own
    assert activations.get(None)(3) == 3
    assert all(activations.get(name)(X).shape == X.shape for name in ACTIVATIONS)
    for ask, text in (
        (lambda: activations.get("rellu"), "there is no activation 'rellu'; did you mean 'relu'?"),
        (lambda: activations.serialize(own), "code of your own"),
        (lambda: activations.get(3), "a name or a function; got int"),
    ):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert text in str(caught.value)


# initialisers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", [n for n in initializers.__all__ if n not in ("get", "serialize", "deserialize", "Initializer")]
)
def test_initialisers_have_keras_s_names_and_arguments(name):
    mine, theirs = getattr(initializers, name), getattr(keras.initializers, name)
    wanted = {
        k: p.default
        for k, p in inspect.signature(theirs).parameters.items()
        if k not in ("seed", "input_axes", "output_axes")
    }
    found = {k: p.default for k, p in inspect.signature(mine).parameters.items() if k != "seed"}
    assert found == wanted
    made = initializers.get(name)
    assert initializers.deserialize(initializers.serialize(made)) == made
    drawn, expected = made.draw((6, 6)), theirs()((6, 6))
    assert drawn.shape == expected.shape
    if not drawn.unique().numel() > 2:  # the same everywhere, or the identity
        torch.testing.assert_close(drawn, torch.as_tensor(expected))


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "he_normal", "lecun_uniform", "random_normal", "truncated_normal", "uniform"]
)
def test_initialisers_spread_as_keras_s_do(name):
    shape = (5, 40, 50)
    torch.manual_seed(0)
    mine, theirs = initializers.get(name).draw(shape), keras.initializers.get(name)(shape)
    assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
    assert mine.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.3)


def test_initialisers_of_ones_own():
    class Threes(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 3.0)

    assert initializers.get(Threes).draw((2,)).tolist() == [3.0, 3.0]
    assert initializers.get(None) is None
    for ask, text in (
        (lambda: initializers.get("he_norml"), "did you mean 'he_normal'"),
        (lambda: initializers.get(lambda shape: 0), "subclass keras.initializers.Initializer"),
        (lambda: initializers.serialize(Threes()), "code of your own"),
        (lambda: initializers.get({"class_name": "HeNormal", "config": {"sed": 1}}), "did you mean 'seed'?"),
    ):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert text in str(caught.value)


# regularisers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["l1", "l2", "l1_l2", "L1", "L2", "L1L2"])
@pytest.mark.parametrize("arguments", [(), (0.3,)])
def test_regularisers_cost_what_keras_s_cost(name, arguments):
    weight = torch.tensor(X)
    mine, theirs = getattr(regularizers, name)(*arguments), getattr(keras.regularizers, name)(*arguments)
    torch.testing.assert_close(mine.penalty(weight), torch.as_tensor(theirs(weight), dtype=torch.float32))
    assert regularizers.get(name) == getattr(regularizers, name)()
    assert regularizers.deserialize(regularizers.serialize(mine)) == mine


def test_regularisers_of_ones_own():
    class Largest(regularizers.Regularizer):
        def __call__(self, x):
            return x.abs().max()

    assert regularizers.get(Largest()) is not None
    assert Largest().penalty(torch.tensor(X)).item() == 3.0
    assert regularizers.get(None) is None
    for ask, text in (
        (lambda: regularizers.get("l3"), "there is no regularizer 'l3'"),
        (lambda: regularizers.l2("a"), "l2 must be a number; got 'a'"),
        (lambda: regularizers.get(3), "a regularizer is a name"),
        (lambda: regularizers.get({"class_name": "l2", "config": {"l1": 1}}), "l2 has no argument 'l1'"),
        (lambda: regularizers.serialize(Largest()), "code of your own"),
    ):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert text in str(caught.value)


# random --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "mean", "deviation"),
    [
        (lambda **k: draws.normal((20_000,), 1.0, 2.0, **k), 1.0, 2.0),
        (lambda **k: draws.uniform((20_000,), -1.0, 3.0, **k), 1.0, 4 / np.sqrt(12)),
        (lambda **k: draws.truncated_normal((20_000,), 1.0, 2.0, **k), 1.0, 2 * 0.8796),
        (lambda **k: draws.randint((20_000,), 0, 5, **k), 2.0, np.sqrt(2)),
        (lambda **k: draws.categorical([[0.0, np.log(3.0)]], 20_000, **k), 0.75, np.sqrt(0.1875)),
        (lambda **k: draws.dropout(np.ones(20_000, "float32"), 0.25, **k), 1.0, np.sqrt(1 / 3)),
    ],
)
def test_draws_have_the_spread_that_they_should(make, mean, deviation):
    found = make(seed=3).double()
    assert found.mean().item() == pytest.approx(mean, abs=0.05 * deviation)
    assert found.std().item() == pytest.approx(deviation, rel=0.03)
    assert torch.equal(make(seed=3).double(), found)
    generator = draws.SeedGenerator(3)
    first, second = make(seed=generator), make(seed=generator)
    assert torch.equal(first.double(), found)
    assert not torch.equal(first, second)


def test_truncated_draws_stay_within_two_deviations_and_shuffles_keep_all():
    assert draws.truncated_normal((10_000,), seed=0).abs().max() <= 2.0
    assert sorted(draws.shuffle(np.arange(50), seed=1).tolist()) == list(range(50))
    assert (
        draws.dropout(X, 0.5, noise_shape=(None, 1), seed=0)
        .eq(0)
        .any(1)
        .eq(draws.dropout(X, 0.5, (None, 1), 0).eq(0).all(1))
        .sum()
        >= 4
    )
    assert draws.uniform((4,), 0, 10, dtype="int32", seed=0).dtype == torch.int32


# backend -------------------------------------------------------------------------------------------------------------
def test_the_backend_is_one_and_says_so():
    assert (backend.backend(), backend.floatx(), backend.epsilon()) == ("torch", "float32", 1e-7)
    assert backend.image_data_format() == keras.config.image_data_format() == "channels_last"
    backend.set_floatx("float32")
    backend.set_epsilon(1e-7)
    backend.set_image_data_format("channels_last")
    backend.clear_session()
    for ask, text in (
        (lambda: backend.set_floatx("float16"), "floatx must be 'float32'"),
        (lambda: backend.set_epsilon(1e-3), "epsilon must be 1e-7"),
        (lambda: backend.set_image_data_format("channels_first"), "np.moveaxis(x, 1, -1)"),
    ):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert text in str(caught.value)
