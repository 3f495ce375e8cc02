"""TokenGrams: the hash by hand, equal grams get equal rows, pieces continue as the whole does."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.nn.layers.token_grams import GramShape, TokenGrams, gram_multiplications, gram_parameters

SHAPE = GramShape(longest=4, rows=1009, width=6)


def hashed(gram, rows):
    """Python's integers know no overflow."""
    code = gram[-1] + 2
    for token in reversed(gram[:-1]):
        code = (code * 1_000_003 + token + 2) % (2**31 - 1)
    return code % rows


@settings(max_examples=30, deadline=None)
@given(tokens=st.lists(st.integers(0, 2**17), min_size=1, max_size=9))
def test_rows_are_the_hash_by_hand(tokens):
    found = TokenGrams(SHAPE, 8).rows(torch.tensor([tokens], dtype=torch.int32))[0]
    padded = [-1, -1, -1, *tokens]
    for i in range(len(tokens)):
        for size in (2, 3, 4):
            gram = padded[i + 4 - size : i + 4]
            assert int(found[i, size - 2]) == hashed(gram, 1009) + (size - 2) * 1009


@settings(max_examples=30, deadline=None)
@given(tokens=st.lists(st.integers(0, 300), min_size=2, max_size=12), cut=st.integers(1, 11))
def test_pieces_continue_as_the_whole_does(tokens, cut):
    layer, whole = TokenGrams(SHAPE, 8), torch.tensor([tokens])
    first, second = whole[:, :cut], whole[:, cut:]
    before = layer.after(first)
    assert before.shape == (1, 3)
    pieces = [layer(first), layer(second, before)] if second.numel() else [layer(first)]
    torch.testing.assert_close(torch.cat(pieces, 1), layer(whole))
    assert torch.equal(layer.after(whole), layer.after(second, before))


def test_a_gram_is_seen_only_where_it_ends():
    layer = TokenGrams(SHAPE, 8)
    one, other = torch.tensor([[5, 6, 7, 8, 9, 10]]), torch.tensor([[5, 6, 7, 8, 9, 11]])
    assert torch.equal(layer(one)[:, :5], layer(other)[:, :5])
    assert not torch.equal(layer(one)[:, 5], layer(other)[:, 5])


def test_few_grams_share_a_row():
    pairs = torch.cartesian_prod(torch.arange(60), torch.arange(60))
    rows = TokenGrams(GramShape(2, 2**16, 2), 4).rows(pairs)[:, 1, 0]
    expected = 2**16 * (1 - (1 - 2**-16) ** 3600)  # rows hit by 3600 fair throws
    assert rows.unique().numel() > 0.98 * expected


def test_what_it_holds_and_costs():
    layer = TokenGrams(SHAPE, 8)
    assert gram_parameters(SHAPE, 8) == sum(p.numel() for p in layer.parameters())
    assert gram_multiplications(SHAPE, 8) == layer.mix.weight.numel()
