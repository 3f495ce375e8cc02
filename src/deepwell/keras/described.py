"""Layers of the closed set: the face of a Block, with Keras's constructor arguments.

Unusual: there is one class here and no list of layers. Arguments, their order and defaults are the fields of the Block, so
a Block that is added to deepwell.nn.blocks is a layer of the door at once. Strings and objects for activations, initialisers
and regularisers become what the field holds; an argument that is not known is refused with the nearest.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras import calling, naming
from deepwell.keras.arrays import as_array
from deepwell.keras.layer import Layer
from deepwell.keras.own import Described
from deepwell.keras.symbolic import KerasTensor, flat
from deepwell.keras.variables import Variable
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.blocks.base import REFUSED, Block, Shape, shown
from deepwell.nn.freezing import freeze
from deepwell.nn.graph import ENDS, outcome
from deepwell.nn.layers.activations import ACTIVATIONS
from deepwell.nn.layout import weights

BASE = ("name", "trainable", "dtype", "input_shape", "input_dim", "weights", "batch_size", "input_length")
"""Arguments that every layer takes besides those of its Block. weights: arrays to begin with. The last two change nothing."""
VALUES = {
    "MultiHeadAttention": ("query", "value", "key", "attention_mask"),
    "Attention": ("query", "value", "key"),
    "AdditiveAttention": ("query", "value", "key"),
}
"""The names of values where a layer takes several; others take `inputs`, and recurrent ones `initial_state`."""


PLACED = ("recurrent_activation",)
"""Arguments that are given by place too, though their Block takes them by name."""
RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
"""Older names of arguments."""


class BlockLayer(Layer):
    """A layer of the closed set. kind: its Block."""

    kind: ClassVar[type[Block]]

    def __init__(self, *args: Any, **options: Any) -> None:
        """Arguments as Keras has them: those of the Block, and name, trainable, input_shape."""
        given = _bound(self.kind, args, options)
        fields = {f.name for f in dataclasses.fields(self.kind)}
        base = {name: given.pop(name) for name in BASE if name in given and name not in fields}
        self._begin = base.pop("weights", None)
        for ignored in ("batch_size", "input_length"):
            base.pop(ignored, None)
        own = self._own
        own.name = base.get("name") or naming.unique(naming.snake(type(self).__name__))
        self._block = _made(self.kind, given, own.name)
        super().__init__(**base)
        self._others: dict[tuple[Shape, ...], nn.Module] = {}

    @property
    def block(self) -> Block:
        """What the layer is."""
        return self._block

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

    def described(self, args: Sequence[Any], options: Mapping[str, Any]) -> Described:
        """See Layer."""
        values, arguments, training = self._read(args, options, (KerasTensor,))
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
        if self._begin is not None:
            self.set_weights(self._begin)

    @classmethod
    def of(cls, block: Block, name: str, module: nn.Module, shapes: tuple[Shape, ...]) -> BlockLayer:
        """The face of a block whose module is there."""
        layer = cls.__new__(cls)
        own = layer._own
        own.name, own.module, own.shapes = name, module, shapes
        layer._block, layer._begin, layer._others = block, None, {}
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
            logits = module.linear(*values)  # type: ignore[operator]
            given = module.activate(logits)  # type: ignore[operator]
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
        fields = {f.name: _plain(getattr(self._block, f.name)) for f in dataclasses.fields(self._block)}
        return {**super().get_config(), **fields}

    def learn_as_told(self) -> None:
        """See Layer. What does not learn is not changed by training at all: running statistics stay."""
        if self._own.module is not None:
            freeze(self._own.module, not self.trainable)

    def _variables(self, path: str) -> Any:
        if self._own.module is not None:
            for weight, tensor in weights(self._own.module):
                yield Variable(weight, tensor, f"{path}/{weight.name}", weight.trainable and self.trainable)

    def _read(
        self, args: Sequence[Any], options: Mapping[str, Any], kinds: tuple[type, ...]
    ) -> tuple[list[Any], dict[str, Any], bool | None]:
        """The values of a call in the Block's order, its other arguments, and `training`."""
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


