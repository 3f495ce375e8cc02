"""What depends on how often yes was said rightly and wrongly, by Keras's names: counts, precision, recall, areas under curves.

Unusual: answers are counted by the threshold that they pass, one histogram for those that should be yes and one for those that
should be no; so a batch costs the same for one threshold or two hundred. An answer says yes where it is above the threshold.

Legend: T thresholds, ascending; L labels with a curve of their own (1 unless multi_label).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.metrics.base import Metric, Result, Sums, aligned, factors

Array = NDArray[np.float64]
Thresholds = float | Sequence[float] | None
LOWEST = -1e10
"""The threshold that every answer passes which is not left out by top_k."""
EDGE = 1e-7
"""How far the first and last threshold of a curve lie outside of 0 and 1."""


@dataclass(frozen=True)
class Counts:
    """Weighted counts at each threshold: (T, L)."""

    true_positives: Array
    false_positives: Array
    false_negatives: Array
    true_negatives: Array

    @property
    def precision(self) -> Array:
        """Of those said to be yes, the share that is; 0 where none was."""
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Array:
        """Of those that are yes, the share said to be; 0 where there are none."""
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> Array:
        """Of those that are no, the share said to be; 0 where there are none."""
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)


def ratio(part: Array, whole: Array) -> Array:
    """part / whole, 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


