"""anomaly_detection: rows, pictures or series -> how odd each is, whether that is alarming, and because of what. It
needs no labels.

Nothing is ever learnt from labels: where a column says which rows are anomalous (`--target`), it finds the threshold
of alarms and measures; where none does, anomalies are planted to measure by, and everything that rests on them says
so. What the rows are and how they are judged is families/looks.py: fields told from each other, an autoencoder, a
one-class network, windows of series.

Of series the forecast alone is learnt: it is one of four reasons of a score, and what is expected. The other three, and
`onset`, compare a row with the window before it by formulas that learn nothing (nn/networks/series_judge.py), so that an
untrained network finds much, too; training shows in the loss and in rows that only a forecast tells from usual ones.

Unusual: the rows that fit worst are left out of every training step (a trimmed loss, Rousseeuw 1984), because the
data to learn what is usual from mostly hold some anomalies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Update
from deepwell.evaluation import anomaly_figures
from deepwell.families.looks import FEW_ROWS, THRESHOLD, AnomalyConfig, FieldsLook, Look, PictureLook, label_of
from deepwell.families.planted import TRUTH
from deepwell.families.series_look import SeriesLook
from deepwell.metrics import anomalies

if TYPE_CHECKING:
    import torch

READ = ("number", "category")


class AnomalyDetection(Task):
    """Rows, pictures or series without labels: how odd each is, and because of what."""

    Config, watch, partly_labelled = AnomalyConfig, "loss", True

    @property
    def knobs(self) -> AnomalyConfig:
        """The config, as this task's type."""
        return cast(AnomalyConfig, self.config)

    @property
    def look(self) -> Look:
        """What the rows are."""
        if self.schema.of("input", "image"):
            return PictureLook(self.schema, self.knobs)
        if self.schema.of("order"):
            return SeriesLook(self.schema, self.knobs)
        return FieldsLook(self.schema, self.knobs)

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """Pictures, rows in an order, or numbers and categories; what else there is, is set aside. Only asked for by name."""
        label = label_of(schema)
        ordered = bool(schema.of("order"))
        pictures = schema.of("input", "image")
        read = list(pictures[:1]) or [f for f in schema.inputs if f.kind in READ]
        if wrong := _wrong_target(schema):
            return Fit(0, reason=wrong)
        if not any(f.kind == "number" for f in read) if ordered else not read:
            needed = "number" if ordered else "picture, number or category"
            return Fit(0, reason=f"there is nothing to read: no {needed} that changes")
        aside = [f.name for f in schema.inputs if f not in read]
        what = f"the pictures in {read[0].name!r}" if pictures else f"rows of {len(read)} columns"
        what += f", each by those before it in {schema.of('order')[0].name!r}," if ordered and not pictures else ""
        by = (
            f"; {label.name!r} only to measure by"
            if label
            else "; no labels, so that anomalies are planted to measure by"
        )
        said = f"; {', '.join(map(repr, aside[:5]))} not read" if aside else ""
        roles = {**{f.name: "input" for f in read}, **dict.fromkeys(aside, "ignore")}
        return Fit(0.04, roles, f"how odd {what} are{by}{said}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """1,500 made-up pumps in three modes, by which speed, flow, pressure, heat and lamp belong together; nobody
        labelled them.
        """
        draws = Key(seed).fold("demo").numpy()
        n = 1500
        mode = draws.integers(3, size=n)
        speed = np.array([0.2, 0.6, 1.0])[mode] + draws.normal(0, 0.03, n)
        numbers = {
            "speed": speed,
            "flow": 20 * speed + draws.normal(0, 0.5, n),
            "pressure": 3 * (speed - 0.6) ** 2 + draws.normal(0, 0.02, n),
            "heat": np.array([60.0, 45.0, 75.0])[mode] + draws.normal(0, 1.0, n),
        }
        words = {
            "mode": np.array(["idle", "steady", "full"], object)[mode],
            "lamp": np.array(["white", "green", "red"], object)[mode],
        }
        return Table({**{name: values.round(3) for name, values in numbers.items()}, **words})

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """As the look has it."""
        return self.look.pipeline()

    def split(self) -> SplitRule:
        """As the look has it."""
        return self.look.split()

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """As the look has it."""
        return self.look.examples(part, pipeline)

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` smaller for few rows."""
        if self.config.size != "auto":
            return self.config.size
        return "tiny" if sizes.examples < FEW_ROWS else "small"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """As the look has it."""
        return self.look.network(sizes, self.size(sizes))

    def updates(self) -> Sequence[Update]:
        """One; not to be cut where the worst rows of a batch are left out."""
        return (Update(coupled=self.knobs.contamination > 0),)

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """What rows cost, without the worst `contamination` of them."""
        import torch

        nats, counted = self.look.cost(network, batch)
        nats = nats.float()
        units = torch.ones_like(nats) if counted is None else counted.float()
        kept = max(1, round(len(nats) * (1 - self.knobs.contamination)))
        if kept < len(nats):
            each = (nats / units.clamp_min(1e-6)).detach()
            index = each.topk(kept, largest=False).indices
            nats, units = nats[index], units[index]
        return Loss(nats.sum(), units.sum())

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """How odd a row is, whether that is alarming, why, and what each part of the row has to do with it."""
        rate = f"{self.knobs.alarms:.2%} of the usual rows kept for calibration"
        return Schema(
            (
                Field("score", "number", "target", "how odd the row is"),
                Field("alarming", "category", "target", f"yes above all but {rate}"),
                Field("because", "text", "target", "what makes the score"),
                *self.look.beside(),
            )
        )

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """See `answers`."""
        outputs = self._run(runner, batch)
        score = np.asarray(outputs["score"], np.float64)
        limit = outputs.get(THRESHOLD)
        alarming = np.full(len(score), None, object) if limit is None else np.where(score > limit[0], "yes", "no")
        columns: dict[str, Column] = {"score": score, "alarming": alarming.astype(object)}
        return Table({**columns, **self.look.said(outputs, batch, pipeline)})

    @staticmethod
    def _run(runner: Runner, batch: Batch) -> Mapping[str, NDArray[Any]]:
        """What a runner answers to what it may see: not the truth."""
        return runner.run("forward", {n: a for n, a in batch.arrays.items() if n != TRUTH})[0]

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """The score above which a row is alarming: `alarms` of the usual rows lie above it.

        Usual are those that no label calls anomalous; without labels all but the oddest `contamination`, if more than
        the default was said to be anomalous.
        """
        usual = np.sort(np.asarray(columns["score"], np.float64)[columns[TRUTH] < 1])
        if not len(usual):
            return {}
        said = self.knobs.contamination if self.knobs.contamination > AnomalyConfig.contamination else 0.0
        if label_of(self.schema) is None and said:
            usual = usual[: max(1, round(len(usual) * (1 - said)))]
        return {THRESHOLD: float(np.quantile(usual, 1 - self.knobs.alarms))}

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Area under the ROC curve, average precision, recall at the rate of alarms."""
        return anomalies.metrics(self.knobs.alarms, label_of(self.schema) is None)

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """score, truth, and the threshold where there is one."""
        outputs = self._run(runner, batch)
        truth = batch.arrays.get(TRUTH)
        unknown = np.full(len(batch), -1, np.int64)
        columns = {"score": np.asarray(outputs["score"], np.float64), TRUTH: unknown if truth is None else truth}
        if THRESHOLD in outputs:
            columns["threshold"] = np.full(len(batch), outputs[THRESHOLD][0], np.float64)
        return columns

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """Scores by rank and as histograms, the ROC curve, and a hint where the scores fall into two heaps."""
        return anomaly_figures.figures(columns, label_of(self.schema) is None)

    def shown(
        self,
        rows: Table,
        answers: Table,
        columns: Mapping[str, NDArray[Any]],
        index: IntArray | None,
        pipeline: Pipeline,
    ) -> Sequence[Mapping[str, Any]]:
        """The oddest rows with their reasons; of series what stands around the oddest."""
        found = anomaly_figures.oddest(rows, answers, index, self.schema.inputs, label_of(self.schema))
        around = isinstance(self.look, SeriesLook)
        return [*(anomaly_figures.stretch(rows, answers, index, self.schema) if around else []), *found]

    def baselines(self) -> Sequence[Baseline]:
        """One score for all, each value by itself, isolation forest, robust distance."""
        return self.look.baselines()


def _wrong_target(schema: Schema) -> str:
    """Why the targets cannot say which rows are anomalous; empty where one can, or there is none."""
    number = next((f for f in schema.targets if f.kind != "category"), None)
    if number is not None:
        return (
            f"{number.name!r} cannot say which rows are anomalous: it is of kind {number.kind}, not category; "
            f"--kind {number.name}=category makes classes of it, --role {number.name}=input has it looked at like the others"
        )
    if len(schema.targets) > 1:
        names = " and ".join(repr(f.name) for f in schema.targets[:5])
        return f"only one column can say which rows are anomalous; {names} are given: --role {schema.targets[1].name}=ignore"
    return ""
