"""A network's description as JSON, and back: plain values only, each checked against the type that a layer declares.

Unusual: what is read may come from a foreign file. Only classes of the closed set (nn/blocks) are made, by name out of a table;
nothing is imported, and depth and size are limited.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from types import UnionType
from typing import Any, cast

from deepwell.core.errors import ConfigError, nearest
from deepwell.nn.blocks import BLOCKS, DESCRIBED
from deepwell.nn.blocks.base import Block
from deepwell.nn.graph import Graph, Input, Model, Node

MOST_NODES = 10_000
MOST_DEEP = 50
LAYERS: Mapping[str, type[Block]] = {**BLOCKS, "Model": Model}
KNOWN: Mapping[str, type] = {**DESCRIBED, "Model": Model}


def written(graph: Graph) -> dict[str, Any]:
    """The graph as JSON values. Raises ConfigError for a layer that is not out of the closed set, naming it."""
    return {
        "inputs": [{"name": i.name, "shape": list(i.shape), "dtype": i.dtype} for i in graph.inputs],
        "layers": {name: _described(name, block) for name, block in graph.layers.items()},
        "nodes": [
            {"layer": n.layer, "values": list(n.values), "training": n.training, "arguments": dict(n.arguments)}
            for n in graph.nodes
        ],
        "outputs": dict(graph.outputs),
        "frozen": list(graph.frozen),
    }


def _described(name: str, block: Block) -> dict[str, Any]:
    if LAYERS.get(type(block).__name__) is not type(block):
        raise ConfigError(
            f"the layer {name!r} is of type {type(block).__name__}, which is code of your own: a sealed model holds none",
            repair="save its weights with save_weights, or build it from deepwell's layers",
        )
    return cast("dict[str, Any]", _plain(block))


def _plain(value: Any) -> Any:
    """A value of a Block as JSON: described objects become {"is": class name, field: value, ...}."""
    if isinstance(value, Graph):
        return {"is": "Graph", **written(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if KNOWN.get(type(value).__name__) is not type(value):
            raise ConfigError(f"{type(value).__name__} is code of your own: a sealed model holds none")
        return {
            "is": type(value).__name__,
            **{f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)},
        }
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def read(value: Any, depth: int = 0) -> Graph:
    """The graph of JSON values. depth: within how many others it stands. Raises ConfigError for what is none."""
    known = {"inputs", "layers", "nodes", "outputs", "frozen"}
    if depth > MOST_DEEP:
        raise ConfigError(f"networks stand within networks more than {MOST_DEEP} deep")
    if not isinstance(value, Mapping) or set(value) != known:
        raise ConfigError(f"it must have exactly the entries {', '.join(sorted(known))}")
    if not all(isinstance(value[k], list) for k in ("inputs", "nodes", "frozen")) or len(value["nodes"]) > MOST_NODES:
        raise ConfigError(f"inputs, nodes and frozen must be lists, the nodes at most {MOST_NODES:,}")
    if not all(
        isinstance(value[k], Mapping) and all(isinstance(n, str) for n in value[k]) for k in ("layers", "outputs")
    ):
        raise ConfigError("layers and outputs must be objects")
    if not all(type(v) is int for v in value["outputs"].values()) or not all(
        isinstance(n, str) for n in value["frozen"]
    ):
        raise ConfigError("outputs must be numbers of values, and frozen names of layers")
    return Graph(
        tuple(cast(Input, _typed(Input, v, depth)) for v in value["inputs"]),
        {name: cast(Block, _block(v, depth)) for name, v in value["layers"].items()},
        tuple(cast(Node, _typed(Node, v, depth)) for v in value["nodes"]),
        dict(value["outputs"]),
        tuple(value["frozen"]),
    )


def _block(value: Any, depth: int) -> Any:
    """A described object of the closed set."""
    if not isinstance(value, Mapping) or not isinstance(value.get("is"), str):
        raise ConfigError("a layer must say what it `is`")
    rest = {k: v for k, v in value.items() if k != "is"}
    if value["is"] == "Graph":
        return read(rest, depth + 1)
    if value["is"] not in KNOWN:
        raise ConfigError(f"there is no layer {value['is']!r}{nearest(value['is'], KNOWN)}")
    return _typed(KNOWN[value["is"]], rest, depth)


def _typed(kind: type, value: Any, depth: int) -> Any:
    """An instance of a dataclass from JSON values, each checked against the type that the field declares."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{kind.__name__} must be an object")
    fields = {f.name for f in dataclasses.fields(kind)}
    if set(value) != fields:
        odd = sorted(fields ^ set(value))[0]
        raise ConfigError(f"{kind.__name__} must have exactly the entries {', '.join(sorted(fields))}; see {odd!r}")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _checked(hints[name], v, f"{kind.__name__}.{name}", depth) for name, v in value.items()})


def _checked(hint: Any, value: Any, where: str, depth: int) -> Any:
    """`value` as the type `hint`. Raises ConfigError, naming `where`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        for choice in inner:
            try:
                return _checked(choice, value, where, depth)
            except ConfigError:
                continue
    elif hint is type(None) and value is None:
        return None
    elif hint in (bool, int, str) and type(value) is hint:
        if not isinstance(value, int) or abs(value) < 2**31:
            return value
    elif hint is float and type(value) in (int, float) and abs(value) < 1e30:
        return float(value)
    elif origin is tuple and isinstance(value, list) and len(value) <= MOST_NODES:
        kinds = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
        if len(kinds) == len(value):
            return tuple(_checked(k, v, where, depth) for k, v in zip(kinds, value, strict=True))
    elif origin is not None and isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {_checked(inner[0], k, where, depth): _checked(inner[1], v, where, depth) for k, v in value.items()}
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if depth >= MOST_DEEP:
            raise ConfigError(f"layers stand within layers more than {MOST_DEEP} deep")
        found = _block(value, depth + 1)
        if isinstance(found, hint):
            return found
    raise ConfigError(f"{where} cannot be {value!r}")
