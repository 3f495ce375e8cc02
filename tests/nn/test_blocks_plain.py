"""Dense, activations, shapes, normalisation and merging compute what Keras's do, with the same weights."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import back_and_forth, copied, keras, layers, noise, same

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.freezing import freeze
from deepwell.nn.initialisers import Ones
from deepwell.nn.layers.activations import ACTIVATIONS, activation
from deepwell.nn.regularisers import L1L2, penalty

SMALL = settings(max_examples=8, deadline=None)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@SMALL
@given(SHAPES, st.integers(1, 5), st.booleans())
def test_dense(shape, units, bias):
    same(BLOCKS["Dense"](units, "tanh", bias), layers.Dense(units, "tanh", bias), noise(3, *shape))


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"sparsemax"}))
def test_activations(name):
    x = torch.cat([noise(3, 7) * 4, torch.tensor([[-90.0, -3.0, -0.9, 0.1, 1.1, 3.0, 60.0]])])
    x[:, 3] += 1e-3  # no value stands at a bend, where several gradients are right
    same(BLOCKS["Activation"](name), layers.Activation(name), x)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """Keras's torch backend gives rows that do not sum to 1. The nearest point is x - t, cut at 0, for one t of a row."""
    x = noise(50, 6) * 2
    found = activation("sparsemax")(x)
    torch.testing.assert_close(found.sum(-1), torch.ones(50))
    for row, point in zip(x, found, strict=True):
        there = point > 0
        gap = (row - point)[there]
        torch.testing.assert_close(gap, gap[:1].expand_as(gap))
        assert (row[~there] <= gap[0] + 1e-6).all()
    assert found.eq(0).any()


def test_an_unknown_activation_offers_the_nearest():
    with pytest.raises(ConfigError, match="there is no activation 'sigmiod'; did you mean 'sigmoid'"):
        activation("sigmiod")


@SMALL
@given(st.floats(0, 1), st.floats(0, 2), st.floats(0.5, 4))
def test_rectifiers(slope, threshold, most):
    x = noise(3, 5) * 3
    same(BLOCKS["LeakyReLU"](slope), layers.LeakyReLU(slope), x)
    same(BLOCKS["ELU"](slope), layers.ELU(slope), x)
    options = {"max_value": most + threshold, "negative_slope": slope, "threshold": threshold}
    same(BLOCKS["ReLU"](**options), layers.ReLU(**options), x)


def test_trained_slopes_and_softmax_over_axes():
    x = noise(2, 3, 4)
    same(BLOCKS["PReLU"](), layers.PReLU(), x)
    same(BLOCKS["PReLU"](shared_axes=(1,)), layers.PReLU(shared_axes=[1]), x)
    for axis in (-1, 1, 2, (1, 2)):
        same(BLOCKS["Softmax"](axis), layers.Softmax(axis), x)


@SMALL
@given(SHAPES)
def test_shapes_only(shape):
    x = noise(2, *shape)
    same(BLOCKS["Flatten"](), layers.Flatten(), x)
    same(BLOCKS["Reshape"]((1, -1)), layers.Reshape((1, -1)), x)
    order = tuple(range(len(shape), 0, -1))
    same(BLOCKS["Permute"](order), layers.Permute(order), x)
    same(BLOCKS["Identity"](), layers.Identity(), x)
    same(BLOCKS["RepeatVector"](3), layers.RepeatVector(3), noise(2, shape[0]))


@SMALL
@given(st.tuples(*[st.integers(0, 2)] * 4))
def test_padding_and_cropping(sides):
    top, bottom, left, right = sides
    both = ((top, bottom), (left, right))
    same(BLOCKS["ZeroPadding2D"](both), layers.ZeroPadding2D(both), noise(2, 3, 4, 2))
    same(BLOCKS["Cropping2D"](both), layers.Cropping2D(both), noise(2, 6, 5, 2))
    same(BLOCKS["ZeroPadding1D"]((top, left)), layers.ZeroPadding1D((top, left)), noise(2, 3, 2))
    same(BLOCKS["Cropping1D"]((top, left)), layers.Cropping1D((top, left)), noise(2, 6, 2))
    same(BLOCKS["ZeroPadding2D"]((top, left)), layers.ZeroPadding2D((top, left)), noise(2, 3, 4, 2))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [2, (1, 3)])
def test_upsampling(size, interpolation):
    block = BLOCKS["UpSampling2D"](size, interpolation)
    same(block, layers.UpSampling2D(size, interpolation=interpolation), noise(2, 3, 4, 2))


def test_upsampling_of_steps_and_other_sizes_of_pictures():
    same(BLOCKS["UpSampling1D"](3), layers.UpSampling1D(3), noise(2, 3, 2))
    x = noise(2, 6, 5, 2)
    same(BLOCKS["Resizing"](4, 7), layers.Resizing(4, 7), x)
    same(BLOCKS["Resizing"](3, 10, "nearest"), layers.Resizing(3, 10, "nearest"), x)


