"""Layers for tables: against their formulas, written here with plain numpy."""

import math

import numpy as np
import pytest
import torch

from deepwell.nn.layers.categories import CategoryEncoder
from deepwell.nn.layers.ensemble import MemberLinear, MemberScale, SharedLinear
from deepwell.nn.layers.numbers import NumberEncoder
from deepwell.nn.layers.periodic import Periodic
from deepwell.nn.layers.piecewise_linear import PiecewiseLinear


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_piecewise_linear_goes_through_the_sums_of_slopes_and_is_linear_between():
    layer = PiecewiseLinear([4, 2], width=3)
    slope, bias = layer.slope.detach().numpy(), layer.bias.detach().numpy()
    found = layer(torch.tensor([[0.0, 0.0], [2.0, 1.0], [2.25, 0.5]])).detach().numpy()
    np.testing.assert_allclose(found[0], bias, atol=1e-6)
    np.testing.assert_allclose(found[1], [bias[0] + slope[0, :2].sum(0), bias[1] + slope[1, 0]], atol=1e-6)
    np.testing.assert_allclose(found[2, 0], bias[0] + slope[0, :2].sum(0) + 0.25 * slope[0, 2], atol=1e-6)


def test_a_slope_beyond_a_columns_own_scale_gets_no_gradient():
    layer = PiecewiseLinear([4, 2], width=3)
    layer(torch.tensor([[3.0, 1.0]])).sum().backward()
    assert torch.all(layer.slope.grad[1, 1:] == 0)
    assert torch.all(layer.slope.grad[0] == 1)


def test_a_column_with_one_knot_is_a_constant():
    layer = PiecewiseLinear([1], width=2)
    np.testing.assert_allclose(layer(torch.zeros(3, 1))[:, 0].detach(), layer.bias.detach().expand(3, 2))


def test_periodic_is_its_formula():
    layer = Periodic(columns=2, width=3, frequencies=5)
    x = np.array([[0.5, -1.0], [2.0, 0.0]], np.float32)
    frequency, phase, weight, bias = (p.detach().numpy() for p in layer.parameters())
    wave = np.cos(x[:, :, None] * frequency + phase)
    expected = np.stack([wave[:, f] @ weight[f] + bias[f] for f in range(2)], axis=1)
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, atol=1e-5)


def test_frequencies_start_where_realmlp_starts_them():
    spread = Periodic(columns=200, width=1, frequencies=50, sigma=0.1).frequency.std().item()
    assert spread == pytest.approx(2 * math.pi * 0.1, rel=0.05)


def test_numbers_pass_through_and_every_column_depends_on_itself_alone():
    layer = NumberEncoder([5, 3], indicators=1, embedding=4)
    values, positions = torch.randn(6, 3), torch.rand(6, 2)
    found = layer(values, positions)
    assert found.shape == (6, layer.width) == (6, 3 + 2 * 2 * 4)
    assert torch.equal(found[:, :3], values)
    moved = layer(values, positions + torch.tensor([0.0, 0.3]))
    changed = (moved != found).any(0).nonzero().flatten().tolist()
    assert changed == list(range(3 + 4, 3 + 8))


def test_categories_look_up_their_own_level_and_the_unknown_one_starts_neutral():
    layer = CategoryEncoder([3, 4], embedding=2)
    found = layer(torch.tensor([[2, 3], [0, 0]], dtype=torch.int32)).detach()
    table = layer.table.weight.detach()
    assert torch.equal(found[0], torch.cat([table[2], table[3 + 3]]))
    assert torch.equal(found[1], torch.zeros(4))


def test_members_share_a_matrix_and_differ_in_scale_and_bias():
    scale, shared = MemberScale(3, 5), SharedLinear(3, 5, 4)
    x = torch.randn(7, 5)
    found = shared(scale(x))
    assert found.shape == (3, 7, 4)
    for m in range(3):
        expected = (x * scale.scale[m]) @ shared.weight + shared.bias[m]
        torch.testing.assert_close(found[m], expected)


def test_heads_are_separate():
    head = MemberLinear(3, 5, 2)
    x = torch.randn(3, 7, 5)
    for m in range(3):
        torch.testing.assert_close(head(x)[m], x[m] @ head.weight[m] + head.bias[m])
