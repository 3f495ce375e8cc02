"""Losses as functions by Keras's names: (y_true, y_pred) -> one loss for each example, not reduced.

The formulas stand in losses/; here are the names and the arguments, and arrays of any kind may be given. y_true, y_pred:
(n, ..., units); what comes out lacks the last axis. Raises ConfigError for shapes that do not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from deepwell.keras.ops.conversion import convert_to_tensor, floating
from deepwell.losses.named import NAMED


def both(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Targets and answers as tensors on the answers' device; answers are floats, and targets of yes and no are 1 and 0."""
    answer = floating(y_pred)
    truth = convert_to_tensor(y_true).to(answer.device)
    return truth.to(torch.uint8) if truth.dtype == torch.bool else truth, answer


def _values(name: str, y_true: Any, y_pred: Any, settings: Mapping[str, Any]) -> Tensor:
    return NAMED[name].values(*both(y_true, y_pred), settings=settings)


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of (y_true - y_pred)^2 over the last axis."""
    return _values("mean_squared_error", y_true, y_pred, {})


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of |y_true - y_pred| over the last axis."""
    return _values("mean_absolute_error", y_true, y_pred, {})


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of 100 |y_true - y_pred| / |y_true| over the last axis."""
    return _values("mean_absolute_percentage_error", y_true, y_pred, {})


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of (ln(1 + y_true) - ln(1 + y_pred))^2 over the last axis."""
    return _values("mean_squared_logarithmic_error", y_true, y_pred, {})


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Mean over the last axis of squares near 0 and distances beyond delta."""
    return _values("huber", y_true, y_pred, {"delta": delta})


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of ln cosh(y_pred - y_true) over the last axis."""
    return _values("log_cosh", y_true, y_pred, {})


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of y_pred - y_true ln y_pred over the last axis."""
    return _values("poisson", y_true, y_pred, {})


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between both."""
    return _values("cosine_similarity", y_true, y_pred, {"axis": axis})


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of max(0, 1 - y_true y_pred) over the last axis; y_true -1 and 1, or 0 and 1."""
    return _values("hinge", y_true, y_pred, {})


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Mean of max(0, 1 - y_true y_pred)^2 over the last axis."""
    return _values("squared_hinge", y_true, y_pred, {})


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(0, 1 + best wrong score - right score); y_true one-hot."""
    return _values("categorical_hinge", y_true, y_pred, {})


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Sum of y_true ln(y_true / y_pred) over the last axis."""
    return _values("kl_divergence", y_true, y_pred, {})


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """-sum of y_true ln y_pred over the axis; y_true one-hot."""
    settings = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return _values("categorical_crossentropy", y_true, y_pred, settings)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """-sum of alpha (1 - y_pred)^gamma y_true ln y_pred over the axis."""
    settings = {
        "alpha": alpha, "gamma": gamma, "from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis
    }  # fmt: skip
    return _values("categorical_focal_crossentropy", y_true, y_pred, settings)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """-ln of the probability of the class whose index y_true is: (n, ...)."""
    settings = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
    return _values("sparse_categorical_crossentropy", y_true, y_pred, settings)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """Mean of -y_true ln y_pred - (1 - y_true) ln(1 - y_pred) over the axis."""
    settings = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return _values("binary_crossentropy", y_true, y_pred, settings)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """binary_crossentropy in which easy questions count less, mean over the last axis."""
    settings = {
        "apply_class_balancing": apply_class_balancing, "alpha": alpha, "gamma": gamma, "from_logits": from_logits,
        "label_smoothing": label_smoothing,
    }  # fmt: skip
    return _values("binary_focal_crossentropy", y_true, y_pred, settings)


def dice(y_true: Any, y_pred: Any, axis: Sequence[int] | int | None = None) -> Tensor:
    """1 - 2 sum(y_true y_pred) / (sum y_true + sum y_pred) over the axes, all for None."""
    return _values("dice", y_true, y_pred, {"axis": axis})


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Sequence[int] | int | None = None
) -> Tensor:
    """dice, in which what was missed and what was wrongly found have weights of their own."""
    return _values("tversky", y_true, y_pred, {"alpha": alpha, "beta": beta, "axis": axis})
