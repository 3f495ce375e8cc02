"""What a loss of the Keras-style face is: values that are not reduced, a sum with units, and Keras's scalar.

Unusual: a training adds up sums and units, so `total` gives both; the quotient is the number that Keras reports. Where the
network knows the logits of a softmax or sigmoid, cross-entropies read those (`ends`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.arguments import known
from deepwell.keras.loss_functions import both
from deepwell.keras.ops.conversion import convert_to_tensor
from deepwell.keras.ops.placing import on
from deepwell.losses.fitting import check_end, check_targets
from deepwell.losses.named import NAMED, NamedLoss
from deepwell.losses.reduction import along, total

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)
Function = Callable[[Any, Any], Any]


class Loss:
    """A loss of one's own: subclass it and write `call`.

    Attributes:
        name, reduction: as in Keras. ends: the activation whose logits `values` can use. coupled: whether examples of a batch
        depend on each other. keeps_places: whether it is known to give one loss for each place of an output, without the last
        axis.
    """

    ends: Literal["softmax", "sigmoid"] | None = None
    coupled = False
    keeps_places = False
    name: str | None
    reduction: str | None
    dtype: Any

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ConfigError(
                f"there is no reduction {reduction!r}{nearest(str(reduction), [r for r in REDUCTIONS if r])}"
            )
        self.name, self.reduction, self.dtype = name or snake(type(self).__name__), reduction, dtype or "float32"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each example: (n, ...) from float32 tensors (n, ..., units). To be written by a subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no method call(self, y_true, y_pred)")

    def values(
        self, y_true: Tensor, y_pred: Tensor, logits: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of each example, unreduced, float32, 0 where the mask is false.

        logits: what the activation `ends` made y_pred of; for other activations to be left out.
        """
        with on(y_pred.device):
            found = convert_to_tensor(self.call(y_true.float(), y_pred.float())).float()
        return found if mask is None or not found.ndim else torch.where(fitted(mask, found).bool(), found, 0.0)

    def counting(self, y_true: Tensor, y_pred: Tensor, mask: Tensor | None) -> Tensor | None:
        """Which places count in the mean: those of the mask, without those that the loss itself leaves out."""
        return mask

    def total(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor | None = None,
        logits: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The sum and what it is divided by: two scalars whose quotient is what Keras reports.

        Raises ConfigError for the reduction "none", which leaves nothing to train on.
        """
        if self.reduction in (None, "none"):
            raise ConfigError(
                f"the loss {self.name!r} has the reduction 'none'", repair="reduction='sum_over_batch_size'"
            )
        values = self.values(y_true, y_pred, logits, mask)
        if not values.ndim:  # one number for the batch, whatever is masked in it
            values, mask = values if sample_weight is None else values.expand(sample_weight.shape), None
        weights = None if sample_weight is None else fitted(sample_weight, values)
        mask = self.counting(y_true, y_pred, mask)
        seen = None if mask is None else fitted(mask, values)
        summed, units = total(values, weights=weights, mask=seen)
        if self.reduction == "sum":
            units = torch.ones_like(units)
        elif self.reduction == "mean_with_sample_weight" and weights is not None:
            units, _ = total(torch.ones_like(values), weights=weights, mask=seen)
        return summed, units

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The reduced loss: a scalar; unreduced for the reduction "none"."""
        truth, answer = both(y_true, y_pred)
        weights = None if sample_weight is None else convert_to_tensor(sample_weight).to(answer.device)
        if self.reduction in (None, "none"):
            values = self.values(truth, answer)
            if weights is None:
                return values
            return values * (fitted(weights, values).float() if values.ndim else weights.float())
        summed, units = self.total(truth, answer, weights)
        return torch.where(units == 0, 0.0, summed / torch.where(units == 0, 1.0, units))

    def check(self, targets: Any, width: int | None, activation: str | None, where: str) -> None:
        """Raise ConfigError or DataError where targets or the end of the network do not fit. See losses/fitting.py."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """A loss of these arguments."""
        return cls(**config)


class FunctionLoss(Loss):
    """A user's function (y_true, y_pred) -> losses of examples, or one number."""

    def __init__(
        self, function: Function, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        super().__init__(name or getattr(function, "__name__", None) or "loss", reduction)
        self.function = function

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """What the function gives."""
        return convert_to_tensor(self.function(y_true, y_pred))


@dataclass(eq=False)
class NamedLossObject(Loss):
    """An entry of the closed table of losses; the fields of a subclass are its settings."""

    entry: ClassVar[str]
    reduction: str | None = field(default="sum_over_batch_size", kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    dtype: Any = field(default=None, kw_only=True)

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Unknown arguments are refused with the nearest known one."""
        known(cls, named)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        own = "huber_loss" if self.entry == "huber" else self.entry  # so that logs read as Keras's do
        super().__init__(self.name or own, self.reduction, self.dtype)
        self.loss: NamedLoss = NAMED[self.entry]
        self.ends, self.coupled = self.loss.ends, self.loss.coupled
        self.settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if not f.kw_only}
        self.keeps_places = not self.coupled and self.settings.get("axis", -1) == -1

    def values(
        self, y_true: Tensor, y_pred: Tensor, logits: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """See Loss."""
        given = None if self.settings.get("from_logits") else logits
        return self.loss.values(y_true, y_pred, given, mask, self.settings)

    def counting(self, y_true: Tensor, y_pred: Tensor, mask: Tensor | None) -> Tensor | None:
        """See Loss."""
        return self.loss.counting(y_true, y_pred, mask, self.settings)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See Loss."""
        return self.values(y_true, y_pred)

    def check(self, targets: Any, width: int | None, activation: str | None, where: str) -> None:
        """See Loss."""
        check_end(self.loss, self.settings, activation, width, where)
        if targets is not None:
            check_targets(self.loss, self.settings, np.asarray(targets), width, where)

    def get_config(self) -> dict[str, Any]:
        """See Loss."""
        return {**super().get_config(), **self.settings}


def snake(name: str) -> str:
    """MeanSquaredError -> mean_squared_error, KLDivergence -> kl_divergence."""
    ends = [
        i for i in range(1, len(name)) if name[i].isupper() and (name[i - 1].islower() or name[i + 1 : i + 2].islower())
    ]
    parts = [name[a:b] for a, b in zip([0, *ends], [*ends, len(name)], strict=True)]
    return "_".join(parts).lower()


def fitted(leading: Tensor, values: Tensor) -> Tensor:
    """Weights or a mask in the axes of values; a last axis of 1 too many is left out."""
    if leading.ndim == values.ndim + 1 and leading.shape[-1] == 1:
        leading = leading.squeeze(-1)
    return along(leading, values)
