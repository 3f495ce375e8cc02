"""Losses by the names and settings of Keras: a closed table, shared by whoever knows a loss only by its name.

Unusual: nothing is reduced. `NAMED[name].values(truth, answer)` gives a loss for each example (and each place of it), float32.
The settings are plain values by Keras's names, so a table entry and its settings can be written as JSON. Where the network has
the logits of an answer that ends in softmax or sigmoid, cross-entropies read those and stay exact at extreme values.

Legend: n examples, K classes on the last axis. truth comes first, as in Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.errors import ConfigError, nearest
from deepwell.losses import focal, likelihood, margins, numbers, sets, similarity
from deepwell.losses.reduction import along

Settings = Mapping[str, Any]
_NONE: Settings = MappingProxyType({})


@dataclass(frozen=True)
class NamedLoss:
    """One entry of the table.

    function: (truth, answer, *, settings...) -> values; those of a cross-entropy take `logits` too. truth: "numbers" of the
    answer's shape, "classes": index of a class, without the last axis or with 1 on it. ends: the activation whose logits it
    reads, None: none. coupled: examples of a batch depend on each other, so it must not be cut into micro-batches.
    """

    name: str
    function: Callable[..., Tensor]
    truth: Literal["numbers", "classes"] = "numbers"
    ends: Literal["softmax", "sigmoid"] | None = None
    coupled: bool = False

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its settings and their defaults."""
        parameters = list(inspect.signature(self.function).parameters.values())[2:]
        return {p.name: p.default for p in parameters if p.name != "logits"}

    def values(
        self,
        truth: Tensor,
        answer: Tensor,
        logits: Tensor | None = None,
        mask: Tensor | None = None,
        settings: Settings = _NONE,
    ) -> Tensor:
        """The loss of each example: (n, ...), float32, 0 where the mask is false; a scalar where examples are coupled.

        truth: the answer's shape, or without its last axis where that is 1. logits: what the softmax or sigmoid named by
        `ends` made the answer of. mask: leading axes of the answer, true where it counts. Raises ConfigError for shapes
        that do not fit and for unknown settings.
        """
        self.known(settings)
        truth, answer = self.fitted(truth, answer)
        given = {} if logits is None or self.ends is None else {"logits": logits.reshape(answer.shape)}
        if mask is not None and self.coupled:
            kept = along(mask, answer)
            truth, answer, mask = truth * kept, answer * kept, None
        values: Tensor = self.function(truth, answer, **settings, **given)
        if mask is None:
            return values
        if mask.ndim == values.ndim + 1 and mask.shape[-1] == 1:
            mask = mask.squeeze(-1)
        return torch.where(along(mask, values).bool(), values, 0.0)

    def counting(self, truth: Tensor, answer: Tensor, mask: Tensor | None, settings: Settings) -> Tensor | None:
        """The mask without the places whose target is `ignore_class`, which Keras leaves out of the mean too."""
        ignored = settings.get("ignore_class")
        if ignored is None:
            return mask
        counts = self.fitted(truth, answer)[0].ne(ignored)
        if mask is None:
            return counts
        leading = mask.squeeze(-1) if mask.ndim == counts.ndim + 1 and mask.shape[-1] == 1 else mask
        return along(leading, counts).bool().logical_and(counts)

    def known(self, settings: Settings) -> None:
        """Raise ConfigError for a setting that the loss does not have."""
        for name in settings:
            if name not in self.settings:
                raise ConfigError(f"{self.name} has no setting {name!r}{nearest(name, self.settings)}")

    def fitted(self, truth: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Both in shapes that can be compared. Raises ConfigError where that needs a guess."""
        if self.truth == "classes":
            if truth.ndim == answer.ndim and truth.ndim and truth.shape[-1] == 1:
                truth = truth.squeeze(-1)
            fits = truth.shape == answer.shape[:-1]
        else:
            if truth.ndim + 1 == answer.ndim and answer.shape[-1] == 1:
                truth = truth.unsqueeze(-1)
            elif answer.ndim + 1 == truth.ndim and truth.shape[-1] == 1:
                answer = answer.unsqueeze(-1) if answer.ndim == 1 else answer
                truth = truth if answer.ndim == truth.ndim else truth.squeeze(-1)
            fits = truth.shape == answer.shape
        if not fits:
            raise ConfigError(
                f"{self.name}: targets of shape {tuple(truth.shape)} do not fit answers of shape {tuple(answer.shape)}",
                repair=repair(self, truth.shape, answer.shape[-1] if answer.ndim else 1),
            )
        return truth, answer


def repair(loss: NamedLoss, truth: Sequence[int], width: int) -> str:
    """What can be done about targets of this shape that do not fit an output of `width` units."""
    if loss.truth == "classes":
        if truth and truth[-1] == width:
            return "one-hot targets need categorical_crossentropy; this loss takes the index of the class"
        return "give the index of the class for each place of the output"
    if len(truth) > 1 and truth[-1] not in (1, width):
        return f"give the last layer {truth[-1]} units, or the targets {width} numbers each"
    if loss.ends == "softmax":
        return f"labels that are indices need sparse_categorical_crossentropy, or to_categorical(y, {width})"
    return f"give targets of shape (n, ...) whose last axis is the {width} units of the output, or change the output"


def mean_squared_error(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of squares over the last axis."""
    return _mean(numbers.squared(answer, truth))


def mean_absolute_error(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of absolute differences over the last axis."""
    return _mean(numbers.absolute(answer, truth))


def mean_absolute_percentage_error(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of percentages over the last axis."""
    return _mean(numbers.percentage(answer, truth))


def mean_squared_logarithmic_error(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of squared differences of ln(1 + x) over the last axis."""
    return _mean(numbers.squared_logarithmic(answer, truth))


def huber(truth: Tensor, answer: Tensor, *, delta: float = 1.0) -> Tensor:
    """Mean of Huber's loss over the last axis."""
    return _mean(numbers.huber(answer, truth, delta=delta))


def log_cosh(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of ln cosh over the last axis."""
    return _mean(numbers.log_cosh(answer, truth))


def poisson(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean of rate - count ln rate over the last axis."""
    return _mean(numbers.poisson(answer, truth))


def cosine_similarity(truth: Tensor, answer: Tensor, *, axis: int = -1) -> Tensor:
    """Minus the cosine, so that alike is less."""
    return -similarity.cosine(answer, truth, axis)


def hinge(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean hinge over the last axis; targets -1 and 1, or 0 and 1."""
    return _mean(margins.hinge(answer, margins.signs(truth)))


def squared_hinge(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean squared hinge over the last axis; targets -1 and 1, or 0 and 1."""
    return _mean(margins.squared_hinge(answer, margins.signs(truth)))


def categorical_hinge(truth: Tensor, answer: Tensor) -> Tensor:
    """Hinge between the right score and the best wrong one; one-hot targets."""
    return margins.categorical_hinge(answer, truth)


def kl_divergence(truth: Tensor, answer: Tensor) -> Tensor:
    """Divergence of distributions on the last axis."""
    return likelihood.divergence(answer, truth)


def categorical_crossentropy(
    truth: Tensor,
    answer: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    logits: Tensor | None = None,
) -> Tensor:
    """Cross-entropy with targets that are distributions, such as one-hot."""
    log_p = _log_p(answer, from_logits, axis, logits)
    return likelihood.dense(log_p, truth.movedim(axis, -1), smoothing=label_smoothing)


def categorical_focal_crossentropy(
    truth: Tensor,
    answer: Tensor,
    *,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    logits: Tensor | None = None,
) -> Tensor:
    """Focal cross-entropy with targets that are distributions."""
    log_p = _log_p(answer, from_logits, axis, logits)
    each = alpha if isinstance(alpha, float | int) else torch.tensor(alpha, device=answer.device)
    return focal.categorical(log_p, truth.movedim(axis, -1), gamma=gamma, alpha=each, smoothing=label_smoothing)


def sparse_categorical_crossentropy(
    truth: Tensor,
    answer: Tensor,
    *,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
    logits: Tensor | None = None,
) -> Tensor:
    """Cross-entropy with targets that are indices; 0 where the target is `ignore_class`."""
    log_p = _log_p(answer, from_logits, axis, logits)
    if ignore_class is None:
        return likelihood.sparse(log_p, truth)
    counts = truth != ignore_class
    return torch.where(counts, likelihood.sparse(log_p, torch.where(counts, truth, 0)), 0.0)


def binary_crossentropy(
    truth: Tensor,
    answer: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    logits: Tensor | None = None,
) -> Tensor:
    """Mean over the axis of yes/no questions."""
    wide = answer if from_logits else logits
    if wide is None:
        return likelihood.binary_of_probabilities(answer, truth, smoothing=label_smoothing).mean(axis)
    return likelihood.binary(wide, truth, smoothing=label_smoothing).mean(axis)


def binary_focal_crossentropy(
    truth: Tensor,
    answer: Tensor,
    *,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    logits: Tensor | None = None,
) -> Tensor:
    """Mean over the last axis of yes/no questions, of which the easy ones count less."""
    asked = (1.0 - label_smoothing) * truth.float() + label_smoothing / 2
    wide = answer if from_logits else logits
    p = answer.float() if wide is None else wide.float().sigmoid()
    loss = likelihood.binary_of_probabilities(p, asked) if wide is None else likelihood.binary(wide, asked)
    return focal.binary(loss, p, asked, gamma=gamma, alpha=alpha if apply_class_balancing else None).mean(-1)


def dice(truth: Tensor, answer: Tensor, *, axis: Sequence[int] | int | None = None) -> Tensor:
    """One minus Dice's coefficient over the axes; all of them, the batch too, for None."""
    return sets.soft_dice(answer, truth, axis)


def tversky(
    truth: Tensor, answer: Tensor, *, alpha: float = 0.5, beta: float = 0.5, axis: Sequence[int] | int | None = None
) -> Tensor:
    """One minus Tversky's index; alpha weighs what was missed, beta what was wrongly found, as Keras computes it."""
    return sets.tversky(answer, truth, axis, missed=alpha, wrong=beta)


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1) if values.ndim else values


def _log_p(answer: Tensor, from_logits: bool, axis: int, logits: Tensor | None) -> Tensor:
    """ln of the probabilities, classes on the last axis."""
    wide = answer if from_logits else logits
    if wide is None:
        return likelihood.log_probabilities(answer.movedim(axis, -1))
    return functional.log_softmax(wide.float().movedim(axis, -1), dim=-1)


NAMED: Mapping[str, NamedLoss] = {
    loss.name: loss
    for loss in (
        *(
            NamedLoss(function.__name__, function)
            for function in (
                mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error,
                huber, log_cosh, poisson, cosine_similarity, hinge, squared_hinge, categorical_hinge, kl_divergence,
            )
        ),
        NamedLoss("categorical_crossentropy", categorical_crossentropy, ends="softmax"),
        NamedLoss("categorical_focal_crossentropy", categorical_focal_crossentropy, ends="softmax"),
        NamedLoss("sparse_categorical_crossentropy", sparse_categorical_crossentropy, "classes", "softmax"),
        NamedLoss("binary_crossentropy", binary_crossentropy, ends="sigmoid"),
        NamedLoss("binary_focal_crossentropy", binary_focal_crossentropy, ends="sigmoid"),
        NamedLoss("dice", dice, coupled=True),
        NamedLoss("tversky", tversky, coupled=True),
    )
}  # fmt: skip
"""Name -> loss."""
