"""Attention without maps of its own: by inner products (Luong et al. 2015, arXiv:1508.04025) or by sums (Bahdanau et al. 2014,
arXiv:1409.0473).

Legend: n rows, T places asked, S places seen, d width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layout import Weight, hold


class Attend(nn.Module):
    """query (n, T, d), value (n, S, e), key (the value if not given) (n, S, d) -> (n, T, e): softmax(scores) value.

    scores  "dot": scale q.k    "concat": weight sum(tanh(scale (q + k)))    "additive": sum(scale tanh(q + k))
    scale: a number, or (d,) for "additive", or None: 1. weight: a number, for "concat". dropout: of the softmax.
    """

    scale: Tensor | None
    concat: Tensor | None

    def __init__(self, mode: str, scale: Tensor | None, weight: Tensor | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.mode, self.dropout = mode, dropout
        hold(self, Weight("scale", "scale"), scale)
        hold(self, Weight("concat_score_weight", "concat"), weight)

    def forward(
        self,
        *values: Tensor,
        masks: tuple[Tensor | None, ...] = (),
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """See the class. values: query, value, key where it is another. masks: theirs; rows that are padded come out as 0.

        use_causal_mask: place i sees 0 to i. return_attention_scores: also the weights (n, T, S). A query that may see nothing
        sees everything.
        """
        query, value = values[0], values[1]
        scores = self._scores(query, values[2] if len(values) > 2 else value)
        seen, there = (*masks, None, None)[:2]
        mask = None if there is None else there.unsqueeze(1)
        if use_causal_mask:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            mask = causal if mask is None else mask & causal
        if mask is not None:
            scores = scores.masked_fill(~(mask | ~mask.any(-1, keepdim=True)), float("-inf"))
        weights = functional.dropout(scores.softmax(-1), self.dropout, self.training)
        found = weights @ value
        if seen is not None:
            found = found * seen.unsqueeze(-1).to(found.dtype)
        return (found, weights) if return_attention_scores else found

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        """(n, T, S)."""
        if self.mode == "dot":
            found = q @ k.mT
            return found if self.scale is None else found * self.scale
        both = q.unsqueeze(2) + k.unsqueeze(1)  # (n, T, S, d)
        if self.mode == "additive":
            return both.tanh().sum(-1) if self.scale is None else (self.scale * both.tanh()).sum(-1)
        found = (both if self.scale is None else self.scale * both).tanh().sum(-1)
        return found if self.concat is None else self.concat * found
