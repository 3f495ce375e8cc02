"""Graph: a network as plain data: inputs, layers out of a closed set, and which values go into which. GraphNetwork runs it.

    values   0 .. inputs - 1 are the inputs, then come what the nodes give, node after node
    node     one call of a layer on earlier values; a layer that is called twice shares its weights

Unusual: where an output ends in a softmax or sigmoid, the network also gives what goes into it, as `NAME.logits`, so that losses
stay exact for extreme values; masks of padded sequences travel beside the values and come out as `NAME.mask`. Some work is
saved without a change of what comes out: see shortcuts.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.core.errors import BundleError, ConfigError, DeepwellError, nearest
from deepwell.nn import shortcuts
from deepwell.nn.blocks.base import Activated, Block, Mask, Shape, shown
from deepwell.nn.freezing import freeze

ENDS = ("softmax", "sigmoid")
"""Activations whose logits a loss may read instead."""
Argument = bool | int | float | str


@dataclasses.dataclass(frozen=True)
class Input:
    """What goes in. dtype: "float32", or "int32" for indices. shape: without the axis of examples; None: any length."""

    name: str
    shape: Shape
    dtype: str = "float32"


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of a layer. values: what it reads. training: False: as at prediction, always; True: as in training, always.

    arguments: fixed ones of the module's forward, such as use_causal_mask.
    """

    layer: str
    values: tuple[int, ...]
    training: bool | None = None
    arguments: Mapping[str, Argument] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network. layers: name -> Block, in order. outputs: name -> value, in order. frozen: layers that do not learn.

    Raises ConfigError for values that do not exist yet, names that are not there, and shapes that do not fit, naming the layer.
    """

    inputs: tuple[Input, ...]
    layers: Mapping[str, Block]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [n.layer for n in self.nodes if n.layer not in self.layers]
        unknown += [name for name in self.frozen if name not in self.layers]
        if unknown:
            raise ConfigError(f"there is no layer {unknown[0]!r}{nearest(unknown[0], self.layers)}")
        if not self.inputs or not self.outputs:
            raise ConfigError("a network needs at least one input and one output")
        object.__setattr__(self, "_flows", {})
        shapes = self.shapes
        beyond = [value for value in self.outputs.values() if not 0 <= value < len(shapes)]
        if beyond:
            raise ConfigError(f"there is no value {beyond[0]}; the network has {len(shapes)}")

    @property
    def shapes(self) -> list[Shape]:
        """The shape of each value."""
        return self.flow(tuple(i.shape for i in self.inputs))

    def flow(self, inputs: tuple[Shape, ...]) -> list[Shape]:
        """The shape of each value for inputs of these shapes. Kept: networks within networks would ask again and again."""
        flows: dict[tuple[Shape, ...], list[Shape]] = self._flows  # type: ignore[attr-defined]
        if inputs not in flows:
            shapes = list(inputs)
            for node in self.nodes:
                shapes.extend(outcome(node.layer, self.layers[node.layer], self._read(node, shapes), node.arguments))
            flows[inputs] = shapes
        return list(flows[inputs])

    def _read(self, node: Node, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        beyond = [value for value in node.values if not 0 <= value < len(shapes)]
        if beyond:
            raise ConfigError(f"the layer {node.layer!r} reads the value {beyond[0]}, which is not there yet")
        return tuple(shapes[value] for value in node.values)

    @property
    def ends(self) -> dict[str, str]:
        """Output -> the activation out of ENDS that it ends in, else ""."""
        makers = self.makers
        blocks = {name: self.layers[node.layer] for name, value in self.outputs.items() if (node := makers[value])}
        named = {name: getattr(blocks.get(name), "activation", "") for name in self.outputs}
        return {name: activation if activation in ENDS else "" for name, activation in named.items()}

    @property
    def origins(self) -> list[int]:
        """The step of the node that gives each value, beginning with the first after the inputs."""
        found: list[int] = []
        shapes = self.shapes
        for step, node in enumerate(self.nodes):
            read = tuple(shapes[value] for value in node.values)
            found.extend([step] * len(outcome(node.layer, self.layers[node.layer], read, node.arguments)))
        return found

    @property
    def makers(self) -> list[Node | None]:
        """The node that gives each value; None for inputs."""
        return [*[None] * len(self.inputs), *(self.nodes[step] for step in self.origins)]

    def builds(self) -> dict[str, tuple[Block, tuple[Shape, ...]]]:
        """Layer -> what is built, and for which shapes: those of its first call. Layers that are never called are left out."""
        shapes, first = self.shapes, dict[str, tuple[Block, tuple[Shape, ...]]]()
        for node in self.nodes:
            block = self.layers[node.layer].called(node.arguments)
            first.setdefault(node.layer, (block, self._read(node, shapes)))
        return first

    def to_json(self) -> dict[str, Any]:
        """The graph as JSON values. Raises ConfigError for a layer that is not out of the closed set, naming it."""
        from deepwell.nn.graph_json import written

        return written(self)

    @staticmethod
    def from_json(value: Any) -> Graph:
        """The graph that `to_json` wrote. Raises BundleError for anything else: the values come from a file."""
        from deepwell.nn.graph_json import read

        try:
            return read(value)
        except ConfigError as error:
            raise BundleError(f"the network is not one that can be built: {error.what}") from None


def outcome(
    name: str, block: Block, shapes: tuple[Shape, ...], arguments: Mapping[str, Argument] = MappingProxyType({})
) -> tuple[Shape, ...]:
    """The shapes that come out of a call of a layer. Raises ConfigError that names the layer."""
    least, most = block.values
    if len(shapes) < least or (most is not None and len(shapes) > most):
        wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(f"the layer {name!r} ({type(block).__name__}) takes {wanted} values; got {len(shapes)}")
    try:
        return block.called(arguments).outcome(*shapes)
    except ConfigError as error:
        received = ", ".join(map(shown, shapes))
        text = error.what if received in error.what else f"{error.what}; the shape received is {received}"
        raise ConfigError(f"the layer {name!r} ({type(block).__name__}): {text}", repair=error.repair) from None


class GraphNetwork(nn.Module):
    """The network of a graph. built: modules that are there already, by layer name; the others are built.

    Attributes:
        layers: the module of each layer that is called.
        cuts: step -> how many places of its value the layer is given; see shortcuts.py.
    """

    def __init__(self, graph: Graph, built: Mapping[str, nn.Module] = MappingProxyType({})) -> None:
        super().__init__()
        self.graph = graph
        calls = graph.builds()
        self._keys = {name: f"{place}" for place, name in enumerate(calls)}
        self.layers = nn.ModuleDict(
            {key: built[n] if n in built else calls[n][0].build(*calls[n][1]) for n, key in self._keys.items()}
        )
        for name in graph.frozen:
            if name in self._keys:
                freeze(self.layer(name))
        self._waiting, self._spent = shortcuts.waiting(graph), shortcuts.spent(graph)
        self.cuts = shortcuts.cuts(graph)

    def layer(self, name: str) -> nn.Module:
        """The module of a layer."""
        return self.layers[self._keys[name]]

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], None]:
        """input name -> (size, *shape); gives `NAME` for each output, `NAME.logits` and `NAME.mask` where there are such."""
        inputs = tuple(arrays[i.name] for i in self.graph.inputs)
        values, masks, logits = self._values(inputs, (None,) * len(inputs))
        found: dict[str, Tensor] = {}
        for name, value in self.graph.outputs.items():
            mask = masks[value]
            found[name] = values[value]
            found |= {} if value not in logits else {f"{name}.logits": logits[value]}
            found |= {} if mask is None else {f"{name}.mask": mask}
        return found, None

    def run(self, inputs: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> tuple[tuple[Tensor, ...], tuple[Mask, ...]]:
        """Inputs and their masks in the order of graph.inputs -> outputs and their masks in the order of graph.outputs.

        Other lengths than declared are computed where the layers can. Raises ConfigError, naming the layer, where they cannot.
        """
        try:
            values, beside, _ = self._values(inputs, masks)
        except DeepwellError:
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            self._explain(inputs, error)
            raise
        places = self.graph.outputs.values()
        return tuple(values[place] for place in places), tuple(beside[place] for place in places)

    def _explain(self, inputs: tuple[Tensor, ...], error: Exception) -> None:
        """Raise ConfigError where an input has not the shape that was declared; the layer is the one that reads it."""
        for number, (value, entry) in enumerate(zip(inputs, self.graph.inputs, strict=True)):
            pairs = list(zip(entry.shape, value.shape[1:], strict=False))
            if value.dim() != len(entry.shape) + 1 or any(wanted not in (None, side) for wanted, side in pairs):
                reader = next((node.layer for node in self.graph.nodes if number in node.values), entry.name)
                raise ConfigError(
                    f"the layer {reader!r}: the input {entry.name!r} takes {shown(entry.shape)}; the shape received is "
                    f"{tuple(value.shape)}, and it cannot be computed: {error}"
                ) from None

    def _values(
        self, inputs: tuple[Tensor, ...], given: tuple[Mask, ...]
    ) -> tuple[list[Tensor], list[Mask], dict[int, Tensor]]:
        """Every value that comes out, its mask, and the logits of those that end in a softmax or sigmoid, by place."""
        values = [_cast(value, i.dtype) for value, i in zip(inputs, self.graph.inputs, strict=True)]
        masks, logits = list(given), dict[int, Tensor]()
        ends, late = set(self.graph.outputs.values()), self._waiting
        # Layers may be called on other sizes than were declared: then everything is computed.
        cuts = self.cuts if all(v.shape[1:] == i.shape for v, i in zip(inputs, self.graph.inputs, strict=True)) else {}
        for step, node in enumerate(self.graph.nodes):
            module = self.layer(node.layer)
            usual = module.training
            read = tuple(values[v] for v in node.values)
            if step in cuts:
                read = (shortcuts.first_places(read[0], cuts[step]),)
            if node.training is not None:
                module.train(node.training)
            if len(values) in late and not module._forward_hooks:  # whoever listens hears the layer as it is
                values.append(cast(Activated, module).linear(*read))
                masks.append(None)
            else:
                self._call(node, module, read, values, masks, logits if len(values) in ends else None)
            if len(values) - 1 in late.values():
                values[-1] = functional.relu(values[-1])
            if node.training is not None:
                module.train(usual)
            for value in self._spent.get(step, ()):
                values[value] = inputs[0]  # what was there may be let go
        return values, masks, logits

    def _call(
        self,
        node: Node,
        module: nn.Module,
        read: tuple[Tensor, ...],
        values: list[Tensor],
        masks: list[Mask],
        logits: dict[int, Tensor] | None,
    ) -> None:
        """Run one node on what it reads; what it gives is put behind the values and masks. logits: None: nobody wants them."""
        block = self.graph.layers[node.layer]
        beside = tuple(masks[v] for v in node.values)
        if logits is not None and getattr(module, "activation", None) in ENDS:
            activated = cast(Activated, module)
            logits[len(values)] = activated.linear(*read)
            values.append(activated.activate(logits[len(values)]))
            masks.append(block.mask(module, read, beside))
        else:
            given, those = block.run(module, read, beside, node.arguments)
            values.extend(given)
            masks.extend(those)


@dataclasses.dataclass(frozen=True)
class Model(Block):
    """A network as a layer: its inputs are the values, its outputs come out. Its module is a GraphNetwork."""

    values: ClassVar[tuple[int, int | None]] = (1, None)

    graph: Graph

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        inputs = self.graph.inputs
        if len(shapes) != len(inputs):
            raise ConfigError(f"the network takes {len(inputs)} values; got {len(shapes)}")
        for wanted, shape in zip(inputs, shapes, strict=True):
            pairs = zip(wanted.shape, shape, strict=False)
            if len(wanted.shape) != len(shape) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
                raise ConfigError(
                    f"its input {wanted.name!r} has the shape {shown(wanted.shape)}; the shape received is {shown(shape)}"
                )
        found = self.graph.flow(shapes)
        return tuple(found[place] for place in self.graph.outputs.values())

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return GraphNetwork(self.graph)

    def run(
        self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...], arguments: Mapping[str, Any]
    ) -> tuple[tuple[Tensor, ...], tuple[Mask, ...]]:
        """See Block."""
        return cast(GraphNetwork, module).run(values, masks)


def _cast(value: Tensor, dtype: str) -> Tensor:
    """An input as its network wants it: floating point, or whole numbers; how many bits is not changed."""
    if dtype.startswith("float"):
        return value if value.is_floating_point() else value.float()
    return value.int() if value.is_floating_point() or value.dtype in (torch.bool, torch.uint8) else value
