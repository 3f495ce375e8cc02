"""Copies of models: with new weights, as a configuration, as JSON; and what becomes of these again.

Unusual: a configuration is the Graph that is also sealed, plain values and no code; one that real Keras wrote is another thing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.keras import calling, functional, saving
from deepwell.keras.described import BlockLayer
from deepwell.keras.layer import Layer
from deepwell.keras.model import Model
from deepwell.keras.own import Described, Function, Lambda, Own, TorchLayer
from deepwell.keras.sequential import Sequential
from deepwell.keras.symbolic import filled, symbolic
from deepwell.nn.graph import Graph, GraphNetwork


def clone_model(model: Any) -> Any:
    """A model of the same layers with new weights. Raises ConfigError for one with a `call` of the user's own."""
    if model.is_own:
        raise ConfigError(f"{model.name!r} has a `call` of your own; make another object of {type(model).__name__}")
    if isinstance(model, Sequential):
        copied = Sequential(name=model.name)
        if model.is_wired:
            entry = model.inputs[0]
            copied.add(functional.Input(entry.shape[1:], None, entry.dtype, entry.name))
        for layer in model.layers:
            copied.add(_cloned(layer))
        return copied
    fresh = {layer: _cloned(layer) for layer in model.sublayers()}
    known = {id(v): functional.Input(v.shape[1:], None, v.dtype, v.name) for v in model.inputs}
    inputs = list(known.values())
    for call in model.wiring.calls:
        layer = fresh[call.layer]
        read = [known[id(v)] for v in call.values]
        if isinstance(call.block, Own):
            args, options = filled(call.block.template, read)
            given = symbolic(calling.noted(layer, args, {**options, "training": call.training}))
        else:
            layer.prepare(tuple(v.shape[1:] for v in read), [v.shape for v in read], call.arguments)
            given = calling.note(layer, Described(call.block, read, call.training, call.arguments))
        for old, new in zip(call.outputs, given, strict=True):
            known[id(old)] = new
    ends = [known[id(v)] for v in model.outputs]
    templates = model.nests
    return Model(filled(templates[0], inputs), filled(templates[1], ends), name=model.name)


def _cloned(layer: Layer) -> Layer:
    """The layer anew. What has no weights is copied as it is; a torch module begins anew where it knows how to."""
    if isinstance(layer, Model):
        cloned: Layer = clone_model(layer)
        return cloned
    if isinstance(layer, Function | Lambda | TorchLayer):
        copied = copy.deepcopy(layer)
        for part in copied.module.modules():
            begin = getattr(part, "reset_parameters", None)
            if isinstance(part, nn.Module) and begin is not None:
                begin()
        return copied
    if isinstance(layer, BlockLayer) and layer.wrapped is not None:
        return type(layer)(_cloned(layer.wrapped), name=layer.name, trainable=layer.trainable)
    anew: Layer = type(layer).from_config(layer.get_config())
    return anew


# configurations ------------------------------------------------------------------------------------------------------
def config(model: Any) -> dict[str, Any]:
    """A model without its weights as plain values. Raises ConfigError for code of the user's own, and before it is built."""
    saving.check_sealable(model)
    return {**saving.structure(model), "trainable": model.trainable, "graph": model.graph_now()[0].to_json()}


def from_config(given: Mapping[str, Any]) -> Any:
    """A model with new weights of what `config` gave. Raises ConfigError for another's configuration."""
    if "graph" not in given:
        raise ConfigError(
            f"this is no configuration of a model of deepwell: it has {', '.join(map(repr, list(given)[:5])) or 'nothing'}",
            repair="write the model down in Python; its weights can be taken over with set_weights",
        )
    graph = Graph.from_json(given["graph"])
    return saving.assembled(graph, GraphNetwork(graph).eval(), str(given.get("name", "model")), given)


def to_json(model: Any, indent: int | None = None) -> str:
    """The configuration as a text."""
    return json.dumps({"class_name": type(model).__name__, "config": config(model)}, indent=indent)


def model_from_json(text: str, custom_objects: Any = None) -> Any:
    """A model with new weights of what `to_json` gave. Raises ConfigError for any other text; custom_objects change nothing."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"the text is no JSON: {error}") from None
    if not isinstance(found, Mapping) or not isinstance(found.get("config"), Mapping):
        raise ConfigError("the text is no configuration of a model: it has no object `config`")
    return from_config(found["config"])
