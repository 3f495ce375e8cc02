"""What a metric of the Keras-style face is: sums that add up over batches on the device, and a finish on the host.

Unusual: nothing is kept inside a metric while a model is trained: the engine adds up what `sums` gives and asks `finish` once.
The face that users know (`update_state`, `result`, `reset_state`) does the same with sums of its own. A subclass that brings
its own update_state and result is kept as it is.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.arguments import known
from deepwell.keras.loss_base import fitted, snake
from deepwell.keras.loss_functions import both
from deepwell.keras.ops.conversion import Dtype, convert_to_tensor, torch_dtype
from deepwell.keras.ops.placing import on

Sums = Mapping[str, Tensor]
Result = float | NDArray[np.float64]
"""One number, or one for each class or threshold."""


class Variable(Tensor):
    """A tensor that a metric of one's own remembers; `assign`, `assign_add` and `assign_sub` change it in place."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # what is computed is plain

    def assign(self, value: Any) -> Variable:
        """Take over a value of the same shape."""
        with torch.no_grad():
            self.copy_(convert_to_tensor(value))
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add a value."""
        return self.assign(torch.add(self, convert_to_tensor(value).detach().to(self.device)))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract a value."""
        return self.assign(torch.sub(self, convert_to_tensor(value).detach().to(self.device)))

    @property
    def value(self) -> Tensor:
        """The numbers as they are now."""
        return self.detach().clone()


class Metric:
    """A measure. Either write `sums` and `finish`, or as in Keras `update_state` and `result` over variables of one's own.

    Attributes:
        name: what it is called in logs.
    """

    name: str | None
    dtype: Any

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Unknown arguments are refused with the nearest known one."""
        known(cls, named)
        return super().__new__(cls)

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name, self.dtype = name or snake(type(self).__name__), dtype or "float32"
        self._variables: list[tuple[Variable, Tensor]] = []
        self._sums: dict[str, Tensor] = {}

    def __post_init__(self) -> None:
        Metric.__init__(self, self.dtype, self.name)

    @property
    def keeps_state(self) -> bool:
        """Whether it keeps its state itself, so that it has to be asked batch by batch."""
        return type(self).update_state is not Metric.update_state

    @property
    def variables(self) -> list[Variable]:
        """What add_variable made."""
        return [variable for variable, _ in self._variables]

    def add_variable(
        self,
        shape: Sequence[int] = (),
        initializer: Any = None,
        dtype: Dtype = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Something to remember. initializer: "zeros" (None too), "ones" or a function (shape) -> values. aggregation: unused."""
        if isinstance(initializer, str) and initializer not in ("zeros", "ones"):
            raise ConfigError(f"a metric's variable begins with 'zeros' or 'ones'; got {initializer!r}")
        start = torch.full(tuple(shape), float(initializer == "ones"), dtype=torch_dtype(dtype) or torch.float32)
        if callable(initializer):
            start = start + convert_to_tensor(initializer(tuple(shape)))
        variable = torch.Tensor._make_subclass(Variable, start.clone())
        self._variables.append((variable, start))
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Dtype = None, name: str | None = None
    ) -> Variable:
        """The old name of add_variable; a name may stand where the shape is."""
        return self.add_variable(() if isinstance(shape, str) else shape, initializer, dtype, name=name)

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What adds up over batches: name -> tensor of a fixed shape, on the device, float32.

        weight, mask: leading axes of y_pred; what is masked out does not count.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither sums and finish nor update_state and result")

    def finish(self, sums: Sums) -> Result:
        """The measure from added sums; 0 where nothing counted."""
        raise NotImplementedError(f"{type(self).__name__} has no method finish(self, sums)")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        truth, answer = both(y_true, y_pred)
        weight = None if sample_weight is None else convert_to_tensor(sample_weight).to(answer.device)
        with torch.no_grad():
            for name, value in self.sums(truth, answer, weight).items():
                self._sums[name] = self._sums[name] + value if name in self._sums else value

    def result(self) -> Tensor:
        """The measure of all batches since the last reset; 0 where there were none."""
        return torch.as_tensor(self.finish(self._sums) if self._sums else 0.0, dtype=torch.float32)

    def reset_state(self) -> None:
        """Forget all batches."""
        self._sums = {}
        for variable, start in self._variables:
            variable.assign(start)

    def __call__(self, *batch: Any, sample_weight: Any = None) -> Any:
        """Add a batch and give the measure so far."""
        update: Callable[..., None] = self.update_state
        update(*batch, sample_weight=sample_weight)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        if dataclasses.is_dataclass(self):
            return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """A metric of these arguments."""
        return cls(**config)


class MeanOfValues(Metric):
    """The weighted mean of one value for each example (and each place of it)."""

    @abstractmethod
    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One value for each example: (n, ...)."""

    def sums(
        self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See Metric."""
        return mean_sums(self.values(y_true, y_pred), weight, mask)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        return mean(sums)


class MeanMetricWrapper(MeanOfValues):
    """The mean of a function (y_true, y_pred) -> values."""

    def __init__(self, fn: Callable[[Any, Any], Any], name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name or getattr(fn, "__name__", None))
        self._function = fn

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See MeanOfValues."""
        with on(y_pred.device):
            return convert_to_tensor(self._function(y_true.float(), y_pred)).float()

    def get_config(self) -> dict[str, Any]:
        """Raises ConfigError: a function is no data."""
        raise ConfigError(f"the metric {self.name!r} is code of your own and cannot be written down as data")


class Mean(Metric):
    """The weighted mean of values that are handed over: `update_state(values, sample_weight)`."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values."""
        found = convert_to_tensor(values).detach().float()
        weight = None if sample_weight is None else convert_to_tensor(sample_weight)
        for name, value in mean_sums(found, weight, None).items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        return mean(sums)


class Sum(Mean):
    """The weighted sum of values that are handed over."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def finish(self, sums: Sums) -> Result:
        """See Metric."""
        return float(sums["total"])


def mean_sums(values: Tensor, weight: Tensor | None, mask: Tensor | None) -> dict[str, Tensor]:
    """`total`, the weighted sum of values, and `count`, the sum of the weights."""
    factor = factors(values, weight, mask)
    if factor is None:
        return {"total": values.sum(), "count": values.new_tensor(float(values.numel()))}
    return {"total": torch.where(factor == 0, 0.0, values * factor).sum(), "count": factor.sum()}


def mean(sums: Sums) -> float:
    """total / count; 0 where nothing counted."""
    count = float(sums["count"])
    return float(sums["total"]) / count if count else 0.0


def factors(values: Tensor, weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """What each value counts, in values' shape; None where each counts 1."""
    if not values.ndim or (weight is None and mask is None):
        return None if weight is None or weight.ndim else weight.float()
    factor = torch.ones_like(values, dtype=torch.float32)
    for given in (weight, mask):
        if given is not None:
            factor = factor * fitted(given, values).float()
    return factor


def aligned(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Both of one shape; a last axis of 1 may be missing in one. Raises ConfigError for other shapes."""
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        y_true = y_true.unsqueeze(-1)
    elif y_pred.ndim + 1 == y_true.ndim and y_true.shape[-1] == 1:
        y_pred = y_pred.unsqueeze(-1)
    if y_true.shape != y_pred.shape:
        raise ConfigError(f"targets of shape {tuple(y_true.shape)} do not fit answers of shape {tuple(y_pred.shape)}")
    return y_true, y_pred
