"""Convolutions and pooling compute what Keras's do, with the same weights; edges as TensorFlow counts them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import layers, noise, same
from torch.nn import functional

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.layers.borders import edge, windows
from deepwell.nn.layers.convolution import spread

PADDINGS = st.sampled_from(["valid", "same"])
SMALL = settings(max_examples=12, deadline=None)


@st.composite
def slid(draw, rank):
    """(a shape that the window fits into, the options of the window)."""
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    wide = max(strides) == 1 and draw(st.booleans())
    dilation = (2,) * rank if wide else (1,) * rank
    padding = draw(st.sampled_from(["valid", "same", "causal"] if rank == 1 else ["valid", "same"]))
    lengths = tuple((k - 1) * d + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilation, strict=True))
    options = {"kernel_size": kernel, "strides": strides, "padding": padding, "dilation_rate": dilation}
    return lengths, options


@SMALL
@given(slid(1), st.integers(1, 2), st.booleans())
def test_conv1d(window, groups, bias):
    lengths, options = window
    extra = {"groups": groups, "use_bias": bias}
    x = noise(2, *lengths, 2 * groups)
    same(BLOCKS["Conv1D"](3 * groups, **options, **extra), layers.Conv1D(3 * groups, **options, **extra), x)


@SMALL
@given(slid(2), st.integers(1, 2))
def test_conv2d(window, groups):
    lengths, options = window
    block = BLOCKS["Conv2D"](2 * groups, **options, groups=groups, activation="tanh")
    layer = layers.Conv2D(2 * groups, **options, groups=groups, activation="tanh")
    same(block, layer, noise(2, *lengths, 3 * groups))


def test_same_padding_adds_the_odd_zero_at_the_end():
    """TensorFlow: 4 places, a window of 3, stride 2: (1 + 2 + 3) and (3 + 4 + 0)."""
    module = BLOCKS["Conv1D"](1, 3, strides=2, padding="same").build((4, 1))
    module.weight.data.fill_(1.0)
    found = module(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1))
    assert found.flatten().tolist() == [6.0, 7.0]
    assert edge(4, 3, 2, "same") == (0, 1)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 5))
def test_with_same_padding_windows_cover_everything(length, span, stride):
    before, after = edge(length, span, stride, "same")
    assert 0 <= after - before <= 1
    assert (
        (length + before + after - span) // stride + 1 == windows(length, span, stride, "same") == -(-length // stride)
    )


@SMALL
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), PADDINGS, st.integers(1, 2))
def test_conv2d_transpose(kernel, stride, length, padding, dilation):
    dilation = dilation if stride == 1 else 1
    options = {"kernel_size": (kernel, 2), "strides": stride, "padding": padding, "dilation_rate": dilation}
    x = noise(2, length, length + 1, 3)
    same(BLOCKS["Conv2DTranspose"](2, **options), layers.Conv2DTranspose(2, **options), x)


@SMALL
@given(st.integers(1, 4), st.integers(1, 4), PADDINGS, st.booleans())
def test_conv1d_transpose(kernel, stride, padding, more):
    options = {"kernel_size": kernel, "strides": stride, "padding": padding}
    if more and stride > 1:
        options["output_padding"] = stride - 1
    same(BLOCKS["Conv1DTranspose"](2, **options), layers.Conv1DTranspose(2, **options), noise(2, 4, 3))


@pytest.mark.parametrize(("length", "kernel", "stride"), [(4, 3, 2), (5, 2, 2), (3, 4, 3), (6, 5, 1), (4, 1, 3)])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(length, kernel, stride):
    """TensorFlow defines it so: of the convolution with the same padding that takes length * stride places."""
    module = BLOCKS["Conv1DTranspose"](1, kernel, stride, "same", use_bias=False).build((length, 1))
    x = noise(1, length, 1)
    long = torch.zeros(1, 1, length * stride, requires_grad=True)
    before, after = edge(length * stride, kernel, stride, "same")
    convolved = functional.conv1d(functional.pad(long, (before, after)), module.weight.detach(), stride=stride)
    (wanted,) = torch.autograd.grad(convolved, long, x.mT)
    torch.testing.assert_close(module(x).mT, wanted)
    assert spread(length, kernel, stride, "same", None)[1] == length * stride


@SMALL
@given(st.integers(1, 3), st.integers(1, 3), PADDINGS, st.integers(1, 2))
def test_depthwise(kernel, stride, padding, multiplier):
    options = {"kernel_size": kernel, "strides": stride, "padding": padding, "depth_multiplier": multiplier}
    same(BLOCKS["DepthwiseConv2D"](**options), layers.DepthwiseConv2D(**options), noise(2, 5, 6, 3))
    same(BLOCKS["DepthwiseConv1D"](**options), layers.DepthwiseConv1D(**options), noise(2, 5, 3))


@SMALL
@given(st.integers(1, 3), st.integers(1, 3), PADDINGS, st.integers(1, 2))
def test_separable(kernel, stride, padding, multiplier):
    options = {"kernel_size": kernel, "strides": stride, "padding": padding, "depth_multiplier": multiplier}
    same(BLOCKS["SeparableConv2D"](4, **options), layers.SeparableConv2D(4, **options), noise(2, 5, 6, 3))
    same(BLOCKS["SeparableConv1D"](4, **options), layers.SeparableConv1D(4, **options), noise(2, 5, 3))


@SMALL
@given(st.integers(1, 3), st.integers(1, 3) | st.none(), PADDINGS)
def test_max_pooling(size, strides, padding):
    options = {"pool_size": size, "strides": strides, "padding": padding}
    same(BLOCKS["MaxPooling2D"](**options), layers.MaxPooling2D(**options), noise(2, 5, 4, 3))
    same(BLOCKS["MaxPooling1D"](**options), layers.MaxPooling1D(**options), noise(2, 5, 3))


@SMALL
@given(st.integers(1, 3), st.integers(1, 3) | st.none())
def test_average_pooling(size, strides):
    options = {"pool_size": size, "strides": strides}
    same(BLOCKS["AveragePooling2D"](**options), layers.AveragePooling2D(**options), noise(2, 5, 4, 3))
    same(BLOCKS["AveragePooling1D"](**options), layers.AveragePooling1D(**options), noise(2, 5, 3))


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_average_pooling_counts_only_what_is_there(length, size, stride):
    """As TensorFlow; Keras's torch backend repeats the edge where the padding is odd, which no other backend does."""
    x = noise(1, length, 1)
    found = BLOCKS["AveragePooling1D"](size, stride, "same").build((length, 1))(x).flatten()
    before, _ = edge(length, size, stride, "same")
    values = x.flatten().tolist()
    starts = range(-before, -before + stride * len(found), stride)
    wanted = [np.mean(values[max(s, 0) : max(s + size, 0)]) for s in starts]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["GlobalMaxPooling", "GlobalAveragePooling"])
