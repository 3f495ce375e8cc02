"""Layer: what all layers of the door have in common, and what a layer of one's own is derived from.

    class Scale(Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        def call(self, inputs):
            return inputs * self.factor

Unusual: a layer is a face. What computes is a torch module beside it: built out of deepwell's own set (described.py), or made
here, holding the weights that `add_weight` adds and the modules of the layers found in attributes, lists and dicts. Nothing
needs to be called before anything else: what a layer knows about itself is made when it is first asked for.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras import naming
from deepwell.keras.parts import drawn, walked
from deepwell.keras.symbolic import Call, flat, symbolic
from deepwell.keras.variables import Parameter, Variable
from deepwell.nn.blocks.base import Shape as Inner
from deepwell.nn.layout import Weight, weights

FLOATS = (None, "float32")
"""The types of a layer's numbers that are accepted."""


class OwnModule(nn.Module):
    """The torch module behind a layer of one's own: its weights, and the modules of the layers in it."""

    def __init__(self) -> None:
        super().__init__()
        self.layout: tuple[Weight, ...] = ()
        self.regularised: tuple[tuple[str, Any], ...] = ()
        self.losses: list[Tensor] = []
        self.learns = True
        self.eval()


class _State:
    """What a layer knows about itself."""

    def __init__(self) -> None:
        self.name = ""
        self.trainable = True
        self.module: nn.Module | None = None
        self.calls: list[Call] = []
        self.forms: dict[str, Any] = {}
        self.shapes: tuple[Inner, ...] | None = None
        self.input_shape: Inner | None = None


