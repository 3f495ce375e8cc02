"""SimpleRNN, LSTM, GRU, Bidirectional, and TimeDistributed: a layer at every step.

States to begin with are further values after the sequence: h, and for LSTM h and c; with Bidirectional those of both layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import ClassVar

from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Mask, Shape, among, axes, fraction, known, positive, shown
from deepwell.nn.initialisers import GlorotUniform, Initialiser, Orthogonal, Zeros
from deepwell.nn.layers import recurrent as modules
from deepwell.nn.layers.activations import activation
from deepwell.nn.layers.both_ways import JOINS, BothWays
from deepwell.nn.layers.each_step import EachStep
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class _Recurrent(Block, ABC):
    """(length, inputs) -> (units,), or (length, units) with return_sequences, and the last states with return_state."""

    values: ClassVar[tuple[int, int | None]] = (1, 2)
    reads_mask: ClassVar[bool] = True
    gates: ClassVar[int] = 1
    number_of_states: ClassVar[int] = 1

    units: int
    activation: str = "tanh"
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Initialiser = field(default_factory=GlorotUniform)
    recurrent_initializer: Initialiser = field(default_factory=Orthogonal)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    kernel_regularizer: L1L2 | None = None
    recurrent_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False

    def __post_init__(self) -> None:
        positive(self.units, "units")
        activation(self.activation)
        activation(self.gate())
        fraction(self.dropout, "dropout")
        fraction(self.recurrent_dropout, "recurrent_dropout")

    def gate(self) -> str:
        """The activation of the gates, if it has such."""
        return "sigmoid"

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], 2)
        known(shapes[0], -1, "the number of channels")
        if len(shapes) > 1 and shapes[1:] != ((self.units,),) * self.number_of_states:
            given = ", ".join(map(shown, shapes[1:]))
            raise ConfigError(f"it takes {self.number_of_states} states of shape {shown((self.units,))}; got {given}")
        found: Shape = (shapes[0][0], self.units) if self.return_sequences else (self.units,)
        return (found, *((self.units,),) * (self.number_of_states if self.return_state else 0))

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """That of the steps, if it gives steps."""
        return masks[0] if self.return_sequences else None

    def weights(self, shape: Shape) -> tuple[Tensor, Tensor, Tensor | None]:
        """Kernel, recurrent kernel and bias, or None."""
        wide = self.gates * self.units
        kernel = self.kernel_initializer.draw((known(shape, -1, "the number of channels"), wide))
        recurrent = self.recurrent_initializer.draw((self.units, wide))
        return kernel, recurrent, self.bias() if self.use_bias else None

    def bias(self) -> Tensor:
        """A new bias."""
        return self.bias_initializer.draw((self.gates * self.units,))

    def manner(self) -> modules.Manner:
        """How its module runs."""
        return modules.Manner(
            self.activation,
            self.gate(),
            self.return_sequences,
            self.return_state,
            self.go_backwards,
            self.dropout,
            self.recurrent_dropout,
        )

    def rules(self) -> tuple[L1L2 | None, L1L2 | None, L1L2 | None]:
        """The regularisers of kernel, recurrent kernel and bias."""
        return self.kernel_regularizer, self.recurrent_regularizer, self.bias_regularizer

    @abstractmethod
    def build(self, *shapes: Shape) -> modules.Recurrent:
        """See Block."""


@dataclass(frozen=True)
class SimpleRNN(_Recurrent):
    """h = activation(x W + h U + b)."""

    def build(self, *shapes: Shape) -> modules.Recurrent:
        """See Block."""
        return modules.SimpleRecurrent(self.weights(shapes[0]), self.manner(), self.rules())


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); unit_forget_bias: its forget gate begins open."""

    values: ClassVar[tuple[int, int | None]] = (1, 3)
    gates: ClassVar[int] = 4
    number_of_states: ClassVar[int] = 2

    recurrent_activation: str = "sigmoid"
    unit_forget_bias: bool = True

    def gate(self) -> str:
        """The activation of the gates."""
        return self.recurrent_activation

    def bias(self) -> Tensor:
        """A new bias: 1 for the forget gate, with unit_forget_bias."""
        drawn = super().bias()
        if self.unit_forget_bias:
            drawn[self.units : 2 * self.units] = 1.0
        return drawn

    def build(self, *shapes: Shape) -> modules.Recurrent:
        """See Block."""
        return modules.LongShortTerm(self.weights(shapes[0]), self.manner(), self.rules())


