"""Sequential: layers one after the other. Without an input shape it is built when it first sees data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepwell.core.errors import ConfigError
from deepwell.keras.functional import Input, InputLayer
from deepwell.keras.layer import Layer
from deepwell.keras.model import Model
from deepwell.keras.own import as_layer
from deepwell.keras.symbolic import KerasTensor


class Sequential(Model):
    """Layers (also torch modules and functions), each called on what the one before gave."""

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._stack: list[Layer] = []
        self._entry: KerasTensor | None = None
        self._values: list[KerasTensor] = []
        if layers is not None and not isinstance(layers, list | tuple):
            layers = [layers]
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end. Raises ConfigError for what is none, and for a name that is taken."""
        if isinstance(layer, KerasTensor):
            if self._stack or layer.call is None or not isinstance(layer.call.layer, InputLayer):
                raise ConfigError("an Input stands first in a Sequential; other symbolic values cannot be added")
            self._enter(layer)
            return
        if isinstance(layer, InputLayer):
            self._enter(layer.tensor)
            return
        added = as_layer(layer)
        if added in self._stack:
            raise ConfigError(
                f"the layer {added.name!r} is in this Sequential already",
                repair="make a second one; or share its weights in a functional model",
            )
        if any(added.name == other.name for other in self._stack):
            raise ConfigError(
                f"two layers of the model are called {added.name!r}", repair="give one of them another name"
            )
        if not self._stack and self._entry is None:
            shape = added.first_shape()
            if shape is not None:
                self._enter(Input(shape, dtype="int32" if type(added).__name__ == "Embedding" else None))
        self._stack.append(added)
        if self._entry is not None:
            try:
                self._call(added)
            except ConfigError:
                self._stack.pop()
                raise

    def pop(self) -> Layer:
        """Take the last layer away. Raises ConfigError where there is none."""
        if not self._stack:
            raise ConfigError("there is no layer to take away")
        layer = self._stack.pop()
        if self._entry is not None:
            self._values.pop()
            self._rewire()
        return layer

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return list(self._stack)

    def sublayers(self) -> list[Layer]:
        """See Layer."""
        return list(self._stack)

    def build(self, input_shape: Any) -> None:
        """Make the weights. input_shape: with the axis of examples, such as (None, 28, 28, 1)."""
        if self._entry is None and input_shape:
            self.build_for(tuple(input_shape[1:]), "float32")

    def build_for(self, shape: tuple[int | None, ...], dtype: str) -> None:
        """Make the weights for values of this shape, without the axis of examples."""
        if self._entry is not None:
            return
        reads_indices = bool(self._stack) and type(self._stack[0]).__name__ == "Embedding"
        self._enter(Input(shape, dtype="int32" if reads_indices else dtype))
        try:
            for layer in self._stack:
                self._call(layer)
        except ConfigError:
            self._entry, self._values = None, []
            raise

    def meet(self, x: Any) -> None:
        """See Model."""
        if self._entry is None:
            from deepwell.keras.arrays import as_array

            single = x[0] if isinstance(x, list | tuple) and len(x) == 1 else x
            array = as_array(single, "the input")
            self.build_for(array.shape[1:] or (1,), "float32")

    def prepare(self, shapes: tuple[tuple[int | None, ...], ...], nest: Sequence[Any], arguments: Any = None) -> None:
        """See Layer."""
        if len(shapes) != 1:
            raise ConfigError(f"the Sequential {self.name!r} takes one value; got {len(shapes)}")
        self.build_for(shapes[0], "float32")

    def described(self, args: Sequence[Any], options: Any) -> Any:
        """See Layer."""
        from deepwell.keras.symbolic import symbolic

        values = symbolic([args, options])
        if len(values) == 1:
            self.build_for(values[0].shape[1:], values[0].dtype)
        return super().described(args, options)

    def take(self, entry: KerasTensor, layers: Sequence[Layer], values: Sequence[KerasTensor]) -> None:
        """Take over layers that have been called one after the other; values: what they gave."""
        self._entry, self._stack, self._values = entry, list(layers), list(values)
        self._rewire()

    def first_shape(self) -> tuple[int | None, ...] | None:
        """See Layer."""
        return None if self._entry is None else self._entry.shape[1:]

    def _enter(self, value: KerasTensor) -> None:
        if self._entry is not None:
            raise ConfigError(f"the Sequential {self.name!r} has its input already: {self._entry.shape}")
        self._entry = value
        self._rewire()

    def _call(self, layer: Layer) -> None:
        before = self._values[-1] if self._values else self._entry
        given = layer(before)
        if not isinstance(given, KerasTensor):
            raise ConfigError(
                f"the layer {layer.name!r} gives several values; in a Sequential each gives one",
                repair="use the functional API: Model(inputs, outputs)",
            )
        self._values.append(given)
        self._rewire()

    def _rewire(self) -> None:
        if self._entry is not None and self._values:
            self.wire(self._entry, self._values[-1])
        else:
            self._wiring, self._network = None, None
