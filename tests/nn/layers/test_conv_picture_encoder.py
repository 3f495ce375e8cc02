"""PictureEncoder and its blocks: shapes for odd sizes, what is counted, that blocks begin as the identity."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepwell.nn.layers.convolutions import ConvNorm, Residual
from deepwell.nn.layers.pictures import LAST_SIDE, POOL_ABOVE, PictureEncoder, PictureShape, layout, multiplications

SHAPE = PictureShape(width=8, blocks=1)


@pytest.mark.parametrize(
    ("size", "widths", "sides"),
    [
        ((1, 8, 8), (8, 16), ((8, 8), (8, 8), (4, 4))),
        ((1, 28, 28), (8, 16, 32), ((14, 14), (14, 14), (7, 7), (4, 4))),
        ((3, 96, 128), (8, 16, 32, 64), ((48, 64), (24, 32), (12, 16), (6, 8), (3, 4))),
        ((3, 1, 1), (8,), ((1, 1), (1, 1))),
    ],
)
def test_the_layout_follows_from_the_size(size, widths, sides):
    plan = layout(*size[1:], SHAPE)
    assert (plan.widths, plan.sides) == (widths, sides)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 140), width=st.integers(1, 140), channels=st.sampled_from([1, 3]), blocks=st.integers(0, 2)
)
def test_any_size_of_picture_gives_the_features_it_says(height, width, channels, blocks):
    shape = PictureShape(4, blocks)
    plan = layout(height, width, shape)
    assert max(plan.sides[1]) <= POOL_ABOVE
    assert max(plan.sides[-1]) <= LAST_SIDE
    with torch.device("meta"):
        encoder = PictureEncoder((channels, height, width), shape).eval()
        features = encoder(torch.zeros(2, channels, height, width, dtype=torch.uint8))
    assert features.shape == (2, encoder.features)


@pytest.mark.parametrize("size", [(1, 8, 8), (1, 28, 28), (3, 96, 128)])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_multiplications_are_those_that_torch_counts(size, blocks):
    shape = PictureShape(8, blocks)
    encoder = PictureEncoder(size, shape).eval()
    with FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, *size, dtype=torch.uint8))
    assert counter.get_total_flops() == 2 * multiplications(size, shape)


def test_parameters_follow_the_formula():
    encoder = PictureEncoder((3, 28, 28), PictureShape(8, 2))
    stem = 25 * 3 * 8 + 2 * 8
    stages = sum(9 * a * b + 2 * b + 2 * 2 * (9 * b * b + 2 * b) for a, b in ((8, 16), (16, 32)))
    assert sum(p.numel() for p in encoder.parameters()) == stem + stages


def test_a_residual_pair_begins_as_the_identity_and_leaves_it():
    torch.manual_seed(0)
    block = Residual(6)
    x = torch.rand(4, 6, 5, 7)
    assert torch.equal(block(x), x)
    block(x).pow(2).sum().backward()
    assert block.second.norm.weight.grad.abs().max() > 0


def test_a_stride_rounds_sides_up():
    assert ConvNorm(3, 5, kernel=5, stride=2)(torch.rand(2, 3, 7, 28)).shape == (2, 5, 4, 14)


def test_the_memory_format_does_not_change_the_features():
    torch.manual_seed(0)
    encoder = PictureEncoder((3, 28, 20), SHAPE).eval()
    pictures = torch.randint(0, 256, (5, 3, 28, 20), dtype=torch.uint8)
    plain = encoder(pictures)
    inner = encoder.to(memory_format=torch.channels_last)(pictures.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(inner, plain, rtol=1e-4, atol=1e-4)


def test_bytes_and_floats_of_the_same_values_are_the_same_picture():
    encoder = PictureEncoder((1, 12, 12), SHAPE).eval()
    pictures = torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8)
    assert torch.equal(encoder(pictures), encoder(pictures.float()))


@pytest.mark.parametrize(
    ("size", "stages", "widths", "sides"),
    [
        ((240, 320), 4, (8, 16, 32, 64, 64), ((120, 160), (60, 80), (30, 40), (15, 20), (8, 10))),
        ((37, 8), 3, (8, 16, 32, 64), ((19, 4), (10, 2), (5, 1), (3, 1))),
        ((1, 1), 1, (8, 16), ((1, 1), (1, 1))),
    ],
)
def test_maps_begin_at_half_the_side_and_halve_from_there(size, stages, widths, sides):
    encoder = PictureEncoder((3, *size), SHAPE, stages).eval()
    maps = encoder.maps(torch.zeros(2, 3, *size, dtype=torch.uint8))
    assert [tuple(m.shape) for m in maps] == [(2, w, *s) for w, s in zip(widths, sides, strict=True)]
    assert encoder.widths == widths
    assert encoder(torch.zeros(2, 3, *size)).shape == (2, encoder.features)
    with FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, 3, *size, dtype=torch.uint8))
    assert counter.get_total_flops() == 2 * multiplications((3, *size), SHAPE, stages)


def test_weights_for_one_vector_begin_those_for_maps():
    classifier, detector = PictureEncoder((3, 96, 128), SHAPE), PictureEncoder((3, 240, 320), SHAPE, 4)
    named, wanted = classifier.state_dict(), detector.state_dict()
    assert {n: t.shape for n, t in named.items()} == {n: t.shape for n, t in wanted.items() if n in named}
    assert {n.split(".")[1] for n in wanted if n not in named} == {"3"}  # the last stage alone is new
