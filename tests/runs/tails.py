"""A task for tests: one series whose targets are read by their past; its last rows are kept, so a question needs no file."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from deepwell.core.batch import Encoded
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import BundleError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, SplitRule, Task
from deepwell.data.pipeline import FieldPipeline

LOOK, AHEAD = 6, 2


@dataclass(frozen=True)
class TailConfig(Recipe):
    """With the knobs that options of the command line set."""

    horizon: Annotated[int, Knob("steps", "steps", 1)] = AHEAD
    split: Annotated[str, Knob("moments")] = ""
    tail: Annotated[bool, Knob("whether the last rows are kept")] = True


class TailPipeline(FieldPipeline):
    """Fields, and the last values of the training rows."""

    def __init__(self, schema, keeps):
        super().__init__(schema)
        self.tail, self._keeps = np.zeros(0), keeps

    def fit(self, table):
        super().fit(table)
        self.tail = table["value"][-LOOK:] if self._keeps else self.tail
        return self

    def kept(self):
        return {"tail": self.tail} if len(self.tail) else {}

    def restore_kept(self, arrays):
        if set(arrays) - {"tail"}:
            raise BundleError(f"the bundle keeps {sorted(arrays)}")
        self.tail = np.array(arrays.get("tail", []))


class Tails(Task):
    """The next two values of a series from its last six; a missing value is read as the mean."""

    Config = TailConfig
    past_targets = True

    @classmethod
    def fits(cls, schema):
        fits = "value" in schema and "t" in schema
        return Fit(0.5, {"value": "target", "t": "order"}) if fits else Fit(0, reason="needs t and value")

    @classmethod
    def demo(cls, seed):
        t = np.arange(400)
        values = 50 + 10 * np.sin(t * 0.9)
        values[[3, 57, 58]] = np.nan
        return Table({"t": t, "value": values})

    def pipeline(self, start):
        return TailPipeline(self.schema, self.config.tail)

    def split(self):
        return SplitRule("time", by="t")

    def examples(self, part, pipeline):
        values = part.rows["value"].astype(np.float64)
        known = pipeline.encode(Table({"value": np.where(np.isnan(values), np.nanmean(values), values)}))
        series = known.columns["value"]
        asked = part.name == "predict"
        ends = np.array([len(series)]) if asked else np.arange(LOOK, len(series) - AHEAD + 1)
        problems = {0: f"the series has {len(series)} rows; it needs {LOOK}"} if len(series) < LOOK else {}
        ends = ends[ends >= LOOK]
        past = series[ends[:, None] - np.arange(LOOK, 0, -1)].astype(np.float32).reshape(-1, LOOK)
        columns = {"past": past}
        if not asked:
            columns["future"] = series[ends[:, None] + np.arange(AHEAD)].astype(np.float32)
        windows = RowExamples(Encoded(columns, np.arange(len(ends)), problems))
        windows.rows = None
        return windows

    def network(self, sizes):
        from tests.probes.networks import Dense

        return Dense(("past",), "future.value", [LOOK, 32, AHEAD])

    def loss(self, network, batch, draw):
        error = network(batch.arrays)[0]["future.value"] - batch.arrays["future"]
        return Loss((error**2).sum(), float(len(batch) * AHEAD))

    def answers(self, pipeline):
        return Schema((Field("step", "number"), Field("value", "number")))

    def predict(self, runner, batch, pipeline, request, emit=None):
        future = runner.run("forward", batch.arrays)[0]["future.value"]
        values = pipeline.decode("value", np.asarray(future, np.float64).ravel())
        return Table({"step": np.tile(np.arange(1, AHEAD + 1), len(batch)), "value": values})

    def question(self, pipeline):
        tail = pipeline.kept().get("tail")
        return None if tail is None else Table({"t": np.arange(len(tail)), "value": tail})

    def metrics(self, pipeline):
        return (Metric("mae", "", "lower", lambda c, w: (w @ c["error"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        found = self.predict(runner, batch, pipeline, None)["value"].reshape(-1, AHEAD)
        truth = pipeline.decode("value", batch.arrays["future"].astype(np.float64).ravel()).reshape(-1, AHEAD)
        return {"error": np.abs(found - truth).mean(1), "by.step": np.abs(found - truth)}

    def baselines(self):
        def forward(arrays, state):
            return {"future.value": np.repeat(arrays["past"][:, -1:], AHEAD, 1)}, state

        return (Baseline("repeat last", "trivial", lambda examples, pipeline, key: NumpyRunner({"forward": forward})),)

    def figures(self, columns, pipeline):
        data = {"labels": ["1", "2"], "values": columns["by.step"].mean(0).tolist()}
        return [{"event": "figure", "kind": "bars", "target": "value", "title": "error by step", "data": data}]
