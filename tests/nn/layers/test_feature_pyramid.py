"""Pyramid and places: shapes of odd sides, that information travels both ways, where cells stand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.nn.layers.pictures import PictureEncoder, PictureShape
from deepwell.nn.layers.pyramid import Pyramid, places


def test_places_by_hand():
    found = places(10, 17, (8, 16))
    assert found.tolist() == [
        [4, 4, 8], [12, 4, 8], [20, 4, 8],
        [4, 12, 8], [12, 12, 8], [20, 12, 8],
        [8, 8, 16], [24, 8, 16],
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_the_maps_of_any_picture_have_the_places_that_are_said(height, width):
    with torch.device("meta"):
        encoder = PictureEncoder((3, height, width), PictureShape(4, 1), 4).eval()
        maps = Pyramid(encoder.widths[-3:], 6).eval()(encoder.maps(torch.zeros(2, 3, height, width))[-3:])
    sides = [(math.ceil(height / s), math.ceil(width / s)) for s in (8, 16, 32)]
    assert [tuple(m.shape) for m in maps] == [(2, 6, *side) for side in sides]
    assert len(places(height, width, (8, 16, 32))) == sum(h * w for h, w in sides)


@pytest.mark.parametrize("touched", [0, 1, 2])
def test_each_map_hears_of_every_other(touched):
    torch.manual_seed(0)
    pyramid = Pyramid((4, 8, 8), 6).eval()
    maps = [torch.rand(1, w, s, s) for w, s in ((4, 9), (8, 5), (8, 3))]
    before = pyramid(maps)
    after = pyramid([m + (i == touched) for i, m in enumerate(maps)])
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