class Confusion(Metric):
    """A measure made of counts at thresholds; one number for each of them, a single one where there is one.

    Attributes:
        reported: which of Counts. thresholds: 0.5 unless given. top_k: yes are the k highest of the last axis. class_id: of
        this class alone.
    """

    reported: ClassVar[str] = "true_positives"
    thresholds: Thresholds = None
    top_k: int | None = None
    class_id: int | None = None

    def cuts(self) -> Sequence[float]:
        """The thresholds, ascending. Raises ConfigError for some that are no numbers from 0 to 1."""
        if self.thresholds is None:
            return (0.5 if self.top_k is None else LOWEST,)
        given = [self.thresholds] if isinstance(self.thresholds, int | float) else list(self.thresholds)
        if not given or any(not 0 <= t <= 1 for t in given):
            raise ConfigError(f"thresholds must be numbers from 0 to 1; got {self.thresholds!r}")
        return sorted(given)

    def chosen(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """The questions that count, of what is given. Raises ConfigError for a class that is not there."""
        if self.top_k is not None:
            best = torch.zeros_like(y_pred, dtype=torch.bool).scatter_(-1, y_pred.topk(self.top_k).indices, True)
            y_pred = torch.where(best, y_pred, LOWEST)
        if self.class_id is None:
            return y_true, y_pred
        if not 0 <= self.class_id < y_pred.shape[-1]:
            raise ConfigError(f"class_id must be from 0 to {y_pred.shape[-1] - 1}; got {self.class_id}")
        one = slice(self.class_id, self.class_id + 1)
        return y_true[..., one], y_pred[..., one]

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        numbers: Array = getattr(self.counts(sums), self.reported)[:, 0]
        if len(numbers) == 1:
            return float(numbers[0])
        found = np.empty_like(numbers)
        found[np.argsort(np.asarray(self.thresholds), kind="stable")] = numbers
        return found

    def labels(self, y_pred: Tensor) -> int:
        """How many labels have counts of their own: those of the last axis, or 1."""
        return 1

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric. yes, no: (L, T + 1), how many pass exactly so many thresholds."""
        truth, answer = self.chosen(*aligned(y_true, y_pred.float()))
        factor = factors(answer, weight, mask)
        factor = torch.ones_like(answer) if factor is None else factor
        cuts, labels = torch.tensor(self.cuts(), dtype=torch.float32, device=answer.device), self.labels(answer)
        passed = torch.searchsorted(cuts, answer.contiguous())  # cuts that lie below the answer
        label = torch.arange(labels, device=answer.device).expand(answer.shape) if labels > 1 else 0
        place = (passed + label * (len(cuts) + 1)).reshape(-1)
        yes = truth.bool()
        kinds = {"yes": torch.where(yes, factor, 0.0), "no": torch.where(yes, 0.0, factor)}
        empty = factor.new_zeros(labels * (len(cuts) + 1))
        return {n: empty.scatter_add(0, place, k.reshape(-1)).view(labels, -1) for n, k in kinds.items()}

    def counts(self, sums: Sums) -> Counts:
        """The counts at each threshold."""
        yes, no = (sums[name].cpu().double().numpy() for name in ("yes", "no"))
        above = [np.flip(np.cumsum(np.flip(k, 1), 1), 1)[:, 1:].T for k in (yes, no)]
        return Counts(above[0], above[1], yes.sum(1) - above[0], no.sum(1) - above[1])


@dataclass(eq=False)
class TruePositives(Confusion):
    """How many are yes and said to be."""

    reported: ClassVar[str] = "true_positives"
    thresholds: Thresholds = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class FalsePositives(Confusion):
    """How many are no and said to be yes."""

    reported: ClassVar[str] = "false_positives"
    thresholds: Thresholds = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class FalseNegatives(Confusion):
    """How many are yes and said to be no."""

    reported: ClassVar[str] = "false_negatives"
    thresholds: Thresholds = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class TrueNegatives(Confusion):
    """How many are no and said to be."""

    reported: ClassVar[str] = "true_negatives"
    thresholds: Thresholds = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class Precision(Confusion):
    """Of those said to be yes, the share that is."""

    reported: ClassVar[str] = "precision"
    thresholds: Thresholds = None
    top_k: int | None = None
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class Recall(Confusion):
    """Of those that are yes, the share said to be."""

    reported: ClassVar[str] = "recall"
    thresholds: Thresholds = None
    top_k: int | None = None
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class AUC(Confusion):
    """The area under a curve over all thresholds: "ROC" (recall by false alarms) or "PR" (precision by recall).

    num_thresholds: evenly from 0 to 1; or thresholds between them. summation_method: "interpolation" (Davis & Goadrich 2006
    for PR, trapezoids for ROC), "minoring", "majoring". multi_label: the mean of the areas of the labels on the last axis.
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    summation_method: str = "interpolation"
    name: str | None = None
    dtype: Any = None
    thresholds: Sequence[float] | None = None
    multi_label: bool = False
    from_logits: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.curve not in ("ROC", "PR"):
            raise ConfigError(f"curve is 'ROC' or 'PR'; got {self.curve!r}")
        if self.summation_method not in ("interpolation", "minoring", "majoring"):
            raise ConfigError(
                f"summation_method is 'interpolation', 'minoring' or 'majoring'; got {self.summation_method!r}"
            )
        if self.num_thresholds < 2:
            raise ConfigError(f"num_thresholds must be at least 2; got {self.num_thresholds}")

    def cuts(self) -> Sequence[float]:
        """See Confusion."""
        last = self.num_thresholds - 1
        inner = sorted(self.thresholds) if self.thresholds is not None else [i / last for i in range(1, last)]
        return (-EDGE, *inner, 1.0 + EDGE)

    def chosen(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """See Confusion."""
        return y_true, y_pred.sigmoid() if self.from_logits else y_pred

    def labels(self, y_pred: Tensor) -> int:
        """See Confusion."""
        return y_pred.shape[-1] if self.multi_label else 1

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        counts = self.counts(sums)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return float(_precision_recall_area(counts).mean())
        x, y = (1.0 - counts.specificity, counts.recall) if self.curve == "ROC" else (counts.recall, counts.precision)
        if self.curve == "ROC":
            x = ratio(counts.false_positives, counts.false_positives + counts.true_negatives)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }[self.summation_method]
        return float(((x[:-1] - x[1:]) * heights).sum(0).mean())


def _precision_recall_area(counts: Counts) -> Array:
    """The area under precision by recall where both counts change linearly between thresholds (Davis & Goadrich 2006)."""
    yes, said = counts.true_positives, counts.true_positives + counts.false_positives
    gained, widened = yes[:-1] - yes[1:], said[:-1] - said[1:]
    slope = ratio(gained, widened)
    intercept = yes[1:] - slope * said[1:]
    grows = (said[:-1] > 0) & (said[1:] > 0)
    growth = np.log(np.divide(said[:-1], said[1:], out=np.ones_like(slope), where=grows))
    area: Array = ratio(slope * (gained + intercept * growth), (yes + counts.false_negatives)[1:]).sum(0)
    return area


@dataclass(eq=False)
class PrecisionAtRecall(Confusion):
    """The best precision at a threshold whose recall is at least `recall`."""

    recall: float
    num_thresholds: int = 200
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None

    def cuts(self) -> Sequence[float]:
        """See Confusion."""
        return _even(self.num_thresholds)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        counts = self.counts(sums)
        return _best(counts.precision, counts.recall >= self.recall)


@dataclass(eq=False)
class RecallAtPrecision(Confusion):
    """The best recall at a threshold whose precision is at least `precision`."""

    precision: float
    num_thresholds: int = 200
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None

    def cuts(self) -> Sequence[float]:
        """See Confusion."""
        return _even(self.num_thresholds)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        counts = self.counts(sums)
        return _best(counts.recall, counts.precision >= self.precision)


@dataclass(eq=False)
class SensitivityAtSpecificity(Confusion):
    """The best sensitivity (recall) at a threshold whose specificity is at least `specificity`."""

    specificity: float
    num_thresholds: int = 200
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None

    def cuts(self) -> Sequence[float]:
        """See Confusion."""
        return _even(self.num_thresholds)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        counts = self.counts(sums)
        return _best(counts.recall, counts.specificity >= self.specificity)


@dataclass(eq=False)
class SpecificityAtSensitivity(Confusion):
    """The best specificity at a threshold whose sensitivity (recall) is at least `sensitivity`."""

    sensitivity: float
    num_thresholds: int = 200
    class_id: int | None = None
    name: str | None = None
    dtype: Any = None

    def cuts(self) -> Sequence[float]:
        """See Confusion."""
        return _even(self.num_thresholds)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        counts = self.counts(sums)
        return _best(counts.specificity, counts.recall >= self.sensitivity)


def _even(number: int) -> Sequence[float]:
    """So many thresholds from 0 to 1; 0.5 for one."""
    return (0.5,) if number == 1 else tuple(i / (number - 1) for i in range(number))


def _best(numbers: Array, allowed: NDArray[np.bool_]) -> float:
    return float(np.where(allowed, numbers, 0.0).max())
