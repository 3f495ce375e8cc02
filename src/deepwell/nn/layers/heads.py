"""Attention with several heads and Keras's weights: one place looks at others, over its own row or over another sequence.

Vaswani et al. 2017, arXiv:1706.03762. attention.py holds the leaner form that tasks use, which has a cache.

Legend: n rows, T places asked, S places seen, h heads, d width of a head's keys, e of its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.weighing import weigh
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2

OUTPUT = "output"
"""The map of all heads to what comes out."""


@dataclass(frozen=True)
class Projection:
    """The weights of one map as they are drawn: kernel and bias (or None)."""

    kernel: Tensor
    bias: Tensor | None


class MultiHead(nn.Module):
    """query (n, T, ...), value (n, S, ...), key (the value if not given) -> (n, T, outputs).

    softmax(q k^T / sqrt(d)) v of each head, then a map of all heads. query, key: kernels (inputs, h, d), biases (h, d);
    value: (inputs, h, e), (h, e); output: kernel (h, e, outputs), bias (outputs,). dropout: of the weights of attention.
    rules: the regularisers of kernels and of biases.
    """

    def __init__(
        self,
        maps: tuple[Projection, Projection, Projection, Projection],
        dropout: float = 0.0,
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__()
        self.dropout = dropout
        for name, part in zip(("query", "key", "value", OUTPUT), maps, strict=True):
            turn = (2, 0, 1) if name == OUTPUT else (1, 2, 0)
            back = (1, 2, 0) if name == OUTPUT else (2, 0, 1)
            kernel = part.kernel.permute(turn).contiguous()
            hold(self, Weight(f"{name}/kernel", f"{name}_kernel", back), kernel, rules[0])
            hold(self, Weight(f"{name}/bias", f"{name}_bias"), part.bias, rules[1])

    def forward(
        self,
        *values: Tensor,
        masks: tuple[Tensor | None, ...] = (),
        attention_mask: bool = False,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """See the class. values: query, value, key where it is another, and last, if attention_mask, which places see which.

        That is (n, T, S) or (n, h, T, S), not 0 where one may look. masks: of query, value and key, (n, T) or (n, S), True where
        there is something. use_causal_mask: place i sees 0 to i. return_attention_scores: also the weights (n, h, T, S).
        A query that may see nothing sees everything.
        """
        given = values[-1] if attention_mask else None
        inputs = values[:-1] if attention_mask else values
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        q, k, v = self._heads("query", query), self._heads("key", key), self._heads("value", value)
        mask = _allowed(given, (*masks, None, None, None)[: len(inputs)])
        square = q.shape[2] == k.shape[2]
        if use_causal_mask and (mask is not None or not square):
            causal = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
            mask = causal if mask is None else mask & causal
        if mask is not None:
            mask = mask | ~mask.any(-1, keepdim=True)
        dropped = self.dropout if self.training else 0.0
        if not dropped and not return_attention_scores:
            return self._outcome(weigh(q, k, v, mask, use_causal_mask and mask is None))
        if use_causal_mask and mask is None:
            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
        scores = q @ k.mT * q.shape[-1] ** -0.5
        weights = (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1)
        found = self._outcome(functional.dropout(weights, dropped) @ v)
        return (found, weights) if return_attention_scores else found

    def _heads(self, name: str, x: Tensor) -> Tensor:
        """x (n, S, inputs) -> (n, h, S, d) by one of the maps."""
        kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
        found = functional.linear(x, kernel.flatten(0, 1), None if bias is None else bias.flatten())
        return found.view(*found.shape[:-1], *kernel.shape[:2]).transpose(1, 2)

    def _outcome(self, seen: Tensor) -> Tensor:
        """seen (n, h, T, e) -> (n, T, outputs)."""
        kernel, bias = getattr(self, f"{OUTPUT}_kernel"), getattr(self, f"{OUTPUT}_bias")
        return functional.linear(seen.transpose(1, 2).flatten(2), kernel.flatten(1), bias)


def _allowed(given: Tensor | None, masks: tuple[Tensor | None, ...]) -> Tensor | None:
    """True where a place may look at another, broadcast to (n, h, T, S); None: everywhere."""
    found = None
    if given is not None:
        found = given.bool() if given.dim() == 4 else given.bool().unsqueeze(-3)
    for place, mask in enumerate(masks):
        if mask is not None:
            rows = mask[:, None, :, None] if place == 0 else mask[:, None, None, :]
            found = rows if found is None else found & rows
    return found
