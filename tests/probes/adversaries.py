"""Probe: two updates against each other. No target; answers without rows; judged by a distance between samples."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from deepwell.core.config import Knob, Recipe
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, Task, Update

NOISE = 4


def energy_distance(columns, weights):
    """2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo 2013) of weighted samples, one value per row of weights."""
    between = lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=2)  # noqa: E731
    real, made = columns["real"], columns["made"]
    whole = 2 * between(real, made) - between(real, real) - between(made, made)
    share = weights / weights.sum(1, keepdims=True)
    return np.einsum("rn,nm,rm->r", share, whole, share)


@dataclass(frozen=True)
class Question:
    """How many points, and which."""

    n: Annotated[int, Knob("points to make", "points", 1, 100_000)] = 10
    seed: Annotated[int, Knob("of the points")] = 0


class Adversaries(Task):
    """Makes points that look like the given ones."""

    Config, Request, watch, asks_rows = Recipe, Question, None, False

    @classmethod
    def fits(cls, schema):
        return Fit(0.1 if {"u", "v"} == {f.name for f in schema.inputs} else 0, reason="needs the numbers u and v")

    @classmethod
    def demo(cls, seed):
        x = Key(seed).numpy().standard_normal((1200, 2))
        return Table({"u": 3 + x[:, 0], "v": 1 + x[:, 0] + 0.5 * x[:, 1]})

    def network(self, sizes):
        from tests.probes.networks import Adversaries

        return Adversaries(NOISE)

    def loss(self, network, batch, draw, sign=1):
        import torch

        real = torch.stack([batch.arrays["u"], batch.arrays["v"]], 1)
        made = network.generate({"noise": torch.randn(len(batch), NOISE, device=real.device)})[0]["point"]
        lead = network.criticise({"point": real})[0]["score"] - network.criticise({"point": made})[0]["score"]
        return Loss(torch.nn.functional.softplus(sign * lead).sum(), len(batch))

    def updates(self):  # a relativistic pair (Jolicoeur-Martineau 2018): each side wants the lead to have its sign
        critic = lambda network, batch, draw: self.loss(network, batch, draw, -1)  # noqa: E731
        return (Update("critic", "critic.*", critic), Update("generator", "generator.*"))

    def answers(self, pipeline):
        return Schema((Field("u", "number"), Field("v", "number")))

    def predict(self, runner, batch, pipeline, request, emit=None):
        noise = Key(request.seed).numpy().standard_normal((request.n, NOISE)).astype(np.float32)
        point = runner.run("generate", {"noise": noise})[0]["point"]
        return Table({name: pipeline.decode(name, point[:, i]) for i, name in enumerate("uv")})

    def metrics(self, pipeline):
        return (Metric("energy distance", "", "lower", energy_distance),)

    def measure(self, runner, batch, pipeline):
        noise = Key(7).fold(int(batch.examples[0])).numpy().standard_normal((len(batch), NOISE)).astype(np.float32)
        real = np.stack([batch.arrays["u"], batch.arrays["v"]], 1)
        return {"real": real, "made": runner.run("generate", {"noise": noise})[0]["point"]}

    def baselines(self):
        def fit(examples, pipeline, key):
            centre = np.array([[examples.columns[n].mean() for n in "uv"]], np.float32)
            return NumpyRunner(
                {"generate": lambda arrays, state: ({"point": centre.repeat(len(arrays["noise"]), 0)}, state)}
            )

        return (Baseline("the mean point", "trivial", fit),)
