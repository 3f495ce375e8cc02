"""Attention itself: softmax(q k^T / sqrt(d)) v, by whatever is fastest where it runs.

Unusual: on a CPU in bfloat16, torch's own kernel gains nothing over float32, while matrix products gain a factor of 5 to 10.
There training goes through plain products: queries in blocks, so that causal attention skips what it may not see, and rows in
pieces that stay in the cache. Measured on one AVX-512 core, forward and backward, heads of 32: at T = 256 in 30 ms instead of
97, at T = 64 in 11 instead of 97. Everything else, also what needs no gradient, is torch's scaled_dot_product_attention.

Legend: n rows, h heads, T places asked, S places seen, d width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

BLOCK = 128
"""Queries that are computed together."""
PIECE = 2**20
"""Weights that are computed together: 2 MB, a core's second-level cache."""
LONGEST = 2048
"""Above this many places the weights, which are kept for the gradient, would be by far the largest thing in memory."""


def weigh(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """q (n, h, T, d), k and v (n, h, S, d) -> (n, h, T, d).

    mask: True where a place may be seen, broadcast to (n, h, T, S); every query sees one at least. causal: query i sees
    places 0 to i; then T = S and there is no mask.
    """
    fast = q.dtype == torch.bfloat16 and q.device.type == "cpu" and k.shape[2] <= LONGEST
    if fast and torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        found: Tensor = _Products.apply(q, k, v, mask, causal)  # type: ignore[no-untyped-call]
        return found
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


class _Products(torch.autograd.Function):
    """See `weigh`. The weights of each part are kept for the gradient (n h T S numbers, about half of that if causal)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        q, k, v = (q * q.shape[-1] ** -0.5).contiguous(), k.contiguous(), v.contiguous()
        hidden = None if mask is None else torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, -math.inf)
        hidden = None if hidden is None else hidden.expand(*q.shape[:3], k.shape[2])
        future = q.new_full((BLOCK, BLOCK), -math.inf).triu_(1) if causal else None
        found, kept = torch.empty_like(q, memory_format=torch.contiguous_format), []
        for part, asked, seen in _parts(q, k, causal):
            weights = _flat(q, part, asked) @ _flat(k, part, seen).mT
            if future is not None:
                size = asked.stop - asked.start
                weights[:, :, asked] += future[:size, :size]
            if hidden is not None:
                weights.view(-1, q.shape[1], *weights.shape[1:]).add_(hidden[part, :, asked, seen])
            kept.append(weights.softmax(-1))
            _flat(found, part, asked).copy_(kept[-1] @ _flat(v, part, seen))
        ctx.save_for_backward(q, k, v, *kept)
        ctx.causal = causal
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, *kept = ctx.saved_tensors
        change = change.contiguous()
        to_q, to_k, to_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for weights, (part, asked, seen) in zip(kept, _parts(q, k, ctx.causal), strict=True):
            g = _flat(change, part, asked)
            rise = torch._softmax_backward_data(g @ _flat(v, part, seen).mT, weights, -1, weights.dtype)
            _flat(to_q, part, asked).copy_(rise @ _flat(k, part, seen))
            _flat(to_k, part, seen).add_(rise.mT @ _flat(q, part, asked))
            _flat(to_v, part, seen).add_(weights.mT @ g)
        return to_q.mul_(q.shape[-1] ** -0.5), to_k, to_v, None, None


def _parts(q: Tensor, k: Tensor, causal: bool) -> Iterator[tuple[slice, slice, slice]]:
    """(rows, places asked, places seen) that are computed together."""
    n, heads, asked, _ = q.shape
    seen = k.shape[2]
    rows = max(1, PIECE // (heads * min(asked, BLOCK) * seen))
    for row in range(0, n, rows):
        for start in range(0, asked, BLOCK):
            stop = min(start + BLOCK, asked)
            yield slice(row, row + rows), slice(start, stop), slice(0, stop if causal else seen)


def _flat(x: Tensor, part: slice, places: slice) -> Tensor:
    """A view (rows * h, places, d) of x (n, h, T, d), which is contiguous."""
    return x[part].flatten(0, 1)[:, places]
