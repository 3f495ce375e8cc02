"""Means of losses as measures, by Keras's names, and what is made of sums of squares: root mean squared error, R squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.metrics.base import MeanOfValues, Metric, Result, Sums, aligned, factors, mean, mean_sums
from deepwell.losses.named import NAMED
from deepwell.losses.similarity import cosine


class MeanOfLoss(Metric):
    """The mean of an entry of the closed table of losses; the fields of the metric but name and dtype are its settings."""

    loss: ClassVar[str]

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric."""
        settings = {name: value for name, value in self.get_config().items() if name not in ("name", "dtype")}
        return mean_sums(NAMED[self.loss].values(y_true, y_pred, settings=settings), weight, mask)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        return mean(sums)


@dataclass(eq=False)
class RootMeanSquaredError(MeanOfValues):
    """The root of the mean of squared differences."""

    name: str | None = "root_mean_squared_error"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return NAMED["mean_squared_error"].values(y_true, y_pred)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        return float(np.sqrt(super().finish(sums)))


@dataclass(eq=False)
class CosineSimilarity(MeanOfValues):
    """The cosine of the angle between y_true and y_pred; alike is 1, where the loss of that name has -1."""

    name: str | None = "cosine_similarity"
    dtype: Any = None
    axis: int = -1

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return cosine(*aligned(y_true, y_pred), self.axis)


@dataclass(eq=False)
class MeanSquaredError(MeanOfLoss):
    """The mean of squared differences."""

    loss: ClassVar[str] = "mean_squared_error"
    name: str | None = "mean_squared_error"
    dtype: Any = None


@dataclass(eq=False)
class MeanAbsoluteError(MeanOfLoss):
    """The mean of absolute differences."""

    loss: ClassVar[str] = "mean_absolute_error"
    name: str | None = "mean_absolute_error"
    dtype: Any = None


@dataclass(eq=False)
class MeanAbsolutePercentageError(MeanOfLoss):
    """The mean of differences in percent of the target."""

    loss: ClassVar[str] = "mean_absolute_percentage_error"
    name: str | None = "mean_absolute_percentage_error"
    dtype: Any = None


@dataclass(eq=False)
class MeanSquaredLogarithmicError(MeanOfLoss):
    """The mean of squared differences of ln(1 + x)."""

    loss: ClassVar[str] = "mean_squared_logarithmic_error"
    name: str | None = "mean_squared_logarithmic_error"
    dtype: Any = None


@dataclass(eq=False)
class LogCoshError(MeanOfLoss):
    """The mean of ln cosh of the difference."""

    loss: ClassVar[str] = "log_cosh"
    name: str | None = "logcosh"
    dtype: Any = None


@dataclass(eq=False)
class KLDivergence(MeanOfLoss):
    """The mean divergence of distributions."""

    loss: ClassVar[str] = "kl_divergence"
    name: str | None = "kl_divergence"
    dtype: Any = None


@dataclass(eq=False)
class Poisson(MeanOfLoss):
    """The mean of y_pred - y_true ln y_pred."""

    loss: ClassVar[str] = "poisson"
    name: str | None = "poisson"
    dtype: Any = None


@dataclass(eq=False)
class Hinge(MeanOfLoss):
    """The mean hinge; targets -1 and 1, or 0 and 1."""

    loss: ClassVar[str] = "hinge"
    name: str | None = "hinge"
    dtype: Any = None


@dataclass(eq=False)
class SquaredHinge(MeanOfLoss):
    """The mean squared hinge."""

    loss: ClassVar[str] = "squared_hinge"
    name: str | None = "squared_hinge"
    dtype: Any = None


@dataclass(eq=False)
class CategoricalHinge(MeanOfLoss):
    """The mean hinge between the right score and the best wrong one."""

    loss: ClassVar[str] = "categorical_hinge"
    name: str | None = "categorical_hinge"
    dtype: Any = None


@dataclass(eq=False)
class BinaryCrossentropy(MeanOfLoss):
    """The mean cross-entropy of yes/no questions."""

    loss: ClassVar[str] = "binary_crossentropy"
    name: str | None = "binary_crossentropy"
    dtype: Any = None
    from_logits: bool = False
    label_smoothing: float = 0.0


@dataclass(eq=False)
class CategoricalCrossentropy(MeanOfLoss):
    """The mean cross-entropy with one-hot targets."""

    loss: ClassVar[str] = "categorical_crossentropy"
    name: str | None = "categorical_crossentropy"
    dtype: Any = None
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class SparseCategoricalCrossentropy(MeanOfLoss):
    """The mean cross-entropy with indices as targets."""

    loss: ClassVar[str] = "sparse_categorical_crossentropy"
    name: str | None = "sparse_categorical_crossentropy"
    dtype: Any = None
    from_logits: bool = False
    axis: int = -1


@dataclass(eq=False)
class R2Score(Metric):
    """One minus the squared error over that of the mean; 1 is perfect, 0 no better than the mean.

    class_aggregation: "uniform_average", "variance_weighted_average" or None, one for each output. num_regressors: of the
    adjusted score, 0: plain.
    """

    class_aggregation: str | None = "uniform_average"
    num_regressors: int = 0
    name: str | None = "r2_score"
    dtype: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ConfigError(
                f"class_aggregation is 'uniform_average', 'variance_weighted_average' or None; got {self.class_aggregation!r}"
            )

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric. Sums of each output, double precision where the device has it, since they are subtracted."""
        truth, answer = (x.reshape(len(x), -1) for x in aligned(y_true.float(), y_pred.float()))
        kind = torch.float32 if truth.device.type == "mps" else torch.float64
        factor = factors(truth, weight, mask)
        factor = (torch.ones_like(truth) if factor is None else factor).to(kind)
        wide = truth.to(kind)
        return {
            "sum": (wide * factor).sum(0),
            "squares": (wide * wide * factor).sum(0),
            "errors": ((wide - answer.to(kind)).square() * factor).sum(0),
            "count": factor.sum(0),
            "size": wide.new_tensor(float(truth.numel())),
        }

    def finish(self, sums: Sums) -> Result:
        """See Metric. An output that never changes scores 0."""
        total = sums["squares"] - sums["sum"].square() / sums["count"].clamp(min=1e-12)
        score = torch.where(total > 0, 1.0 - sums["errors"] / torch.where(total > 0, total, 1.0), 0.0)
        if self.class_aggregation == "uniform_average":
            score = score.mean()
        elif self.class_aggregation == "variance_weighted_average":
            score = (score * total).sum() / total.sum()
        size = float(sums["size"])  # of all outputs together, as Keras counts
        if self.num_regressors and size - self.num_regressors - 1 > 0:
            score = 1.0 - (1.0 - score) * (size - 1.0) / (size - self.num_regressors - 1.0)
        return float(score) if not score.ndim else score.cpu().numpy()