@dataclass(frozen=True)
class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078); reset_after: the reset gate acts after the product."""

    gates: ClassVar[int] = 3

    recurrent_activation: str = "sigmoid"
    reset_after: bool = True

    def gate(self) -> str:
        """The activation of the gates."""
        return self.recurrent_activation

    def bias(self) -> Tensor:
        """A new bias: two rows, with reset_after."""
        wide = self.gates * self.units
        return self.bias_initializer.draw((2, wide) if self.reset_after else (wide,))

    def build(self, *shapes: Shape) -> modules.Recurrent:
        """See Block."""
        return modules.GatedUnit(self.weights(shapes[0]), self.manner(), self.reset_after, self.rules())


@dataclass(frozen=True)
class Bidirectional(Block):
    """The same layer from both ends (Schuster and Paliwal 1997). merge_mode: "concat", "sum", "mul", "ave", or None: both.

    backward_layer: the other layer, which runs backwards; None: one as `layer`.
    """

    values: ClassVar[tuple[int, int | None]] = (1, 5)
    reads_mask: ClassVar[bool] = True

    layer: _Recurrent
    merge_mode: str | None = "concat"
    backward_layer: _Recurrent | None = None

    def __post_init__(self) -> None:
        among(self.merge_mode, "merge_mode", *JOINS, None)
        if not isinstance(self.layer, _Recurrent):
            raise ConfigError(f"it takes a recurrent layer; got {type(self.layer).__name__}")
        other = self.other()
        if self.layer.go_backwards or not other.go_backwards:
            raise ConfigError("the backward layer must have go_backwards=True, the other False")
        for name in ("return_sequences", "return_state"):
            if getattr(other, name) != getattr(self.layer, name):
                raise ConfigError(f"both layers must have the same {name}")
        if self.merge_mode in ("sum", "mul", "ave") and other.units != self.layer.units:
            raise ConfigError(f"both layers must have as many units for merge_mode {self.merge_mode!r}")

    def other(self) -> _Recurrent:
        """The layer that runs backwards."""
        if self.backward_layer is not None:
            return self.backward_layer
        return replace(self.layer, go_backwards=True)

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        half = len(shapes) // 2
        one = self.layer.outcome(shapes[0], *shapes[1 : 1 + half])
        two = self.other().outcome(shapes[0], *shapes[1 + half :])
        states = (*one[1:], *two[1:])
        if self.merge_mode is None:
            return (one[0], two[0], *states)
        wide = self.layer.units + self.other().units if self.merge_mode == "concat" else self.layer.units
        return ((*one[0][:-1], wide), *states)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return BothWays(self.layer.build(shapes[0]), self.other().build(shapes[0]), self.merge_mode)

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """That of the steps, if it gives steps."""
        return masks[0] if self.layer.return_sequences else None


@dataclass(frozen=True)
class TimeDistributed(Block):
    """A layer at every step: (length, ...) -> (length, ...)."""

    layer: Block

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Block):
            raise ConfigError(f"it takes a layer; got {type(self.layer).__name__}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        if len(shapes[0]) < 2:
            raise ConfigError(
                f"it takes steps, and for each what its layer takes; the shape received is {shown(shapes[0])}"
            )
        return tuple((shapes[0][0], *shape) for shape in self.layer.outcome(shapes[0][1:])[:1])

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return EachStep(self.layer.build(shapes[0][1:]), self.layer.run)
