"""Attention computes what Keras's does, with the same weights and masks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import layers, noise, same

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS

SMALL = settings(max_examples=10, deadline=None)


@SMALL
@given(
    st.integers(1, 3), st.integers(1, 4), st.none() | st.integers(1, 3), st.booleans(), st.none() | st.integers(1, 5)
)
def test_several_heads(heads, key_dim, value_dim, bias, outputs):
    options = {"value_dim": value_dim, "use_bias": bias, "output_shape": outputs}
    block, query, value = BLOCKS["MultiHeadAttention"](heads, key_dim, **options), noise(2, 4, 3), noise(2, 5, 6)
    same(block, layers.MultiHeadAttention(heads, key_dim, **options), query, value)
    same(block, layers.MultiHeadAttention(heads, key_dim, **options), query, value, noise(2, 5, 2))


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("given_mask", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_masks(scores, causal, given_mask, padded):
    query, value = noise(2, 4, 3), noise(2, 5, 3, seed=1)
    value_mask = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]]).bool() if padded else None
    look = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(0)) < 0.6
    look[:, :, 0] = True  # everybody sees something: what is seen where nothing may be differs between Keras's backends
    asked = {"use_causal_mask": causal, "return_attention_scores": scores}
    values = [query, value, *([look.float()] if given_mask else [])]

    def call(layer, given):
        return layer(given[0], given[1], value_mask=value_mask, attention_mask=look if given_mask else None, **asked)

    arguments = {**asked, "attention_mask": True} if given_mask else asked
    masks = (None, value_mask, *([None] if given_mask else []))
    layer = layers.MultiHeadAttention(2, 3)
    same(BLOCKS["MultiHeadAttention"](2, 3), layer, *values, masks=masks, arguments=arguments, call=call)


def test_padded_queries_do_not_disturb_the_others_and_give_numbers():
    query_mask = torch.tensor([[1, 1, 0], [1, 1, 1]]).bool()
    x = noise(2, 3, 4)
    block = BLOCKS["MultiHeadAttention"](2, 3)
    module = block.build((3, 4), (3, 4))
    (found,), (mask,) = block.run(module, (x, x), (query_mask, query_mask), {})
    plain, _ = block.run(module, (x[1:], x[1:]), (None, None), {})
    torch.testing.assert_close(found[1:], plain[0])
    torch.testing.assert_close(found[0, :2], module(x[:1, :2], x[:1, :2])[0])
    assert found.isfinite().all()
    assert mask is query_mask


def test_attention_is_dropped_in_training_only():
    block = BLOCKS["MultiHeadAttention"](2, 3, dropout=0.5)
    module, x = block.build((3, 4), (3, 4)), noise(2, 3, 4)
    assert torch.equal(module.eval()(x, x), module(x, x))
    assert not torch.equal(module.train()(x, x), module(x, x))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"use_scale": True}, {"score_mode": "concat"}, {"score_mode": "concat", "use_scale": True}]
)
def test_plain_attention(options, causal):
    values = [noise(2, 4, 3), noise(2, 5, 6, seed=1), noise(2, 5, 3, seed=2)]
    asked = {"use_causal_mask": causal, "return_attention_scores": True}
    layer = layers.Attention(**options)
    same(BLOCKS["Attention"](**options), layer, *values, arguments=asked, call=lambda k, v: k(v, **asked))


@pytest.mark.parametrize("scale", [False, True])
def test_additive_attention(scale):
    values = [noise(2, 4, 3), noise(2, 5, 3, seed=1)]
    same(BLOCKS["AdditiveAttention"](scale), layers.AdditiveAttention(use_scale=scale), *values, call=lambda k, v: k(v))


def test_plain_attention_leaves_out_padding():
    """By hand: what is not seen might as well not be there; padded queries give 0."""
    query, value = noise(1, 3, 2), noise(1, 4, 2, seed=1)
    seen, there = torch.tensor([[True, True, False]]), torch.tensor([[True, False, True, False]])
    block = BLOCKS["Attention"]()
    (found,), _ = block.run(block.build((3, 2), (4, 2)), (query, value), (seen, there), {})
    rest = value[:, [0, 2]]
    torch.testing.assert_close(found[:, :2], ((query @ rest.mT).softmax(-1) @ rest)[:, :2])
    assert not found[:, 2].any()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: BLOCKS["MultiHeadAttention"](0, 3), "num_heads must be a whole number above 0; got 0"),
        (lambda: BLOCKS["MultiHeadAttention"](2, 3).outcome((3,), (4, 2)), "it takes 3 axes"),
        (lambda: BLOCKS["MultiHeadAttention"](2, 3).outcome((3, 2), (4, 2), (5, 2)), "must be equally long"),
        (lambda: BLOCKS["MultiHeadAttention"](2, 3).called({"causal": True}), "a call takes no argument 'causal'"),
        (lambda: BLOCKS["Attention"]().outcome((3, 2), (4, 5)), "query and key must be equally wide"),
        (lambda: BLOCKS["Attention"](score_mode="sum"), "score_mode must be one of 'dot', 'concat'"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make, text):
    with pytest.raises(ConfigError) as error:
        make()
    assert text in str(error.value)
