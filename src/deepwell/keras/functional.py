"""From symbolic values to a Graph: which calls lie between inputs and outputs, and in which order the layers stand.

Unusual: the order of layers is Keras's (by their distance from the outputs, then as they are met), since summaries and the order
of weights follow it; the order of calls is simply one in which each value is there before it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.keras import naming
from deepwell.keras.layer import Layer
from deepwell.keras.symbolic import Call, KerasTensor
from deepwell.nn import graph as graphs
from deepwell.nn.graph import Graph


class InputLayer(Layer):
    """What goes in: it computes nothing."""

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
    ) -> None:
        super().__init__(name=name or naming.unique("input_layer"))
        given = shape if shape is not None else input_shape
        if given is None or isinstance(given, str):
            raise ConfigError("an input needs a shape, without the axis of examples, such as (28, 28, 1)")
        sides = (given,) if isinstance(given, int) else tuple(given)
        if not all(side is None or (isinstance(side, int) and side >= 0) for side in sides):
            raise ConfigError(f"the shape of an input is made of whole numbers and None; got {sides!r}")
        kind = str(getattr(dtype, "name", dtype) or "float32").removeprefix("torch.")
        self.tensor = KerasTensor((None, *sides), "float32" if "float" in kind else "int32", self.name)
        self.tensor.call = Call(self, (), self.name)
        self.tensor.call.outputs = (self.tensor,)
        self.calls.append(self.tensor.call)
        self._own.shapes = (sides,)

    def call(self, inputs: Any) -> Any:
        """What goes in."""
        return inputs


def Input(  # noqa: N802 (Keras's name)
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
) -> KerasTensor:
    """A symbolic value to begin a functional model with. shape: without the axis of examples; None for any length.

    dtype: "int32" and the like for indices; uint8 pictures may stay uint8 as data, the model turns them into its type.
    """
    return InputLayer(shape if batch_shape is None else batch_shape[1:], batch_size, dtype, name).tensor


def entries(x: Any) -> Any:
    """Symbolic inputs for a nest of data, named as its dict names them, else `input`, `input_1`, ..."""
    from deepwell.keras.arrays import as_array

    def entry(name: str, value: Any) -> KerasTensor:
        array = as_array(value, f"the input {name!r}")
        return Input(array.shape[1:], None, array.dtype.name, name)

    if isinstance(x, Mapping):
        return {name: entry(str(name), value) for name, value in x.items()}
    if isinstance(x, list | tuple) and len(x) and hasattr(x[0], "shape"):
        return type(x)(entry(f"input_{i}" if i else "input", value) for i, value in enumerate(x))
    return entry("input", x)


@dataclass(frozen=True)
class Wiring:
    """What lies between inputs and outputs. calls: in an order in which they can run; layers: in Keras's order."""

    inputs: Sequence[KerasTensor]
    outputs: Sequence[KerasTensor]
    calls: Sequence[Call]
    layers: Sequence[Layer]


def wired(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> Wiring:
    """Walk back from the outputs to the inputs. Raises ConfigError where an output hangs on nothing that is given."""
    done: list[Call] = []
    met: dict[Layer, int] = {}
    stops = {id(value) for value in inputs}
    for output in outputs:
        _walk(output, stops, done, met)
    given = {id(value.call) for value in inputs if value.call is not None}
    foreign = [c for c in done if isinstance(c.layer, InputLayer) and id(c) not in given]
    if foreign:
        raise ConfigError(
            f"the outputs also hang on the input {foreign[0].layer.name!r}, which is not among the model's inputs",
            repair="add it to `inputs`",
        )
    for value in inputs:
        if value.call is not None and value.call.layer not in met:
            met[value.call.layer] = -1
    depths = _depths(done)
    beyond = {id(v.call) for v in inputs} - {id(c) for c in done if isinstance(c.layer, InputLayer)}
    for layer in {c.layer for c in done if id(c) in beyond}:
        met.pop(layer)  # it stands before an input that lies inside another model
    layers = sorted(met, key=lambda layer: (-depths.get(layer, 0), met[layer]))
    clash = [layer.name for i, layer in enumerate(layers) if layer.name in {other.name for other in layers[:i]}]
    if clash:
        raise ConfigError(f"two layers of the model are called {clash[0]!r}", repair="give one of them another name")
    calls = [c for c in done if id(c) not in given and not isinstance(c.layer, InputLayer)]
    return Wiring(list(inputs), list(outputs), calls, layers)


def _walk(output: KerasTensor, stops: set[int], done: list[Call], met: dict[Layer, int]) -> None:
    """Note the calls behind a value, those that it reads first; without recursion, for models may be deep."""
    seen = {id(call) for call in done}
    waiting: list[tuple[KerasTensor, bool]] = [(output, False)]
    while waiting:
        value, finished = waiting.pop()
        call = value.call
        if call is None:
            raise ConfigError(f"the value {value!r} comes from no layer and no Input")
        if finished:
            if id(call) not in seen:
                seen.add(id(call))
                done.append(call)
            continue
        if id(call) in seen:
            continue
        met.setdefault(call.layer, len(met))
        waiting.append((value, True))
        if id(value) not in stops:
            waiting += [(read, False) for read in reversed(call.values)]


def _depths(done: Sequence[Call]) -> dict[Layer, int]:
    """How far each layer is from the outputs: the longest way."""
    calls: dict[int, int] = {}
    layers: dict[Layer, int] = {}
    for call in reversed(done):
        depth = max(calls.get(id(call), 0), layers.get(call.layer, 0))
        layers[call.layer] = calls[id(call)] = depth
        for value in call.values:
            calls[id(value.call)] = max(depth + 1, calls.get(id(value.call), 0))
    return layers


def graph_of(wiring: Wiring, names: Sequence[str], frozen: Sequence[str] = ()) -> tuple[Graph, dict[str, nn.Module]]:
    """The graph of a wiring, its outputs called `names`; and the modules that are there already, by their key in it."""
    places = {id(value): number for number, value in enumerate(wiring.inputs)}
    blocks: dict[str, Any] = {}
    built: dict[str, nn.Module] = {}
    nodes = []
    for call in wiring.calls:
        nodes.append(
            graphs.Node(call.key, tuple(places[id(v)] for v in call.values), call.training, dict(call.arguments))
        )
        for value in call.outputs:
            places[id(value)] = len(places)
        blocks[call.key] = call.block
        module = call.layer.shared_module
        if module is not None:
            built[call.key] = module
    inputs = tuple(graphs.Input(v.name, v.shape[1:], v.dtype) for v in wiring.inputs)
    outputs: Mapping[str, int] = {n: places[id(v)] for n, v in zip(names, wiring.outputs, strict=True)}
    stay = tuple(name for name in frozen if name in blocks)
    return Graph(inputs, blocks, tuple(nodes), outputs, stay), built


def output_names(outputs: Sequence[KerasTensor]) -> list[str]:
    """A name for each output: that of its layer, numbered where one layer gives several."""
    names: list[str] = []
    for value in outputs:
        name = value.call.layer.name if value.call is not None else value.name
        number = sum(1 for known in names if known == name or known.startswith(f"{name}_"))
        names.append(f"{name}_{number}" if name in names else name)
    return names
