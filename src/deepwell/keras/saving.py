"""Saving: a model as a sealed bundle, its weights alone as safetensors, and back.

Unusual: a bundle of the door holds a Graph and the settings of compile by name, no code; the faces of the layers are made anew
from it. Weights alone are stored by their place and name, so that they also fit a model whose layers were numbered otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import BundleError, ConfigError
from deepwell.keras import calling, functional, layers, losses, metrics, optimizers, sealing
from deepwell.keras.described import BlockLayer
from deepwell.keras.layer import Layer
from deepwell.keras.model import Model
from deepwell.keras.own import Described, Own
from deepwell.keras.sequential import Sequential
from deepwell.keras.symbolic import KerasTensor, Slot, filled, mapped
from deepwell.keras.utils import register_keras_serializable
from deepwell.nn import graph as graphs
from deepwell.nn.blocks.base import Block
from deepwell.nn.graph import Graph, GraphNetwork
from deepwell.store import files, tensors

__all__ = ["load_model", "load_weights", "register_keras_serializable", "save_model", "save_weights"]


# weights -------------------------------------------------------------------------------------------------------------
def save_weights(model: Any, path: str | PathLike[str], overwrite: bool = True) -> None:
    """See Model.save_weights."""
    _may_write(path, overwrite)
    arrays = {_key(place, v): np.array(v.numpy(), order="C") for place, v in enumerate(model.weights)}
    files.write_file(fspath(path), tensors.write(arrays))


def load_weights(model: Any, path: str | PathLike[str], skip_mismatch: bool = False) -> None:
    """See Model.load_weights."""
    try:
        stored = tensors.read(Path(path).read_bytes(), fspath(path))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {fspath(path)!r}") from None
    found = {int(name.partition(".")[0]): (name.partition(".")[2], array) for name, array in stored.items()}
    variables = model.weights
    if len(found) != len(variables) and not skip_mismatch:
        raise ConfigError(
            f"the file holds {len(found)} weights; the model {model.name!r} has {len(variables)}",
            repair="build the model as it was when they were saved; load it on data first if it has no input shape",
        )
    for place, variable in enumerate(variables):
        name, array = found.get(place, ("", np.zeros(0)))
        fits = name == variable.name and array.shape == variable.shape
        if fits:
            variable.assign(array)
        elif not skip_mismatch:
            raise ConfigError(
                f"weight {place} of the model is {variable.path!r} with the shape {variable.shape}; "
                f"the file holds {name!r} with the shape {array.shape}",
                repair="the model must have the same layers in the same order",
            )


def _key(place: int, variable: Any) -> str:
    return f"{place}.{''.join(c if c.isalnum() or c in '_.-' else '_' for c in variable.name)}"


def _may_write(path: str | PathLike[str], overwrite: bool) -> None:
    if not overwrite and Path(path).exists():
        raise ConfigError(f"{fspath(path)!r} is there already", repair="overwrite=True")


# models --------------------------------------------------------------------------------------------------------------
def check_sealable(model: Any) -> None:
    """Raise ConfigError for a model that holds code of the user's own, naming the layer."""
    if model.is_own:
        raise ConfigError(
            f"{model.name!r} ({type(model).__name__}) has a `call` of your own: a sealed model holds no code",
            repair="save its weights with save_weights, or write it down as Model(inputs, outputs)",
        )
    own = [block.layer for block in _blocks(model.graph_now()[0]) if isinstance(block, Own)]
    if own:
        raise ConfigError(
            f"the layer {own[0].name!r} ({type(own[0]).__name__}) is code of your own: a sealed model holds none",
            repair="save its weights with save_weights, or build it from deepwell's layers",
        )


def _blocks(graph: Graph) -> Iterator[Block]:
    """All layers of a graph, also those of networks in it and those that others wrap."""
    for block in graph.layers.values():
        for part in (block, getattr(block, "layer", None)):
            if isinstance(part, graphs.Model):
                yield from _blocks(part.graph)
            elif isinstance(part, Block):
                yield part


def save_model(model: Any, path: str | PathLike[str], overwrite: bool = True) -> None:
    """See Model.save."""
    _may_write(path, overwrite)
    check_sealable(model)
    graph, built = model.graph_now()
    network = GraphNetwork(graph, built).eval()
    training = model.training
    truths, scores, rows = ({}, {}, 0) if training is None else (training.truths, training.scores, training.rows)
    sealing.seal(path, network, _settings(model), truths, scores, rows)


