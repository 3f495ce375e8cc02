"""Model: layers that are trained together: written down from inputs to outputs, or as a class with a `call`.

Unusual: a model is a face of a Graph (nn/graph.py), which is what trains and what is sealed. A subclass with a `call` becomes a
graph of one node once it has seen data, so that nothing that follows knows the difference. Training is in engine.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras import arrays, calling, functional, naming
from deepwell.keras.functional import InputLayer, Wiring
from deepwell.keras.layer import Layer, alone
from deepwell.keras.options import Asked, CompileOptions, FitOptions, parsed
from deepwell.keras.own import Described
from deepwell.keras.symbolic import KerasTensor, Slot, filled, flat, slotted, symbolic
from deepwell.keras.written import Written
from deepwell.nn import graph as graphs
from deepwell.nn.graph import Graph, GraphNetwork

NO_STEPS = ("train_step", "test_step", "predict_step", "compute_loss")
"""Methods that Keras lets a subclass write anew."""


class Model(Written):
    """Model(inputs, outputs), or a subclass with layers as attributes and a `call`.

    Attributes:
        compiled: whether compile was called. loss: what it was given.
        stop_training: set it in a callback, and `fit` ends. optimizer: that of compile. history: of the last `fit`.
        training: what compile and fit know; None before compile.
    """

    compiled = False
    loss: Any = None
    private = frozenset(
        {"_face", "compiled", "loss", "optimizer", "history", "training", "_wiring", "_network", "_graph"}
    )

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        if (inputs is None) != (outputs is None):
            raise ConfigError("a functional model needs both its inputs and its outputs")
        title = "functional" if inputs is not None and type(self) is Model else naming.snake(type(self).__name__)
        super().__init__(name=name or naming.unique(title), trainable=trainable, dtype=dtype)
        self._wiring: Wiring | None = None
        self._network: GraphNetwork | None = None
        self._nests: tuple[Any, Any] = (None, None)
        self.training: Any = None
        self.stop_training = False
        self.optimizer: Any = None
        self.history: Any = None
        if inputs is not None:
            self.wire(inputs, outputs)

    # structure -------------------------------------------------------------------------------------------------------
    def wire(self, inputs: Any, outputs: Any) -> None:
        """Take what lies between symbolic inputs and outputs as this model."""
        given, gained = symbolic(inputs), symbolic(outputs)
        if not given or not gained:
            raise ConfigError(
                "the inputs and outputs of a functional model are symbolic values",
                repair="begin with x = Input(shape=...)",
            )
        self._wiring = functional.wired(given, gained)
        self._nests = (slotted(inputs, (KerasTensor,)), slotted(outputs, (KerasTensor,)))
        self._network = None
        self._own.shapes = tuple(v.shape[1:] for v in given)

    @property
    def wiring(self) -> Wiring:
        """What lies between inputs and outputs. Raises ConfigError for a model that has seen no data yet."""
        if self._wiring is None:
            raise ConfigError(
                f"the model {self.name!r} is not built: the shape of its data is not known",
                repair="give its first layer an input_shape, call `build`, or call it on data",
            )
        return self._wiring

    @property
    def is_wired(self) -> bool:
        """Whether it was written down from inputs to outputs."""
        return self._wiring is not None

    @property
    def layers(self) -> list[Layer]:
        """Its layers, in Keras's order."""
        return list(self.wiring.layers) if self.is_wired and not self.is_own else self.sublayers()

    def sublayers(self) -> list[Layer]:
        """See Layer."""
        if self._wiring is None or self.is_own:
            return super().sublayers()
        return [layer for layer in self._wiring.layers if not isinstance(layer, InputLayer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or a place. Raises ConfigError where there is none, with the nearest name."""
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ConfigError(f"{self.name!r} has {len(layers)} layers; there is no layer {index}")
            return layers[index]
        found = {layer.name: layer for layer in layers}
        if name not in found:
            raise ConfigError(f"{self.name!r} has no layer {name!r}{nearest(str(name), found)}")
        return found[name]

    @property
    def inputs(self) -> list[KerasTensor]:
        """Its symbolic inputs."""
        return list(self.wiring.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """Its symbolic outputs."""
        return list(self.wiring.outputs)

    @property
    def input(self) -> Any:
        """Its symbolic input, or a list of them."""
        return alone(self.inputs)

    @property
    def output(self) -> Any:
        """Its symbolic output, or a list of them."""
        return alone(self.outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of its input, with None for the examples; a list where there are several."""
        return alone(value.shape for value in self.inputs)

    @property
    def output_shape(self) -> Any:
        """The shape of its output, with None for the examples; a list where there are several."""
        return alone(value.shape for value in self.outputs)

    @property
    def output_names(self) -> list[str]:
        """The names under which History and dicts of targets know the outputs."""
        nest = self._nests[1]
        if isinstance(nest, Mapping) and len(nest) == len(self.outputs):
            return [str(name) for name in nest]
        if not self.is_own:
            return functional.output_names(self.outputs)
        return ["output"] if len(self.outputs) == 1 else [f"output_{i}" for i in range(1, len(self.outputs) + 1)]

    @property
    def network(self) -> GraphNetwork:
        """What trains and answers."""
        if self._network is None:
            self._network = GraphNetwork(*self.graph_now()).eval()
        return self._network

    def graph_now(self) -> tuple[Graph, dict[str, nn.Module]]:
        """The network as data, with what is frozen now, and the modules of its layers. Raises ConfigError before it is built."""
        frozen = [layer.name for layer in self.wiring.layers if not layer.trainable]
        return functional.graph_of(self.wiring, self.output_names, frozen)

    @property
    def nests(self) -> tuple[Any, Any]:
        """How its inputs and outputs were given: lists and dicts with places for the values."""
        return self._nests

    def structured(self, outputs: Sequence[Any]) -> Any:
        """Values of the outputs in the nest that the model was written with."""
        return filled(self._nests[1], outputs)

    def meet(self, x: Any) -> None:
        """See the data that it will be asked about: a subclass with a `call` is wired to their shapes."""
        if not self.is_own or self.is_wired:
            return
        nest = functional.entries(x)
        self.wire(nest, self(nest))

    def placed(self, x: Any) -> Any:
        """A dict of inputs as a list in the model's order, by the names of its inputs or of the dict it was written with."""
        nest = self._nests[0]
        if self.is_own or not isinstance(x, Mapping):
            return x
        written = isinstance(nest, Mapping) and all(isinstance(slot, Slot) for slot in nest.values())
        slots = nest if written else {value.name: Slot(place) for place, value in enumerate(self.inputs)}
        values = arrays.named(x, list(slots), "input")
        return [values[name] for name in sorted(slots, key=lambda name: slots[name].index)]

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        """A copy with weights of its own, not compiled; one with a `call` of the user's own is wired when it next sees data."""
        copied, wiring = super().__deepcopy__(memo), self._wiring
        if wiring is not None and not self.is_own:
            layers = [copy.deepcopy(layer, memo) for layer in wiring.layers]
            calls = [
                replace(c, layer=copy.deepcopy(c.layer, memo), block=copy.deepcopy(c.block, memo)) for c in wiring.calls
            ]
            wiring = replace(wiring, layers=layers, calls=calls)
        network = None if self.is_own else copy.deepcopy(self._network, memo)
        found = {"_wiring": None if self.is_own else wiring, "_network": network}
        vars(copied).update(found, training=None, optimizer=None, history=None)
        return copied

    # a model as a layer ----------------------------------------------------------------------------------------------
    @property
    def has_module(self) -> bool:
        """See Layer."""
        return True

    @property
    def module(self) -> nn.Module:
        """See Layer."""
        return self.network if self.is_wired and not self.is_own else super().module

    @property
    def shared_module(self) -> nn.Module | None:
        """See Layer."""
        return self.network if self.is_wired and not self.is_own else None

    @property
    def is_own(self) -> bool:
        """Whether its `call` was written by a user."""
        return type(self).call is not Model.call

    def described(self, args: Sequence[Any], options: Mapping[str, Any]) -> Described:
        """See Layer."""
        if self.is_own:
            own: Described = super().described(args, options)
            return own
        values = symbolic([*map(self.placed, args), options])
        return Described(graphs.Model(self.graph_now()[0]), values, options.get("training"))

    def get_config(self) -> dict[str, Any]:
        """See Written; of a subclass with a `call`: its name and whether it learns."""
        return Layer.get_config(self) if self.is_own else super().get_config()

    def first_shape(self) -> tuple[int | None, ...] | None:
        """See Layer."""
        return self.inputs[0].shape[1:] if self.is_wired else super().first_shape()

    def key(self, described: Any) -> str:
        """See Layer."""
        return super().key(described) if self.is_own else self.name

    def prepare(self, shapes: tuple[tuple[int | None, ...], ...], nest: Sequence[Any], arguments: Any = None) -> None:
        """See Layer."""
        if self.is_own:
            super().prepare(shapes, nest)

    def run(self, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """See Layer."""
        if self.is_own:
            return super().run(args, options)
        values = flat([*map(self.placed, args), options], (Tensor,))
        masks = tuple(getattr(v, calling.MASK, None) for v in values)
        outputs, given = self.network.run(tuple(values), masks)
        for output, mask in zip(outputs, given, strict=True):
            if mask is not None:
                setattr(output, calling.MASK, mask)
        return self.structured(outputs)

    def call(self, inputs: Any) -> Any:
        """What the model computes, on tensors; a subclass writes its own."""
        return self.run([inputs], {})

    def _variables(self, path: str) -> Any:
        if self.is_own or not self.is_wired:
            yield from super()._variables(path)
            return
        for layer in self.sublayers():
            yield from layer._variables(f"{path}/{layer.name}")

    # training: see engine.py -----------------------------------------------------------------------------------------
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **options: Any,
    ) -> None:
        """Say how it is trained. optimizer, loss, metrics: names or objects; lists or dicts by output where there are several.

        options: see options.CompileOptions. Raises ConfigError for unknown names, with the nearest.
        """
        from deepwell.keras import engine

        overridden = [n for n in NO_STEPS if hasattr(type(self), n)]
        if overridden:
            raise ConfigError(
                f"{type(self).__name__} writes its own {overridden[0]!r}; all models are trained by one loop",
                repair="put the loss into a function (y_true, y_pred) or into self.add_loss(...) of a layer",
            )
        asked = Asked(optimizer, loss, loss_weights, metrics, weighted_metrics)
        engine.compile_model(self, asked, parsed(CompileOptions, options, "compile", [f.name for f in fields(Asked)]))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        **options: Any,
    ) -> Any:
        """Train. x, y: arrays (numpy, torch, anything with __array__ or DLPack), lists, or dicts by input and output name.

        options: see options.FitOptions. Gives the History. Raises ConfigError and DataError for what does not fit together,
        RunError when the loss or a gradient is not finite.
        """
        from deepwell.keras import engine

        given = {**options, "batch_size": batch_size, "epochs": epochs, "verbose": verbose, "callbacks": callbacks}
        return engine.fit(self, x, y, parsed(FitOptions, given, "fit"))

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data: a number, a list in the order of `metrics_names`, or a dict."""
        from deepwell.keras import engine
        from deepwell.keras.answering import Question

        asked = Question(batch_size, verbose, steps, callbacks)
        return engine.evaluate(self, x, y, sample_weight, asked, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for data, as arrays."""
        from deepwell.keras import engine
        from deepwell.keras.answering import Question

        return engine.predict(self, x, Question(batch_size, verbose, steps, callbacks))

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch; gives its loss and metrics."""
        from deepwell.keras import engine

        given = {"epochs": 1, "verbose": 0, "sample_weight": sample_weight, "class_weight": class_weight}
        return engine.train_on_batch(self, x, y, parsed(FitOptions, given, "train_on_batch"), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch."""
        return self.evaluate(x, y, verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        return self.predict(x, verbose=0)

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` gives, in its order."""
        from deepwell.keras import engine

        return engine.names(self)

    @property
    def metrics(self) -> list[Any]:
        """The metrics of compile."""
        from deepwell.keras import engine

        return engine.metrics_of(self)

    @property
    def losses(self) -> list[Any]:
        """What regularisers and add_loss add to the loss."""
        from deepwell.keras import engine

        return engine.losses_of(self)
