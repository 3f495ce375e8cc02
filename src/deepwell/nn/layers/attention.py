"""Attention layers with several heads: over a row's own places or over another sequence, with a cache of keys and values.

Vaswani et al. 2017, arXiv:1706.03762. Unusual: no weight is dropped inside attention, for that would leave the fast ways of
computing it. A cache is never changed in place but joined to what is new: two continuations may share one beginning.

Legend: n rows, T places asked, S places seen, W width, h heads, d = W / h.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepwell.nn.layers.rotary import rotate
from deepwell.nn.layers.weighing import weigh

Cache = tuple[Tensor, Tensor]
"""Keys and values, (n, h, S, d) each."""


class SelfAttention(nn.Module):
    """x (n, T, W) -> (n, T, W): each place looks at others of its own row. width: W; heads: h, which divides W."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, turned: Tensor | None, mask: Tensor | None, causal: bool, past: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """What the places see, and the cache with them at its end.

        turned: what rotary.angles gave for the T places; None: places have no order. mask: True where a place may look,
        broadcast to (n, h, T, S). causal: no place looks ahead; only without past. past: the cache before.
        """
        n, length, width = x.shape
        qkv = self.qkv(x).view(n, length, 3, self.heads, width // self.heads)
        qkv = qkv.permute(2, 0, 3, 1, 4).contiguous()  # (3, n, h, T, d)
        both, v = qkv.split([2, 1])
        q, k = both if turned is None else rotate(both, turned)
        v = v[0]
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        seen = weigh(q, k, v, mask, causal)
        return self.out(seen.transpose(1, 2).flatten(2)), (k, v)


class CrossAttention(nn.Module):
    """x (n, T, W) -> (n, T, W): each place looks at the places of another sequence, whose keys and values are made once."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.keys_values = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def remember(self, seen: Tensor) -> Cache:
        """The keys and values of the other sequence (n, S, W)."""
        n, length, width = seen.shape
        k, v = self.keys_values(seen).view(n, length, 2, self.heads, width // self.heads).unbind(2)
        return k.transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous()

    def forward(self, x: Tensor, memory: Cache, mask: Tensor | None) -> Tensor:
        """See the class. memory: what `remember` gave; mask: True where it may be looked at, broadcast to (n, h, T, S)."""
        n, length, width = x.shape
        q = self.query(x).view(n, length, self.heads, width // self.heads).transpose(1, 2)
        seen = weigh(q, *memory, mask)
        found: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return found
