"""Layers of one's own in a model: a user's Layer, a function (Lambda), a torch module.

Unusual: what comes out of such a layer is found out by running it on two small inputs of zeros of different sizes; an axis that
differs is one that only the data know. It trains like any other; it cannot be sealed, since a sealed model holds no code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras import calling
from deepwell.keras.layer import Layer
from deepwell.keras.symbolic import KerasTensor, Slot, filled, flat, mapped, slotted, symbolic
from deepwell.nn import graph as graphs
from deepwell.nn.blocks.base import Block, Shape

PROBES = ((2, 8), (3, 12))
"""Examples, and the length of an axis that only the data know, of the two runs."""


@dataclass(frozen=True)
class Outcome:
    """What comes out: shapes without the axis of examples, types, whether each has a mask, and the nest they stand in."""

    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    masked: tuple[bool, ...]
    nest: Any


@dataclass(frozen=True)
class Own(Block):
    """A layer that is code.

    template: the nest of its call, with places for values, and with tensors that stay the same. form: it in words.
    dtypes: of the values. masked: whether each of them has a mask.
    """

    layer: Any
    template: Any = field(compare=False)
    form: str
    dtypes: tuple[str, ...] = ()
    masked: tuple[bool, ...] = ()
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
    """One form in which a layer is called: `module(*values)` puts the values into the template.

    Tensors of the template are buffers, so that they follow the network to another device.
    """

    def __init__(self, layer: Layer, template: Any) -> None:
        super().__init__()
        self.inner = layer.module
        self._layer, self._constants = layer, len(flat(template, (Tensor,)))
        for place, constant in enumerate(flat(template, (Tensor,))):
            self.register_buffer(f"constant_{place}", constant, persistent=False)
        later = iter(range(len(flat(template, (Slot,))), 1 << 31))
        self._template = mapped(template, (Tensor,), lambda _: Slot(next(later)))
        self.training = self.inner.training

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The tensors of what comes out, from left to right."""
        constants = [self.get_buffer(f"constant_{place}") for place in range(self._constants)]
        args, options = filled(self._template, [*values, *constants])
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

    def masked(self, layer: Layer, shapes: tuple[Shape, ...], count: int) -> tuple[bool, ...]:
        """Whether each of the `count` values that come out has a mask."""
        given = tuple(value.masked for value in self.values)
        return _masked(self.block, layer.shared_module, shapes, given, self.arguments, count)

    def arranged(self, shapes: tuple[Shape, ...], outputs: Sequence[KerasTensor]) -> Any:
        """The values that come out, in the nest that users expect."""
        if isinstance(self.block, Own):
            return filled(self.block.told(shapes).nest, outputs)
        return outputs[0] if len(outputs) == 1 else list(outputs)


def _masked(
    block: Block,
    module: nn.Module | None,
    shapes: tuple[Shape, ...],
    given: tuple[bool, ...],
    arguments: Mapping[str, Any],
    count: int,
) -> tuple[bool, ...]:
    """Whether what comes out has a mask, asked of the block with tensors that hold no numbers. given: which values have one."""
    if isinstance(block, Own):
        return block.told(shapes).masked
    if isinstance(block, graphs.Model) and isinstance(module, graphs.GraphNetwork):
        flow, flags = block.graph.flow(shapes), list(given)
        for node in block.graph.nodes:
            inner, read = block.graph.layers[node.layer], tuple(flow[v] for v in node.values)
            outputs = len(graphs.outcome(node.layer, inner, read, node.arguments))
            those = tuple(flags[v] for v in node.values)
            flags += _masked(inner, module.layer(node.layer), read, those, node.arguments, outputs)
        return tuple(flags[value] for value in block.graph.outputs.values())
    if module is None or arguments.get("without_mask"):
        return (False,) * count
    values = tuple(torch.empty((2, *[side or 2 for side in shape]), device="meta") for shape in shapes)
    masks = tuple(v.new_ones(v.shape[:2]).bool() if has else None for v, has in zip(values, given, strict=True))
    return (block.mask(module, values, masks) is not None, *(False,) * (count - 1))


SHAPING = frozenset(
    "Activation Flatten Reshape Permute RepeatVector Cropping1D Cropping2D ZeroPadding1D ZeroPadding2D UpSampling1D UpSampling2D "
    "Concatenate Masking Add Multiply Maximum Minimum Subtract".split()
)
"""Layers whose values keep their type, so that indices may pass before they are embedded."""


def noted_own(layer: Layer, args: Sequence[Any], options: Mapping[str, Any]) -> Described:
    """The call of a layer that is code."""
    rest = dict(options)
    training = rest.pop("training", None)
    nest = mapped((list(args), rest), calling.NUMBERS, calling.constant)
    values = symbolic(nest)
    block = described_own(layer, slotted(nest, (KerasTensor,)), values)
    return Described(block, values, training)


def described_own(layer: Layer, template: Any, values: Sequence[KerasTensor]) -> Own:
    """The form of a call: the one that is known already, if it was called so before."""
    dtypes, masked = tuple(v.dtype for v in values), tuple(v.masked for v in values)
    form = repr(mapped(template, (Tensor,), id))
    found: Own = layer.forms.setdefault(repr((form, dtypes, masked)), Own(layer, template, form, dtypes, masked))
    return found


def _traced(own: Own, shapes: tuple[Shape, ...]) -> Outcome:
    """Run the layer on zeros, twice."""
    results = []
    place = calling.device(own.layer)
    for size, length in PROBES:
        given = [
            torch.zeros((size, *[length if side is None else side for side in shape]), dtype=_kind(dtype), device=place)
            for shape, dtype in zip(shapes, own.dtypes, strict=True)
        ]
        for value, has_mask in zip(given, own.masked, strict=True):
            if has_mask:
                setattr(value, calling.MASK, torch.ones(value.shape[:2], dtype=torch.bool, device=place))
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
    masked = tuple(getattr(a, calling.MASK, None) is not None for a in one)
    return Outcome(tuple(side[1:] for side in sides), dtypes, masked, slotted(results[0], (Tensor,)))


def _kind(dtype: str) -> torch.dtype:
    return torch.float32 if dtype == "float32" else torch.int64


class Lambda(Layer):
    """A function as a layer. arguments: further keywords of the function. It trains; it cannot be sealed.

    mask: that of what comes out, or a function (inputs, mask) -> mask; without it what comes out has none. The function is
    given `mask` and `training` where it asks for them.
    """

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
        self.supports_masking = mask is not None

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """What the function gives."""
        asked = _parameters(self._function)
        given = {name: v for name, v in (("mask", mask), ("training", training)) if name in asked}
        return self._function(inputs, **{**given, **self._arguments})

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """See Layer."""
        return self._mask(inputs, previous_mask) if callable(self._mask) else self._mask


class Function(Layer):
    """A function over values: what torch functions and operators on symbolic values become. As in Keras it has no mask."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, inputs: Any, keywords: Any = None) -> Any:
        """What the function gives. inputs: its arguments by place; keywords: those by name."""
        return self._function(*inputs, **(keywords or {}))


def _parameters(function: Callable[..., Any]) -> Sequence[str]:
    """The names of a function's parameters; none where it does not tell, as some of torch's."""
    try:
        return list(signature(function).parameters)
    except ValueError:
        return []


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
