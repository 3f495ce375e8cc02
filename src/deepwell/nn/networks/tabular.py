"""TabularNetwork: encoders of numbers and categories, an ensemble of small dense networks, a head per target.

The default network for tables. Unusual: each number is seen three ways (scaled, by its quantile bin, as waves), which closes
most of the gap to boosted trees; and the ensemble lives in one set of matrices (layers/ensemble.py). In training the
outputs of each member are given too, because each member has a loss of its own.

Legend: n rows, M members, K classes. Blocks: linear -> ReLU -> dropout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.nn.layers.categories import CategoryEncoder
from deepwell.nn.layers.ensemble import MemberLinear, MemberScale, SharedLinear
from deepwell.nn.layers.numbers import NumberEncoder
from deepwell.nn.treatment import treat


@dataclass(frozen=True)
class TabularShape:
    """How large the network is. embedding: width of what each column is turned into, per encoder."""

    members: int
    width: int
    depth: int
    embedding: int = 8


class TabularNetwork(nn.Module):
    """Arrays `inputs.number`, `inputs.number.position`, `inputs.category` -> `TARGET.logits` (n, K) or `TARGET.value` (n,).

    numbers: column -> (columns, knots), see families/positions.py. categories: column -> levels. targets: column -> classes,
    None for a number. encoder_rate: factor of the learning rate of the encoders, whose gradients are small: each of their
    weights serves few rows. `TARGET.logits` is the log of the mean of the members' probabilities.
    """

    def __init__(
        self,
        numbers: Mapping[str, tuple[int, int]],
        categories: Mapping[str, int],
        targets: Mapping[str, int | None],
        shape: TabularShape,
        dropout: float,
        encoder_rate: float,
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict()
        width = 0
        if numbers:
            indicators = sum(columns - 1 for columns, _ in numbers.values())
            number = NumberEncoder([k for _, k in numbers.values()], indicators, shape.embedding)
            self.encoder["number"], width = number, width + number.width
        if categories:
            category = CategoryEncoder(list(categories.values()), shape.embedding)
            self.encoder["category"], width = category, width + category.width
        for parameter in self.encoder.parameters():
            treat(parameter, lr_scale=encoder_rate, decays=False)
        sizes = [width, *[shape.width] * shape.depth]
        blocks: list[nn.Module] = [MemberScale(shape.members, width)]
        for inputs, outputs in pairwise(sizes):
            blocks += [SharedLinear(shape.members, inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        self.blocks = nn.Sequential(*blocks)
        self.targets = dict(targets)
        self.heads = nn.ModuleList(MemberLinear(shape.members, sizes[-1], k or 1) for k in targets.values())

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class; in training also `TARGET.members`, (n, M, K) or (n, M)."""
        hidden = self.blocks(self._encode(arrays))  # (M, n, width)
        outputs: dict[str, Tensor] = {}
        for (name, classes), head in zip(self.targets.items(), self.heads, strict=True):
            members = head(hidden).transpose(0, 1)  # (n, M, K)
            if classes is None:
                members = members.squeeze(-1)
                outputs[f"{name}.value"] = members.mean(1)
            else:
                outputs[f"{name}.logits"] = members.log_softmax(-1).logsumexp(1) - math.log(members.shape[1])
            if self.training:
                outputs[f"{name}.members"] = members
        return outputs, state

    def _encode(self, arrays: Mapping[str, Tensor]) -> Tensor:
        found = []
        if "number" in self.encoder:
            found.append(self.encoder["number"](arrays["inputs.number"], arrays["inputs.number.position"]))
        if "category" in self.encoder:
            found.append(self.encoder["category"](arrays["inputs.category"]))
        return torch.cat(found, dim=1)
