"""Targets: what it means to learn and to answer a category, a number, or tags. One class for each kind.

A target knows its loss, what it answers, how it is calibrated and how it is measured; the family (prediction.py) asks each
target of the schema in turn. Adding a kind of target is adding a class here.

Legend: n rows, K classes or tags, M members of an ensemble.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.fields import Field
from deepwell.core.scores import Metric
from deepwell.core.table import Column
from deepwell.core.task import Pipeline
from deepwell.metrics import classification, regression, tags

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]

CATEGORY_METRICS = ("accuracy", "area_under_curve", "balanced_accuracy", "f1", "log_loss")
NUMBER_METRICS = ("rmse", "mae", "r_squared")
TAG_METRICS = ("micro_f1", "macro_f1", "label_ranking_average_precision")
ALIASES: Mapping[str, str] = {"auc": "area_under_curve", "lrap": "label_ranking_average_precision"}
RARE_CLASS_METRICS = ("balanced_accuracy", "f1")
MOST_SHOWN = 20
"""Classes whose probabilities stand in the answers, each in a column."""
COVERAGE = 0.9
FEWEST_TAGS = 20
"""True tags from which on a threshold is fitted."""


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
    metric: Annotated[str, Knob("primary metric; empty: accuracy, rmse for a number, micro_f1 for tags",
                                choices=("", *CATEGORY_METRICS, *NUMBER_METRICS, *TAG_METRICS, *ALIASES))] = ""  # fmt: skip
    positive: Annotated[
        str, Knob("class that counts as positive in f1 and area_under_curve; empty: of two the last")
    ] = ""


class Target(ABC):
    """One target field under the family's knobs."""

    output: str
    """The network's output, after the name: `logits` or `value`."""
    known: Sequence[str]
    """Names of its metrics."""

    def __init__(self, field: Field, knobs: PredictionConfig) -> None:
        self.field, self.name, self.knobs = field, field.name, knobs

    def loss(self, outputs: Mapping[str, torch.Tensor], arrays: Mapping[str, Any]) -> torch.Tensor:
        """The sum over rows. Members of an ensemble are trained each for itself: their losses are averaged."""
        plain = outputs[f"{self.name}.{self.output}"]
        found = outputs.get(f"{self.name}.members", plain.unsqueeze(1))  # (n, M[, K])
        members = found.shape[1]
        truth, weight = arrays[self.name], arrays.get(f"{self.name}.weight")
        truth = truth[:, None].expand(-1, members, *truth.shape[1:])
        weight = None if weight is None else weight[:, None].expand(-1, members)
        return self.error(found, truth, weight) / members

    @abstractmethod
    def error(self, found: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """The sum over all rows and members of the loss of `found` (n, M[, K])."""

    @abstractmethod
    def companions(self, pipeline: Pipeline) -> Mapping[str, str]:
        """The answer columns beside the answer itself, with what they are."""

    @abstractmethod
    def answer(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """The answer and its companions, one entry per row."""

    @abstractmethod
    def calibrate(self, columns: Arrays) -> Mapping[str, float]:
        """Numbers for CalibratedRunner from measured columns."""

    @abstractmethod
    def metrics(self, pipeline: Pipeline) -> Mapping[str, Metric]:
        """The metrics by name, the default first. Raises ConfigError where `positive` does not suit."""

    @abstractmethod
    def measure(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> Arrays:
        """What metrics read, one line per row. arrays: of the batch, which hold the truth."""


class CategoryTarget(Target):
    """One of K classes: softmax of `logits` (n, K)."""

    output, known = "logits", CATEGORY_METRICS

    def error(self, found: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy in nats."""
        from deepwell import losses

        return losses.cross_entropy(found, truth, smoothing=self.knobs.label_smoothing, weights=weight)

    def companions(self, pipeline: Pipeline) -> Mapping[str, str]:
        """The probability of the answer, and of every class where they are few."""
        classes = pipeline.classes(self.name)
        shown = {f"{self.name}.probability.{c}": f"of the class {c!r}" for c in classes}
        return {f"{self.name}.probability": "of the answer", **(shown if len(classes) <= MOST_SHOWN else {})}

    def answer(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """See Target."""
        shares = softmax(outputs[f"{self.name}.logits"])
        names = list(self.companions(pipeline))
        given = [shares.max(1), *(shares.T if len(names) > 1 else ())]
        return {self.name: pipeline.decode(self.name, shares.argmax(1)), **dict(zip(names, given, strict=True))}

    def calibrate(self, columns: Arrays) -> Mapping[str, float]:
        """One temperature."""
        from deepwell.evaluation.calibration import temperature

        truth = columns[f"{self.name}.truth"]
        return {f"{self.name}.logits.scale": 1.0 / temperature(columns[f"{self.name}.logits"], truth)}

    def metrics(self, pipeline: Pipeline) -> Mapping[str, Metric]:
        """See Target."""
        positive = self._positive(pipeline.classes(self.name))
        return {
            "accuracy": classification.accuracy(self.name),
            "area_under_curve": classification.area_under_curve(self.name, positive),
            "balanced_accuracy": classification.balanced_accuracy(self.name),
            "f1": classification.f1(self.name, positive),
            "log_loss": classification.log_loss(self.name),
        }

    def _positive(self, classes: Sequence[str]) -> int | None:
        """Index of the positive class; None: every class counts (more than two, none named). Raises ConfigError."""
        wanted = self.knobs.positive
        if not wanted:
            return 1 if len(classes) == 2 else None
        if wanted not in classes:
            raise ConfigError(f"there is no class {wanted!r}{nearest(wanted, classes)}")
        return list(classes).index(wanted)

    def measure(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> Arrays:
        """Truth and answer as class indices, probabilities, logits, nll (nats)."""
        name, truth, logits = self.name, arrays[self.name], outputs[f"{self.name}.logits"]
        shares = softmax(logits)
        nll = -log_softmax(logits)[np.arange(len(truth)), truth]
        return {
            f"{name}.truth": truth, f"{name}.answer": shares.argmax(1), f"{name}.probabilities": shares,
            f"{name}.logits": logits, f"{name}.nll": nll,
        }  # fmt: skip


class NumberTarget(Target):
    """A number: `value` (n,), standardised."""

    output, known = "value", NUMBER_METRICS

    def error(self, found: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """Squared or absolute error of the standardised number."""
        from deepwell import losses

        error = losses.squared_error if self.knobs.error == "squared" else losses.absolute_error
        return error(found, truth, weights=weight)

    def companions(self, pipeline: Pipeline) -> Mapping[str, str]:
        """A 90% interval."""
        reason = f"{COVERAGE:.0%} of truths lie between low and high (empty where nothing was left to calibrate on)"
        return {f"{self.name}.low": reason, f"{self.name}.high": reason}

    def answer(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """See Target."""
        value = decoded(pipeline, self.name, outputs[f"{self.name}.value"])
        margin = np.float64(outputs.get(f"{self.name}.value.margin", np.full(1, np.nan))[0])
        return {self.name: value, f"{self.name}.low": value - margin, f"{self.name}.high": value + margin}

    def calibrate(self, columns: Arrays) -> Mapping[str, float]:
        """The margin of a 90% interval, left out when there are too few rows."""
        from deepwell.evaluation.calibration import conformal_margin

        margin = conformal_margin(columns[f"{self.name}.truth"] - columns[f"{self.name}.answer"], COVERAGE)
        return {f"{self.name}.value.margin": margin} if np.isfinite(margin) else {}

    def metrics(self, pipeline: Pipeline) -> Mapping[str, Metric]:
        """See Target."""
        unit = str(self.field.facts.get("unit", ""))
        return {
            "rmse": regression.rmse(self.name, unit), "mae": regression.mae(self.name, unit),
            "r_squared": regression.r_squared(self.name),
        }  # fmt: skip

    def measure(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> Arrays:
        """Truth and answer in the number's own unit; low and high where they are known."""
        name, truth = self.name, arrays[self.name]
        value = decoded(pipeline, name, outputs[f"{name}.value"])
        columns = {f"{name}.truth": decoded(pipeline, name, truth), f"{name}.answer": value}
        margin = outputs.get(f"{name}.value.margin")
        if margin is not None:
            columns |= {f"{name}.low": value - margin[0], f"{name}.high": value + margin[0]}
        return columns


class TagsTarget(Target):
    """Any number of K tags: sigmoid of `logits` (n, K); a tag is answered from the calibrated threshold on, else from 1/2."""

    output, known = "logits", TAG_METRICS

    def error(self, found: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """Binary cross-entropy in nats, summed over tags."""
        from deepwell import losses

        return losses.binary_cross_entropy(found, truth, smoothing=self.knobs.label_smoothing, weights=weight)

    def companions(self, pipeline: Pipeline) -> Mapping[str, str]:
        """The probabilities of the answered tags as text, and of every tag where they are few."""
        names = pipeline.classes(self.name)
        shown = {f"{self.name}.probability.{tag}": f"of the tag {tag!r}" for tag in names}
        return {f"{self.name}.probability": "of the least sure of the answered tags; empty for none",
                **(shown if len(names) <= MOST_SHOWN else {})}  # fmt: skip

    def answer(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """See Target."""
        chances, answered = self._chances(outputs)
        names = list(self.companions(pipeline))
        least = np.where(answered, chances, np.inf).min(axis=1, initial=np.inf)
        given = [np.where(np.isfinite(least), least, np.nan), *(chances.T if len(names) > 1 else ())]
        cells = pipeline.decode(self.name, answered.astype(np.uint8))
        return {self.name: cells, **dict(zip(names, given, strict=True))}

    def _chances(self, outputs: Arrays) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, K) probabilities, and which tags are answered."""
        chances = sigmoid(outputs[f"{self.name}.logits"])
        threshold = float(outputs.get(f"{self.name}.logits.threshold", np.full(1, 0.5))[0])
        return chances, chances >= threshold

    def calibrate(self, columns: Arrays) -> Mapping[str, float]:
        """One temperature for all tags, and the threshold with the best micro F1 after it."""
        from deepwell.evaluation.calibration import temperature

        logits, present = columns[f"{self.name}.logits"], columns[f"{self.name}.present"]
        pairs = np.stack([np.zeros(logits.size), logits.reshape(-1)], axis=1)
        scale = 1.0 / temperature(pairs, present.reshape(-1).astype(np.int64))
        numbers = {f"{self.name}.logits.scale": scale}
        # As the answers will see them: scaled as float32, so that a chance at the threshold stays on its side.
        chances, unknown = sigmoid(logits * np.float32(scale)), int(columns[f"{self.name}.unknown"].sum())
        best = best_threshold(chances, present.astype(np.bool_), unknown)
        return numbers if best is None else {**numbers, f"{self.name}.logits.threshold": best}

    def metrics(self, pipeline: Pipeline) -> Mapping[str, Metric]:
        """See Target."""
        return {
            "micro_f1": tags.micro_f1(self.name), "macro_f1": tags.macro_f1(self.name),
            "label_ranking_average_precision": tags.label_ranking_average_precision(self.name),
            "log_loss": tags.log_loss(self.name),
        }  # fmt: skip

    def measure(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> Arrays:
        """Which tags are true and which are answered, how many true ones training lacks, probabilities, logits, nll.

        nll: nats, summed over the tags of training.
        """
        name, truth, logits = self.name, arrays[self.name], outputs[f"{self.name}.logits"]
        chances, answered = self._chances(outputs)
        wide = logits.astype(np.float64)
        nll = (np.logaddexp(0, wide) - truth * wide).sum(axis=1)
        return {
            f"{name}.present": truth.astype(np.bool_), f"{name}.answered": answered, f"{name}.chances": chances,
            f"{name}.logits": logits, f"{name}.nll": nll, f"{name}.unknown": arrays[f"{name}.unknown"],
        }  # fmt: skip


KINDS: Mapping[str, type[Target]] = {"category": CategoryTarget, "number": NumberTarget, "tags": TagsTarget}


def best_threshold(chances: Floats, present: NDArray[np.bool_], unknown: int = 0) -> float | None:
    """The threshold t for which answering all tags of a chance of at least t has the best micro F1; None for too few true tags.

    chances, present: (n, K). unknown: true tags beside the K, missed by all. It lies half-way between two chances that occur,
    so that rounding decides nothing.
    """
    flat, true = chances.reshape(-1), present.reshape(-1)
    if true.sum() < FEWEST_TAGS:
        return None
    order = np.argsort(-flat, kind="stable")
    ranked = flat[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # equal chances are answered together
    hits = np.cumsum(true[order])[ends]
    best = int(np.argmax(2 * hits / (ends + 1 + true.sum() + unknown)))
    last = ends[best]
    lower = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + lower) / 2)


def log_softmax(logits: NDArray[Any]) -> Floats:
    """log of the probabilities (n, K) of logits (n, K), float64, so that tiny ones do not become 0."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    result: Floats = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return result


def softmax(logits: NDArray[Any]) -> Floats:
    """Probabilities (n, K) of logits (n, K)."""
    result: Floats = np.exp(log_softmax(logits))
    return result


def sigmoid(logits: NDArray[Any]) -> Floats:
    """1 / (1 + exp(-z)), float64, of any shape; large z of either sign do not overflow."""
    result: Floats = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return result


def decoded(pipeline: Pipeline, name: str, standardised: NDArray[Any]) -> Floats:
    """A number (n,) in its own unit."""
    return np.asarray(pipeline.decode(name, standardised), np.float64)