@dataclasses.dataclass(frozen=True)
class WithActivation(Block):
    """A Block whose activation is a function of the user's own: it trains and cannot be sealed."""

    inner: Block
    function: Callable[[Tensor], Tensor]

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        return self.inner.outcome(*shapes)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block. Raises ConfigError where the layer has no single activation at its end."""
        module = self.inner.build(*shapes)
        if not hasattr(module, "_function"):
            raise ConfigError(
                f"{type(self.inner).__name__} takes no activation of one's own", repair="name one, such as 'tanh'"
            )
        vars(module).update(activation="own", _function=self.function)
        return module


def face(kind: type[Block]) -> type[BlockLayer]:
    """The layer class of a Block."""
    made = type(
        kind.__name__, (BlockLayer,), {"kind": kind, "__doc__": kind.__doc__, "__module__": "deepwell.keras.layers"}
    )
    fields = list(dataclasses.fields(kind))
    parameters = [
        inspect.Parameter(f.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=_default(f)) for f in fields
    ] + [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in BASE[:5]
        if name not in {f.name for f in fields}
    ]
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return made


# arguments -----------------------------------------------------------------------------------------------------------
def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else inspect.Parameter.empty


def _bound(kind: type[Block], args: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Argument -> value. Raises ConfigError for unknown, missing and doubled ones."""
    names = [f.name for f in dataclasses.fields(kind)]
    title = kind.__name__
    placed = [f.name for f in dataclasses.fields(kind) if not f.kw_only or f.name in PLACED]
    if len(args) > len(placed):
        raise ConfigError(
            f"{title} takes at most {len(placed)} arguments by place ({', '.join(placed)}); got {len(args)}"
        )
    given = dict(zip(placed, args, strict=False))
    for said, value in options.items():
        name = RENAMED.get((title, said), said)
        if name in given:
            raise ConfigError(f"{title} got its argument {name!r} twice")
        if name in REFUSED and name not in names:
            accepted, why = REFUSED[name]
            if value is not None and value not in accepted:
                raise ConfigError(f"{title}: {name}={value!r} is not possible: {why}")
            continue
        if name == "seed" and name not in names:
            continue  # draws follow the seed of the run
        if name not in names and name not in BASE:
            raise ConfigError(f"{title} has no argument {name!r}{nearest(name, [*names, *BASE])}")
        given[name] = value
    lacking = [
        f.name for f in dataclasses.fields(kind) if f.name not in given and _default(f) is inspect.Parameter.empty
    ]
    if lacking:
        raise ConfigError(f"{title} needs the argument {lacking[0]!r}")
    return given


def _made(kind: type[Block], given: Mapping[str, Any], name: str) -> Block:
    """The Block of arguments. Raises ConfigError for values it cannot have, naming the layer."""
    hints = typing.get_type_hints(kind)
    own = {n: v for n, v in given.items() if n == "activation" and callable(v) and _activation(v) is None}
    left = [n for n, v in given.items() if v is None and "None" not in str(hints[n]) and "activation" not in n]
    try:
        block = kind(**{n: _converted(n, v, hints[n]) for n, v in given.items() if n not in own and n not in left})
    except ConfigError as error:
        raise ConfigError(f"the layer {name!r} ({kind.__name__}): {error.what}", repair=error.repair) from None
    return WithActivation(block, own["activation"]) if own else block


def _converted(name: str, value: Any, hint: Any) -> Any:
    """A value as the Block's field holds it."""
    words = str(hint)
    if isinstance(value, Layer):
        return _inner(value)
    if isinstance(value, Mapping) and value.get("class_name") in BLOCKS:
        from deepwell.keras import layers

        return _inner(getattr(layers, value["class_name"])(**value["config"]))
    if "Initialiser" in words and value is not None:
        from deepwell.keras import initializers

        return initializers.get(value)
    if "L1L2" in words:
        from deepwell.keras import regularizers

        return regularizers.get(value)
    if name == "activation" or name.endswith("_activation"):
        found = _activation(value)
        if found is None:
            raise ConfigError(f"there is no activation {value!r}{nearest(str(value), ACTIVATIONS)}")
        return found
    value = _tuples(value)
    if hint is int and (type(value) is not int or (value < 0 and "ax" not in name)):
        raise ConfigError(f"{name} must be a whole number; got {value!r}")
    if hint is float and type(value) not in (int, float):
        raise ConfigError(f"{name} must be a number; got {value!r}")
    return value


def _tuples(value: Any) -> Any:
    """Plain numbers and tuples."""
    if isinstance(value, np.generic):
        return value.item()
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _inner(layer: Layer) -> Block:
    """The description of a layer that another one wraps."""
    if not isinstance(layer, BlockLayer):
        raise ConfigError(f"it wraps layers of deepwell's own set; got {type(layer).__name__}")
    if layer.built:
        raise ConfigError(
            f"it wraps a layer that has no weights yet; {layer.name!r} has been called already", repair="make a new one"
        )
    return layer.block


def _activation(value: Any) -> str | None:
    """The name of an activation; None for a function of the user's own, or an unknown name."""
    if value is None:
        return "linear"
    name = value if isinstance(value, str) else getattr(value, "__name__", "")
    name = {"swish": "silu"}.get(name, name) if name not in ACTIVATIONS else name
    if name not in ACTIVATIONS:
        return None
    if not isinstance(value, str) and not str(getattr(value, "__module__", "")).startswith("deepwell."):
        return None
    return name


def _plain(value: Any) -> Any:
    """A field of a Block as Keras's configurations have it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        config = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class_name": type(value).__name__, "config": config}
    return value