# Normalisation ------------------------------------------------------------------------------------------------------
@SMALL
@given(SHAPES, st.booleans(), st.booleans(), st.booleans())
def test_batch_normalization(shape, training, scale, center):
    block = BLOCKS["BatchNormalization"](scale=scale, center=center, momentum=0.8)
    layer = layers.BatchNormalization(scale=scale, center=center, momentum=0.8)
    same(block, layer, 3 * noise(5, *shape) + 1, training=training, tolerance=1e-4)


def test_batch_normalization_along_another_axis():
    same(BLOCKS["BatchNormalization"](axis=1), layers.BatchNormalization(axis=1), noise(4, 3, 5), training=True)


def test_batch_normalization_leaves_out_padding():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    x = noise(2, 3, 4)
    same(
        BLOCKS["BatchNormalization"](),
        layers.BatchNormalization(),
        x,
        masks=(mask,),
        training=True,
        call=lambda layer, values: layer(values[0], mask=mask, training=True),
    )


def test_the_running_variance_follows_the_plain_variance():
    """Four values 0, 2, 4, 6: mean 3, variance 5 (torch's own would be 20 / 3)."""
    module = BLOCKS["BatchNormalization"](momentum=0.5).build((1,)).train()
    module(torch.tensor([[0.0], [2.0], [4.0], [6.0]]))
    assert float(module.mean) == pytest.approx(1.5)
    assert float(module.variance) == pytest.approx(0.5 * 1 + 0.5 * 5, rel=1e-5)


def test_batch_normalization_that_does_not_learn_stays_as_it_is():
    module = BLOCKS["BatchNormalization"]().build((3,)).train()
    freeze(module)
    x = 5 + noise(8, 3)
    torch.testing.assert_close(module(x), x / np.sqrt(1 + 1e-3), rtol=1e-5, atol=1e-5)
    assert not module.mean.any()
    freeze(module, False)
    module(x)
    assert module.mean.any()
    assert module.weight.requires_grad


@SMALL
@given(st.sampled_from([-1, (2, 3), (1, 2, 3)]), st.booleans(), st.booleans())
def test_layer_normalization(axis, scale, center):
    options = {"axis": axis, "scale": scale, "center": center}
    same(BLOCKS["LayerNormalization"](**options), layers.LayerNormalization(**options), noise(2, 3, 4, 5))


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization", "UnitNormalization", "BatchNormalization"])
def test_any_axis_is_as_the_last_one_of_turned_values(name):
    """Keras's torch backend fails for some of these."""
    x = noise(2, 3, 4, 5)
    first, last = (BLOCKS[name](axis=axis).build(shape) for axis, shape in ((1, (3, 4, 5)), (-1, (4, 5, 3))))
    first.train()
    torch.testing.assert_close(first(x).movedim(1, -1), last.train()(x.movedim(1, -1)))


@pytest.mark.parametrize(("groups", "axis"), [(2, -1), (1, -1), (-1, -1), (3, 1)])
def test_group_normalization(groups, axis):
    options = {"groups": groups, "axis": axis}
    same(BLOCKS["GroupNormalization"](**options), layers.GroupNormalization(**options), noise(2, 3, 5, 4))


@pytest.mark.parametrize("axis", [-1, (1, 2)])
def test_root_mean_square_and_unit_length(axis):
    same(BLOCKS["UnitNormalization"](axis), layers.UnitNormalization(axis), noise(2, 3, 4))
    same(BLOCKS["RMSNormalization"](axis), layers.RMSNormalization(axis), noise(2, 3, 4))


def test_rescaling_and_given_numbers():
    x = noise(2, 3, 3)
    same(BLOCKS["Rescaling"](1 / 255, -0.5), layers.Rescaling(1 / 255, -0.5), x)
    same(BLOCKS["Rescaling"]((1.0, 2.0, 3.0)), layers.Rescaling([1.0, 2.0, 3.0]), x)
    for invert in (False, True):
        options = {"mean": (1.0, 2.0, 3.0), "variance": (1.0, 4.0, 0.0), "invert": invert}
        same(BLOCKS["Normalization"](**options), layers.Normalization(**options), x)
    single = {"axis": None, "mean": 2.0, "variance": 9.0}
    same(BLOCKS["Normalization"](**single), layers.Normalization(**single), x)


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
def test_normalization_learns_from_data(axis):
    data = 3 * noise(50, 4, 2) + torch.arange(8).view(4, 2)
    layer = layers.Normalization(axis)
    layer.adapt(data.numpy())
    module = BLOCKS["Normalization"](axis).build((4, 2))
    module.adapt(data)
    theirs = layer(data)
    torch.testing.assert_close(module(data), theirs, rtol=1e-4, atol=1e-4)
    assert [w.name for w in module.layout] == [w.name for w in layer.weights]


