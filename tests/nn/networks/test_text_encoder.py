"""TextEncoder: what is behind the length and who the neighbours are has no influence; gradients; bfloat16; meta device."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.networks.awake import awake

from deepwell.nn.layers.token_grams import GramShape
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.encoder import TextEncoder

SHAPE = TransformerShape(width=16, layers=2, heads=2, hidden=24, dropout=0.1)


def encoder(grams=True):
    torch.manual_seed(0)
    return awake(TextEncoder(50, SHAPE, GramShape(3, 97, 4) if grams else None)).eval()


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4), extra=st.integers(0, 5), seed=st.integers(0, 99))
def test_a_row_is_the_same_alone_among_others_and_with_anything_behind_it(lengths, extra, seed):
    network, g = encoder(), torch.Generator().manual_seed(seed)
    tokens = torch.randint(50, (len(lengths), 9 + extra), generator=g, dtype=torch.int32)
    found = network(tokens, torch.tensor(lengths))
    assert found.shape == (len(lengths), 9 + extra, 16)
    assert found.isfinite().all()
    for row, length in enumerate(lengths):
        assert not found[row, length:].any()
        if length:
            alone = network(tokens[row : row + 1, :length], torch.tensor([length]))
            torch.testing.assert_close(found[row : row + 1, :length], alone, rtol=0, atol=1e-5)


def test_places_see_both_ways_and_know_their_order():
    network, length = encoder(grams=False), torch.tensor([4])
    found = network(torch.tensor([[5, 6, 7, 8]]), length)
    assert not torch.allclose(found[0, 0], network(torch.tensor([[5, 6, 7, 9]]), length)[0, 0])
    assert not torch.allclose(found[0, 3], network(torch.tensor([[6, 5, 7, 8]]), length)[0, 3])


@pytest.mark.parametrize("autocast", [False, True])
def test_every_weight_learns(autocast):
    network = encoder().train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = network(torch.randint(50, (3, 8)), torch.tensor([8, 3, 0]))
    found.float().square().mean(2).sin().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_it_is_built_on_the_meta_device_and_filled():
    source = encoder()
    with torch.device("meta"):
        empty = TextEncoder(50, SHAPE, GramShape(3, 97, 4))
    assert not list(empty.buffers())
    filled = empty.to_empty(device="cpu").eval()
    filled.load_state_dict(source.state_dict())
    tokens, length = torch.randint(50, (2, 6)), torch.tensor([6, 4])
    assert torch.equal(filled(tokens, length), source(tokens, length))


def test_an_embedding_may_be_shared_but_there_must_be_one():
    own = encoder(grams=False)
    without = TextEncoder(None, SHAPE).eval()
    without.load_state_dict({k: v for k, v in own.state_dict().items() if k != "embedding.weight"})
    tokens, length = torch.randint(50, (2, 6)), torch.tensor([6, 4])
    assert torch.equal(without(tokens, length, own.embedding), own(tokens, length))
    with pytest.raises(ValueError, match="no embedding of its own"):
        without(tokens, length)
