"""Surprise: the cross-entropy of each next token straight from hidden vectors, without large copies of all the logits.

Unusual: logits (N, V) are made in pieces, kept once in the type of the matrix product (bfloat16 under autocast) and turned to
float32 a piece at a time, for the loss and again for its gradient. Written in the plain way torch would keep three such arrays,
two in float32; and in bfloat16 alone a surprise of 2 nats is off by up to 0.008.

Legend: N tokens, V vocabulary, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PIECE = 2**21
"""Logits that are turned to float32 at a time: 8 MB. On a CPU eight times as many take twice as long."""


def surprise(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of softmax(hidden weight^T): -log p(target), and the mean of -log p over the whole vocabulary, in nats.

    hidden: (..., W). weight: (V, W). targets: (...) integers. Returns two float32 arrays (...).
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    keep = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    flat = hidden.reshape(-1, hidden.shape[-1]).to(dtype)
    nll, spread = _Surprise.apply(flat, weight.to(dtype), targets.reshape(-1).long(), keep)  # type: ignore[no-untyped-call]
    return nll.view(targets.shape), spread.view(targets.shape)


class _Surprise(torch.autograd.Function):
    """hidden (N, W), weight (V, W), targets (N,) -> nll (N,), spread (N,). keep: whether gradients will be asked for."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
        tokens, vocabulary = len(hidden), len(weight)
        nll, spread = hidden.new_empty(2, tokens, dtype=torch.float32).unbind()
        total = nll.new_empty(tokens)
        kept = hidden.new_empty(tokens, vocabulary) if keep else None
        for piece in _pieces(tokens, vocabulary):
            logits = torch.matmul(hidden[piece], weight.t(), out=None if kept is None else kept[piece]).float()
            total[piece] = logits.logsumexp(1)
            nll[piece] = total[piece] - logits.gather(1, targets[piece, None]).squeeze(1)
        torch.sub(total, hidden.float() @ weight.float().mean(0), out=spread)  # the mean logit needs no logits
        ctx.set_materialize_grads(False)
        if kept is not None:
            ctx.save_for_backward(hidden, weight, targets, kept, total)
        return nll, spread

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, nll: Tensor | None, spread: Tensor | None) -> tuple[Tensor, Tensor, None, None]:
        hidden, weight, targets, kept, total = ctx.saved_tensors
        tokens, vocabulary = kept.shape
        nll = torch.zeros_like(total) if nll is None else nll
        both = nll if spread is None else nll + spread
        to_hidden = torch.empty_like(hidden)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for piece in _pieces(tokens, vocabulary):
            change = kept[piece].float().sub_(total[piece, None]).exp_()  # the probabilities
            change.mul_(both[piece, None]).scatter_add_(1, targets[piece, None], -nll[piece, None])
            if spread is not None:
                change.sub_(spread[piece, None] / vocabulary)
            change = change.to(hidden.dtype)
            torch.mm(change, weight, out=to_hidden[piece])
            to_weight += change.t() @ hidden[piece]
        return to_hidden, to_weight.to(weight.dtype), None, None


def _pieces(tokens: int, vocabulary: int) -> list[slice]:
    size = max(1, PIECE // vocabulary)
    return [slice(start, start + size) for start in range(0, tokens, size)]
