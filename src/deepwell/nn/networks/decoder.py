"""Decoder: tokens -> how surprising each next token is, and step by step with a cache what may come next.

A GPT: Radford et al. 2019, with rotary positions and n-gram embeddings. Unusual: the call that trains gives one number per token,
never the logits of a whole batch, which would be by far its largest array.

Legend: n rows, T places, t places of one step, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.nn.layers.byte_dropout import ByteDropout
from deepwell.nn.layers.surprise import surprise
from deepwell.nn.layers.token_grams import GramShape, TokenGrams
from deepwell.nn.layers.transformer import Transformer, TransformerShape, View
from deepwell.nn.networks.encoder import token_embedding, token_head

Found = tuple[dict[str, Tensor], Any]


class Decoder(nn.Module):
    """forward: `tokens` (n, T + 1) -> `nll` (n, T) float32: -log p of each token but the first, given those before, in nats.
    step: `token` (n,) or (n, t) and the state so far -> `logits` (n, V) float32 of what follows the last one, and the state.

    vocabulary: V. shape: of the blocks. grams: tables for pairs, triples ... of tokens; None: none. tied: the embedding is
    also the output layer.
    """

    calls = ("forward", "step")

    def __init__(
        self, vocabulary: int, shape: TransformerShape, grams: GramShape | None = None, tied: bool = True
    ) -> None:
        super().__init__()
        self.embedding = token_embedding(vocabulary, shape.width, tied)
        self.grams = TokenGrams(grams, shape.width) if grams else None
        self.dropout = ByteDropout(shape.dropout)
        self.transformer = Transformer(shape)
        self.head = None if tied else token_head(vocabulary, shape.width)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        tokens = arrays["tokens"].long()
        hidden, _ = self.hidden_states(tokens[:, :-1], None)
        nll, _ = surprise(hidden, self.output, tokens[:, 1:])
        return {"nll": nll}, state

    def step(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        hidden, state = self.hidden_states(asked(arrays), state)
        return {"logits": nn.functional.linear(hidden[:, -1], self.output).float()}, state

    @property
    def output(self) -> Tensor:
        """(V, W): the output layer's weights."""
        return self.embedding.weight if self.head is None else self.head.weight

    def hidden_states(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(n, T, W) of the last layer for tokens (n, T) behind those that the state holds, and the new state."""
        past = None if state is None else state["blocks"]
        before = None if state is None else state.get("before")
        old = 0 if past is None else past[0][0].shape[2]
        x = self.embedding(tokens)
        if self.grams is not None:
            x, before = x + self.grams(tokens, before), self.grams.after(tokens, before)
        hidden, blocks = self.transformer(
            self.dropout(x), ahead(self.transformer, tokens.shape[1], old, x.device), past
        )
        state = {"blocks": blocks} if before is None else {"blocks": blocks, "before": before}
        return hidden, state


def asked(arrays: Mapping[str, Tensor]) -> Tensor:
    """The tokens of one step (n, t), given as `token` (n,) or (n, t)."""
    token = arrays["token"].long()
    return token[:, None] if token.ndim == 1 else token


def ahead(transformer: Transformer, new: int, old: int, device: torch.device, other: Tensor | None = None) -> View:
    """What `new` places behind `old` ones share: no place looks ahead."""
    places = torch.arange(old, old + new, device=device)
    mask = None
    if old and new > 1:
        mask = torch.arange(old + new, device=device) <= places[:, None]
    return View(transformer.angles(places), mask, causal=old == 0 and new > 1, other=other)