def structure(model: Any) -> dict[str, Any]:
    """What the faces of a graph are besides it: the model's name and class, and how its inputs and outputs are nested."""
    inputs, outputs = (mapped(nest, (Slot,), lambda slot: slot.index) for nest in model.nests)
    kind = "Sequential" if isinstance(model, Sequential) else "Model"
    return {"name": model.name, "kind": kind, "inputs": inputs, "outputs": outputs}


def _settings(model: Any) -> dict[str, Any]:
    """What load_model needs besides the graph."""
    found = structure(model)
    if model.training is None:
        return found
    asked = model.training.asked
    try:
        found |= {
            "optimizer": optimizers.serialize(model.training.optimizer),
            "loss": _named(asked.loss, losses),
            "loss_weights": asked.loss_weights,
            "metrics": _named(asked.metrics, metrics),
            "weighted_metrics": _named(asked.weighted_metrics, metrics),
        }
    except ConfigError as error:
        warnings.warn(f"{error.what}: the saved model must be compiled anew once it is loaded", stacklevel=4)
    return found


def _named(value: Any, module: Any) -> Any:
    """What compile was given, by names."""
    if isinstance(value, Mapping):
        return {name: _named(v, module) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_named(v, module) for v in value]
    if value is None or isinstance(value, str):
        return value
    return module.serialize(module.get(value))


def load_model(
    path: str | PathLike[str], custom_objects: Any = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model that `save` sealed, compiled as it was. custom_objects and safe_mode change nothing: a bundle holds no code.

    Raises BundleError for a damaged file and for bundles of other tasks.
    """
    opened = sealing.opened(path)
    said = opened.compiled
    model = assembled(opened.graph, opened.network, str(said.get("name", "model")), said)
    if compile and said.get("optimizer") is not None:
        try:
            model.compile(
                optimizers.deserialize(said["optimizer"]),
                said.get("loss"),
                said.get("loss_weights"),
                said.get("metrics"),
                said.get("weighted_metrics"),
            )
        except ConfigError as error:
            raise BundleError(f"its settings of compile cannot be used: {error.what}", where=fspath(path)) from None
    return model


def assembled(graph: Graph, network: GraphNetwork, name: str, said: Mapping[str, Any]) -> Model:
    """The faces of a graph whose modules are there."""
    shapes = graph.builds()
    faces: dict[str, Layer] = {}
    for key, block in graph.layers.items():
        if key in shapes:
            faces[key] = _face(key, block, network.layer(key), shapes[key][1])
            faces[key].trainable = key not in graph.frozen
    values = [functional.Input(i.shape, None, i.dtype, i.name) for i in graph.inputs]
    inputs = list(values)
    for node in graph.nodes:
        layer = faces[node.layer]
        block = graph.layers[node.layer]
        read = [values[v] for v in node.values]
        described = Described(block, read, node.training, dict(node.arguments))
        given = calling.note(layer, described)
        values += list(given)
    ends = [values[v] for v in graph.outputs.values()]
    if said.get("kind") == "Sequential" and _straight(graph):
        model = Sequential(name=name)
        model.take(inputs[0], [faces[node.layer] for node in graph.nodes], values[1:])
        return model
    return Model(_nest(said.get("inputs"), inputs), _nest(said.get("outputs"), ends), name=name)


def _straight(graph: Graph) -> bool:
    return len(graph.inputs) == 1 and all(node.values == (place,) for place, node in enumerate(graph.nodes))


def _nest(template: Any, values: Sequence[KerasTensor]) -> Any:
    """The values in the nest that was stored; simply listed where it does not fit."""
    slots = mapped(template, (int,), Slot)
    places = sorted(slot.index for slot in _slots(slots))
    if places != list(range(len(values))):
        return values[0] if len(values) == 1 else list(values)
    return filled(slots, values)


def _slots(nest: Any) -> list[Slot]:
    from deepwell.keras.symbolic import flat

    return flat(nest, (Slot,))


def _face(name: str, block: Any, module: Any, shapes: tuple[Any, ...]) -> Layer:
    if isinstance(block, graphs.Model):
        return assembled(block.graph, module, name, {})
    kind: type[BlockLayer] = getattr(layers, type(block).__name__)
    return kind.of(block, name, module, shapes)
