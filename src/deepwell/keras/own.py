"""Layers of one's own in a model: a user's Layer, a function (Lambda), a torch module.

Unusual: what comes out of such a layer is found out by running it on two small inputs of zeros of different sizes; an axis that
differs is one that only the data know. It trains like any other; it cannot be sealed, since a sealed model holds no code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras import calling
from deepwell.keras.layer import Layer
from deepwell.keras.symbolic import KerasTensor, filled, flat, slotted, symbolic
from deepwell.nn.blocks.base import Block, Shape

PROBES = ((2, 8), (3, 12))
"""Examples, and the length of an axis that only the data know, of the two runs."""


@dataclass(frozen=True)
class Outcome:
    """What comes out: shapes without the axis of examples, types, and the nest they stand in."""

    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    nest: Any


@dataclass(frozen=True)
class Own(Block):
    """A layer that is code. template: the nest of its call, with places for values. dtypes: of these values."""

    layer: Any
    template: Any
    dtypes: tuple[str, ...] = ()
    found: dict[tuple[Shape, ...], Outcome] = field(default_factory=dict, compare=False, repr=False)

    values = (0, None)

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        return self.told(shapes).shapes

    def told(self, shapes: tuple[Shape, ...]) -> Outcome:
        """What comes out for these shapes; found once."""
        if shapes not in self.found:
            self.found[shapes] = _traced(self, shapes)
        return self.found[shapes]

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block; the layer has its weights already."""
        return OwnCall(self.layer, self.template)

    def run(
        self,
        module: nn.Module,
        values: tuple[Tensor, ...],
        masks: tuple[Tensor | None, ...],
        arguments: Mapping[str, Any],
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor | None, ...]]:
        """See Block; masks go in and come out with the tensors."""
        for value, mask in zip(values, masks, strict=True):
            if mask is not None:
                setattr(value, calling.MASK, mask)
        outputs = module(*values)
        return outputs, tuple(getattr(v, calling.MASK, None) for v in outputs)


class OwnCall(nn.Module):
    """One form in which a layer is called: `module(*values)` puts the values into the template."""

    def __init__(self, layer: Layer, template: Any) -> None:
        super().__init__()
        self.inner = layer.module
        self._layer, self._template = layer, template
        self.training = self.inner.training

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The tensors of what comes out, from left to right."""
        args, options = filled(self._template, values)
        return tuple(flat(self._layer.run(args, options), (Tensor,)))


@dataclass
class Described:
    """A call as a model notes it down."""

    block: Any
    values: Sequence[KerasTensor]
    training: bool | None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def dtypes(self, shapes: tuple[Shape, ...], count: int) -> tuple[str, ...]:
        """The type of each of the `count` values that come out."""
        if isinstance(self.block, Own):
            return self.block.told(shapes).dtypes
        keeps = type(self.block).__name__ in SHAPING and self.values
        return (self.values[0].dtype if keeps else "float32",) * count

    def arranged(self, shapes: tuple[Shape, ...], outputs: Sequence[KerasTensor]) -> Any:
        """The values that come out, in the nest that users expect."""
        if isinstance(self.block, Own):
            return filled(self.block.told(shapes).nest, outputs)
        return outputs[0] if len(outputs) == 1 else list(outputs)


SHAPING = frozenset(
    "Activation Flatten Reshape Permute RepeatVector Cropping1D Cropping2D ZeroPadding1D ZeroPadding2D UpSampling1D UpSampling2D "
    "Concatenate Masking Add Multiply Maximum Minimum Subtract".split()
)
"""Layers whose values keep their type, so that indices may pass before they are embedded."""


def noted_own(layer: Layer, args: Sequence[Any], options: Mapping[str, Any]) -> Described:
    """The call of a layer that is code."""
    rest = dict(options)
    training = rest.pop("training", None)
    nest = (list(args), rest)
    values = symbolic(nest)
    block = Own(layer, slotted(nest, (KerasTensor,)), tuple(v.dtype for v in values))
    known = layer.forms.setdefault(repr((block.template, block.dtypes)), block)
    return Described(known, values, training)


def _traced(own: Own, shapes: tuple[Shape, ...]) -> Outcome:
    """Run the layer on zeros, twice."""
    results = []
    place = calling.device(own.layer)
    for size, length in PROBES:
        given = [
            torch.zeros((size, *[length if side is None else side for side in shape]), dtype=_kind(dtype), device=place)
            for shape, dtype in zip(shapes, own.dtypes, strict=True)
        ]
        args, options = filled(own.template, given)
        with torch.no_grad():
            results.append(calling.computed(own.layer, args, options))
    one, other = (flat(result, (Tensor,)) for result in results)
    if any(not a.ndim for a in one):
        raise ConfigError("it gives a single number for all examples; the first axis must be that of the examples")
    sides = [
        tuple(x if x == y else None for x, y in zip(a.shape, b.shape, strict=True))
        for a, b in zip(one, other, strict=True)
    ]
    dtypes = tuple("float32" if a.is_floating_point() else "int32" for a in one)
    return Outcome(tuple(side[1:] for side in sides), dtypes, slotted(results[0], (Tensor,)))


def _kind(dtype: str) -> torch.dtype:
    return torch.float32 if dtype == "float32" else torch.int64


class Lambda(Layer):
    """A function as a layer. arguments: further keywords of the function. It trains; it cannot be sealed."""

    supports_masking = True

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, input_shape=input_shape)
        self._function, self._arguments, self._mask = function, dict(arguments or {}), mask

    def call(self, inputs: Any) -> Any:
        """What the function gives."""
        return self._function(inputs, **self._arguments)


class Function(Layer):
    """A function over a nest with values: what torch functions and operators on symbolic values become."""

    supports_masking = True

    def __init__(self, function: Callable[..., Any], nest: Any) -> None:
        super().__init__()
        self._function, self._nest = function, slotted(nest, (KerasTensor,))

    def call(self, inputs: Any) -> Any:
        """inputs: the list of values."""
        args, options = filled(self._nest, inputs)
        return self._function(*args, **options)


class TorchLayer(Layer):
    """A torch module as a layer; its shapes are the module's own."""

    def __init__(self, inner: nn.Module, name: str | None = None) -> None:
        super().__init__(name=name)
        self.inner = inner.eval()

    def call(self, *values: Any) -> Any:
        """What the module gives for these values."""
        return self.inner(*values)


def as_layer(value: Any) -> Layer:
    """A layer, also of a torch module or a function. Raises ConfigError for anything else."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, nn.Module):
        return TorchLayer(value)
    if callable(value) and not isinstance(value, type):
        return Lambda(value)
    hint = "; it is a class: call it, such as Dense(10)" if isinstance(value, type) else ""
    raise ConfigError(f"a model is made of layers, torch modules and functions; got {value!r}{hint}")
