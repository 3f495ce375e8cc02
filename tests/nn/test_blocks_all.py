"""What holds for every layer: rows do not know of each other, gradients are right, half precision, weights, options."""

import copy
import dataclasses
import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import keras, layers, noise, weights

from deepwell.core.errors import BundleError, ConfigError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.blocks.base import Block, axes, fraction, known, place, positive, shown, sides
from deepwell.nn.freezing import freeze
from deepwell.nn.graph import Graph, Input, Node
from deepwell.nn.initialisers import Constant, Initialiser
from deepwell.nn.layout import Weight
from deepwell.nn.regularisers import L1L2, penalty

B = BLOCKS
EVERY: dict[str, tuple[Block, list[tuple[int, ...]]]] = {
    "Dense": (B["Dense"](3, "tanh"), [(4, 5)]),
    "Embedding": (B["Embedding"](6, 3), [(4,)]),
    "Masking": (B["Masking"](), [(4, 5)]),
    "Identity": (B["Identity"](), [(4, 5)]),
    "Activation": (B["Activation"]("gelu"), [(4, 5)]),
    "ReLU": (B["ReLU"](2.0, 0.1, 0.2), [(4, 5)]),
    "LeakyReLU": (B["LeakyReLU"](), [(4, 5)]),
    "ELU": (B["ELU"](), [(4, 5)]),
    "PReLU": (B["PReLU"](Constant(0.2)), [(4, 5)]),
    "Softmax": (B["Softmax"]((1, 2)), [(4, 5)]),
    "Conv1D": (B["Conv1D"](4, 3, 2, "same"), [(8, 3)]),
    "Conv2D": (B["Conv2D"](4, 3, 2, "same"), [(8, 7, 3)]),
    "Conv1DTranspose": (B["Conv1DTranspose"](4, 3, 2, "same"), [(4, 3)]),
    "Conv2DTranspose": (B["Conv2DTranspose"](4, 3, 2, "same"), [(4, 3, 2)]),
    "DepthwiseConv1D": (B["DepthwiseConv1D"](3, depth_multiplier=2), [(8, 3)]),
    "DepthwiseConv2D": (B["DepthwiseConv2D"](3, depth_multiplier=2), [(5, 6, 3)]),
    "SeparableConv1D": (B["SeparableConv1D"](4, 3), [(8, 3)]),
    "SeparableConv2D": (B["SeparableConv2D"](4, 3), [(5, 6, 3)]),
    "MaxPooling1D": (B["MaxPooling1D"](3, 2, "same"), [(8, 3)]),
    "MaxPooling2D": (B["MaxPooling2D"](3, 2, "same"), [(6, 7, 3)]),
    "AveragePooling1D": (B["AveragePooling1D"](3, 2, "same"), [(8, 3)]),
    "AveragePooling2D": (B["AveragePooling2D"](3, 2, "same"), [(6, 7, 3)]),
    "GlobalMaxPooling1D": (B["GlobalMaxPooling1D"](), [(8, 3)]),
    "GlobalMaxPooling2D": (B["GlobalMaxPooling2D"](), [(6, 7, 3)]),
    "GlobalAveragePooling1D": (B["GlobalAveragePooling1D"](), [(8, 3)]),
    "GlobalAveragePooling2D": (B["GlobalAveragePooling2D"](), [(6, 7, 3)]),
    "Flatten": (B["Flatten"](), [(4, 5)]),
    "Reshape": (B["Reshape"]((2, -1)), [(4, 5)]),
    "Permute": (B["Permute"]((2, 1)), [(4, 5)]),
    "RepeatVector": (B["RepeatVector"](3), [(4,)]),
    "ZeroPadding1D": (B["ZeroPadding1D"](2), [(4, 5)]),
    "ZeroPadding2D": (B["ZeroPadding2D"](2), [(4, 5, 2)]),
    "Cropping1D": (B["Cropping1D"](1), [(4, 5)]),
    "Cropping2D": (B["Cropping2D"](1), [(4, 5, 2)]),
    "UpSampling1D": (B["UpSampling1D"](2), [(4, 5)]),
    "UpSampling2D": (B["UpSampling2D"](2, "bilinear"), [(4, 5, 2)]),
    "Resizing": (B["Resizing"](3, 6), [(4, 5, 2)]),
    "BatchNormalization": (B["BatchNormalization"](), [(4, 5)]),
    "LayerNormalization": (B["LayerNormalization"]((1, 2)), [(4, 5)]),
    "RMSNormalization": (B["RMSNormalization"](), [(4, 5)]),
    "GroupNormalization": (B["GroupNormalization"](2), [(4, 6)]),
    "UnitNormalization": (B["UnitNormalization"](), [(4, 5)]),
    "Rescaling": (B["Rescaling"](0.5, 1.0), [(4, 5)]),
    "Normalization": (B["Normalization"](-1, 0.5, 4.0), [(4, 5)]),
    "Dropout": (B["Dropout"](0.5), [(4, 5)]),
    "SpatialDropout1D": (B["SpatialDropout1D"](0.5), [(4, 5)]),
    "SpatialDropout2D": (B["SpatialDropout2D"](0.5), [(4, 5, 2)]),
    "GaussianNoise": (B["GaussianNoise"](0.5), [(4, 5)]),
    "GaussianDropout": (B["GaussianDropout"](0.5), [(4, 5)]),
    "RandomFlip": (B["RandomFlip"](), [(4, 5, 2)]),
    "RandomRotation": (B["RandomRotation"](0.2), [(4, 5, 2)]),
    "RandomTranslation": (B["RandomTranslation"](0.2, 0.2), [(4, 5, 2)]),
    "RandomZoom": (B["RandomZoom"](0.2, 0.1), [(4, 5, 2)]),
    "Add": (B["Add"](), [(4, 5), (4, 5), (1, 5)]),
    "Subtract": (B["Subtract"](), [(4, 5), (4, 5)]),
    "Multiply": (B["Multiply"](), [(4, 5), (4, 5)]),
    "Average": (B["Average"](), [(4, 5), (4, 5)]),
    "Maximum": (B["Maximum"](), [(4, 5), (4, 5)]),
    "Minimum": (B["Minimum"](), [(4, 5), (4, 5)]),
    "Concatenate": (B["Concatenate"](1), [(4, 5), (3, 5)]),
    "Dot": (B["Dot"](2, True), [(4, 5), (3, 5)]),
    "SimpleRNN": (B["SimpleRNN"](3, return_sequences=True), [(4, 2)]),
    "LSTM": (B["LSTM"](3, return_state=True), [(4, 2)]),
    "GRU": (B["GRU"](3), [(4, 2), (3,)]),
    "Bidirectional": (B["Bidirectional"](B["GRU"](3, return_sequences=True)), [(4, 2)]),
    "TimeDistributed": (B["TimeDistributed"](B["Dense"](3)), [(4, 2)]),
    "MultiHeadAttention": (B["MultiHeadAttention"](2, 3), [(4, 5), (3, 2)]),
    "Attention": (B["Attention"](True), [(4, 5), (3, 5)]),
    "AdditiveAttention": (B["AdditiveAttention"](), [(4, 5), (3, 5)]),
}


