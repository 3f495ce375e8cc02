"""Rotary positions against the formula of arXiv:2104.09864, written out with rotation matrices."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.nn.layers.rotary import angles, rotate


def matrix(place, width):
    """Equation 15, with the pairs (i, i + width / 2)."""
    r, half = torch.zeros(width, width, dtype=torch.float64), width // 2
    for i in range(half):
        theta = place * 10000.0 ** (-2 * i / width)
        r[i, i] = r[i + half, i + half] = math.cos(theta)
        r[i, i + half], r[i + half, i] = -math.sin(theta), math.sin(theta)
    return r


@pytest.mark.parametrize("width", [2, 6, 32])
def test_rotation_is_the_papers(width):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, width)  # rows, heads, places
    places = torch.tensor([0, 1, 2, 3, 10, 100, 1000])
    expected = torch.stack([x[:, :, i].double() @ matrix(int(p), width).T for i, p in enumerate(places)], 2)
    torch.testing.assert_close(rotate(x, angles(places, width)).double(), expected, rtol=0, atol=3e-4)


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 300), second=st.integers(0, 300), shift=st.integers(0, 300), seed=st.integers(0, 9))
def test_a_product_of_query_and_key_knows_only_their_distance(first, second, shift, seed):
    q, k = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(seed))

    def product(a, b):
        return (rotate(q, angles(torch.tensor([a]), 16)) * rotate(k, angles(torch.tensor([b]), 16))).sum()

    torch.testing.assert_close(product(first, second), product(first + shift, second + shift), rtol=0, atol=2e-3)


def test_lengths_stay():
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(rotate(x, angles(torch.arange(5), 8)).norm(dim=-1), x.norm(dim=-1))


def test_the_first_place_is_not_turned():
    x = torch.randn(3, 1, 8)
    assert torch.equal(rotate(x, angles(torch.zeros(1), 8)), x)


def test_angles_of_several_rows_of_places():
    places = torch.tensor([[0, 1, 2], [5, 6, 7]])
    both = angles(places, 4)
    assert both.shape == (2, 2, 3, 4)
    assert torch.equal(both[:, 1], angles(places[1], 4))


def test_the_type_of_what_is_turned_stays():
    turned = rotate(torch.ones(4, 8, dtype=torch.bfloat16), angles(torch.arange(4), 8))
    assert turned.dtype == torch.bfloat16
