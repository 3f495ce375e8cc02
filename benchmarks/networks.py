"""The networks of the engine's rows, written as anyone writes them: plain torch modules, arrays in and scores out.

No dropout and no running statistics, so that training is the same arithmetic on every side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 128
HEADS = 4
LAYERS = 4


def convnet(inputs: tuple[int, ...], classes: int) -> nn.Module:
    """conv 32 - pool - conv 64 - pool - conv 64 - dense 64 - dense: 93,322 parameters on MNIST. inputs: (1, 28, 28)."""
    return nn.Sequential(
        nn.Conv2d(inputs[0], 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip


def perceptron(inputs: tuple[int, ...], classes: int) -> nn.Module:
    """Two hidden layers of 256. inputs: (numbers,)."""
    return nn.Sequential(
        nn.Linear(inputs[0], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, classes)
    )  # fmt: skip


def tiny(inputs: tuple[int, ...], classes: int) -> nn.Module:
    """One hidden layer of 32: next to no arithmetic, so that what is left is what a step costs besides."""
    return nn.Sequential(nn.Linear(inputs[0], 32), nn.ReLU(), nn.Linear(32, classes))


class Block(nn.Module):
    """A causal transformer block, normalised before each part (Xiong et al. 2020). x: (batch, positions, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """Attention, then the two dense layers, each added to what came in."""
        batch, positions, _ = x.shape
        heads = self.qkv(self.before(x)).view(batch, positions, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, positions, WIDTH))
        return x + self.feed(self.between(x))


class Transformer(nn.Module):
    """Next characters from a window of them: (batch, positions) int64 -> (batch, positions, classes)."""

    def __init__(self, inputs: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(classes, WIDTH), nn.Embedding(inputs[0], WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the next character at each position."""
        return self.head(self.norm(self.blocks(self.characters(x) + self.places.weight[: x.shape[1]])))


class Recurrent(nn.Module):
    """Next characters by an LSTM of 128: (batch, positions) int64 -> (batch, positions, classes)."""

    def __init__(self, inputs: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(classes, 64)
        self.memory = nn.LSTM(64, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the next character at each position."""
        return self.head(self.memory(self.characters(x))[0])


class Called(nn.Module):
    """A network under the engine's calling convention: forward(arrays, state) -> ({"scores": ...}, state)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, arrays: dict[str, Tensor], state: None = None) -> tuple[dict[str, Tensor], None]:
        """See the class."""
        return {"scores": self.network(arrays["x"])}, state


def cross_entropy(scores: Tensor, truth: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in float32 over all positions. scores: (..., classes); truth: (...) int64."""
    scores = scores.float() if scores.dtype != torch.float32 else scores
    return nn.functional.cross_entropy(scores.flatten(0, -2), truth.flatten(), reduction=reduction)
