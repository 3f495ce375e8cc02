"""EncoderDecoder: a source text -> how surprising each token of a target text is, and step by step what may come next.

Vaswani et al. 2017, arXiv:1706.03762, with pre-norm blocks and rotary positions. Unusual: source, target and output share one
table of embeddings unless told otherwise (Press and Wolf 2017, arXiv:1608.05859), and where it is shared, a word may also be
copied from the source (nn/layers/pointer.py).

Legend: n rows, S places of the source, T places of the target, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.data.fields.tokeniser import BEGIN, SPECIALS
from deepwell.nn.layers.byte_dropout import ByteDropout
from deepwell.nn.layers.pointer import LONGEST, Pointer
from deepwell.nn.layers.surprise import surprise
from deepwell.nn.layers.transformer import Transformer, TransformerShape
from deepwell.nn.networks.decoder import ahead, asked
from deepwell.nn.networks.encoder import TextEncoder, token_embedding, token_head, visible

Found = tuple[dict[str, Tensor], Any]


class EncoderDecoder(nn.Module):
    """forward: `source` (n, S), `source.length` (n,), `target` (n, T + 1), `target.length` (n,) -> `nll` (n, T), -log p of each
    target token but the first, and `spread` (n, T), the mean of -log p over the vocabulary, both in nats and 0 behind the length;
    with a pointer the spread is that of words which are not in the source.
    encode: `source`, `source.length` -> nothing, and the state. step: `token` (n,) or (n, t) and the state -> `logits` (n, V)
    float32 of what follows the last one, and the new state.

    source, target: sizes of the vocabularies. encoder, decoder: shapes of the blocks, of one width. tied: one table for source,
    target and output, with source = target; else three of their own. pointer: whether words can be copied, which takes tied
    tables. Raises ValueError where these do not fit.
    """

    calls = ("forward", "encode", "step")

    def __init__(
        self,
        source: int,
        target: int,
        encoder: TransformerShape,
        decoder: TransformerShape,
        tied: bool = True,
        pointer: bool = False,
    ) -> None:
        super().__init__()
        if encoder.width != decoder.width or (tied and source != target):
            raise ValueError(
                f"encoder and decoder have one width, and a shared vocabulary one size; got widths {encoder.width} and "
                f"{decoder.width}, vocabularies of {source} and {target}"
            )
        if pointer and not tied:
            raise ValueError("only words of a vocabulary that both sides share can be copied")
        self.embedding = token_embedding(target, decoder.width, tied)
        self.encoder = TextEncoder(None if tied else source, encoder)
        self.dropout = ByteDropout(decoder.dropout)
        self.decoder = Transformer(decoder, cross=True)
        self.head = None if tied else token_head(target, decoder.width)
        self.pointer = Pointer(decoder.width, SPECIALS, BEGIN) if pointer else None

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        _, state = self.encode(arrays)
        target = arrays["target"].long()
        hidden, _ = self.hidden_states(target[:, :-1], state)
        nll, spread = surprise(hidden, self.output, target[:, 1:])
        if self.pointer is not None:
            pointed = self.pointer(hidden, target[:, :-1], state["source"])
            nll = -torch.logaddexp(pointed.own - nll, pointed.other + pointed.of(target[:, 1:]))
            spread = spread - pointed.own
        places = torch.arange(1, target.shape[1], device=target.device)
        inside = places < arrays["target.length"][:, None]
        return {"nll": nll * inside, "spread": spread * inside}, None

    def encode(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        source, length = arrays["source"], arrays["source.length"]
        inside = torch.arange(source.shape[1], device=source.device) < length[:, None]
        read = self.encoder(source, length, self.embedding if self.head is None else None)
        found: dict[str, Any] = {"memory": self.decoder.remember(read), "visible": visible(inside)}
        if self.pointer is not None:
            found["source"] = self.pointer.remember(read, source, inside)
        return {}, found

    def step(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        token = asked(arrays)
        hidden, found = self.hidden_states(token, state)
        logits = nn.functional.linear(hidden[:, -1], self.output).float()
        if self.pointer is None:
            return {"logits": logits}, found
        recent = torch.cat([state["recent"], token], dim=1) if "recent" in state else token
        recent = recent[:, -LONGEST:]
        pointed = self.pointer(hidden[:, -1:], recent, state["source"])
        mixed = torch.logaddexp(pointed.own + logits.log_softmax(-1), pointed.other + pointed.of_all(logits.shape[1]))
        return {"logits": mixed}, {**found, "recent": recent}

    @property
    def output(self) -> Tensor:
        """(V, W): the output layer's weights."""
        return self.embedding.weight if self.head is None else self.head.weight

    def hidden_states(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(n, T, W) of the last layer for tokens (n, T) behind those that the state holds, and the new state."""
        past = state.get("blocks")
        old = 0 if past is None else past[0][0].shape[2]
        view = ahead(self.decoder, tokens.shape[1], old, tokens.device, other=state["visible"])
        hidden, blocks = self.decoder(self.dropout(self.embedding(tokens)), view, past, state["memory"])
        return hidden, {**state, "blocks": blocks}
