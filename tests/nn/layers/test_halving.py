"""Max pooling by two is torch's max pooling, values and gradients, bit for bit: where values are equal, too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deepwell.nn.layers import halving
from deepwell.nn.layers.halving import halved
from deepwell.nn.layers.pooling import Pool


def torchs(x, ceil):
    """The same by torch's kernel, in float32, which bfloat16 fits into."""
    flat = x.dim() == 3
    seen = (x.unsqueeze(1) if flat else x).float().permute(0, 3, 1, 2)
    found = functional.max_pool2d(seen, (1, 2) if flat else 2, ceil_mode=ceil).permute(0, 2, 3, 1)
    return found.squeeze(1) if flat else found


@pytest.fixture
def always(monkeypatch):
    """Small values take the way of large ones."""
    monkeypatch.setattr(halving, "LEAST_VALUES", 0)


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 7), min_size=1, max_size=2),
    channels=st.integers(8, 40),
    few=st.booleans(),
    ceil=st.booleans(),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32]),
    seed=st.integers(0, 1000),
)
def test_values_and_gradients_are_those_of_torchs_max_pooling(lengths, channels, few, ceil, dtype, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(halving, "LEAST_VALUES", 0)
        generator = torch.Generator().manual_seed(seed)
        shape = (3, *lengths, channels)
        # A few whole numbers, zeros of both signs among them, are equal to their neighbours most of the time.
        drawn = torch.randn(shape, generator=generator)
        x = ((drawn * 1.5).round() + 0.0 if few else drawn).to(dtype).requires_grad_()
        other = x.detach().clone().requires_grad_()
        found, wanted = halved(x, ceil), torchs(other, ceil)
        assert found.dtype == dtype
        assert torch.equal(found.float(), wanted)
        gradient = torch.randn(found.shape, generator=generator).to(dtype)
        found.backward(gradient)
        wanted.backward(gradient.float())
        assert torch.equal(x.grad, other.grad)
        with torch.no_grad():
            assert torch.equal(halved(x, ceil), found)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_value_that_is_not_a_number_is_seen(dtype, sign):
    x = torch.zeros(1, 4, 4, 8, dtype=dtype)
    x[0, 1, 1, 3] = float("nan") * sign
    for learns in (False, True):
        found = halved(x.clone().requires_grad_(learns))
        assert found[0, 0, 0, 3].isnan()
        assert int(found.isnan().sum()) == 1


@pytest.mark.usefixtures("always")
def test_the_gradient_may_lie_in_memory_in_any_order():
    x = torch.randn(2, 6, 6, 8).bfloat16().permute(0, 2, 1, 3).requires_grad_()
    other = x.detach().clone().requires_grad_()
    gradient = torch.randn(8, 3, 3, 2).bfloat16().permute(3, 1, 2, 0)
    halved(x).backward(gradient)
    torchs(other, False).backward(gradient.float())
    assert torch.equal(x.grad, other.grad)
    one = torch.ones((), dtype=torch.bfloat16).expand(2, 3, 3, 8)
    x.grad = None
    halved(x).backward(one)
    assert float(x.grad.float().sum()) == one.numel()


@pytest.mark.usefixtures("always")
def test_a_gradient_of_the_gradient_is_refused_and_not_wrong():
    x = torch.randn(1, 4, 4, 8).bfloat16().requires_grad_()
    (slope,) = torch.autograd.grad((halved(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.float().sum().backward()


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("length", [6, 7])
def test_a_pooling_layer_gives_the_same_on_either_way(padding, length):
    """`same` adds a place at the end of an odd length, which counts for nothing."""
    x = torch.randn(2, length, length, 8).bfloat16()
    found = Pool((2, 2), (2, 2), padding, largest=True)(x)
    assert torch.equal(found.float(), torchs(x, ceil=padding == "same"))
