"""dense_graph: two dense layers between arrays and arrays, as a Graph; what is taken where no network was given."""

from __future__ import annotations

import math
from collections.abc import Mapping

from deepwell.nn.blocks.base import Block
from deepwell.nn.blocks.dense import Dense
from deepwell.nn.blocks.merging import Concatenate
from deepwell.nn.blocks.normalising import BatchNormalization
from deepwell.nn.blocks.shaping import Flatten, Reshape
from deepwell.nn.graph import Graph, Input, Node

Sizes = Mapping[str, tuple[int, ...]]


def dense_graph(inputs: Sizes, targets: Sizes, width: int) -> Graph:
    """All numbers of a row, normalised by batches, through two layers of `width` rectifiers; a layer for each target.

    Sizes are those of data/fields/vector.py. A target of classes is one for each place, so it ends in a softmax.
    """
    layers: dict[str, Block] = {}
    nodes: list[Node] = []

    def then(name: str, block: Block, *values: int) -> int:
        layers[name] = block
        nodes.append(Node(name, values))
        return len(inputs) + len(nodes) - 1

    flat = [then(f"flat_{name}", Flatten(), place) for place, name in enumerate(inputs)]
    value = flat[0] if len(flat) == 1 else then("all", Concatenate(), *flat)
    value = then("normalised", BatchNormalization(), value)
    for name in ("first", "second"):
        value = then(name, Dense(width, "relu"), value)
    outputs = {}
    for name, (_, classes, *shape) in targets.items():
        shape = shape[:-1] if classes and shape and shape[-1] == 1 else shape
        places = math.prod(shape)
        end = then(
            f"to_{name}", Dense(places * max(1, classes), "softmax" if classes and not shape else "linear"), value
        )
        if shape:
            end = then(f"as_{name}", Reshape((*shape, classes) if classes else tuple(shape)), end)
            end = then(f"shares_{name}", Dense(classes, "softmax"), end) if classes else end
        outputs[name] = end
    taken = tuple(Input(name, tuple(shape)) for name, (_, _, *shape) in inputs.items())
    return Graph(taken, layers, tuple(nodes), outputs)
