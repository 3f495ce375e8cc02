"""Shares of right answers, by Keras's names. Means over examples and places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.loss_functions import both
from deepwell.keras.metrics.base import MeanOfValues, aligned


@dataclass(eq=False)
class Accuracy(MeanOfValues):
    """How often y_pred is y_true."""

    name: str | None = "accuracy"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        truth, answer = aligned(y_true, y_pred)
        return (truth == answer).float()


@dataclass(eq=False)
class BinaryAccuracy(MeanOfValues):
    """How often y_pred > threshold is y_true."""

    name: str | None = "binary_accuracy"
    dtype: Any = None
    threshold: float = 0.5

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return binary_accuracy(y_true, y_pred, self.threshold)


@dataclass(eq=False)
class CategoricalAccuracy(MeanOfValues):
    """How often the highest y_pred stands where the highest y_true does."""

    name: str | None = "categorical_accuracy"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return categorical_accuracy(y_true, y_pred)


@dataclass(eq=False)
class SparseCategoricalAccuracy(MeanOfValues):
    """How often the highest y_pred stands at the index y_true."""

    name: str | None = "sparse_categorical_accuracy"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return sparse_categorical_accuracy(y_true, y_pred)


@dataclass(eq=False)
class TopKCategoricalAccuracy(MeanOfValues):
    """How often the highest y_true is among the k highest of y_pred."""

    k: int = 5
    name: str | None = "top_k_categorical_accuracy"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return top_k_categorical_accuracy(y_true, y_pred, self.k)


@dataclass(eq=False)
class SparseTopKCategoricalAccuracy(MeanOfValues):
    """How often the index y_true is among the k highest of y_pred."""

    k: int = 5
    name: str | None = "sparse_top_k_categorical_accuracy"
    dtype: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        return sparse_top_k_categorical_accuracy(y_true, y_pred, self.k)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where y_pred > threshold is y_true, else 0."""
    truth, answer = aligned(*both(y_true, y_pred))
    return (
        ((answer > threshold) == truth).float() if truth.dtype.is_floating_point else _equal(answer > threshold, truth)
    )


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where both are highest at the same place, else 0: (n, ...)."""
    truth, answer = aligned(*both(y_true, y_pred))
    return (truth.argmax(-1) == answer.argmax(-1)).float()


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where y_pred is highest at the index y_true, else 0: (n, ...)."""
    truth, answer = _indices(*both(y_true, y_pred))
    return _equal(answer.argmax(-1), truth)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where fewer than k of y_pred are higher than the one at the highest y_true, else 0."""
    truth, answer = aligned(*both(y_true, y_pred))
    return _within(truth.argmax(-1), answer, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where fewer than k of y_pred are higher than the one at the index y_true, else 0."""
    truth, answer = _indices(*both(y_true, y_pred))
    return _within(truth.long(), answer, k)


def _equal(one: Tensor, other: Tensor) -> Tensor:
    return (one.to(other.dtype) == other).float()


def _within(index: Tensor, answer: Tensor, k: int) -> Tensor:
    chosen = answer.take_along_dim(index.unsqueeze(-1), -1)
    return ((answer > chosen).sum(-1) < k).float()


def _indices(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Indices without a last axis. Raises ConfigError where they do not fit."""
    index = y_true.squeeze(-1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    if index.shape != y_pred.shape[:-1]:
        raise ConfigError(
            f"indices of classes of shape {tuple(y_true.shape)} do not fit answers of shape {tuple(y_pred.shape)}",
            repair="one-hot targets need categorical_accuracy, or 'accuracy'",
        )
    return index, y_pred
