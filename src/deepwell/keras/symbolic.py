"""KerasTensor: a value that is not there yet, of which a functional model is made; and nests of values (lists, dicts).

Unusual: torch functions that are given a KerasTensor, operators included, become layers of the model (Lambda), so that whatever
is thin over torch also works while a model is being written down.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepwell.core.errors import ConfigError

if TYPE_CHECKING:
    from deepwell.keras.layer import Layer

Shape = tuple[int | None, ...]
NUMBERS = (bool, int, float, np.generic, np.ndarray, torch.Tensor)


@dataclass(frozen=True)
class Slot:
    """The place of a value in a nest."""

    index: int


@dataclass(eq=False)
class Call:
    """One call of a layer on symbolic values: a node of the models that it is part of.

    key: what the layer is called in a graph; it differs from the layer's name where one layer is called in several forms.
    """

    layer: Layer
    values: tuple[KerasTensor, ...]
    key: str
    block: Any = None
    training: bool | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[KerasTensor, ...] = ()
    number: int = 0
    """Which call of the layer it is, for `Connected to` of a summary."""


OPERATORS: Mapping[Any, Callable[..., Any]] = {
    np.add: torch.add, np.subtract: torch.sub, np.multiply: torch.mul, np.divide: torch.true_divide, np.power: torch.pow,
    np.floor_divide: torch.floor_divide, np.remainder: torch.remainder, np.matmul: torch.matmul,
    np.greater: torch.gt, np.greater_equal: torch.ge, np.less: torch.lt, np.less_equal: torch.le,
    np.equal: torch.eq, np.not_equal: torch.ne,
}  # fmt: skip
"""What numpy calls for an operator whose left side is an array -> torch's function."""