class Layer:
    """See the file's head. Options: name, trainable, dtype ("float32"), input_shape (of the first layer of a Sequential).

    Attributes:
        name: unique in a model. trainable: whether its weights learn. built: whether it has its weights.
        supports_masking: masks of its inputs go on to its outputs.
    """

    supports_masking = False
    private: frozenset[str] = frozenset({"_face"})
    """Attributes that copies do without, and in which no layers are looked for."""

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        activity_regularizer: Any = None,
        autocast: bool = True,
    ) -> None:
        if getattr(dtype, "name", dtype) not in FLOATS:
            raise ConfigError(
                f"a layer's dtype must be 'float32'; got {dtype!r}",
                repair="leave it out: training takes bfloat16 by itself where this machine gains from it",
            )
        if activity_regularizer is not None:
            raise ConfigError("activity_regularizer is not known here", repair="call self.add_loss(...) in `call`")
        own = self._own
        own.name, own.trainable = name or self.name, trainable
        if input_dim is not None:
            input_shape = (input_dim,)
        own.input_shape = None if input_shape is None else tuple(input_shape)

    # what users write ------------------------------------------------------------------------------------------------
    def build(self, input_shape: Any) -> None:
        """Make the weights. input_shape: with the axis of examples; a list of shapes where `call` is given several."""

    def call(self, inputs: Any) -> Any:
        """What the layer computes, on torch tensors; a subclass may take more values, and `training` and `mask`."""
        raise NotImplementedError(f"{type(self).__name__} has no `call`")

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of what comes out."""
        return previous_mask if self.supports_masking else None

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes the same layer of, without weights."""
        return {"name": self.name, "trainable": self.trainable, "dtype": "float32"}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A new layer of `get_config`."""
        return cls(**config)

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Parameter:
        """A new weight of this layer, to compute with.

        initializer: a name, an object, or a function (shape, dtype) -> array. Raises ConfigError for a constraint.
        """
        if constraint is not None:
            raise ConfigError(
                f"the weight {name!r} of {self.name!r} has a constraint; constraints are not known here",
                repair="use a regularizer",
            )
        begin = drawn(initializer, tuple(shape), dtype)
        module = self._module_of_own()
        inner = f"weight_{len(module.layout)}"
        learns = trainable and begin.is_floating_point()
        parameter = Parameter(begin, requires_grad=learns)
        module.register_parameter(inner, parameter)
        module.layout = (*module.layout, Weight(name or inner, inner, (), learns))
        if regularizer is not None:
            from deepwell.keras import regularizers

            module.regularised = (*module.regularised, (inner, regularizers.get(regularizer)))
        return parameter

    def add_loss(self, loss: Any) -> None:
        """Add to the loss of the batch, from within `call`: a scalar, or values whose sum is meant."""
        self._module_of_own().losses += [v if v.ndim == 0 else v.sum() for v in flat(loss, (Tensor,))]

    # what users read -------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Its name."""
        own = self._own
        if not own.name:
            own.name = naming.unique(naming.snake(type(self).__name__))
        return own.name

    @property
    def trainable(self) -> bool:
        """Whether its weights learn; setting it reaches the layers within. It counts from the next `fit` on."""
        return self._own.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        """See above."""
        self._own.trainable = bool(value)
        for layer in self.sublayers():
            layer.trainable = value

    @property
    def built(self) -> bool:
        """Whether its weights are there."""
        return self._own.shapes is not None

    @built.setter
    def built(self, value: bool) -> None:
        """Keras's subclasses set this at the end of `build`; nothing follows from it here."""

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        return "float32"

    @property
    def weights(self) -> list[Variable]:
        """All weights, its own first."""
        return list(self._variables(self.name))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that learn."""
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that stay, and running statistics."""
        return [v for v in self.weights if not v.trainable]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of all weights, in Keras's order and shapes."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, arrays: Sequence[Any]) -> None:
        """Put arrays into all weights. Raises ConfigError for another number of them or other shapes, naming the weight."""
        variables = self.weights
        if len(arrays) != len(variables):
            names = ", ".join(v.path for v in variables[:6])
            raise ConfigError(
                f"{self.name!r} has {len(variables)} weights ({names}{', ...' if len(variables) > 6 else ''}); "
                f"got {len(arrays)} arrays",
                repair="" if variables else "build it first: call it on data, or give it an input shape",
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """How many numbers its weights hold."""
        return sum(int(np.prod(v.shape)) for v in self.weights)

    @property
    def input(self) -> Any:
        """What it was first called on, in a functional model."""
        return alone(self._first_call().values)

    @property
    def output(self) -> Any:
        """What its first call gave, in a functional model."""
        return alone(self._first_call().outputs)

    def sublayers(self) -> list[Layer]:
        """The layers found in attributes, lists, tuples and dicts, in the order they were put there."""
        return list(dict.fromkeys(layer for _, layer in found(self) if isinstance(layer, Layer)))

    def __getattr__(self, name: str) -> Any:
        """A weight by its name, such as `kernel`."""
        if not name.startswith("_") and "_face" in self.__dict__ and self._own.module is not None:
            for weight, tensor in weights(self._own.module):
                if weight.name == name:
                    return Variable(weight, tensor, f"{self.name}/{name}", weight.trainable and self.trainable)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        """A copy with weights of its own, which no model knows of."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        for name, value in vars(self).items():
            if name not in self.private:
                copied.__dict__[name] = copy.deepcopy(value, memo)
        state = copy.copy(self._own)
        state.module, state.calls, state.forms = copy.deepcopy(state.module, memo), [], {}
        copied.__dict__["_face"] = state
        return copied

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # calls -----------------------------------------------------------------------------------------------------------
    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it on arrays or tensors (the result is a tensor), or on symbolic values (they become part of a model)."""
        from deepwell.keras import calling

        return (calling.noted if symbolic([args, options]) else calling.computed)(self, args, options)

    def described(self, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """A call on symbolic values, as a model notes it down."""
        from deepwell.keras.own import noted_own

        return noted_own(self, args, options)

    def key(self, described: Any) -> str:
        """What the layer is called in a graph, when called in this form."""
        place = list(self.forms.values()).index(described.block) if self.forms else 0
        return f"{self.name}:{place}" if place else self.name

    def prepare(self, shapes: tuple[Inner, ...], nest: Sequence[Any], arguments: Any = None) -> None:
        """Make the weights, if they are not there. nest: the shapes of the positional arguments, as they stand."""
        own = self._own
        if own.shapes is None:
            own.shapes = shapes
            several = len(inspect.signature(self.build).parameters) > 1
            self.build(*(nest if several else nest[:1]))

    def run(self, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Compute, on tensors of the right device."""
        from deepwell.keras import calling

        return calling.run_own(self, args, options)

    @property
    def module(self) -> nn.Module:
        """The torch module behind it, with those of the layers within."""
        module = self._module_of_own()
        for name, part in found(self):
            inner = part.module if isinstance(part, Layer) and part.has_module else part
            if isinstance(inner, Parameter):
                continue  # add_weight has put it there
            if isinstance(inner, nn.Parameter) and name not in {w.parameter for w in module.layout}:
                module.register_parameter(name, inner)
                module.layout = (*module.layout, Weight(name, name))
            elif isinstance(inner, nn.Module):
                module.add_module(name, inner)
        return module

    @property
    def has_module(self) -> bool:
        """Whether there is anything to run yet; layers of one's own always have, others once their shapes are known."""
        return True

    def first_shape(self) -> Inner | None:
        """The shape that it says it takes, where it stands first in a Sequential."""
        return self._own.input_shape

    @property
    def shared_module(self) -> nn.Module | None:
        """What all models that hold the layer run; None where each call has a module of its own around it."""
        return None

    @property
    def forms(self) -> dict[str, Any]:
        """The forms in which it was called: only layers of one's own have several."""
        return self._own.forms

    @property
    def calls(self) -> list[Call]:
        """Its calls on symbolic values."""
        return self._own.calls

    def learn_as_told(self) -> None:
        """Have torch follow `trainable`, here and in all layers within."""
        self._module_of_own().learns = self.trainable
        for variable in self._variables(""):
            if variable.tensor.is_floating_point() and isinstance(variable.tensor, nn.Parameter):
                variable.tensor.requires_grad_(variable.trainable)
        for layer in self.sublayers():
            layer.learn_as_told()

    def _variables(self, path: str) -> Iterator[Variable]:
        module = self._module_of_own()
        for weight in module.layout:
            tensor = module.get_parameter(weight.parameter)
            yield Variable(weight, tensor, f"{path}/{weight.name}", weight.trainable and self.trainable)
        seen: set[int] = set()
        for _, part in found(self):
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, Layer):
                yield from part._variables(f"{path}/{part.name}")
            elif isinstance(part, nn.Module):
                for name, parameter in part.named_parameters():
                    yield Variable(Weight(name, name), parameter, f"{path}/{name}", self.trainable)

    @property
    def _own(self) -> _State:
        state: _State = self.__dict__.setdefault("_face", _State())
        return state

    def _module_of_own(self) -> OwnModule:
        if self._own.module is None:
            self._own.module = OwnModule()
        module = self._own.module
        if not isinstance(module, OwnModule):
            raise TypeError(f"{self.name!r} is no layer of its own")
        return module

    def _first_call(self) -> Call:
        if not self.calls:
            raise ConfigError(
                f"the layer {self.name!r} has not been called on a symbolic value: it has no input or output"
            )
        return self.calls[0]


def found(layer: Layer) -> Iterator[tuple[str, Any]]:
    """Layers, torch modules and parameters of the attributes, with a name for each."""
    for name, value in vars(layer).items():
        if name not in layer.private:
            yield from walked(name, value, Layer)


def alone(values: Iterable[Any]) -> Any:
    """The only one of several values, else a list of them."""
    listed = list(values)
    return listed[0] if len(listed) == 1 else listed
