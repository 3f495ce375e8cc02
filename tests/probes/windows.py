"""Probe: windows over several series. Inputs read the history before a part, truths come from its own rows."""

import numpy as np

from deepwell.core.batch import Encoded
from deepwell.core.config import Recipe
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, SplitRule, Task

LOOK = 8


class Windows(Task):
    """Next value of each series from its last 8."""

    Config = Recipe

    @classmethod
    def fits(cls, schema):
        roles = {"series": "group", "t": "order", "value": "target"}
        return Fit(0.5, roles) if set(roles) <= set(schema.names) else Fit(0, reason="needs series, t and value")

    @classmethod
    def demo(cls, seed):
        series, t = np.repeat([f"s{i}" for i in range(8)], 90), np.tile(np.arange(90), 8)
        phase = np.repeat(np.arange(8), 90) * 0.7
        return Table({"series": series.astype(object), "t": t, "value": 20 + 5 * np.sin(t * 1.1 + phase)})

    def split(self):
        return SplitRule("time", by="t")

    def examples(self, part, pipeline):
        rows, past = part.rows, len(part.history or ())
        if part.history is not None:
            rows = Table({n: np.concatenate([part.history[n], rows[n]]) for n in rows.names})
        values, look, truth, units = pipeline.encode(rows).columns["value"], [], [], []
        for unit, name in enumerate(sorted(set(rows["series"]))):
            at = np.flatnonzero(rows["series"] == name)
            at = at[np.argsort(rows["t"][at], kind="stable")]
            ends = [i for i in range(LOOK, len(at)) if at[i] >= past] if part.name != "predict" else [len(at)]
            look += [values[at[i - LOOK : i]] for i in ends]
            truth += [values[at[i]] if i < len(at) else np.float32(0) for i in ends]
            units += [unit] * len(ends)
        columns = {"past": np.array(look, np.float32).reshape(-1, LOOK), "value": np.array(truth, np.float32)}
        windows = RowExamples(Encoded(columns, np.arange(len(units))), np.array(units))
        windows.rows = None  # an answer belongs to a series, not to a row
        return windows

    def network(self, sizes):
        from tests.probes.networks import Dense

        return Dense(("past",), "value.value", [LOOK, 32, 1])

    def loss(self, network, batch, draw):
        error = network(batch.arrays)[0]["value.value"][:, 0] - batch.arrays["value"]
        return Loss((error**2).sum(), len(batch))

    def answers(self, pipeline):
        return Schema((Field("value", "number"),))

    def predict(self, runner, batch, pipeline, request, emit=None):
        return Table({"value": pipeline.decode("value", runner.run("forward", batch.arrays)[0]["value.value"][:, 0])})

    def metrics(self, pipeline):
        return (Metric("mae", "", "lower", lambda c, w: (w @ c["error"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        truth = pipeline.decode("value", batch.arrays["value"])
        return {"error": np.abs(self.predict(runner, batch, pipeline, None)["value"] - truth)}

    def baselines(self):
        last = NumpyRunner({"forward": lambda arrays, state: ({"value.value": arrays["past"][:, -1:]}, state)})
        return (Baseline("repeat last", "trivial", lambda examples, pipeline, key: last),)
