"""Probe: ragged targets with geometric augmentation. One to three points in each picture, moved together with it."""

import numpy as np

from deepwell.core.config import Recipe
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, Task

SIDE = 16


def peaks(logits):
    """(h, w) logits -> (points, 2) as (x, y): positive places that no neighbour exceeds."""
    padded = np.pad(logits, 1, constant_values=-np.inf)
    around = np.max([padded[1 + i : SIDE + 1 + i, 1 + j : SIDE + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], 0)
    y, x = np.nonzero((logits > 0) & (logits == around))
    return np.stack([x, y], 1).astype(np.float32)


class Ragged(Task):
    """Finds bright points in small pictures."""

    Config = Recipe

    @classmethod
    def fits(cls, schema):
        kinds = {f.name: f.kind for f in schema.fields}
        fitting = kinds.get("image") == "image" and kinds.get("points") == "points"
        return Fit(0.9 if fitting else 0, {"points": "target"} if fitting else {}, "needs pictures and their points")

    @classmethod
    def demo(cls, seed):
        draws, images, points = Key(seed).numpy(), np.empty((500, SIDE, SIDE), np.uint8), np.empty(500, object)
        for i in range(500):
            image = draws.integers(0, 120, (SIDE, SIDE))
            points[i] = [
                (int(x), int(y)) for x, y in draws.permutation(25)[: draws.integers(1, 4), None] // [[5, 1]] % 5 * 3 + 2
            ]
            for x, y in points[i]:
                image[y, x] = 255
            images[i] = image
        return Table({"image": images, "points": points})

    def augment(self, examples, pipeline):
        from deepwell.training.augmentation import shift

        return (shift("image", pixels=1, points=("points",)),)

    def network(self, sizes):
        from tests.probes.networks import Spots

        return Spots()

    def loss(self, network, batch, draw):
        import torch

        logits, points, row = (
            network(batch.arrays)[0]["map"].float(),
            batch.arrays["points"],
            batch.arrays["points.row"],
        )
        x, y = points.round().long().clamp(0, SIDE - 1).unbind(1)
        truth = torch.zeros_like(logits).index_put((row, y, x), torch.ones((), device=logits.device))
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, truth, reduction="sum", pos_weight=logits.new_tensor(20.0)
        )
        return Loss(each / SIDE, len(batch))

    def answers(self, pipeline):
        return Schema((Field("points", "points"),))

    def predict(self, runner, batch, pipeline, request, emit=None):
        found = np.empty(len(batch), object)
        for i, logits in enumerate(runner.run("forward", batch.arrays)[0]["map"]):
            found[i] = peaks(logits).tolist()
        return Table({"points": found})

    def metrics(self, pipeline):
        return (Metric("all found", "share", "higher", lambda c, w: (w @ c["right"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        found, row = self.predict(runner, batch, pipeline, None)["points"], batch.arrays["points.row"]
        truth = [batch.arrays["points"][row == i].tolist() for i in range(len(batch))]
        return {"right": np.array([sorted(a) == sorted(b) for a, b in zip(found, truth, strict=True)], np.float64)}

    def baselines(self):
        empty = NumpyRunner(
            {"forward": lambda arrays, state: ({"map": -np.ones((len(arrays["image"]), SIDE, SIDE))}, state)}
        )
        return (Baseline("no points", "trivial", lambda examples, pipeline, key: empty),)
