"""Dense, Embedding, Activation and the activations with numbers of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Mask, Shape, known, place, positive, settle, shown
from deepwell.nn.initialisers import GlorotUniform, Initialiser, RandomUniform, Zeros
from deepwell.nn.layers import activations
from deepwell.nn.layers.dense import Dense as DenseModule
from deepwell.nn.layers.embedding import Blank, Lookup
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class Dense(Block):
    """activation(x W + b) over the last axis: (..., inputs) -> (..., units)."""

    units: int
    activation: str = "linear"
    use_bias: bool = True
    kernel_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    kernel_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        positive(self.units, "units")
        activations.activation(self.activation)

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        known(shapes[0], -1, "the last axis")
        return ((*shapes[0][:-1], self.units),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        kernel = self.kernel_initializer.draw((known(shapes[0], -1, "the last axis"), self.units))
        bias = self.bias_initializer.draw((self.units,)) if self.use_bias else None
        return DenseModule(kernel, bias, self.activation, (self.kernel_regularizer, self.bias_regularizer))


@dataclass(frozen=True)
class Embedding(Block):
    """A trained vector for each whole number 0 to input_dim - 1: (...) -> (..., output_dim). mask_zero: 0 is padding."""

    input_dim: int
    output_dim: int
    embeddings_initializer: Initialiser = field(default_factory=RandomUniform)
    embeddings_regularizer: L1L2 | None = None
    mask_zero: bool = False

    def __post_init__(self) -> None:
        positive(self.input_dim, "input_dim")
        positive(self.output_dim, "output_dim")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        return ((*shapes[0], self.output_dim),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        table = self.embeddings_initializer.draw((self.input_dim, self.output_dim))
        return Lookup(table, self.embeddings_regularizer)

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """True where the number is not 0, with mask_zero."""
        return values[0] != 0 if self.mask_zero else None


@dataclass(frozen=True)
class Masking(Block):
    """Steps whose values all are mask_value count as padding: (length, channels) -> the same."""

    mask_value: float = 0.0

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        if len(shapes[0]) < 2:
            raise ConfigError(f"it takes steps and channels; the shape received is {shown(shapes[0])}")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Blank(self.mask_value)

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """True where some value is another."""
        return cast(Blank, module).there(values[0])


@dataclass(frozen=True)
class _Alike(Block):
    """A layer that gives the shape it gets."""

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        return shapes


@dataclass(frozen=True)
class Identity(_Alike):
    """What goes in comes out."""

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return activations.Activated()


@dataclass(frozen=True)
class Activation(_Alike):
    """An activation by name; see nn/layers/activations.py."""

    activation: str

    def __post_init__(self) -> None:
        activations.activation(self.activation)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return activations.Activated(self.activation)


@dataclass(frozen=True)
class ReLU(_Alike):
    """x between threshold and max_value, max_value above, negative_slope (x - threshold) below."""

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        for name in ("max_value", "negative_slope", "threshold"):
            if (getattr(self, name) or 0.0) < 0:
                raise ConfigError(f"{name} must not be negative; got {getattr(self, name)!r}")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return activations.Rectified(self.max_value, self.negative_slope, self.threshold)


@dataclass(frozen=True)
class LeakyReLU(_Alike):
    """x above 0, negative_slope x below (Maas et al. 2013)."""

    negative_slope: float = 0.3

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return activations.Rectified(None, self.negative_slope)


@dataclass(frozen=True)
class ELU(_Alike):
    """x above 0, alpha (e^x - 1) below (Clevert et al. 2015, arXiv:1511.07289)."""

    alpha: float = 1.0

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return activations.Exponential(self.alpha)


@dataclass(frozen=True)
class PReLU(_Alike):
    """x above 0, alpha x below, alpha trained, one for each value, or shared along `shared_axes` (1 is the first)."""

    alpha_initializer: Initialiser = field(default_factory=Zeros)
    alpha_regularizer: L1L2 | None = None
    shared_axes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        settle(self, "shared_axes", tuple(self.shared_axes or ()))

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        shared = {place(axis, shapes[0], "the shared axis") - 1 for axis in self.shared_axes}
        lengths = [
            1 if axis in shared else known(shapes[0], axis, "every axis that is not shared")
            for axis in range(len(shapes[0]))
        ]
        return activations.TrainedSlope(self.alpha_initializer.draw(tuple(lengths)), self.alpha_regularizer)


@dataclass(frozen=True)
class Softmax(_Alike):
    """Softmax over an axis, or over several together."""

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        settle(self, "axis", self.axis if isinstance(self.axis, int) else tuple(self.axis))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        self._places(shapes[0])
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        places = self._places(shapes[0])
        return activations.Activated("softmax") if places == (len(shapes[0]),) else activations.SoftmaxOver(places)

    @property
    def activation(self) -> str:
        """Its name, where it is the usual one over the last axis."""
        return "softmax" if self.axis == -1 else ""

    def _places(self, shape: Shape) -> tuple[int, ...]:
        return tuple(place(a, shape) for a in ((self.axis,) if isinstance(self.axis, int) else self.axis))
