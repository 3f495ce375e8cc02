"""Judging: made pictures are looked at by a small network that was trained on the same pictures, since pixels say too little.

The judge learns the classes of the training part where there are any, else by which of four turns a picture was turned (Gidaris
et al. 2018, arXiv:1803.07728); what it sees before its last layer are the features. Unusual: it is part of the fitted pipeline,
so that baselines are judged before there is a model, and its weights then move into the network, to be sealed with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Recipe
from deepwell.core.errors import DataError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.core.task import Loss
from deepwell.data.fields.image import Image
from deepwell.data.pipeline import FieldPipeline

if TYPE_CHECKING:
    import torch

KEY = Key(0).fold("judge")
MOST_STEPS, PASSES, BATCH = 500, 8, 64
FEWEST = 50
"""Pictures without which nothing can be learnt."""
REMEMBERED = 2_000
"""Training pictures that stay in memory, to look made ones up in."""
TURNS = 4


class JudgedPictures(FieldPipeline):
    """A FieldPipeline of one column of pictures, and of classes where there are any, that trains a judge.

    Attributes, only after `fit`, not part of the state: judge_, the trained module; training_ (n, c, h, w) uint8, some training
    pictures, and seen_ (n, f), what the judge sees in them.
    """

    def __init__(self, schema: Schema, picture: str, label: str, side: int) -> None:
        super().__init__(schema, {picture: Image(size=side)})
        self.picture, self.label = picture, label
        self.judge_: torch.nn.Module | None = None
        self.training_ = np.zeros((0, 1, 1, 1), np.uint8)
        self.seen_ = np.zeros((0, 1), np.float32)

    def fit(self, table: Table) -> JudgedPictures:
        """See FieldPipeline. Raises DataError for too few pictures, or for pictures that are all alike."""
        super().fit(table)
        columns = self.encode(table).columns
        pictures = cast("NDArray[np.uint8]", columns[self.picture])
        if len(pictures) < FEWEST:
            raise DataError(f"{len(pictures)} pictures are too few to learn from; at least {FEWEST} are needed")
        if (pictures == pictures[:1]).all():
            raise DataError("all pictures are alike, so there is nothing to learn")
        labels = cast("NDArray[np.int64]", columns[self.label]) if self.label else None
        self.judge_ = trained(pictures, labels, len(self.classes(self.label)) if self.label else 0)
        some = np.linspace(0, len(pictures) - 1, min(REMEMBERED, len(pictures))).astype(np.int64)
        self.training_ = pictures[some]
        self.seen_ = seen(self.judge_, self.training_)
        return self

    def said(self) -> Sequence[str]:
        """What the judge has learnt."""
        learnt = f"the classes in {self.label!r}" if self.label else "by which turn a picture was turned"
        return [*super().said(), f"made pictures are judged by a small network that learnt {learnt}"]


def judge(size: tuple[int, int, int], classes: int) -> torch.nn.Module:
    """An untrained judge of pictures (n, c, h, w) -> (features (n, f), logits (n, classes or 4 turns))."""
    from deepwell.nn.layers.pictures import PictureShape
    from deepwell.nn.networks.judge import Judge

    return Judge(size, classes or TURNS, PictureShape(16, 1))


def trained(pictures: NDArray[np.uint8], labels: NDArray[np.int64] | None, classes: int) -> torch.nn.Module:
    """A judge trained on the host for at most MOST_STEPS steps; the same pictures give the same judge on the same machine."""
    import torch

    from deepwell import losses
    from deepwell.training import loop, plan
    from deepwell.training.budget import Budget

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(KEY.seed)
        size = cast("tuple[int, int, int]", pictures.shape[1:])
        network = judge(size, classes)
        truth = labels if labels is not None else np.zeros(len(pictures), np.int64)

        def loss(network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
            given, asked = batch.arrays["picture"], batch.arrays["truth"]
            if labels is None:
                asked = torch.randint(TURNS, (len(given),), device=given.device)
                turned = (
                    torch.stack([torch.rot90(given, k, (2, 3)) for k in range(TURNS)])
                    if size[1] == size[2]
                    else (torch.stack([given, given.flip(2), given.flip(3), given.flip(2, 3)]))
                )
                given = turned[asked, torch.arange(len(given), device=given.device)]
            return Loss(losses.cross_entropy(network(given)[1], asked, smoothing=0.1), float(len(given)))

        examples = RowExamples(Encoded({"picture": pictures, "truth": truth}, np.arange(len(pictures))))
        steps = max(20, min(MOST_STEPS, PASSES * len(pictures) // BATCH))
        chosen = plan.choose(
            network, {"convolutional": True}, {"device": "cpu"}, examples=len(pictures), batch_size=BATCH
        )
        recipe = Recipe(learning_rate=3e-3, weight_decay=0.01, schedule="linear", batch_size=BATCH)
        done = loop.fit(loop.Job(network, examples, loss, recipe, Budget(steps=steps), chosen, KEY))
        network.load_state_dict(done.weights)
    return network.eval().requires_grad_(False)


def seen(network: torch.nn.Module, pictures: NDArray[Any]) -> NDArray[np.float32]:
    """(n, f) what a judge sees in pictures (n, c, h, w) from 0 to 255."""
    import torch

    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(np.ascontiguousarray(p)))[0].numpy()
            for p in np.array_split(pictures, max(1, len(pictures) // 256))
        ]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
