"""New weights: the moments that the papers state, Keras's own draws as far as they are fixed, and no cost on the meta device."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import keras

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.initialisers import (
    INITIALISERS,
    Constant,
    IdentityInitializer,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    fans,
)
from deepwell.nn.unfilled import unfilled

SHAPE = (3, 3, 40, 60)  # fan in 360, fan out 540


@pytest.mark.parametrize(
    ("name", "variance", "widest"),
    [
        ("GlorotUniform", 2 / 900, math.sqrt(6 / 900)),
        ("GlorotNormal", 2 / 900, 2 * math.sqrt(2 / 900) / 0.8796),
        ("HeUniform", 2 / 360, math.sqrt(6 / 360)),
        ("HeNormal", 2 / 360, 2 * math.sqrt(2 / 360) / 0.8796),
        ("LecunUniform", 1 / 360, math.sqrt(3 / 360)),
        ("LecunNormal", 1 / 360, 2 * math.sqrt(1 / 360) / 0.8796),
    ],
)
def test_spread_by_the_number_of_inputs_and_outputs(name, variance, widest):
    torch.manual_seed(0)
    drawn = INITIALISERS[name]().draw(SHAPE)
    assert float(drawn.mean()) == pytest.approx(0, abs=4 * math.sqrt(variance / drawn.numel()))
    assert float(drawn.var()) == pytest.approx(variance, rel=0.03)
    assert 0.98 * widest < float(drawn.abs().max()) <= 1.001 * widest


@pytest.mark.parametrize("name", sorted(INITIALISERS))
def test_keras_draws_the_same_distribution(name):
    """Five quantiles of 20,000 numbers each."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(1)
    shape = (100, 200)
    ours = INITIALISERS[name]().draw(shape).numpy().ravel()
    theirs = getattr(keras.initializers, name)()(shape).detach().numpy().ravel()
    levels = [0.02, 0.25, 0.5, 0.75, 0.98]
    spread = max(float(theirs.std()), 1e-6)
    np.testing.assert_allclose(np.quantile(ours, levels), np.quantile(theirs, levels), atol=0.1 * spread)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.04, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 3))
def test_orthogonal_rows_or_columns(rows, columns, gain):
    drawn = Orthogonal(gain).draw((rows, columns))
    product = drawn.T @ drawn if rows >= columns else drawn @ drawn.T
    torch.testing.assert_close(product, gain**2 * torch.eye(min(rows, columns)), rtol=1e-4, atol=1e-4)


def test_orthogonal_counts_all_axes_but_the_last_as_rows():
    drawn = Orthogonal().draw((2, 3, 4)).reshape(6, 4)
    torch.testing.assert_close(drawn.T @ drawn, torch.eye(4), rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(1, 5), max_size=4).map(tuple))
def test_fans_are_those_of_keras(shape):
    assert fans(shape) == keras.src.initializers.random_initializers.compute_fans(shape)


@pytest.mark.parametrize("make", [RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Orthogonal])
def test_a_seed_of_its_own_draws_the_same_and_leaves_the_others_alone(make):
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    once, again = make(seed=7).draw((4, 5)), make(seed=7).draw((4, 5))
    assert torch.equal(once, again)
    assert torch.equal(torch.rand(4), wanted)
    assert not torch.equal(make().draw((4, 5)), make().draw((4, 5)))


def test_fixed_values():
    assert Constant(2.5).draw((2, 2)).eq(2.5).all()
    assert torch.equal(IdentityInitializer(2.0).draw((2, 3)), torch.tensor([[2.0, 0, 0], [0, 2, 0]]))


@pytest.mark.parametrize("name", sorted(INITIALISERS))
def test_nothing_is_drawn_where_there_is_no_memory(name):
    before = torch.get_rng_state()
    with unfilled():
        drawn = INITIALISERS[name]().draw((4, 4))
    assert drawn.is_meta
    assert drawn.shape == (4, 4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "options", "shapes"),
    [
        ("Dense", (3,), [(4,)]),
        ("Conv2D", (3, 2), [(4, 4, 2)]),
        ("SeparableConv1D", (3, 2), [(4, 2)]),
        ("LSTM", (3,), [(4, 2)]),
        ("GRU", (3,), [(4, 2)]),
        ("MultiHeadAttention", (2, 3), [(4, 2), (4, 2)]),
        ("BatchNormalization", (), [(4, 2)]),
        ("Normalization", (), [(4, 2)]),
        ("Normalization", (-1, 1.0, 2.0), [(4, 2)]),
        ("Rescaling", (2.0,), [(4, 2)]),
        ("Embedding", (5, 2), [(4,)]),
    ],
)
def test_layers_are_built_without_memory_and_filled_later(name, options, shapes):
    """As a sealed model is loaded: everything that the layer computes with is in what is saved."""
    block = BLOCKS[name](*options)
    whole = block.build(*shapes).eval()
    with unfilled():
        bare = block.build(*shapes).eval()
    bare.load_state_dict(whole.state_dict(), assign=True)
    assert not [n for n, t in [*bare.named_parameters(), *bare.named_buffers()] if t.is_meta]
    values = [torch.ones(2, *shape, dtype=torch.int32 if name == "Embedding" else torch.float32) for shape in shapes]
    torch.testing.assert_close(bare(*values), whole(*values))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: VarianceScaling(0.0), "scale must be above 0; got 0.0"),
        (lambda: VarianceScaling(mode="fan"), "mode must be 'fan_in', 'fan_out' or 'fan_avg'; got 'fan'"),
        (lambda: VarianceScaling(distribution="cauchy"), "distribution must be"),
        (lambda: Orthogonal().draw((3,)), "an orthogonal weight has two axes at least; got the shape (3,)"),
        (lambda: IdentityInitializer().draw((3,)), "an identity matrix has two axes; got the shape (3,)"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make, text):
    with pytest.raises(ConfigError) as error:
        make()
    assert text in str(error.value)
