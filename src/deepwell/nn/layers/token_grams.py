"""TokenGrams: a trained vector for the last 2 to k tokens of each place, looked up by a hash and added to the token's own.

Pagnoni et al. 2024, arXiv:2412.09871, section 3.2.1: n-grams tell a small network what it would need its first layers for, and
cost a look-up. Unusual: the vectors are narrow and one matrix brings them to the network's width, so that tables and their
gradients stay small; grams of different lengths have tables of their own. Different grams may share a row; that is the price.

Legend: n rows, T places, k longest gram, B rows of each table, D width of its vectors, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

FACTOR, PRIME = 1_000_003, 2**31 - 1
"""The hash of a gram is its tokens as digits of base FACTOR, modulo PRIME: below 2^62 all the way, so exact anywhere."""


@dataclass(frozen=True)
class GramShape:
    """How large the tables are. longest: k, 2 or more. rows: B. width: D."""

    longest: int
    rows: int
    width: int


def gram_parameters(shape: GramShape, width: int) -> int:
    """How many weights TokenGrams holds."""
    return (shape.longest - 1) * shape.width * (shape.rows + width)


def gram_multiplications(shape: GramShape, width: int) -> int:
    """Multiply-adds of one forward pass, per place."""
    return (shape.longest - 1) * shape.width * width


class TokenGrams(nn.Module):
    """Tokens (n, T) -> (n, T, W). width: W. Before the first token stands a token of no kind."""

    def __init__(self, shape: GramShape, width: int) -> None:
        super().__init__()
        self.shape = shape
        count = shape.longest - 1
        self.table = nn.Embedding(count * shape.rows, shape.width)
        self.mix = nn.Linear(count * shape.width, width, bias=False)
        nn.init.normal_(self.table.weight, std=1.0)
        nn.init.normal_(self.mix.weight, std=0.02 * (count * shape.width) ** -0.5)

    def forward(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """See the class. before: (n, k - 1) tokens before the first, -1 for none; None: nothing stands before."""
        found: Tensor = self.mix(self.table(self.rows(tokens, before)).flatten(2))
        return found

    def rows(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """(n, T, k - 1) rows of the table, for grams of 2, 3, ... k tokens."""
        k, length = self.shape.longest, tokens.shape[1]
        tokens = tokens.long()
        padded = functional.pad(tokens, (k - 1, 0), value=-1) if before is None else torch.cat([before, tokens], 1)
        digits = padded + 2  # so that no gram is the end of a longer one
        code, codes = digits[:, k - 1 :], []
        for back in range(1, k):
            code = (code * FACTOR + digits[:, k - 1 - back : k - 1 - back + length]) % PRIME
            codes.append(code % self.shape.rows + (back - 1) * self.shape.rows)
        return torch.stack(codes, dim=-1)

    def after(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """What stands `before` the token that will follow: (n, k - 1)."""
        k = self.shape.longest
        padded = (
            functional.pad(tokens.long(), (k - 1, 0), value=-1) if before is None else torch.cat([before, tokens], 1)
        )
        return padded[:, padded.shape[1] - (k - 1) :]
