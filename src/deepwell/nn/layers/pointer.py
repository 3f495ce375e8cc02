"""Pointer: the next token copied from a source text, and how far copying is trusted.

See et al. 2017 (arXiv:1704.04368) mix what attention points at with the vocabulary's softmax. Unusual: besides a query and
keys, the score of a place knows how many of the tokens written last stand right before it, so going on with a copied stretch
need not be learnt from examples; a text's beginning counts as such a token, so that pointing starts with the source's first
words. And the gate knows the scores: where no place stands out from the others, little is copied.

    score(t, s) = q_t k_s / sqrt(d) + run[how many of the tokens before t stand before s]
    odds of copying at t = exp(w h_t + b) * mean over s of exp(score(t, s)),  and of s among the places its share of exp(score)

Legend: n rows, T places of the target, S of the source, W width, d width of a key, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.treatment import treat

KEYS = 64
"""d, at the most."""
LONGEST = 3
"""Tokens before a place that are compared."""
BEGINNING, FOLLOWING = -4.0, 2.0
"""At first: log odds of copying where all places score alike, and what each token before a place adds to its score."""
RATE = 5.0
"""Step sizes of the few weights of the gate and of runs, in those of the rest."""
NEVER = -1e4
"""The score of a place that is not there: finite, for a row may have none."""
NOTHING, UNWRITTEN = -1, -2
"""No token: at places that cannot be copied from, and before the first one that was written."""
LEAST = 1e-30
"""Below this a probability counts as none."""

Memory = Mapping[str, Tensor]


def pointer_parameters(width: int) -> int:
    """How many weights a Pointer holds."""
    return 2 * width * min(width, KEYS) + width + 1 + LONGEST


def pointer_multiplications(width: int, source: int, target: int) -> int:
    """Multiply-adds of a Pointer for `source` and `target` places."""
    keys = min(width, KEYS)
    return source * width * keys + target * (width * keys + source * keys + width)


@dataclass(frozen=True)
class Pointed:
    """Where places of a target point, float32.

    shares: (n, T, S) of the places of the source, whose tokens are token (n, S). own, other: (n, T) log probability of writing
    by oneself, and of copying.
    """

    shares: Tensor
    token: Tensor
    own: Tensor
    other: Tensor

    def of(self, targets: Tensor) -> Tensor:
        """(n, T): log of how likely each target token (n, T) is where something is copied; very low where it cannot be."""
        same = targets[..., None] == self.token[:, None]
        return (self.shares * same).sum(-1).clamp(min=LEAST).log()

    def of_all(self, vocabulary: int) -> Tensor:
        """(n, V): the same of every token at the last place."""
        shares = self.shares[:, -1]
        found = shares.new_zeros(len(shares), vocabulary)
        return found.scatter_add_(1, self.token.clamp(min=0), shares).clamp(min=LEAST).log()


class Pointer(nn.Module):
    """Points from hidden vectors of a target into a source of the same vocabulary.

    width: W. signs: tokens below this number are no words: they are never copied, and as what stands before a place they
    all mean that a text begins, which is said by the token `begin`.
    """

    def __init__(self, width: int, signs: int, begin: int) -> None:
        super().__init__()
        self.signs, self.begin = signs, begin
        self.query = nn.Linear(width, min(width, KEYS), bias=False)
        self.keys = nn.Linear(width, min(width, KEYS), bias=False)
        self.gate = nn.Linear(width, 1)
        self.runs = nn.Embedding(LONGEST, 1)
        nn.init.zeros_(self.query.weight)
        nn.init.normal_(self.keys.weight, std=width**-0.5)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, BEGINNING)
        nn.init.constant_(self.runs.weight, FOLLOWING)
        for parameter in (*self.gate.parameters(), *self.runs.parameters()):
            treat(parameter, lr_scale=RATE, decays=False)

    def remember(self, read: Tensor, source: Tensor, inside: Tensor) -> dict[str, Tensor]:
        """What steps need of a source: read (n, S, W), source (n, S) its tokens, inside (n, S) which of them are there.

        keys (n, S, d); token (n, S), NOTHING where there is none to copy; before (n, S, LONGEST), the tokens in front of each
        place, the nearest first.
        """
        source = source.long()
        word = inside & (source >= self.signs)
        seen = torch.where(word, source, self.begin)
        before = [
            functional.pad(seen, (back, 0), value=self.begin)[:, : seen.shape[1]] for back in range(1, LONGEST + 1)
        ]
        for back in range(1, LONGEST):  # what stands before a beginning is no beginning
            before[back][:, :back] = NOTHING
        return {
            "keys": self.keys(read),
            "token": torch.where(word, source, NOTHING),
            "before": torch.stack(before, dim=-1),
        }

    def forward(self, hidden: Tensor, tokens: Tensor, memory: Memory) -> Pointed:
        """hidden (n, T, W), tokens (n, up to T + LONGEST - 1): those written last, up to each place."""
        there = (memory["token"] != NOTHING)[:, None]
        query = self.query(hidden) * self.query.out_features**-0.5
        score = (query @ memory["keys"].mT).float() + self._runs(tokens, memory["before"], hidden.shape[1])
        score = torch.where(there, score, NEVER)
        whole = score.logsumexp(-1)
        odds = whole - there.sum(-1).clamp(min=1).log() + self.gate(hidden)[..., 0].float()
        shares = (score - whole[..., None]).exp()
        return Pointed(shares, memory["token"], functional.logsigmoid(-odds), functional.logsigmoid(odds))

    def _runs(self, tokens: Tensor, before: Tensor, places: int) -> Tensor:
        """(n, T, S): what the tokens before a place add to its score, where they are those that were written last."""
        written = functional.pad(tokens, (places + LONGEST - 1 - tokens.shape[1], 0), value=UNWRITTEN)
        run = torch.ones((), dtype=torch.bool, device=tokens.device)
        added = torch.zeros((), device=tokens.device)
        for back in range(LONGEST):
            last = written[:, LONGEST - 1 - back :][:, :places]
            run = run & (last[:, :, None] == before[:, None, :, back])
            added = added + run * self.runs.weight[back]
        return added
