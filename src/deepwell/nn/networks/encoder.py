"""TextEncoder: tokens -> a vector for each place that has seen its whole row.

Unusual: little. It is a part, not a network with named calls: text_classification and EncoderDecoder hold one. What stands behind
a row's length has no influence, whatever it is, and comes out as zeros.

Legend: n rows, T places, W width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepwell.nn.layers.byte_dropout import ByteDropout
from deepwell.nn.layers.token_grams import GramShape, TokenGrams
from deepwell.nn.layers.transformer import Transformer, TransformerShape, View
from deepwell.nn.treatment import treat

EMBEDDING_STD = 0.02


class TextEncoder(nn.Module):
    """tokens (n, T) integers, length (n,) -> (n, T, W).

    vocabulary: V; None: no embedding of its own, one is given with each call. shape: of the blocks. grams: tables for pairs,
    triples ... of tokens; None: none.
    """

    def __init__(self, vocabulary: int | None, shape: TransformerShape, grams: GramShape | None = None) -> None:
        super().__init__()
        self.width = shape.width
        self.embedding = None if vocabulary is None else token_embedding(vocabulary, shape.width)
        self.grams = TokenGrams(grams, shape.width) if grams else None
        self.dropout = ByteDropout(shape.dropout)
        self.transformer = Transformer(shape)

    def forward(self, tokens: Tensor, length: Tensor, shared: nn.Embedding | None = None) -> Tensor:
        """See the class. shared: an embedding (V, W), where it has none of its own."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        inside = places < length[:, None]
        tokens = tokens * inside  # what is behind has no influence
        embedding = shared or self.embedding
        if embedding is None:
            raise ValueError("this TextEncoder has no embedding of its own: give one with the call")
        x = embedding(tokens.long())
        if self.grams is not None:
            x = x + self.grams(tokens)
        view = View(self.transformer.angles(places), visible(inside), causal=False)
        seen, _ = self.transformer(self.dropout(x), view)
        found: Tensor = seen * inside[..., None]
        return found


def visible(inside: Tensor) -> Tensor:
    """(n, S) which places exist -> (n, 1, 1, S) which may be looked at; an empty row has its first, for softmax needs one."""
    first = torch.arange(inside.shape[1], device=inside.device) == 0
    return (inside | first)[:, None, None, :]


def token_embedding(vocabulary: int, width: int, tied: bool = False) -> nn.Embedding:
    """A table (V, W) of small vectors, as GPT-2 begins (Radford et al. 2019). tied: it is the output layer as well.

    Muon, which leaves the output layer to Adam, is told which one that is (see training/muon.py).
    """
    table = nn.Embedding(vocabulary, width)
    nn.init.normal_(table.weight, std=EMBEDDING_STD)
    treat(table.weight, head=tied)
    return table


def token_head(vocabulary: int, width: int) -> nn.Linear:
    """An output layer (V, W) of its own, which begins as small as the embedding."""
    head = nn.Linear(width, vocabulary, bias=False)
    nn.init.normal_(head.weight, std=EMBEDDING_STD)
    return head
