"""Blocks against torch's own layers with weights copied, their sizes, and how they begin."""

import pytest
import torch
from tests.nn.networks.awake import awake
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from deepwell.nn.layers.transformer import (
    Block,
    Transformer,
    TransformerShape,
    View,
    _SquaredRectifier,
    multiplications,
    parameters,
    remembering,
)
from deepwell.training.flops import UNCOUNTED

SHAPE = TransformerShape(width=24, layers=2, heads=4, hidden=40, rotary=False)


def squared(x):
    return functional.relu(x).square()


def copied(block, layer):
    """A block of ours with the weights of one of torch's layers."""
    with torch.no_grad():
        block.attention.qkv.weight.copy_(layer.self_attn.in_proj_weight)
        block.attention.out.weight.copy_(layer.self_attn.out_proj.weight)
        block.dense.up.weight.copy_(layer.linear1.weight)
        block.dense.down.weight.copy_(layer.linear2.weight)
        for norm in [m for m in layer.children() if isinstance(m, nn.LayerNorm)]:
            norm.weight.uniform_(0.5, 1.5)
        block.norm.weight.copy_(layer.norm1.weight)
        if hasattr(layer, "multihead_attn"):
            query, rest = layer.multihead_attn.in_proj_weight.split([24, 48])
            block.cross.query.weight.copy_(query)
            block.cross.keys_values.weight.copy_(rest)
            block.cross.out.weight.copy_(layer.multihead_attn.out_proj.weight)
            block.cross_norm.weight.copy_(layer.norm2.weight)
            block.dense_norm.weight.copy_(layer.norm3.weight)
        else:
            block.dense_norm.weight.copy_(layer.norm2.weight)
    return block


def torchs(kind):
    return kind(24, 4, 40, 0.0, squared, batch_first=True, norm_first=True, bias=False)


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_torchs_encoder_layer(causal):
    torch.manual_seed(0)
    layer = torchs(nn.TransformerEncoderLayer)
    block, x = copied(Block(SHAPE), layer), torch.randn(3, 7, 24)
    mask = nn.Transformer.generate_square_subsequent_mask(7) if causal else None
    found, _ = block(x, View(None, None, causal))
    torch.testing.assert_close(found, layer(x, mask, is_causal=causal), rtol=1e-5, atol=2e-6)


def test_a_block_with_padding_is_torchs_encoder_layer():
    torch.manual_seed(0)
    layer = torchs(nn.TransformerEncoderLayer)
    block, x = copied(Block(SHAPE), layer), torch.randn(3, 7, 24)
    inside = torch.arange(7) < torch.tensor([7, 2, 5])[:, None]
    found, _ = block(x, View(None, inside[:, None, None], causal=False))
    expected = layer(x, src_key_padding_mask=~inside)
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-5, atol=2e-6)


def test_a_block_over_another_sequence_is_torchs_decoder_layer():
    torch.manual_seed(0)
    layer = torchs(nn.TransformerDecoderLayer)
    block, x, other = copied(Block(SHAPE, cross=True), layer), torch.randn(3, 7, 24), torch.randn(3, 5, 24)
    inside = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    view = View(None, None, causal=True, other=inside[:, None, None])
    found, _ = block(x, view, memory=block.cross.remember(other))
    ahead = nn.Transformer.generate_square_subsequent_mask(7)
    expected = layer(x, other, ahead, memory_key_padding_mask=~inside, tgt_is_causal=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_parameters_are_counted(cross, layers):
    shape = TransformerShape(24, layers, 4, 40)
    assert parameters(shape, cross) == sum(p.numel() for p in Transformer(shape, cross).parameters())


def counted(call, backend=SDPBackend.MATH):
    """Multiply-adds; attention in plain products, which torch counts on any device, unless another way is named."""
    with sdpa_kernel(backend), FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        call()
    return counter.get_total_flops() / 2


def test_multiplications_are_those_that_torch_counts():
    stack, x = Transformer(SHAPE), torch.randn(3, 7, 24)
    assert counted(lambda: stack(x, View(None, None, causal=False))) == 3 * 7 * multiplications(SHAPE, seen=7)


def test_multiplications_over_another_sequence_are_those_that_torch_counts():
    stack, x, other = Transformer(SHAPE, cross=True), torch.randn(3, 7, 24), torch.randn(3, 5, 24)
    memory = stack.remember(other)
    assert counted(lambda: stack.remember(other)) == 3 * 5 * remembering(SHAPE)
    per_place = multiplications(SHAPE, seen=7, cross=5)
    assert counted(lambda: stack(x, View(None, None, causal=False), memory=memory)) == 3 * 7 * per_place


def test_attention_counts_the_same_however_it_is_computed():
    stack, x = Transformer(SHAPE), torch.randn(3, 7, 24)

    def step():
        stack(x, View(None, None, causal=True))[0].sum().backward()

    forward = 3 * 7 * multiplications(SHAPE, seen=7)
    attention = 3 * 7 * 2 * 2 * 24 * 7  # of the two layers; its own kernel computes the weights again in the gradient
    assert counted(step) == 3 * forward
    assert counted(step, SDPBackend.FLASH_ATTENTION) == 3 * forward + attention / 2


def test_multiplications_by_hand():
    shape = TransformerShape(width=4, layers=1, heads=1, hidden=8)
    assert multiplications(shape, seen=3) == 3 * 16 + 16 + 2 * 32 + 3 * 4 + 3 * 4


def test_a_stack_begins_as_the_identity_and_leaves_it():
    torch.manual_seed(0)
    stack, x = Transformer(TransformerShape(24, 5, 4, 40), cross=True), torch.randn(2, 6, 24)
    view, last = View(stack.angles(torch.arange(6)), None, causal=True), stack.norm
    stack.norm = nn.Identity()
    found, _ = stack(x, view, memory=stack.remember(torch.randn(2, 3, 24)))
    assert torch.equal(found, x)
    last(found).sin().sum().backward()
    for block in stack.blocks:
        assert block.attention.out.weight.grad.any()
        assert block.cross.out.weight.grad.any()
        assert block.dense.down.weight.grad.any()


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    stack, x = awake(Transformer(TransformerShape(24, 2, 4, 40, dropout=0.5))), torch.randn(2, 5, 24)
    view = View(None, None, causal=True)
    assert not torch.equal(stack(x, view)[0], stack(x, view)[0])
    stack.eval()
    assert torch.equal(stack(x, view)[0], stack(x, view)[0])


def test_the_squared_rectifier_has_the_gradient_it_says():
    x = torch.randn(40, dtype=torch.float64, requires_grad=True)
    assert torch.equal(_SquaredRectifier.apply(x), squared(x))
    assert torch.autograd.gradcheck(_SquaredRectifier.apply, x)
