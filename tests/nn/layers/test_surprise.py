"""Surprise against torch's cross-entropy, values and gradients, in pieces of any size and in bfloat16."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deepwell.nn.layers import surprise as module
from deepwell.nn.layers.surprise import surprise


def plain(hidden, weight, targets):
    logs = -functional.linear(hidden, weight).log_softmax(-1)
    return logs.gather(-1, targets[..., None]).squeeze(-1), logs.mean(-1)


@settings(max_examples=30, deadline=None)
@given(
    tokens=st.integers(1, 20), vocabulary=st.integers(2, 15), piece=st.integers(1, 100), smoothing=st.floats(0, 1),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_torchs_cross_entropy_with_label_smoothing(tokens, vocabulary, piece, smoothing, seed):
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, 5, generator=g, requires_grad=True)
    weight = torch.randn(vocabulary, 5, generator=g, requires_grad=True)
    targets = torch.randint(vocabulary, (tokens,), generator=g)
    share = torch.rand(tokens, generator=g)  # each token has a weight of its own
    expected = functional.cross_entropy(
        functional.linear(hidden, weight), targets, reduction="none", label_smoothing=smoothing
    )
    gradients = torch.autograd.grad((expected * share).sum(), (hidden, weight))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        nll, spread = surprise(hidden, weight, targets)
        found = (1 - smoothing) * nll + smoothing * spread
        ours = torch.autograd.grad((found * share).sum(), (hidden, weight))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(ours, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_only_one_of_the_two_may_be_used():
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(2, 3, 5), torch.randn(7, 5), torch.randint(7, (2, 3))
    for which in (0, 1):
        a, b = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
        surprise(a, weight, targets)[which].sum().backward()
        plain(b, weight, targets)[which].sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_under_autocast_the_sum_is_float32():
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(500, 64), torch.randn(100, 64) * 0.1, torch.randint(100, (500,))
    expected, _ = plain(hidden, weight, targets)
    with torch.autocast("cpu", torch.bfloat16):
        nll, spread = surprise(hidden.requires_grad_(), weight, targets)
        rounded = plain(hidden, weight, targets)[0].float()
    assert nll.dtype == spread.dtype == torch.float32
    error = (nll - expected).detach().abs().mean()
    assert error < 0.6 * (rounded - expected).detach().abs().mean()


def test_shapes_follow_the_targets():
    nll, spread = surprise(torch.randn(2, 3, 5), torch.randn(7, 5), torch.zeros(2, 3, dtype=torch.int32))
    assert nll.shape == spread.shape == (2, 3)
    assert not nll.requires_grad