class KerasTensor:
    """A value of a functional model. shape: with the axis of examples, None where only the data know. dtype: a name.

    masked: whether a mask comes with it.
    """

    def __init__(self, shape: Shape, dtype: str = "float32", name: str = "keras_tensor") -> None:
        self.shape, self.dtype, self.name = tuple(shape), dtype, name
        self.call: Call | None = None
        self.index = 0
        self.masked = False

    @property
    def ndim(self) -> int:
        """How many axes it has, that of the examples included."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __bool__(self) -> bool:
        raise ConfigError(
            "a symbolic value has no truth: its numbers are not there while a functional model is written down",
            repair="put the condition into a custom Layer's call, where the numbers are there",
        )

    def __iter__(self) -> Iterator[Any]:
        raise ConfigError("a symbolic value cannot be walked through; take parts of it by index, such as x[:, 0]")

    def __array_ufunc__(
        self, ufunc: Any, method: str, *values: Any, axis: Any = None, dtype: Any = None, out: Any = None,
        keepdims: Any = None, initial: Any = None, where: Any = None,
    ) -> Any:  # fmt: skip
        """An operator with an array on its left; other functions of numpy want numbers, whatever else they say."""
        if method == "__call__" and ufunc in OPERATORS:
            return applied(OPERATORS[ufunc], list(values))
        return self.__array__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise ConfigError(
            "a symbolic value is no array: its numbers are not there while a functional model is written down",
            repair="use keras.ops instead of numpy, or do it in the `call` of a layer of your own",
        )

    def __eq__(self, other: Any) -> Any:
        """With a number or an array: a layer that compares. Two symbolic values are equal if they are the same one."""
        return applied(torch.eq, [self, other]) if isinstance(other, NUMBERS) else self is other

    def __ne__(self, other: Any) -> Any:
        return applied(torch.ne, [self, other]) if isinstance(other, NUMBERS) else self is not other

    __hash__ = object.__hash__

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """A torch function becomes a layer."""
        return applied(function, list(args), dict(kwargs or {}))

    def __add__(self, other: Any) -> Any:
        return _joined("Add", torch.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _joined("Add", torch.add, self, other)

    def __sub__(self, other: Any) -> Any:
        return _joined("Subtract", torch.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return applied(torch.rsub, [self, other])

    def __mul__(self, other: Any) -> Any:
        return _joined("Multiply", torch.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _joined("Multiply", torch.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        return applied(torch.true_divide, [self, other])

    def __rtruediv__(self, other: Any) -> Any:
        return applied(operator.truediv, [other, self])

    def __pow__(self, other: Any) -> Any:
        return applied(torch.pow, [self, other])

    def __floordiv__(self, other: Any) -> Any:
        return applied(torch.floor_divide, [self, other])

    def __rfloordiv__(self, other: Any) -> Any:
        return applied(operator.floordiv, [other, self])

    def __mod__(self, other: Any) -> Any:
        return applied(torch.remainder, [self, other])

    def __rmod__(self, other: Any) -> Any:
        return applied(torch.remainder, [other, self])

    def __rpow__(self, other: Any) -> Any:
        return applied(torch.pow, [other, self])

    def __gt__(self, other: Any) -> Any:
        return applied(torch.gt, [self, other])

    def __ge__(self, other: Any) -> Any:
        return applied(torch.ge, [self, other])

    def __lt__(self, other: Any) -> Any:
        return applied(torch.lt, [self, other])

    def __le__(self, other: Any) -> Any:
        return applied(torch.le, [self, other])

    def __and__(self, other: Any) -> Any:
        return applied(torch.logical_and, [self, other])

    def __or__(self, other: Any) -> Any:
        return applied(torch.logical_or, [self, other])

    def __invert__(self) -> Any:
        return applied(torch.logical_not, [self])

    def __abs__(self) -> Any:
        return applied(torch.abs, [self])

    def __neg__(self) -> Any:
        return applied(torch.neg, [self])

    def __matmul__(self, other: Any) -> Any:
        return applied(torch.matmul, [self, other])

    def __rmatmul__(self, other: Any) -> Any:
        return applied(torch.matmul, [other, self])

    def __getitem__(self, key: Any) -> Any:
        return applied(operator.getitem, [self, key])


def applied(function: Callable[..., Any], args: list[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """A function over a nest with symbolic values, as a layer that is called on them."""
    from deepwell.keras import calling
    from deepwell.keras.own import Function

    given = mapped([args, dict(keywords or {})], (np.generic,), lambda v: v.item())
    return calling.noted(Function(function), given, {})


def _joined(kind: str, function: Callable[..., Any], one: KerasTensor, other: Any) -> Any:
    """Two values of the same number of axes: the layer, which can be sealed; as an operator it gives no mask, as in Keras."""
    if isinstance(other, KerasTensor) and other.ndim == one.ndim:
        from deepwell.keras import layers

        return getattr(layers, kind)()([one, other], without_mask=True)
    return applied(function, [one, other])


# nests ---------------------------------------------------------------------------------------------------------------
def flat(nest: Any, kinds: tuple[type, ...]) -> list[Any]:
    """The values of these kinds in lists, tuples and dicts, from left to right."""
    if isinstance(nest, kinds):
        return [nest]
    if isinstance(nest, list | tuple):
        return [v for part in nest for v in flat(part, kinds)]
    if isinstance(nest, Mapping):
        return [v for part in nest.values() for v in flat(part, kinds)]
    return []


def symbolic(nest: Any) -> list[KerasTensor]:
    """The symbolic values of a nest."""
    return flat(nest, (KerasTensor,))


def mapped(nest: Any, kinds: tuple[type, ...], function: Callable[[Any], Any]) -> Any:
    """The nest with its values of these kinds replaced."""
    if isinstance(nest, kinds):
        return function(nest)
    if isinstance(nest, list):
        return [mapped(part, kinds, function) for part in nest]
    if isinstance(nest, tuple):
        return tuple(mapped(part, kinds, function) for part in nest)
    if isinstance(nest, Mapping):
        return {name: mapped(part, kinds, function) for name, part in nest.items()}
    return nest


def slotted(nest: Any, kinds: tuple[type, ...]) -> Any:
    """The nest with numbered places instead of its values."""
    places = iter(range(len(flat(nest, kinds))))
    return mapped(nest, kinds, lambda _: Slot(next(places)))


def filled(nest: Any, values: Sequence[Any]) -> Any:
    """The nest with values in its places."""
    return mapped(nest, (Slot,), lambda slot: values[slot.index])
