"""Prediction: any input fields -> one or more targets, each a category or a number.

What the applications of this family share: examples, loss, answers, calibration, metrics, baselines. They bring the network.
Unusual: scalar fields are stacked by kind once, so that a network reads two or three arrays whatever the number of columns,
and baselines read the same ones.

    arrays in    number (n, F)             scaled numbers in schema order, then missing indicators of those that need one
                 number.position (n, N)    place of each of the N numbers among the training values (positions.py)
                 category (n, C) int32     levels, 0 = missing, unknown or rare
                 <field>                   each heavier field (a picture) by its name
                 <target>, <target>.weight class index or standardised number; weight in the loss, where there is one
    arrays out   <target>.logits (n, K) or <target>.value (n,)
                 <target>.members          the same of each member (n, M, ...), from networks that are ensembles, in training
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import Knob, Recipe
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
from deepwell.metrics import classification, regression

if TYPE_CHECKING:
    import torch

CATEGORY_METRICS = ("accuracy", "area_under_curve", "balanced_accuracy", "f1", "log_loss")
NUMBER_METRICS = ("rmse", "mae", "r_squared")
ALIASES: Mapping[str, str] = {"auc": "area_under_curve"}
RARE_CLASS_METRICS = ("balanced_accuracy", "f1")
MOST_SHOWN = 20
"""Classes whose probabilities stand in the answers, each in a column."""
COVERAGE = 0.9


FEWEST_KNOTS, ALL_KNOTS = 4, 40_000
"""Knots of one number column at the least, and of all together."""


@dataclass(frozen=True)
class PredictionConfig(Recipe):
    """The knobs that the family reads, after those of the engine."""

    dropout: Annotated[float, Knob("share of hidden values dropped in training", "share", 0.0, 0.9)] = 0.1
    label_smoothing: Annotated[float, Knob("share of a class target spread over all classes", "share", 0.0, 0.5)] = 0.0
    balance: Annotated[
        str,
        Knob(
            "class weights: balanced gives every class the same total weight; auto: only where the primary metric is "
            "balanced_accuracy or f1, because it bends probabilities",
            choices=("auto", "none", "balanced"),
        ),
    ] = "auto"
    error: Annotated[str, Knob("loss of a number: squared finds means, absolute finds medians and is robust",
                               choices=("squared", "absolute"))] = "squared"  # fmt: skip
    metric: Annotated[str, Knob("primary metric; empty: accuracy, or rmse for a number",
                                choices=("", *CATEGORY_METRICS, *NUMBER_METRICS, *ALIASES))] = ""  # fmt: skip
    positive: Annotated[
        str, Knob("class that counts as positive in f1 and area_under_curve; empty: of two the last")
    ] = ""


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
        return start or FieldPipeline(self.schema, self.kinds())

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
        """Cross-entropy in nats and squared (or absolute) error of the standardised number, summed over targets.

        Members of an ensemble are trained each for itself: their losses are averaged, not their outputs.
        """
        outputs, _ = network(batch.arrays)
        parts = {t.name: self._loss(t, outputs, batch.arrays) for t in self.schema.targets}
        total = sum(parts.values(), start=next(iter(parts.values())).new_zeros(()))
        return Loss(total, float(len(batch)), parts if len(parts) > 1 else {})

    def _loss(self, target: Field, outputs: Mapping[str, torch.Tensor], arrays: Mapping[str, Any]) -> torch.Tensor:
        from deepwell import losses

        plain = outputs[f"{target.name}.logits" if target.kind == "category" else f"{target.name}.value"]
        found = outputs.get(f"{target.name}.members", plain.unsqueeze(1))  # (n, M[, K])
        members = found.shape[1]
        truth = arrays[target.name][:, None].expand(-1, members)
        weight = arrays.get(f"{target.name}.weight")
        weight = None if weight is None else weight[:, None].expand(-1, members)
        if target.kind == "category":
            smoothing = self.knobs.label_smoothing
            return losses.cross_entropy(found, truth, smoothing=smoothing, weights=weight) / members
        error = losses.squared_error if self.knobs.error == "squared" else losses.absolute_error
        return error(found, truth, weights=weight) / members

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """For a category the class, its probability, and those of up to 20 classes; for a number it, and a 90% interval."""
        fields: list[Field] = []
        for target in self.schema.targets:
            fields.append(replace(target, role="target", reason="the answer"))
            names = self._companions(target, pipeline)
            fields += [Field(name, "number", "target", reason) for name, reason in names.items()]
        return Schema(tuple(fields))

    def _companions(self, target: Field, pipeline: Pipeline) -> dict[str, str]:
        """The answer columns beside the answer itself, with what they are."""
        name = target.name
        if target.kind == "number":
            reason = f"{COVERAGE:.0%} of truths lie between low and high (empty where nothing was left to calibrate on)"
            return {f"{name}.low": reason, f"{name}.high": reason}
        classes = pipeline.classes(name)
        shown = classes if len(classes) <= MOST_SHOWN else []
        return {
            f"{name}.probability": "of the answer",
            **{f"{name}.probability.{c}": f"of the class {c!r}" for c in shown},
        }

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Answers, one row per example, columns as `answers` says."""
        outputs, _ = runner.run("forward", batch.arrays)
        columns: dict[str, Column] = {}
        for target in self.schema.targets:
            name, companions = target.name, list(self._companions(target, pipeline))
            if target.kind == "category":
                shares = softmax(outputs[f"{name}.logits"])
                columns[name] = pipeline.decode(name, shares.argmax(1))
                given = [shares.max(1), *(shares.T if len(companions) > 1 else ())]
            else:
                value = columns[name] = decoded(pipeline, name, outputs[f"{name}.value"])
                margin = np.float64(outputs.get(f"{name}.value.margin", np.full(1, np.nan))[0])
                given = [value - margin, value + margin]
            columns |= dict(zip(companions, given, strict=True))
        return Table(columns)

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """One temperature per category, the margin of a 90% interval per number (left out when too few rows)."""
        from deepwell.evaluation.calibration import conformal_margin, temperature

        numbers: dict[str, float] = {}
        for target in self.schema.targets:
            name, truth = target.name, columns[f"{target.name}.truth"]
            if target.kind == "category":
                numbers[f"{name}.logits.scale"] = 1.0 / temperature(columns[f"{name}.logits"], truth)
                continue
            margin = conformal_margin(truth - columns[f"{name}.answer"], COVERAGE)
            if np.isfinite(margin):
                numbers[f"{name}.value.margin"] = margin
        return numbers

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """All metrics of every target, the chosen one first; names begin with the target where there are several.

        Raises ConfigError when `metric` or `positive` do not suit the targets.
        """
        wanted = ALIASES.get(self.knobs.metric, self.knobs.metric)
        found: list[Metric] = []
        primary: list[Metric] = []
        for target in self.schema.targets:
            for name, metric in self._metrics(target, pipeline).items():
                shown = replace(metric, name=f"{target.name}: {name}") if len(self.schema.targets) > 1 else metric
                (primary if name == wanted else found).append(shown)
        if wanted and not primary:
            known = CATEGORY_METRICS if not self.schema.of("target", "number") else NUMBER_METRICS
            raise ConfigError(f"the metric {wanted} does not suit these targets{nearest(wanted, known)}")
        return [*primary, *found]

    def _metrics(self, target: Field, pipeline: Pipeline) -> dict[str, Metric]:
        name = target.name
        if target.kind == "number":
            unit = str(target.facts.get("unit", ""))
            return {
                "rmse": regression.rmse(name, unit), "mae": regression.mae(name, unit),
                "r_squared": regression.r_squared(name),
            }  # fmt: skip
        positive = self._positive(pipeline.classes(name))
        return {
            "accuracy": classification.accuracy(name),
            "area_under_curve": classification.area_under_curve(name, positive),
            "balanced_accuracy": classification.balanced_accuracy(name),
            "f1": classification.f1(name, positive),
            "log_loss": classification.log_loss(name),
        }

    def _positive(self, classes: Sequence[str]) -> int | None:
        """Index of the positive class; None: every class counts (more than two, none named). Raises ConfigError."""
        wanted = self.knobs.positive
        if not wanted:
            return 1 if len(classes) == 2 else None
        if wanted not in classes:
            raise ConfigError(f"there is no class {wanted!r}{nearest(wanted, classes)}")
        return list(classes).index(wanted)

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """Per target truth and answer; for a category probabilities, logits, nll (nats), for a number low and high."""
        outputs, _ = runner.run("forward", batch.arrays)
        columns: dict[str, NDArray[Any]] = {}
        for target in self.schema.targets:
            name, truth = target.name, batch.arrays[target.name]
            if target.kind == "number":
                value = decoded(pipeline, name, outputs[f"{name}.value"])
                columns |= {f"{name}.truth": decoded(pipeline, name, truth), f"{name}.answer": value}
                margin = outputs.get(f"{name}.value.margin")
                if margin is not None:
                    columns |= {f"{name}.low": value - margin[0], f"{name}.high": value + margin[0]}
                continue
            logits = outputs[f"{name}.logits"]
            shares = softmax(logits)
            nll = -log_softmax(logits)[np.arange(len(truth)), truth]
            columns |= {
                f"{name}.truth": truth, f"{name}.answer": shares.argmax(1), f"{name}.probabilities": shares,
                f"{name}.logits": logits, f"{name}.nll": nll,
            }  # fmt: skip
        return columns

    def baselines(self) -> Sequence[Baseline]:
        """Majority or mean, a linear model, and boosting where there are numbers or categories; for a single target."""
        from deepwell.evaluation import baselines as known

        if len(self.schema.targets) != 1:
            return ()
        target = self.schema.targets[0]
        kind: known.TargetKind = "category" if target.kind == "category" else "number"
        trivial = known.majority(target.name) if kind == "category" else known.mean(target.name)
        boosting = [known.boosting(target.name, kind)] if self.schema.of("input", "number", "category") else []
        return (trivial, known.linear(target.name, kind), *boosting)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """log of the probabilities (n, K) of logits (n, K), float64, so that tiny ones do not become 0."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return result


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities (n, K) of logits (n, K)."""
    result: NDArray[np.float64] = np.exp(log_softmax(logits))
    return result


def decoded(pipeline: Pipeline, name: str, standardised: NDArray[Any]) -> NDArray[np.float64]:
    """A number (n,) in its own unit."""
    return np.asarray(pipeline.decode(name, standardised), np.float64)
