"""Probe: data that the model makes itself. No files; episodes grow a buffer, which is the state of the examples."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Knob, Recipe
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, Task
from tests.probes.board import SIDE, STARTS, distance, moved, view


class Played(Examples):
    """A ring of (view, move, whether it came nearer), filled by playing with the network as it is."""

    def __init__(self):
        shapes = {"view": ((4096, 2), np.float32), "move": (4096, np.int64), "gain": (4096, np.float32)}
        self.ring = {name: np.zeros(*shape) for name, shape in shapes.items()}
        self.made = np.zeros(1, np.int64)

    def advance(self, runner, step, key):
        places = STARTS[(draws := key.numpy()).integers(len(STARTS), size=64)]
        values = runner.run("forward", view(places))[0]["values"]
        choice = np.where(draws.random(64) < 0.3, draws.integers(4, size=64), values.argmax(1))
        at = (self.made + np.arange(64)) % 4096
        made = {**view(places), "move": choice, "gain": distance(places) - distance(moved(places, choice))}
        for name, values in made.items():
            self.ring[name][at] = values
        self.made = self.made + 64

    def take(self, index, key):
        rows = key.fold(int(index[0])).numpy().integers(min(int(self.made[0]), 4096), size=len(index))
        return Batch({name: values[rows] for name, values in self.ring.items()}, index)

    def state(self):
        return {**{n: v.copy() for n, v in self.ring.items()}, "made": self.made}

    def restore(self, state):
        self.ring, self.made = {n: state[n].copy() for n in self.ring}, state["made"]


@dataclass(frozen=True)
class Question:
    """Where one stands, as seen from the goal."""

    right: Annotated[int, Knob("steps the goal is away along the first axis", "", -6, 6)] = 1
    down: Annotated[int, Knob("steps the goal is away along the second axis", "", -6, 6)] = 0


class SelfMade(Task):
    """Learns by playing to reach a goal on a board."""

    Config, Request, watch, asks_rows = Recipe, Question, None, False

    @classmethod
    def fits(cls, schema):
        return Fit(0.1 if not schema.fields else 0, reason="makes its own data")

    @classmethod
    def demo(cls, seed):
        return None

    def examples(self, part, pipeline):
        places = {"places": STARTS[:: 1 if part.name == "test" else 7]}
        return Played() if part.name == "train" else RowExamples(Encoded(places, np.arange(len(places["places"]))))

    def network(self, sizes):
        from tests.probes.networks import Dense

        return Dense(("view",), "values", [2, 64, 4])

    def loss(self, network, batch, draw):
        value = network(batch.arrays)[0]["values"].gather(1, batch.arrays["move"][:, None])[:, 0]
        return Loss(((value - batch.arrays["gain"]) ** 2).sum(), len(batch))

    def answers(self, pipeline):
        return Schema((Field("move", "category"),))

    def predict(self, runner, batch, pipeline, request, emit=None):
        seen = {"view": np.array([[request.right, request.down]], np.float32) / SIDE}
        return Table({"move": runner.run("forward", seen)[0]["values"].argmax(1).astype(object)})

    def metrics(self, pipeline):
        return (Metric("goals reached", "share", "higher", lambda c, w: (w @ c["reached"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        places = batch.arrays["places"]
        for _ in range(2 * SIDE):
            ahead = moved(places, runner.run("forward", view(places))[0]["values"].argmax(1))
            there = (places[:, :2] == places[:, 2:]).all(1)
            places = np.where(there[:, None], places, ahead)
        return {"reached": (places[:, :2] == places[:, 2:]).all(1).astype(np.float64)}

    def baselines(self):
        right = NumpyRunner(
            {"forward": lambda arrays, state: ({"values": np.eye(1, 4).repeat(len(arrays["view"]), 0)}, state)}
        )
        return (Baseline("always the first move", "trivial", lambda examples, pipeline, key: right),)