# Several values -----------------------------------------------------------------------------------------------------
@SMALL
@given(SHAPES, st.sampled_from(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]))
def test_merging(shape, name):
    values = [noise(3, *shape, seed=i) for i in range(2 if name == "Subtract" else 3)]
    same(BLOCKS[name](), getattr(layers, name)(), *values, call=lambda layer, given: layer(given))
    stretched = [values[0], noise(3, *[1] * (len(shape) - 1), shape[-1])]
    same(BLOCKS[name](), getattr(layers, name)(), *stretched, call=lambda layer, given: layer(given))


@SMALL
@given(st.sampled_from([-1, 1, 2]))
def test_concatenate(axis):
    shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
    for more, shape in enumerate(shapes):
        shape[axis] += more
    values = [noise(*shape) for shape in shapes]
    same(BLOCKS["Concatenate"](axis), layers.Concatenate(axis), *values, call=lambda layer, given: layer(given))


@SMALL
@given(st.booleans())
def test_dot(normalize):
    cases = [((4,), (4,), 1), ((3, 4), (5, 4), 2), ((3, 4), (3, 5), 1), ((3, 4), (4,), (2, 1)), ((3, 4), (5, 4), -1)]
    for one, two, axes in cases:
        values = (noise(2, *one), noise(2, *two, seed=1))
        layer = layers.Dot(axes, normalize=normalize)
        same(BLOCKS["Dot"](axes, normalize), layer, *values, call=lambda layer, given: layer(given))


def test_masks_of_merged_values():
    one, two = torch.tensor([[True, False]]), torch.tensor([[False, False]])
    x, y = noise(1, 2, 3), noise(1, 2, 3)
    for name, masks in (
        ("Add", (one, two)),
        ("Add", (one, None)),
        ("Concatenate", (one, two)),
        ("Concatenate", (one, None)),
    ):
        _, (ours,) = BLOCKS[name]().run(BLOCKS[name]().build((2, 3), (2, 3)), (x, y), masks, {})
        theirs = getattr(layers, name)().compute_mask([x, y], list(masks))
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)
    joined = BLOCKS["Concatenate"](1)
    _, (ours,) = joined.run(joined.build((2, 3), (2, 3)), (x, y), (one, None), {})
    assert ours.tolist() == [[True, False, True, True]]


# Weights and options ------------------------------------------------------------------------------------------------
def test_regularisers_cost_what_keras_says():
    rule = keras.regularizers.L1L2(0.1, 0.01)
    layer = layers.Dense(3, kernel_regularizer=rule, bias_regularizer=keras.regularizers.L2(0.5))
    layer(noise(2, 4))
    block = BLOCKS["Dense"](3, kernel_regularizer=L1L2(0.1, 0.01), bias_regularizer=L1L2(l2=0.5))
    assert back_and_forth(block, [(4,)]).layers["layer"] == block
    module = block.build((4,))
    copied(layer, module)
    torch.testing.assert_close(penalty(module), sum(layer.losses))
    assert penalty(BLOCKS["Dense"](3).build((4,))) is None


def test_initialisers_are_part_of_what_is_written():
    block = BLOCKS["Dense"](3, kernel_initializer=Ones())
    again = back_and_forth(block, [(4,)]).layers["layer"]
    assert again.build((4,)).weight.eq(1).all()


def test_every_axis_can_be_named_and_none_else():
    with pytest.raises(ConfigError, match="axis 4 is none of the axes 1 to 2"):
        BLOCKS["BatchNormalization"](axis=4).outcome((3, 2))
    with pytest.raises(ConfigError, match="12 values do not fit into"):
        BLOCKS["Reshape"]((5,)).outcome((3, 4))
    with pytest.raises(ConfigError, match="do not fit each other"):
        BLOCKS["Add"]().outcome((3, 4), (3, 5))
    with pytest.raises(ConfigError, match="all axes but -1 must be equal"):
        BLOCKS["Concatenate"]().outcome((3, 4), (2, 4))
    with pytest.raises(ConfigError, match="nothing is left"):
        BLOCKS["Cropping1D"](2).outcome((4, 1))
    with pytest.raises(ConfigError, match="cannot be parted into 3 equal groups"):
        BLOCKS["GroupNormalization"](3).outcome((4,))
    with pytest.raises(ConfigError, match="must be equally long"):
        BLOCKS["Dot"](1).outcome((4,), (3,))
    with pytest.raises(ConfigError, match="every axis must be known"):
        BLOCKS["Flatten"]().outcome((None, 4))
