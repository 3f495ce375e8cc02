"""Sample: the training of a small convolutional network on made-up pictures, by which `deepwell doctor` shows the speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Recipe
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.core.runner import State
from deepwell.core.task import Loss
from deepwell.losses import cross_entropy
from deepwell.training import plan
from deepwell.training.budget import Budget
from deepwell.training.job import Job

PICTURES, SIDE, CLASSES = 2048, 28, 10
WORDS = "conv 32 - pool - conv 64 - pool - conv 64 - dense 64 - dense 10 on 28 x 28 pictures"


class Convolutions(nn.Module):
    """`picture` (n, 1, 28, 28) -> `logits` (n, 10), see WORDS."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
            nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, CLASSES),
        )  # fmt: skip

    def forward(self, arrays: dict[str, Tensor], state: State = None) -> tuple[dict[str, Tensor], State]:
        """See the class."""
        return {"logits": self.body(arrays["picture"])}, state


def convolutional(batch_size: int, device: str = plan.AUTO) -> Job:
    """A job with its plan by rule. Raises ConfigError for a device that cannot be used."""
    draw = Key(0).numpy()
    columns: dict[str, NDArray[Any]] = {
        "picture": draw.normal(size=(PICTURES, 1, SIDE, SIDE)).astype(np.float32),
        "label": draw.integers(0, CLASSES, PICTURES),
    }
    torch.manual_seed(0)
    network = Convolutions()
    chosen = plan.choose(network, user={"device": device}, examples=PICTURES, batch_size=batch_size)
    examples = RowExamples(Encoded(columns, np.arange(PICTURES)))
    return Job(network, examples, _loss, Recipe(), Budget(epochs=1), chosen, Key(0))


def _loss(network: nn.Module, batch: Batch, draw: Key) -> Loss:
    outputs, _ = network(batch.arrays)
    return Loss(cross_entropy(outputs["logits"], batch.arrays["label"]), len(batch))
