"""ByteDropout: shares, means, draws that follow the generator, gradients through what is kept only."""

import pytest
import torch

from deepwell.nn.layers.byte_dropout import ByteDropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(share):
    torch.manual_seed(0)
    found = ByteDropout(share)(torch.ones(400, 503))
    dropped = (found == 0).float().mean()
    assert abs(dropped - round(share * 256) / 256) < 4 * (share * (1 - share) / found.numel()) ** 0.5
    assert found.unique().numel() == 2
    assert abs(found.mean() - 1) < 0.02


def test_neighbours_are_dropped_apart():
    torch.manual_seed(0)
    kept = (ByteDropout(0.5)(torch.ones(1000, 64)) > 0).float() - 0.5
    for distance in (1, 7, 8, 9):
        assert (kept[:, distance:] * kept[:, :-distance]).mean().abs() < 0.005


def test_it_rests_in_evaluation_and_without_a_share():
    x = torch.randn(3, 4)
    assert ByteDropout(0.5).eval()(x) is x
    assert ByteDropout(0.0)(x) is x


def test_the_generator_decides():
    layer, x = ByteDropout(0.3), torch.randn(11, 13)
    torch.manual_seed(5)
    first, second = layer(x), layer(x)
    torch.manual_seed(5)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_gradients_flow_through_what_is_kept():
    x = torch.randn(50, 3, requires_grad=True)
    found = ByteDropout(0.4)(x)
    found.sum().backward()
    assert torch.equal(x.grad == 0, found == 0)


def test_bfloat16_stays():
    assert ByteDropout(0.4)(torch.ones(3, dtype=torch.bfloat16)).dtype == torch.bfloat16