def values(name, size=3, dtype=torch.float32):
    shapes = EVERY[name][1]
    if name == "Embedding":
        return [torch.arange(size * 4).view(size, 4) % 6]
    return [noise(size, *shape, seed=i).to(dtype) for i, shape in enumerate(shapes)]


def test_no_layer_is_forgotten():
    assert set(EVERY) == set(BLOCKS)


@pytest.mark.parametrize("name", EVERY)
def test_rows_do_not_know_of_each_other(name):
    block, shapes = EVERY[name]
    module = block.build(*shapes).eval()
    given = values(name, 4)
    masks = (None,) * len(given)
    together, _ = block.run(module, tuple(given), masks, {})
    for row in range(4):
        alone, _ = block.run(module, tuple(x[row : row + 1] for x in given), masks, {})
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_those_of_small_steps(name):
    """Against differences of double numbers, which knows nothing of Keras."""
    block, shapes = EVERY[name]
    module = block.build(*shapes).double().eval()
    given = [x.requires_grad_(x.is_floating_point()) for x in values(name, 2, torch.float64)]
    held = dict(module.named_parameters())

    def compute(*everything):
        inputs, changed = everything[: len(given)], dict(zip(held, everything[len(given) :], strict=True))
        found = torch.func.functional_call(module, changed, tuple(inputs))
        return found if isinstance(found, torch.Tensor) else found[0]

    if any(x.requires_grad for x in [*given, *held.values()]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert torch.autograd.gradcheck(compute, (*given, *held.values()), eps=1e-6, atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_stays_near(name):
    """In training, as the plan may choose it; noise apart."""
    block, shapes = EVERY[name]
    noisy = any(word in name for word in ("Drop", "Random", "Noise"))
    module, given = block.build(*shapes).train(not noisy), values(name)
    masks = (None,) * len(given)
    whole, _ = block.run(copy.deepcopy(module), tuple(given), masks, {})
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = block.run(module, tuple(given), masks, {})
    for one, other in zip(half, whole, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.05, atol=0.05)
    if any(p.requires_grad for p in module.parameters()):
        sum(y.float().sum() for y in half).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("name", EVERY)
def test_weights_go_out_and_in(name):
    block, shapes = EVERY[name]
    one, two = block.build(*shapes).eval(), block.build(*shapes).eval()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(torch.randn_like(parameter))
    out = [weight.read(tensor) for weight, tensor in weights(one)]
    assert sum(a.size for a in out) >= sum(p.numel() for p in one.parameters())
    for (weight, tensor), array in zip(weights(two), out, strict=True):
        weight.write(tensor, array)
    masks = (None,) * len(shapes)
    for a, b in zip(*(block.run(m, tuple(values(name)), masks, {})[0] for m in (one, two)), strict=True):
        assert torch.equal(a, b)


def test_a_weight_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"the weight 'kernel' has the shape \(3, 2\); got \(2, 3\)"):
        Weight("kernel", "weight", (1, 0)).write(torch.zeros(2, 3), np.zeros((2, 3), np.float32))


# Options that many layers have --------------------------------------------------------------------------------------
def options(kind):
    """(layer, field) for each field of a kind."""
    for name, (block, _) in EVERY.items():
        for field in dataclasses.fields(block):
            if kind in field.name and name not in ("Bidirectional", "TimeDistributed"):
                yield name, field.name


def with_option(name, field, ours, theirs):
    """Both layers, built, with one option set; Keras's from our fields."""
    block, shapes = EVERY[name]
    block = dataclasses.replace(block, **{field: ours})
    config = {}
    for part in dataclasses.fields(block):
        value = getattr(block, part.name)
        if not isinstance(value, Initialiser | L1L2) and part.name != "_":
            config[part.name] = value
    layer = getattr(layers, name)(**{**config, field: theirs})
    given = values(name)
    layer(given[0], initial_state=given[1:]) if name == "GRU" else layer(*given)
    return block.build(*shapes), layer


@pytest.mark.parametrize(("name", "field"), list(options("_initializer")))
def test_each_initialiser_fills_the_weight_that_it_is_of(name, field):
    module, layer = with_option(name, field, Constant(0.25), keras.initializers.Constant(0.25))
    ours = [(weight.read(tensor) == 0.25).all() for weight, tensor in weights(module)]
    theirs = [bool((w.value.detach() == 0.25).all()) for w in layer.weights]
    if name != "LSTM" or field != "bias_initializer":  # its forget gate begins at 1
        assert any(ours)
    assert [bool(x) for x in ours] == theirs


@pytest.mark.parametrize(("name", "field"), list(options("_regularizer")))
def test_each_regulariser_costs_what_its_weight_costs(name, field):
    module, layer = with_option(name, field, L1L2(0.1, 0.2), keras.regularizers.L1L2(0.1, 0.2))
    for (weight, tensor), other in zip(weights(module), layer.weights, strict=True):
        weight.write(tensor, other.value.detach().numpy())
    torch.testing.assert_close(penalty(module), sum(layer.losses).reshape(()))


def test_a_shared_layer_pays_once_and_a_frozen_one_learns_nothing():
    layer = B["Dense"](3, kernel_regularizer=L1L2(l1=1.0)).build((2,))
    both = torch.nn.ModuleList([layer, layer])
    torch.testing.assert_close(penalty(both), layer.weight.abs().sum())
    freeze(both)
    assert not any(p.requires_grad for p in both.parameters())
    freeze(both, False)
    assert all(p.requires_grad for p in both.parameters())


# What the fields of blocks must be ----------------------------------------------------------------------------------
def test_small_checks_say_what_they_want():
    assert shown((28, None)) == "(None, 28, None)"
    assert known((4, None), 0, "the length") == 4
    assert sides(2, "size", 2) == (2, 2)
    assert [place(a, (5, 6)) for a in (1, 2, -1, -2)] == [1, 2, 2, 1]
    refusals = {
        "the length must be known": lambda: known((4, None), 1, "the length"),
        "it takes 3 axes": lambda: axes((4,), 2),
        "axis 0 is none of the axes 1 to 2": lambda: place(0, (5, 6)),
        "units must be a whole number above 0; got True": lambda: positive(True, "units"),
        "units must be a whole number above 0; got 2.0": lambda: positive(2.0, "units"),
        "rate must be at least 0 and below 1; got -0.1": lambda: fraction(-0.1, "rate"),
        "size must be a whole number or 2 of them, at least 1; got (1, 2, 3)": lambda: sides((1, 2, 3), "size", 2),
        "size must be a whole number, at least 1; got 0": lambda: sides(0, "size", 1),
    }
    for text, refused in refusals.items():
        with pytest.raises(ConfigError) as error:
            refused()
        assert text in str(error.value)


# Descriptions from strangers -----------------------------------------------------------------------------------------
ODD = st.sampled_from(
    [None, True, -1, 0, 3, 10**40, 2.5, float("nan"), "", "relu", [], [1], [1, "a"], {}, {"is": "Dense"}, [[0, 1]]]
)


def paths(value, before=()):
    """Every place in JSON values."""
    yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from paths(part, (*before, key))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(EVERY)), st.data())
def test_a_damaged_description_is_refused_or_is_another_network_but_never_an_accident(name, data):
    block, shapes = EVERY[name]
    inputs = tuple(Input(f"x{i}", shape) for i, shape in enumerate(shapes))
    graph = Graph(inputs, {"layer": block}, (Node("layer", tuple(range(len(shapes)))),), {"y": len(shapes)})
    value = json.loads(json.dumps(graph.to_json()))
    *way, last = data.draw(st.sampled_from([p for p in paths(value) if p]))
    place = value
    for step in way:
        place = place[step]
    place[last] = data.draw(ODD)
    try:
        again = Graph.from_json(value)
    except BundleError:
        return
    assert Graph.from_json(json.loads(json.dumps(again.to_json()))) == again
