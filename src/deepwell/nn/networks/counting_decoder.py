"""CountingDecoder: a Decoder that shares the word with an n-gram model, token by token.

p(next) = g p(network) + (1 - g) p(counts), where a gate g looks at what the network sees and at how much was counted of the
last tokens. Counting says at once what small networks learn last, names and set phrases; the network is left with what
counting cannot see. Interpolating n-grams with networks is as old as these (Bengio et al. 2003; Mikolov et al. 2011); unusual is
that both are one network. It should also be trained to speak `alone`: a gate that trusts the counts from the first step on would
leave a network silent that hears only of its share. A network that reads a text often knows it by heart, and a gate that
learns from the same text trusts it too much; so some of the text can be `held` from the network, for the gate alone. In
training counts come from text without the stretch that is asked about, given as the array `counted`; where it is absent they
are looked up in all that was counted.

Legend: n rows, T places, t places of one step, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.gram_counts import GramCounts
from deepwell.nn.layers.surprise import surprise
from deepwell.nn.networks.decoder import Decoder, asked
from deepwell.nn.treatment import treat

Found = tuple[dict[str, Tensor], Any]
BEGINNING = -3.0
"""Log odds of g at first: it is 0.05."""
RATE = 5.0
"""Step sizes of the gate, in those of the rest."""


class CountingDecoder(nn.Module):
    """forward: `tokens` (n, T + 1), in training `counted` (n, T + 1, 3) and `held` (n, T + 1) -> `nll` (n, T) float32, see
    Decoder; in training also `alone` (n, T), what it would be without counts.
    step: `token` (n,) or (n, t) and the state so far -> `logits` (n, V) float32: log p of what follows, and the state.

    decoder: the network. grams: how many grams of each length were counted, see GramCounts, whose tables are to be filled.
    apart: the gate learns from tokens that are held, and the network from the others; else both from all.
    """

    calls = ("forward", "step")

    def __init__(self, decoder: Decoder, vocabulary: int, grams: Sequence[int], apart: bool = False) -> None:
        super().__init__()
        self.decoder = decoder
        self.apart = apart
        self.counts = GramCounts(vocabulary, grams)
        self.gate = Gate(decoder.embedding.embedding_dim, len(grams))

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        tokens = arrays["tokens"].long()
        hidden, _ = self.decoder.hidden_states(tokens[:, :-1], None)
        nll, _ = surprise(hidden, self.decoder.output, tokens[:, 1:])
        given = arrays.get("counted")
        counted = self.counts(tokens[:, :-1], tokens[:, 1:]) if given is None else given[:, 1:].float()
        if self.training and self.apart:
            held = arrays["held"][:, 1:].bool()
            own, other = (torch.where(held, odds, odds.detach()) for odds in self.gate(hidden.detach(), counted))
            nll = torch.where(held, nll.detach(), nll)
        else:
            own, other = self.gate(hidden, counted)
        shared = -torch.logaddexp(own - nll, other + counted[..., 0])
        return {"nll": shared, "alone": nll} if self.training else {"nll": shared}, state

    def step(self, arrays: Mapping[str, Tensor], state: Any = None) -> Found:
        """See the class."""
        token = asked(arrays)
        recent = token if state is None else torch.cat([state["recent"], token], dim=1)
        recent = recent[:, -max(1, self.counts.order - 1) :]
        hidden, past = self.decoder.hidden_states(token, None if state is None else state["decoder"])
        logits = functional.linear(hidden[:, -1], self.decoder.output).float()
        counted = self.counts.following(recent)  # (n, V, 3), of which the last two say the same for all tokens
        own, other = self.gate(hidden[:, -1:], counted[:, :1])
        mixed = torch.logaddexp(own + logits.log_softmax(dim=-1), other + counted[..., 0])
        return {"logits": mixed}, {"decoder": past, "recent": recent}


class Gate(nn.Module):
    """hidden (n, T, W) and counted (n, T, 3) -> log g and log (1 - g), each (n, T) float32.

    A new network has little to say, so g begins low, and the gate's few weights move fast.
    """

    def __init__(self, width: int, order: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, 1)
        self.known = nn.Embedding(order + 1, 2)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, BEGINNING)
        nn.init.zeros_(self.known.weight)
        for parameter in self.parameters():
            treat(parameter, lr_scale=RATE)

    def forward(self, hidden: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """See the class. The longest gram that was counted has a weight of its own, and one for how often it was."""
        at, by = self.known(counted[..., 1].long()).unbind(-1)
        odds = self.head(hidden)[..., 0].float() + at + by * counted[..., 2]
        return functional.logsigmoid(odds), functional.logsigmoid(-odds)
