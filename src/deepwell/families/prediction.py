"""Prediction: any input fields -> one or more targets, each a category, a number, or tags.

What the applications of this family share: examples, loss, answers, calibration, metrics, baselines. They bring the network;
targets.py says what each kind of target means. Unusual: scalar fields are stacked by kind once, so that a network reads two or
three arrays whatever the number of columns, and baselines read the same ones.

    arrays in    number (n, F)             scaled numbers in schema order, then missing indicators of those that need one
                 number.position (n, N)    place of each of the N numbers among the training values (positions.py)
                 category (n, C) int32     levels, 0 = missing, unknown or rare
                 <field>                   each heavier field (a picture, a text) by its name
                 <target>, <target>.weight class index, standardised number or (n, K) tags; weight in the loss, if any
                 <target>.unknown          how many true tags training lacks
    arrays out   <target>.logits (n, K) or <target>.value (n,)
                 <target>.members          the same of each member (n, M, ...), from networks that are ensembles, in training
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Loss, Pipeline, Task
from deepwell.data.fields.kind import Kind
from deepwell.data.pipeline import FieldPipeline, encode
from deepwell.families.positions import MOST_KNOTS, PositionedNumber
from deepwell.families.stacking import Stacking, units, weights
from deepwell.families.targets import ALIASES, KINDS, RARE_CLASS_METRICS, PredictionConfig, Target

if TYPE_CHECKING:
    import torch

__all__ = ["Prediction", "PredictionConfig"]

FEWEST_KNOTS, ALL_KNOTS = 4, 40_000
"""Knots of one number column at the least, and of all together."""


class Prediction(Task):
    """See the top of this file. A task of the family is final and brings Config, fits, demo and network."""

    Config = PredictionConfig

    @property
    def knobs(self) -> PredictionConfig:
        """The config, as the family's type."""
        return cast(PredictionConfig, self.config)

    # data ------------------------------------------------------------------------------------------------------------
    def kinds(self) -> Mapping[str, Kind]:
        """Unfitted kinds of fields that are encoded in another way than by default.

        Many columns get fewer knots each, so that all of them stay within what a bundle's pipeline.json may hold.
        """
        fields = self.schema.of("input", "number")
        most = max(FEWEST_KNOTS, min(MOST_KNOTS, ALL_KNOTS // max(1, len(fields))))
        return {f.name: PositionedNumber(most) for f in fields}

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """Each field by its kind, numbers with positions."""
        return FieldPipeline(self.schema, self.kinds())

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example, scalar fields stacked by kind.

        Raises ConfigError when `metric` or `positive` do not suit the targets.
        """
        asked = part.name == "predict"
        if not asked:
            self.metrics(pipeline)
        encoded = encode(pipeline, part.rows, Stacking.of(self.schema), targets=not asked)
        if part.name in ("train", "select"):  # weights are chosen by the loss that they are trained on
            balanced = {t.name: len(pipeline.classes(t.name)) for t in self.schema.targets if self._balances(t)}
            encoded = weights(self.schema, encoded, part.rows, balanced)
        return RowExamples(encoded, units(self.schema, encoded, part.rows))

    def _balances(self, target: Field) -> bool:
        if target.kind != "category" or self.knobs.balance == "none":
            return False
        return self.knobs.balance == "balanced" or self.knobs.metric in RARE_CLASS_METRICS

    # network ---------------------------------------------------------------------------------------------------------
    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """The sum over targets of what targets.py says: nats for classes and tags, errors of the standardised number.

        Members of an ensemble are trained each for itself: their losses are averaged, not their outputs.
        """
        outputs, _ = network(batch.arrays)
        parts = {t.name: t.loss(outputs, batch.arrays) for t in self.targets}
        total = sum(parts.values(), start=next(iter(parts.values())).new_zeros(()))
        return Loss(total, float(len(batch)), parts if len(parts) > 1 else {})

    # answers ---------------------------------------------------------------------------------------------------------
    @property
    def targets(self) -> list[Target]:
        """The targets of the schema, each with what it means to learn it."""
        return [KINDS[field.kind](field, self.knobs) for field in self.schema.targets]

    def answers(self, pipeline: Pipeline) -> Schema:
        """For a category the class, for tags those that apply, with probabilities (of up to 20); for a number a 90% interval."""
        fields: list[Field] = []
        for target in self.targets:
            fields.append(replace(target.field, role="target", reason="the answer"))
            fields += [Field(name, "number", "target", reason) for name, reason in target.companions(pipeline).items()]
        return Schema(tuple(fields))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Answers, one row per example, columns as `answers` says."""
        outputs, _ = runner.run("forward", batch.arrays)
        columns: dict[str, Column] = {}
        for target in self.targets:
            columns |= target.answer(outputs, pipeline)
        return Table(columns)

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """A temperature per category, one and a threshold per field of tags, the margin of a 90% interval per number."""
        numbers: dict[str, float] = {}
        for target in self.targets:
            numbers |= target.calibrate(columns)
        return numbers

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """All metrics of every target, the chosen one first; names begin with the target where there are several.

        Raises ConfigError when `metric` or `positive` do not suit the targets.
        """
        wanted = ALIASES.get(self.knobs.metric, self.knobs.metric)
        found: list[Metric] = []
        primary: list[Metric] = []
        for target in self.targets:
            for name, metric in target.metrics(pipeline).items():
                shown = replace(metric, name=f"{target.name}: {name}") if len(self.schema.targets) > 1 else metric
                (primary if name == wanted else found).append(shown)
        if wanted and not primary:
            known = [name for target in self.targets for name in target.known]
            raise ConfigError(f"the metric {wanted} does not suit these targets{nearest(wanted, known)}")
        return [*primary, *found]

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """What the metrics of each target read; see targets.py."""
        outputs, _ = runner.run("forward", batch.arrays)
        columns: dict[str, NDArray[Any]] = {}
        for target in self.targets:
            columns |= target.measure(outputs, batch.arrays, pipeline)
        return columns

    def baselines(self) -> Sequence[Baseline]:
        """Majority, mean or most frequent tags, a linear model, boosting where it applies; for a single target.

        Boosting reads numbers and categories; tags have the trivial baseline and the linear one of their texts.
        """
        from deepwell.evaluation import baselines as known
        from deepwell.evaluation.text_baselines import frequent_tags, words

        if len(self.schema.targets) != 1:
            return ()
        target = self.schema.targets[0]
        texts = [f.name for f in self.schema.of("input", "text")]
        if target.kind == "tags":
            trivial = frequent_tags(target.name)
            return (trivial, words(target.name, "tags", texts)) if texts else (trivial,)
        kind: known.TargetKind = "category" if target.kind == "category" else "number"
        trivial = known.majority(target.name) if kind == "category" else known.mean(target.name)
        scalars = bool(self.schema.of("input", "number", "category"))
        return (
            trivial,
            *([words(target.name, kind, texts)] if texts else []),
            *([known.linear(target.name, kind)] if scalars or self.schema.of("input", "image") else []),
            *([known.boosting(target.name, kind)] if scalars else []),
        )
