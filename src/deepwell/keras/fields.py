"""What a layer of the closed set is made with: arguments as Keras has them become the fields of its Block.

Unusual: a layer that another one wraps, such as the model in TimeDistributed(model), becomes a Block too: that of a network,
which can be sealed, or that of code.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.layer import Layer
from deepwell.keras.own import described_own
from deepwell.keras.symbolic import KerasTensor, Slot
from deepwell.nn import graph as graphs
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.blocks.base import REFUSED, Block, Shape
from deepwell.nn.layers.activations import ACTIVATIONS

BASE = ("name", "trainable", "dtype", "input_shape", "input_dim", "weights", "batch_size", "input_length")
"""Arguments that every layer takes besides those of its Block. weights: arrays to begin with. The last two change nothing."""
PLACED = ("recurrent_activation",)
"""Arguments that are given by place too, though their Block takes them by name."""
RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
"""Older names of arguments."""


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


def inside(block: Block) -> Block:
    """The Block whose fields are the arguments of a layer."""
    return block.inner if isinstance(block, WithActivation) else block


def wrapped(given: Mapping[str, Any]) -> Layer | None:
    """The model or layer of one's own that a layer wraps; None for layers of the closed set, of which it holds a copy."""
    from deepwell.keras.described import BlockLayer

    found = [v for v in given.values() if isinstance(v, Layer) and not isinstance(v, BlockLayer)]
    return found[0] if found else None


def default(f: dataclasses.Field[Any]) -> Any:
    """What a field is unless given; inspect.Parameter.empty where it must be given."""
    if f.default is not dataclasses.MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else inspect.Parameter.empty


def bound(kind: type[Block], args: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
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
        f.name for f in dataclasses.fields(kind) if f.name not in given and default(f) is inspect.Parameter.empty
    ]
    if lacking:
        raise ConfigError(f"{title} needs the argument {lacking[0]!r}")
    return given


def made(kind: type[Block], given: Mapping[str, Any], name: str) -> Block:
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
    from deepwell.keras.described import BlockLayer
    from deepwell.keras.model import Model

    if isinstance(layer, Model) and layer.is_wired and not layer.is_own:
        return graphs.Model(layer.graph_now()[0])
    if not isinstance(layer, BlockLayer):
        return described_own(layer, ([Slot(0)], {}), [KerasTensor((None,))])
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


def plain(value: Any) -> Any:
    """A field of a Block as Keras's configurations have it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        config = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class_name": type(value).__name__, "config": config}
    return value
