"""Attention by plain products against torch's own, values and gradients; and the layers against nn.MultiheadAttention."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from deepwell.nn.layers import weighing
from deepwell.nn.layers.attention import CrossAttention, SelfAttention
from deepwell.nn.layers.weighing import _Products, weigh


def draw(seed, n, heads, asked, seen, width):
    g = torch.Generator().manual_seed(seed)
    sizes = ((n, heads, asked, width), (n, heads, seen, width), (n, heads, seen, width), (n, heads, asked, width))
    return [torch.randn(*size, generator=g, dtype=torch.float64) for size in sizes]


def both(inputs, change, mask, causal):
    """Output and gradients, by products and by torch."""
    results = []
    for call in (_Products.apply, None):
        parts = [x.clone().requires_grad_() for x in inputs]
        if call:
            found = call(*parts, mask, causal)
        else:
            found = functional.scaled_dot_product_attention(*parts, attn_mask=mask, is_causal=causal)
        results.append([found.detach(), *torch.autograd.grad(found, parts, change)])
    return results


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 4), heads=st.integers(1, 3), asked=st.integers(1, 11), seen=st.integers(1, 11),
    kind=st.sampled_from(["none", "causal", "rows", "places", "all"]), block=st.integers(1, 12),
    piece=st.integers(1, 300), seed=st.integers(0, 99),
)  # fmt: skip
def test_products_are_torchs_attention_whatever_the_blocks(n, heads, asked, seen, kind, block, piece, seed):
    seen = asked if kind == "causal" else seen
    *inputs, change = draw(seed, n, heads, asked, seen, 4)
    mask = None
    shape = {"rows": (n, 1, 1, seen), "places": (asked, seen), "all": (n, heads, asked, seen)}.get(kind)
    if shape:
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        mask[..., 0] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weighing, "BLOCK", block)
        patch.setattr(weighing, "PIECE", piece)
        ours, torchs = both(inputs, change, mask, kind == "causal")
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_inputs_may_be_views_of_any_layout():
    *inputs, change = draw(0, 2, 3, 5, 7, 4)
    inputs = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in inputs]
    ours, torchs = both(inputs, change.transpose(1, 2).contiguous().transpose(1, 2), None, False)
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_bfloat16_in_training_is_near_float32():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 200, 16) for _ in range(3))
    near = weigh(*(x.bfloat16().requires_grad_() for x in (q, k, v)), causal=True)
    assert near.grad_fn is not None
    assert "_Products" in type(near.grad_fn).__name__
    torch.testing.assert_close(near.float(), weigh(q, k, v, causal=True), rtol=0, atol=0.04)


def test_without_gradients_torchs_kernel_answers():
    q = torch.randn(1, 2, 3, 4).bfloat16().requires_grad_()
    with torch.no_grad():
        assert torch.equal(weigh(q, q, q), functional.scaled_dot_product_attention(q, q, q))


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_is_torchs(causal):
    torch.manual_seed(0)
    torchs, ours = nn.MultiheadAttention(24, 4, bias=False, batch_first=True), SelfAttention(24, 4)
    ours.qkv.weight.data, ours.out.weight.data = torchs.in_proj_weight.data, torchs.out_proj.weight.data
    x = torch.randn(3, 7, 24)
    ahead = torch.ones(7, 7, dtype=torch.bool).triu(1) if causal else None
    expected, _ = torchs(x, x, x, attn_mask=ahead)
    torch.testing.assert_close(ours(x, None, None, causal)[0], expected, rtol=1e-5, atol=1e-6)


def test_cross_attention_is_torchs():
    torch.manual_seed(0)
    torchs, ours = nn.MultiheadAttention(24, 4, bias=False, batch_first=True), CrossAttention(24, 4)
    ours.query.weight.data, ours.keys_values.weight.data = torchs.in_proj_weight.data.split([24, 48])
    ours.out.weight.data = torchs.out_proj.weight.data
    x, other = torch.randn(3, 5, 24), torch.randn(3, 9, 24)
    length = torch.tensor([9, 1, 4])
    inside = torch.arange(9) < length[:, None]
    expected, _ = torchs(x, other, other, key_padding_mask=~inside)
    found = ours(x, ours.remember(other), inside[:, None, None])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
