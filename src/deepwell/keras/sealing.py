"""Sealing: a network of the Keras-style face as a bundle of the task `arrays`, and back.

What is sealed is data: the Graph, its weights, and the settings of compile() by their names, so that the file opens like any
other bundle (`deepwell show`, `verify`, `predict`, `dw.load`) and also as a model that can be trained further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np

from deepwell import __version__
from deepwell.bundle.contents import Contents
from deepwell.bundle.read import read
from deepwell.bundle.write import seal as seal_bundle
from deepwell.core import config as knobs
from deepwell.core.errors import BundleError, ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.task import Sizes
from deepwell.keras import losses
from deepwell.keras.loss_base import NamedLossObject
from deepwell.nn.blocks.base import Shape
from deepwell.nn.graph import Graph, GraphNetwork

TASK = "arrays"


@dataclass(frozen=True)
class Truth:
    """What goes in, or what the targets of an output are: their shape without the axis of rows, and whether they are whole.

    classes: how many classes whole numbers are, 0: none.
    """

    shape: tuple[int, ...]
    whole: bool = False
    classes: int = 0


@dataclass(frozen=True)
class Opened:
    """What stood in a bundle. compiled: the settings of compile(), empty where the model was never compiled."""

    graph: Graph
    network: GraphNetwork
    compiled: Mapping[str, Any]


def seal(
    path: str | PathLike[str],
    network: GraphNetwork,
    compiled: Mapping[str, Any],
    truths: Mapping[str, Truth],
    scores: Mapping[str, float],
    rows: int = 0,
) -> None:
    """Write a bundle, atomically.

    truths: output -> its targets; for outputs that are not there, numbers of the output's shape. scores: what fit or evaluate
    measured last, name -> value, without intervals. rows: that it was trained on.
    Raises ConfigError for layers that are code of the user's own, naming the first; RunError for weights that are not
    finite and for a disk that is full.
    """
    from deepwell.tasks.arrays import ArraysConfig

    graph = network.graph
    shapes = graph.shapes
    described = graph.to_json()
    kinds = {i.name: Truth(_fixed(i.shape), i.dtype != "float32") for i in graph.inputs}
    clash = sorted(kinds.keys() & graph.outputs.keys())
    if clash:
        raise ConfigError(f"an input and an output are both called {clash[0]!r}", repair="rename one of the layers")
    given = {
        name: _learnt(truths.get(name, Truth(_fixed(shapes[value]))), shapes[value])
        for name, value in graph.outputs.items()
    }
    fields = [Field(name, "vector", "input", f"an array of shape {_shown(t.shape)}") for name, t in kinds.items()]
    fields += [Field(name, "vector", "target", f"an array of shape {_shown(t.shape)}") for name, t in given.items()]
    both = {**kinds, **given}
    config = ArraysConfig(
        graph=json.dumps(described),
        loss=_entry(compiled.get("loss")),
        compiled=json.dumps(dict(compiled)),
    )
    contents = Contents(
        task=TASK,
        task_version=1,
        schema=Schema(tuple(fields)),
        pipeline={
            name: {"kind": "vector", "state": {"shape": list(t.shape), "whole": t.whole, "classes": t.classes}}
            for name, t in both.items()
        },
        config=knobs.to_json(config),
        sizes=Sizes({name: (int(t.whole), t.classes, *t.shape) for name, t in both.items()}, rows).to_json(),
        calibration={},
        weights={n: np.array(w.detach().cpu().numpy(), order="C") for n, w in network.state_dict().items()},
        evidence={"measured": {name: float(value) for name, value in scores.items()}} if scores else {},
        card=_card(network, fields, scores, rows),
    )
    seal_bundle(path, contents)


def opened(path: str | PathLike[str]) -> Opened:
    """The model in a bundle. Raises BundleError for a damaged or foreign file, and for bundles of other tasks."""
    from deepwell.runtime.predictor import load

    contents = read(fspath(path))
    if contents.task != TASK:
        raise BundleError(
            f"this model belongs to the task {contents.task!r}, which is no network of layers",
            where=fspath(path), repair="open it with deepwell.load",
        )  # fmt: skip
    predictor = load(fspath(path))
    network = predictor.network
    if not isinstance(network, GraphNetwork):
        raise BundleError("the model holds no network of layers", where=fspath(path))
    return Opened(network.graph, network, _settings(contents.config.get("compiled", "")))


def _settings(text: Any) -> Mapping[str, Any]:
    """compile()'s settings; plain values, which the caller looks up by name."""
    try:
        settings = json.loads(text) if text else {}
    except (json.JSONDecodeError, TypeError):
        raise BundleError("the settings of compile() in the bundle are no JSON") from None
    if not isinstance(settings, Mapping):
        raise BundleError("the settings of compile() in the bundle must be an object")
    return settings


def _learnt(truth: Truth, output: Shape) -> Truth:
    """The targets of an output: whole numbers are classes, one for each unit, where the output has an axis more than they."""
    units = output[-1] if output else 1
    sparse = (
        truth.whole
        and units is not None
        and units > 1
        and truth.shape in (_fixed(output[:-1]), (*_fixed(output[:-1]), 1))
    )
    return Truth(truth.shape, True, units or 0) if sparse else Truth(truth.shape)


def _entry(loss: Any) -> str:
    """The loss by its name in the table, where that says it all: "mse" and "MeanSquaredError" are mean_squared_error."""
    found = losses.get(loss) if isinstance(loss, str) else None
    return found.entry if isinstance(found, NamedLossObject) and not found.coupled else "auto"


def _fixed(shape: Shape) -> tuple[int, ...]:
    return tuple(side or 0 for side in shape)


def _shown(shape: tuple[int, ...]) -> str:
    return str(tuple(side or None for side in shape))


def _card(network: GraphNetwork, fields: list[Field], scores: Mapping[str, float], rows: int) -> str:
    """The page that travels with the model. What was measured has no interval and no baseline, and it says so."""
    numbers = sum(p.numel() for p in network.parameters())
    lines = [
        "# A network of layers",
        "",
        f"{len(network.graph.layers)} layers, {numbers:,} numbers.",
        "",
        "## Columns",
        "",
    ]
    lines += [f"- {f.name}: {f.kind}, {f.role}. {f.reason}" for f in fields]
    lines += ["", "## Measured", ""]
    if scores:
        lines += [f"- {name}: {value:.6g}" for name, value in scores.items()]
        lines += ["", "As the program that trained it reported last: without interval, and beside no baseline."]
    else:
        lines += ["Nothing was measured."]
    lines += ["", "## Made with", "", f"- deepwell {__version__}; trained on {rows:,} rows"]
    return "\n".join(lines) + "\n"
