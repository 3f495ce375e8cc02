"""BoardNetwork: boards -> what each move and the position are worth (AlphaZero, Silver et al. 2018, Science 362:1140).

A stem and residual pairs as for pictures, then two heads. The value is told as three chances, to win, to draw and to lose, whose
mean is it: a sure draw and an even fight are not the same.

Legend: n boards, A moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.convolutions import ConvNorm, Residual

RESULTS = (1.0, 0.0, -1.0)
"""What the three chances are of."""


class BoardNetwork(nn.Module):
    """Arrays `view` (n, planes, height, width) -> `policy` (n, A) logits, `chances` (n, 3) logits, `value` (n,) from -1 to 1.

    board: (planes, height, width). width: channels; blocks: residual pairs.
    """

    def __init__(self, board: tuple[int, int, int], moves: int, width: int, blocks: int) -> None:
        super().__init__()
        planes, height, side = board
        self.stem = ConvNorm(planes, width)
        self.body = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        narrow = max(2, width // 8)
        self.before_policy, self.before_value = ConvNorm(width, 2 * narrow, 1), ConvNorm(width, narrow, 1)
        self.policy = nn.Linear(2 * narrow * height * side, moves)
        self.hidden, self.value = nn.Linear(narrow * height * side, 2 * width), nn.Linear(2 * width, 3)
        for last in (self.policy, self.value):  # at first all moves and results are alike
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        boards = arrays["view"].float().contiguous(memory_format=torch.channels_last)
        x = self.body(functional.relu(self.stem(boards)))
        policy = self.policy(functional.relu(self.before_policy(x)).flatten(1))
        hidden = functional.relu(self.hidden(functional.relu(self.before_value(x)).flatten(1)))
        chances = self.value(hidden)
        shares = chances.float().softmax(1)
        return {"policy": policy, "chances": chances, "value": shares[:, 0] - shares[:, 2]}, state
