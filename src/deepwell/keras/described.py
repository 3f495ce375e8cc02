"""Layers of the closed set: the face of a Block, with Keras's constructor arguments.

Unusual: there is one class here and no list of layers. Arguments, their order and defaults are the fields of the Block, so
a Block that is added to deepwell.nn.blocks is a layer of the door at once. Strings and objects for activations, initialisers
and regularisers become what the field holds; an argument that is not known is refused with the nearest.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras import calling, fields, naming
from deepwell.keras.arrays import as_array
from deepwell.keras.layer import Layer
from deepwell.keras.own import Described
from deepwell.keras.symbolic import KerasTensor, applied, flat, mapped
from deepwell.keras.variables import Variable
from deepwell.nn.blocks.base import Activated, Block, Shape, shown
from deepwell.nn.freezing import freeze
from deepwell.nn.graph import ENDS, outcome
from deepwell.nn.layout import weights

VALUES = {
    "MultiHeadAttention": ("query", "value", "key", "attention_mask"),
    "Attention": ("query", "value", "key"),
    "AdditiveAttention": ("query", "value", "key"),
}
"""The names of values where a layer takes several; others take `inputs`, and recurrent ones `initial_state`."""


class BlockLayer(Layer):
    """A layer of the closed set. kind: its Block."""

    kind: ClassVar[type[Block]]

    def __init_subclass__(cls) -> None:
        """Raises ConfigError for a subclass that computes something else: a Block is data, and would not hear of it."""
        names = ("call", "build", "compute_output_shape")
        own = next((name for name in names if getattr(cls, name, None) is not getattr(BlockLayer, name, None)), None)
        if own is not None:
            raise ConfigError(
                f"{cls.__name__} is a {cls.kind.__name__} with a `{own}` of its own, which is not offered",
                repair=f"make it a layers.Layer that holds one: self.inner = layers.{cls.kind.__name__}(...) in __init__, "
                "and self.inner(x) in call",
            )

    def __init__(self, *args: Any, **options: Any) -> None:
        """Arguments as Keras has them: those of the Block, and name, trainable, input_shape."""
        given = fields.bound(self.kind, args, options)
        names = {f.name for f in dataclasses.fields(self.kind)}
        base = {name: given.pop(name) for name in fields.BASE if name in given and name not in names}
        self._begin = base.pop("weights", None)
        for ignored in ("batch_size", "input_length"):
            base.pop(ignored, None)
        own = self._own
        own.name = base.get("name") or naming.unique(naming.snake(type(self).__name__))
        self._block = fields.made(self.kind, given, own.name)
        self._wrapped = fields.wrapped(given)
        super().__init__(**base)
        self._others: dict[tuple[Shape, ...], nn.Module] = {}

    @property
    def block(self) -> Block:
        """What the layer is."""
        return self._block

    @property
    def wrapped(self) -> Layer | None:
        """The model or layer of one's own that it wraps, if it wraps one."""
        return self._wrapped

    @property
    def has_module(self) -> bool:
        """See Layer."""
        return self._own.module is not None

    @property
    def module(self) -> nn.Module:
        """See Layer. Raises ConfigError before the shapes are known."""
        if self._own.module is None:
            raise ConfigError(f"the layer {self.name!r} has no weights yet: it was not called on anything")
        return self._own.module

    @property
    def shared_module(self) -> nn.Module | None:
        """See Layer."""
        return self._own.module

    def build(self, *input_shape: Any) -> None:
        """Make the weights. input_shape: with the axis of examples; several, or a list of them, for several values."""
        shapes = input_shape[0] if len(input_shape) == 1 else input_shape
        if not any(isinstance(shape, Sequence) for shape in shapes):
            shapes = [shapes]
        self.prepare(tuple(tuple(shape[1:]) for shape in shapes if shape is not None), ())

    def described(self, args: Sequence[Any], options: Mapping[str, Any]) -> Described:
        """See Layer. Arrays among the values become constants of the model. Raises ConfigError for what is no value."""
        given = mapped([list(args), dict(options)], calling.NUMBERS, constant)
        values, arguments, training = self._read(given[0], given[1], (KerasTensor,))
        if values and options.get("mask") is not None:
            values[0] = applied(calling.with_mask, [values[0], options["mask"]])
        return Described(self._block, values, training, arguments)

    def key(self, described: Any) -> str:
        """See Layer: one form only."""
        return self.name

    def prepare(
        self, shapes: tuple[Shape, ...], nest: Sequence[Any], arguments: Mapping[str, Any] | None = None
    ) -> None:
        """See Layer. Raises ConfigError for shapes that do not fit, naming the layer."""
        own = self._own
        if own.shapes == shapes or shapes in self._others:
            return
        outcome(self.name, self._block, shapes, arguments or {})
        block = self._block.called(arguments or {})
        if own.module is not None:
            self._others[shapes] = self._again(own.module, block, shapes)
            return
        own.module, own.shapes = block.build(*shapes).eval(), shapes
        if self._wrapped is not None and self._wrapped.shared_module is not None:
            own.module.layer = self._wrapped.shared_module  # the model itself, with the weights that it has
        if self._begin is not None:
            self.set_weights(self._begin)

    @classmethod
    def of(cls, block: Block, name: str, module: nn.Module, shapes: tuple[Shape, ...]) -> BlockLayer:
        """The face of a block whose module is there."""
        layer = cls.__new__(cls)
        own = layer._own
        own.name, own.module, own.shapes = name, module, shapes
        layer._block, layer._begin, layer._others, layer._wrapped = block, None, {}, None
        return layer

    def run(self, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """See Layer."""
        values, arguments, _ = self._read(args, options, (Tensor,))
        shapes = tuple(tuple(v.shape[1:]) for v in values)
        self.prepare(shapes, (), arguments)
        module = self._others.get(shapes, self.module)
        if module is not self.module and module.training != self.module.training:
            module.train(self.module.training)
        masks = tuple(getattr(v, calling.MASK, None) for v in values)
        if options.get("mask") is not None:
            masks = (options["mask"], *masks[1:])
        if getattr(module, "activation", None) in ENDS and not self._block.reads_mask and not arguments:
            activated = cast(Activated, module)
            logits = activated.linear(*values)
            given = activated.activate(logits)
            setattr(given, calling.LOGITS, (module.activation, logits))
            outputs: tuple[Tensor, ...] = (given,)
            given_masks: tuple[Tensor | None, ...] = (next((m for m in masks if m is not None), None),)
        else:
            outputs, given_masks = self._block.run(module, tuple(values), masks, arguments)
        for output, mask in zip(outputs, given_masks, strict=True):
            if mask is not None:
                setattr(output, calling.MASK, mask)
        return outputs[0] if len(outputs) == 1 else list(outputs)

    def call(self, inputs: Any) -> Any:
        """What the layer computes, on tensors."""
        return self.run([inputs], {})

    def adapt(self, data: Any) -> None:
        """Learn means and variances from data, where the layer has such (Normalization). Raises ConfigError for others."""
        array = as_array(data, "the data")
        self.prepare((array.shape[1:],), ())
        learn = getattr(self.module, "adapt", None)
        if learn is None:
            raise ConfigError(
                f"the layer {self.name!r} ({type(self).__name__}) learns nothing from data before training"
            )
        learn(calling.tensor(array, calling.device(self)))

    def get_config(self) -> dict[str, Any]:
        """See Layer."""
        return {**super().get_config(), **{name: fields.plain(value) for name, value in self._given().items()}}

    def __getattr__(self, name: str) -> Any:
        """A weight by its name, such as `kernel`, or what it was made with, such as `units`; an activation as a function."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            given = self._given() if "_block" in self.__dict__ else {}
            if name not in given:
                raise
        value = given[name]
        if isinstance(value, str) and (name == "activation" or name.endswith("_activation")):
            from deepwell.keras import activations

            return activations.get(value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises ConfigError for a weight, and for what a layer was made with once it has been called."""
        block = self.__dict__.get("_block")
        names = [] if block is None else [f.name for f in dataclasses.fields(fields.inside(block))]
        is_field = name in names and not hasattr(type(self), name)
        if is_field and not self.calls and self._own.module is None:
            self.__dict__["_block"] = fields.made(self.kind, {**self._given(), name: value}, self.name)
        elif is_field:
            raise ConfigError(
                f"{name} of the layer {self.name!r} ({type(self).__name__}) is fixed since it was called",
                repair="make a new layer, and a model of it: set_weights(get_weights()) takes the weights along",
            )
        elif self._own.module is not None and name in {weight.name for weight, _ in weights(self._own.module)}:
            raise ConfigError(
                f"{name} is a weight of the layer {self.name!r}",
                repair=f"put numbers into it: layer.{name}.assign(...)",
            )
        else:
            super().__setattr__(name, value)

    def learn_as_told(self) -> None:
        """See Layer. What does not learn is not changed by training at all: running statistics stay."""
        if self._own.module is not None:
            freeze(self._own.module, not self.trainable)
        if self._wrapped is not None:
            self._wrapped.learn_as_told()

    def _variables(self, path: str) -> Any:
        if self._wrapped is not None:
            yield from self._wrapped._variables(f"{path}/{self._wrapped.name}")
        elif self._own.module is not None:
            for weight, tensor in weights(self._own.module):
                yield Variable(weight, tensor, f"{path}/{weight.name}", weight.trainable and self.trainable)

    def _given(self) -> dict[str, Any]:
        """What it was made with."""
        block = fields.inside(self._block)
        given = {f.name: getattr(block, f.name) for f in dataclasses.fields(block)}
        return {**given, "activation": self._block.function} if block is not self._block else given  # type: ignore[attr-defined]

    def _read(
        self, args: Sequence[Any], options: Mapping[str, Any], kinds: tuple[type, ...]
    ) -> tuple[list[Any], dict[str, Any], bool | None]:
        """The values of a call in the Block's order, its other arguments, and `training`."""
        odd = flat(list(args), (bool, int, float, str, np.generic))
        if odd:
            raise ConfigError(
                f"the layer {self.name!r} ({type(self).__name__}) is called on arrays and symbolic values; got {odd[0]!r}",
                repair="write np.array(...) for numbers, and further arguments by name, such as training=True",
            )
        rest = {name: value for name, value in options.items() if name != "mask"}
        training = rest.pop("training", None)
        values = flat(list(args), kinds)
        names = ("inputs", *VALUES.get(type(self._block).__name__, ()), "initial_state", "sequence", "sequences")
        for name in names:
            found = flat(rest.get(name), kinds)
            if found or (name in rest and rest[name] is None):
                rest.pop(name)
                values += found
                if name == "attention_mask" and found:
                    rest[name] = True
        return values, rest, training

    def _again(self, module: nn.Module, block: Block, shapes: tuple[Shape, ...]) -> nn.Module:
        """The module for other shapes: the same one, if its weights fit. Raises ConfigError if they do not."""
        mine = [(w.name, tuple(t.shape)) for w, t in weights(module)]
        if not mine:
            return block.build(*shapes).eval()
        with torch.device("meta"):
            other = [(w.name, tuple(t.shape)) for w, t in weights(block.build(*shapes))]
        if mine != other:
            built = ", ".join(map(shown, self._own.shapes or ()))
            raise ConfigError(
                f"the layer {self.name!r} ({type(self).__name__}) has weights for the shape {built}; "
                f"the shape received is {', '.join(map(shown, shapes))}",
                repair="give it values of that shape, or make a second layer",
            )
        return module


def constant(value: Any) -> KerasTensor:
    """Numbers as a value of a model: what a layer without inputs gives."""
    made: KerasTensor = applied(_same, [value])
    return made


def _same(value: Tensor) -> Tensor:
    return value


def face(kind: type[Block]) -> type[BlockLayer]:
    """The layer class of a Block."""
    made = type(
        kind.__name__, (BlockLayer,), {"kind": kind, "__doc__": kind.__doc__, "__module__": "deepwell.keras.layers"}
    )
    declared = list(dataclasses.fields(kind))
    parameters = [
        inspect.Parameter(f.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=fields.default(f)) for f in declared
    ] + [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in fields.BASE[:5]
        if name not in {f.name for f in declared}
    ]
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return made