def test_global_pooling(name, keepdims):
    for rank, x in ((1, noise(2, 5, 3)), (2, noise(2, 5, 4, 3))):
        same(BLOCKS[f"{name}{rank}D"](keepdims), getattr(layers, f"{name}{rank}D")(keepdims=keepdims), x)


def test_the_mean_of_steps_leaves_out_padding():
    mask = torch.tensor([[True, True, False], [False, True, False]])
    layer = layers.GlobalAveragePooling1D()
    x = noise(2, 3, 4)
    same(BLOCKS["GlobalAveragePooling1D"](), layer, x, masks=(mask,), call=lambda k, v: k(v[0], mask=mask))


@pytest.mark.parametrize("name", ["Conv2D", "MaxPooling2D", "AveragePooling2D"])
def test_nothing_is_copied_between_layers(name):
    """Channels-last values are the views that torch's kernels like, and Flatten is free."""
    block = BLOCKS[name](4, 3, activation="relu") if name == "Conv2D" else BLOCKS[name]()
    for channels in (1, 4):
        x = noise(2, 8, 8, channels)
        module = block.build((8, 8, channels))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            y = module(x)
        assert y.is_contiguous()
        assert not {"aten::copy_", "aten::clone", "aten::contiguous"} & {event.key for event in seen.key_averages()}


@pytest.mark.parametrize(
    ("block", "shape", "text"),
    [
        (
            lambda: BLOCKS["Conv2D"](4, 3),
            (28, 28),
            "it takes 4 axes, examples included; the shape received is (None, 28, 28)",
        ),
        (lambda: BLOCKS["Conv2D"](4, 3), (2, 9, 1), "its window of 3 does not fit into 2 places"),
        (lambda: BLOCKS["Conv2D"](4, 3), (9, 9, None), "the number of channels must be known"),
        (lambda: BLOCKS["Conv2D"](4, 3, groups=2), (9, 9, 3), "must be a multiple of its 2 groups"),
        (lambda: BLOCKS["MaxPooling2D"](), (1, 9, 2), "its window of 2 does not fit into 1 places"),
        (lambda: BLOCKS["MaxPooling1D"](), (9, 9, 2), "it takes 3 axes"),
        (lambda: BLOCKS["Conv2DTranspose"](4, 3), (9, 2), "it takes 4 axes"),
        (lambda: BLOCKS["GlobalMaxPooling2D"](), (9, 2), "it takes 4 axes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(block, shape, text):
    with pytest.raises(ConfigError) as error:
        block().outcome(shape)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: BLOCKS["Conv2D"](0, 3), "filters must be a whole number above 0; got 0"),
        (lambda: BLOCKS["Conv2D"](4, (3, 3, 3)), "kernel_size must be a whole number or 2 of them"),
        (lambda: BLOCKS["Conv2D"](4, 3, padding="causal"), "padding must be one of 'valid', 'same'; got 'causal'"),
        (lambda: BLOCKS["Conv2D"](4, 3, activation="rleu"), "there is no activation 'rleu'; did you mean 'relu'?"),
        (lambda: BLOCKS["Conv2D"](4, 3, groups=3), "filters must be a multiple of groups"),
        (lambda: BLOCKS["Conv2DTranspose"](4, 3, output_padding=1), "output_padding must be below the strides"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(make, text):
    with pytest.raises(ConfigError) as error:
        make()
    assert text in str(error.value)


def test_a_length_that_only_the_batch_knows():
    assert BLOCKS["Conv1D"](4, 3, strides=2, padding="same").outcome((None, 2)) == ((None, 4),)
    assert BLOCKS["MaxPooling2D"]().outcome((None, 9, 2)) == ((None, 4, 2),)
