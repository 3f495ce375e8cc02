"""KerasTensor: a value that is not there yet, of which a functional model is made; and nests of values (lists, dicts).

Unusual: torch functions that are given a KerasTensor, operators included, become layers of the model (Lambda), so that whatever
is thin over torch also works while a model is being written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepwell.core.errors import ConfigError

if TYPE_CHECKING:
    from deepwell.keras.layer import Layer

Shape = tuple[int | None, ...]


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


class KerasTensor:
    """A value of a functional model. shape: with the axis of examples, None where only the data know. dtype: a name."""

    def __init__(self, shape: Shape, dtype: str = "float32", name: str = "keras_tensor") -> None:
        self.shape, self.dtype, self.name = tuple(shape), dtype, name
        self.call: Call | None = None
        self.index = 0

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
        return applied(_divided, [other, self])

    def __pow__(self, other: Any) -> Any:
        return applied(torch.pow, [self, other])

    def __neg__(self) -> Any:
        return applied(torch.neg, [self])

    def __matmul__(self, other: Any) -> Any:
        return applied(torch.matmul, [self, other])

    def __getitem__(self, key: Any) -> Any:
        return applied(_part, [self, key])


def applied(function: Callable[..., Any], args: list[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """A function over a nest with symbolic values, as a layer that is called on them."""
    from deepwell.keras.own import Function

    nest = mapped((args, dict(keywords or {})), (np.ndarray,), lambda v: torch.as_tensor(v, dtype=torch.float32))
    return Function(function, nest)(symbolic(nest))


def _joined(kind: str, function: Callable[..., Any], one: KerasTensor, other: Any) -> Any:
    if isinstance(other, KerasTensor):
        from deepwell.keras import layers

        return getattr(layers, kind)()([one, other])
    return applied(function, [one, other])


def _divided(one: Any, other: Any) -> Any:
    return one / other


def _part(values: Any, key: Any) -> Any:
    return values[key]


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
