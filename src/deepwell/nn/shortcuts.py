"""Shortcuts of a graph: the same numbers and the same gradients for less work, worked out once for a network.

waiting   a ReLU before a max pooling waits until after it, where there is a quarter of the values
cuts      places at the far edges that no later window reaches are not computed: of 28 x 28 pixels two convolutions of
          3 x 3, each with a pooling by 2 after it, read 26 x 26 (a sixth of the work)
spent     values that no later layer reads are let go
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from deepwell.nn.blocks.base import Block, Shape
from deepwell.nn.blocks.convolution import Conv1D, Conv2D
from deepwell.nn.blocks.pooling import MaxPooling1D, MaxPooling2D

if TYPE_CHECKING:
    from deepwell.nn.graph import Graph

WORTH = 0.9
"""A value is cut where at most this share of its places is read: the cut costs a copy, and zeros for its gradient."""
Places = tuple[int, ...]


def waiting(graph: Graph) -> dict[int, int]:
    """Value of a convolution that ends in a ReLU -> value of the max pooling that alone reads it."""
    makers = graph.makers
    readers: dict[int, list[int]] = {value: [-1] for value in graph.outputs.values()}
    for place, node in enumerate(makers):
        for value in node.values if node else ():
            readers.setdefault(value, []).append(place)
    found: dict[int, int] = {}
    for value, read in readers.items():
        node, after = makers[value], makers[read[0]]
        if len(read) == 1 and read[0] >= 0 and node and after:
            block, pool = graph.layers[node.layer], graph.layers[after.layer]
            if isinstance(block, Conv1D | Conv2D) and block.activation == "relu":
                found |= {value: read[0]} if isinstance(pool, MaxPooling1D | MaxPooling2D) else {}
    return found


def cuts(graph: Graph) -> dict[int, Places]:
    """Step -> how many places of each length its layer is given, counted from the beginning; the others get all there are."""
    full = [_places(shape) for shape in graph.shapes]
    needed = _needed(graph, full)
    made, found = list(full), dict[int, Places]()
    for value, step in enumerate(graph.origins, start=len(graph.inputs)):
        node, block = graph.nodes[step], graph.layers[graph.nodes[step].layer]
        there = made[node.values[0]] if node.values else ()  # constants read nothing
        wanted = needed.get(value, full[value])
        asked = _read(block, wanted, there)
        if asked is None:
            continue
        made[value] = _places(block.outcome((*there, graph.shapes[node.values[0]][-1]))[0])
        if made[value] != wanted and math.prod(asked) <= WORTH * math.prod(there):
            found[step], made[value] = asked, wanted
    return found


def first_places(x: Tensor, places: Places) -> Tensor:
    """x (n, *lengths, channels) -> (n, *places, channels): the first of each length, a view."""
    for axis, number in enumerate(places, start=1):
        x = x.narrow(axis, 0, number)
    return x


def spent(graph: Graph) -> dict[int, list[int]]:
    """Step -> the values that no later step reads, and that do not come out."""
    last = {value: step for step, node in enumerate(graph.nodes) for value in node.values}
    found: dict[int, list[int]] = {}
    for value, step in last.items():
        if value not in graph.outputs.values():
            found.setdefault(step, []).append(value)
    return found


def _needed(graph: Graph, full: list[Places]) -> dict[int, Places]:
    """Value -> how many of its places are read at all; values that nobody reads are left out. full: all places of each."""
    found = {value: full[value] for value in graph.outputs.values()}
    for value, step in reversed(list(enumerate(graph.origins, start=len(graph.inputs)))):
        node, block = graph.nodes[step], graph.layers[graph.nodes[step].layer]
        for source in node.values:
            asked = _read(block, found.get(value, full[value]), full[source])
            part = full[source] if asked is None else asked
            found[source] = tuple(map(max, part, found.get(source, part)))
    return found


def _read(block: Block, places: Places, there: Places) -> Places | None:
    """How many of the places that are there a layer reads for so many places of what it gives; None: all, however many."""
    asked = block.reach(places) if places and there else None
    return None if asked is None else tuple(map(min, asked, there))


def _places(shape: Shape) -> Places:
    """The lengths between examples and channels; () where there are none, or not all are known before the batch."""
    lengths = [length for length in shape[:-1] if length is not None]
    return tuple(lengths) if len(lengths) == len(shape) - 1 else ()
