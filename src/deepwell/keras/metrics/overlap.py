"""Measures of classes against each other, by Keras's names: F scores, and intersection over union from a table of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.metrics.base import Metric, Result, Sums, aligned, factors
from deepwell.keras.metrics.confusion import Array, ratio

AVERAGES = (None, "micro", "macro", "weighted")


class FScore(Metric):
    """(1 + b^2) p r / (b^2 p + r) of precision p and recall r, for each class or as a mean of them.

    Attributes:
        average: None: one for each class; "micro" counts all classes together, "macro" and "weighted" are means of classes,
        the latter by how often each is. beta: b, above 1 recall counts more. threshold: None: yes is the highest.
    """

    average: str | None = None
    beta: float = 1.0
    threshold: float | None = None

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric. (classes,) each."""
        if self.average not in AVERAGES:
            raise ConfigError(f"average is None, 'micro', 'macro' or 'weighted'; got {self.average!r}")
        truth, answer = (x.reshape(-1, x.shape[-1]) for x in aligned(y_true.float(), y_pred.float()))
        if self.threshold is None:
            said = (answer >= answer.amax(-1, keepdim=True)) & (answer.abs() > 1e-9)
        else:
            said = answer > self.threshold
        factor = factors(answer, weight, mask)
        counts = said.float() if factor is None else said * factor
        everything = truth if factor is None else truth * factor
        both = (counts * truth).sum(0)
        return {"both": both, "said": counts.sum(0), "true": everything.sum(0)}

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        both, said, true = (sums[n].cpu().double().numpy() for n in ("both", "said", "true"))
        weights = ratio(true, np.full_like(true, true.sum()))
        if self.average == "micro":
            both, said, true = (np.atleast_1d(x.sum()) for x in (both, said, true))
        precision, recall, b = ratio(both, said), ratio(both, true), self.beta**2
        scores = ratio((1.0 + b) * precision * recall, b * precision + recall)
        if self.average is None:
            return scores
        return float((scores * weights).sum() if self.average == "weighted" else scores.mean())


@dataclass(eq=False)
class FBetaScore(FScore):
    """The F score in which recall counts beta times as much as precision."""

    average: str | None = None
    beta: float = 1.0
    threshold: float | None = None
    name: str | None = "fbeta_score"
    dtype: Any = None


@dataclass(eq=False)
class F1Score(FScore):
    """The harmonic mean of precision and recall."""

    average: str | None = None
    threshold: float | None = None
    name: str | None = "f1_score"
    dtype: Any = None


class Union(Metric):
    """The mean over classes of intersection over union, of those classes that occur; 0 where none does.

    Attributes:
        num_classes: how many. target_class_ids: which count, None: all. ignore_class: rows of this class do not count.
        sparse_y_true, sparse_y_pred: indices are given, not one value for each class.
    """

    num_classes: int = 2
    target_class_ids: Sequence[int] | None = None
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1

    def indices(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """The index of the true class and that of the answer, of one shape."""
        truth = y_true if self.sparse_y_true else y_true.float().argmax(self.axis)  # of yes and no there is no argmax
        answer = y_pred if self.sparse_y_pred else y_pred.argmax(self.axis)
        if truth.numel() != answer.numel():
            raise ConfigError(
                f"{self.name}: {tuple(y_true.shape)} and {tuple(y_pred.shape)} are not indices of the same places",
                repair="sparse_y_pred=False where y_pred has a value for each class; sparse_y_true likewise",
            )
        return truth.reshape(answer.shape).long(), answer.long()

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric. table: (num_classes, num_classes), true by answered. Indices out of range do not count."""
        truth, answer = self.indices(y_true, y_pred)
        size = self.num_classes
        known = (truth >= 0) & (truth < size) & (answer >= 0) & (answer < size)
        if self.ignore_class is not None:
            known &= truth != self.ignore_class
        factor = factors(answer.float(), weight, mask)
        counted = known.float() if factor is None else known * factor
        place = torch.where(known, truth * size + answer, 0).reshape(-1)
        table = counted.new_zeros(size * size).scatter_add(0, place, counted.reshape(-1))
        return {"table": table.view(size, size)}

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        table: Array = sums["table"].cpu().double().numpy()
        both = table.diagonal()
        either = table.sum(0) + table.sum(1) - both
        targets = list(range(self.num_classes)) if self.target_class_ids is None else list(self.target_class_ids)
        if max(targets) >= self.num_classes:
            raise ConfigError(f"target_class_ids must be below num_classes = {self.num_classes}; got {targets}")
        shares = ratio(both, either)[targets]
        occurs = int((either[targets] > 0).sum())
        return float(shares.sum() / occurs) if occurs else 0.0


@dataclass(eq=False)
class IoU(Union):
    """Intersection over union of some classes."""

    num_classes: int
    target_class_ids: Sequence[int] | None
    name: str | None = None
    dtype: Any = None
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1


@dataclass(eq=False)
class MeanIoU(Union):
    """Intersection over union, mean of all classes that occur."""

    num_classes: int
    name: str | None = None
    dtype: Any = None
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1


@dataclass(eq=False)
class OneHotIoU(Union):
    """Intersection over union of some classes, from one value for each class."""

    num_classes: int
    target_class_ids: Sequence[int] | None
    name: str | None = None
    dtype: Any = None
    ignore_class: int | None = None
    sparse_y_pred: bool = False
    axis: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sparse_y_true = False


@dataclass(eq=False)
class OneHotMeanIoU(Union):
    """Intersection over union, mean of all classes, from one value for each class."""

    num_classes: int
    name: str | None = None
    dtype: Any = None
    ignore_class: int | None = None
    sparse_y_pred: bool = False
    axis: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sparse_y_true = False


@dataclass(eq=False)
class BinaryIoU(Union):
    """Intersection over union of no (0) and yes (1); an answer of at least `threshold` is a yes."""

    target_class_ids: Sequence[int] | None = (0, 1)
    threshold: float = 0.5
    name: str | None = None
    dtype: Any = None

    def indices(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """See Union."""
        return super().indices(y_true, y_pred.float() >= self.threshold)
