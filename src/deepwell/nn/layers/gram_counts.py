"""GramCounts: what an n-gram model counted, looked up inside a network. Nothing here is trained.

Unusual: the tables are buffers, so they lie in the bundle beside the weights and go to any device. The model is that of
evaluation/ngrams.py (interpolated Kneser-Ney), with its numbering: a gram is its context's number times the vocabulary plus its
last token, and a level's grams are one ascending array, in which all places are found at once.

Legend: n rows, T places, V vocabulary, K levels; level k has G_k grams in G_(k-1) contexts (G_0 = 1, the empty one).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deepwell.core.errors import BundleError

NONE = -1
"""The number of a gram that was never seen."""
ROUNDED = 1e-3
"""How far sums of counts may be off, as a share: they are stored with 24 bits."""


class GramCounts(nn.Module):
    """vocabulary: V. grams: (G_1, ..., G_K). Until `fill` every token is as likely as any other.

    Loading tables that nobody can have counted raises BundleError, since what they say are no probabilities.
    """

    def __init__(self, vocabulary: int, grams: Sequence[int]) -> None:
        super().__init__()
        self.vocabulary, self.order = vocabulary, len(grams)
        for number, (here, contexts) in enumerate(zip(grams, [1, *grams], strict=False)):
            self.register_buffer(f"codes{number}", torch.zeros(here, dtype=torch.int64))
            self.register_buffer(f"less{number}", torch.zeros(here))
            self.register_buffer(f"total{number}", torch.zeros(contexts))
            self.register_buffer(f"back{number}", torch.zeros(contexts))
        self.register_load_state_dict_post_hook(_refuse_foreign)  # type: ignore[no-untyped-call]

    def fill(self, number: int, tables: Sequence[NDArray[Any]]) -> None:
        """Take over the tables of a level (0: single tokens): codes and discounted counts of its grams, total and kept-back
        counts of its contexts.
        """
        for name, values in zip(("codes", "less", "total", "back"), tables, strict=True):
            self.get_buffer(f"{name}{number}").copy_(torch.from_numpy(values))

    def forward(self, tokens: Tensor, asked: Tensor) -> Tensor:
        """(n, T, 3) of tokens `asked` (n, T), each behind those up to its place in `tokens` (n, T).

        The log of its probability; the length of the longest gram whose context was counted, 0 to K; and the log of how
        often that context was.
        """
        return self._looked_up(self._ending(tokens), asked)

    def following(self, tokens: Tensor) -> Tensor:
        """(n, V, 3): the same of every token that may follow tokens (n, t)."""
        contexts = [ending[:, -1:] for ending in self._ending(tokens)]
        every = torch.arange(self.vocabulary, device=tokens.device).expand(len(tokens), -1)
        return self._looked_up(contexts, every)

    def _ending(self, tokens: Tensor) -> list[Tensor]:
        """For 0 to K - 1 tokens: the number of the gram of so many tokens that ends at each place (n, T)."""
        found = [torch.zeros_like(tokens)]
        for number in range(self.order - 1):
            before = functional.pad(found[-1][:, :-1], (1, 0), value=NONE) if number else found[0]
            found.append(self._places(number, before, tokens))
        return found

    def _places(self, number: int, contexts: Tensor, tokens: Tensor) -> Tensor:
        """The numbers of the grams that tokens make behind contexts; NONE for those that were never seen."""
        codes = self.get_buffer(f"codes{number}")
        wanted = contexts * self.vocabulary + tokens
        found = torch.searchsorted(codes, wanted.contiguous()).clamp(max=len(codes) - 1)
        return torch.where((contexts >= 0) & (codes[found] == wanted), found, NONE)

    def _looked_up(self, contexts: Sequence[Tensor], asked: Tensor) -> Tensor:
        share = torch.full(asked.shape, 1.0 / self.vocabulary, device=asked.device)
        longest, known = torch.zeros_like(share), torch.ones_like(share)
        for number, context in enumerate(contexts):
            less, total, back = (self.get_buffer(f"{name}{number}") for name in ("less", "total", "back"))
            place = self._places(number, context, asked)
            behind = context.clamp(min=0)
            counted = torch.where(context >= 0, total[behind], 0.0)
            own = torch.where(place >= 0, less[place.clamp(min=0)], 0.0)
            mixed = (own + back[behind] * share) / counted.clamp(min=1.0)
            share = torch.where(counted > 0, mixed, share)
            longest = torch.where(counted > 0, float(number + 1), longest)
            known = torch.where(counted > 0, counted, known)
        return torch.stack([share.log(), longest, known.log()], dim=-1)


def _refuse_foreign(module: nn.Module, _: Any) -> None:
    """Raise BundleError unless the tables of each level can have been counted."""
    counts = cast(GramCounts, module)
    for number in range(counts.order):
        tables = [counts.get_buffer(f"{name}{number}") for name in ("codes", "less", "total", "back")]
        # Tables on the meta device are not loaded yet; a level without totals says nothing.
        if not tables[0].is_meta and bool(tables[2].any()) and not _counted(counts.vocabulary, *tables):
            raise BundleError(f"the counts of grams of {number + 1} tokens are none", where="weights.safetensors")


def _counted(vocabulary: int, codes: Tensor, less: Tensor, total: Tensor, back: Tensor) -> bool:
    """Whether grams ascend, nothing is negative, and what is left of the counts of each context makes up its total."""
    ascending = bool((codes[1:] > codes[:-1]).all()) and 0 <= int(codes[0]) <= int(codes[-1]) < vocabulary * len(total)
    if not ascending or min(float(less.min()), float(back.min())) < 0 or bool(((total < 1) & (total != 0)).any()):
        return False
    made = back.double().index_add(0, codes // vocabulary, less.double())
    return torch.allclose(made, total.double(), rtol=ROUNDED)
