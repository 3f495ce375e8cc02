"""Convolutions over one and two axes: plain, transposed, depthwise, separable."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Shape, among, axes, known, positive, settle, shown, sides
from deepwell.nn.initialisers import GlorotUniform, Initialiser, Zeros
from deepwell.nn.layers import convolution as modules
from deepwell.nn.layers.activations import activation
from deepwell.nn.layers.borders import reached, windows
from deepwell.nn.regularisers import L1L2

Sides = int | tuple[int, ...]
"""One whole number for all axes, or one for each; a block keeps one for each."""


def _settled(block: Block, rank: int, names: tuple[str, ...], paddings: tuple[str, ...]) -> None:
    """Fields of a sliding window, checked and brought to their one form."""
    for name in names:
        settle(block, name, sides(getattr(block, name), name, rank))
    among(getattr(block, "padding"), "padding", *paddings)  # noqa: B009
    activation(getattr(block, "activation"))  # noqa: B009


def _sliding(block: _Convolution | _Transposed | _Depthwise | _Separable) -> modules.Sliding:
    """How its windows move."""
    strides, dilation = (
        sides(s, n, block.rank) for s, n in ((block.strides, "strides"), (block.dilation_rate, "dilation"))
    )
    return modules.Sliding(strides, dilation, block.padding)


def _slid(shape: Shape, rank: int, sizes: Sides, sliding: modules.Sliding, channels: int) -> Shape:
    """The shape after windows have slid over it."""
    axes(shape, rank + 1)
    known(shape, -1, "the number of channels")
    found: list[int | None] = []
    spans = sliding.spans(sides(sizes, "kernel_size", rank))
    for length, span, stride in zip(shape[:-1], spans, sliding.strides, strict=True):
        number = None if length is None else windows(length, span, stride, sliding.padding)
        if number is not None and number < 1:
            raise ConfigError(
                f"its window of {span} does not fit into {length} places; the shape received is {shown(shape)}",
                repair="use padding='same', a smaller window, or fewer layers that shrink the picture before it",
            )
        found.append(number)
    return (*found, channels)


def _reach(block: _Convolution | _Depthwise | _Separable, places: tuple[int, ...]) -> tuple[int, ...] | None:
    """See Block.reach."""
    sliding = _sliding(block)
    spans = sliding.spans(sides(block.kernel_size, "kernel_size", block.rank))
    return tuple(map(reached, places, spans, sliding.strides)) if block.padding == "valid" else None


@dataclass(frozen=True)
class _Convolution(Block, ABC):
    """What Conv1D and Conv2D share."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    filters: int
    kernel_size: Sides
    strides: Sides = 1
    padding: str = "valid"
    dilation_rate: Sides = 1
    groups: int = 1
    activation: str = "linear"
    use_bias: bool = True
    kernel_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    kernel_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        positive(self.filters, "filters")
        positive(self.groups, "groups")
        paddings = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        _settled(self, self.rank, ("kernel_size", "strides", "dilation_rate"), paddings)
        if self.filters % self.groups:
            raise ConfigError(f"filters must be a multiple of groups; got {self.filters} and {self.groups}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        found = _slid(shapes[0], self.rank, self.kernel_size, _sliding(self), self.filters)
        if known(shapes[0], -1, "the number of channels") % self.groups:
            raise ConfigError(f"the number of channels must be a multiple of its {self.groups} groups")
        return (found,)

    def reach(self, places: tuple[int, ...]) -> tuple[int, ...] | None:
        """See Block."""
        return _reach(self, places)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        window = sides(self.kernel_size, "kernel_size", self.rank)
        inputs = known(shapes[0], -1, "the number of channels") // self.groups
        kernel = self.kernel_initializer.draw((*window, inputs, self.filters))
        bias = self.bias_initializer.draw((self.filters,)) if self.use_bias else None
        rules = (self.kernel_regularizer, self.bias_regularizer)
        return modules.Convolution(kernel, bias, _sliding(self), self.groups, self.activation, rules)


@dataclass(frozen=True)
class Conv1D(_Convolution):
    """Convolution over steps: (length, inputs) -> (windows, filters). padding "causal": no window looks ahead."""

    rank = 1


@dataclass(frozen=True)
class Conv2D(_Convolution):
    """Convolution over pictures: (height, width, inputs) -> (windows, windows, filters)."""

    rank = 2


@dataclass(frozen=True)
class _Transposed(Block, ABC):
    """What Conv1DTranspose and Conv2DTranspose share."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    filters: int
    kernel_size: Sides
    strides: Sides = 1
    padding: str = "valid"
    output_padding: Sides | None = None
    dilation_rate: Sides = 1
    activation: str = "linear"
    use_bias: bool = True
    kernel_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    kernel_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        positive(self.filters, "filters")
        _settled(self, self.rank, ("kernel_size", "strides", "dilation_rate"), ("valid", "same"))
        if self.output_padding is not None:
            more = sides(self.output_padding, "output_padding", self.rank, 0)
            settle(self, "output_padding", more)
            if any(m >= s for m, s in zip(more, sides(self.strides, "strides", self.rank), strict=True)):
                raise ConfigError(f"output_padding must be below the strides; got {more} and {self.strides}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], self.rank + 1)
        known(shapes[0], -1, "the number of channels")
        sliding, more = _sliding(self), self._more()
        spans = sliding.spans(sides(self.kernel_size, "kernel_size", self.rank))
        found = [
            None if length is None else modules.spread(length, span, stride, self.padding, extra)[1]
            for length, span, stride, extra in zip(shapes[0][:-1], spans, sliding.strides, more, strict=True)
        ]
        return ((*found, self.filters),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        window = sides(self.kernel_size, "kernel_size", self.rank)
        kernel = self.kernel_initializer.draw((*window, self.filters, known(shapes[0], -1, "the number of channels")))
        bias = self.bias_initializer.draw((self.filters,)) if self.use_bias else None
        rules = (self.kernel_regularizer, self.bias_regularizer)
        return modules.Transposed(kernel, bias, _sliding(self), self._more(), self.activation, rules)

    def _more(self) -> tuple[int | None, ...]:
        if self.output_padding is None:
            return (None,) * self.rank
        return sides(self.output_padding, "output_padding", self.rank, 0)


@dataclass(frozen=True)
class Conv1DTranspose(_Transposed):
    """Transposed convolution over steps: (length, inputs) -> (longer, filters)."""

    rank = 1


@dataclass(frozen=True)
class Conv2DTranspose(_Transposed):
    """Transposed convolution over pictures: (height, width, inputs) -> (higher, wider, filters)."""

    rank = 2


@dataclass(frozen=True)
class _Depthwise(Block, ABC):
    """What DepthwiseConv1D and DepthwiseConv2D share."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    kernel_size: Sides
    strides: Sides = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    dilation_rate: Sides = 1
    activation: str = "linear"
    use_bias: bool = True
    depthwise_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    depthwise_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        positive(self.depth_multiplier, "depth_multiplier")
        _settled(self, self.rank, ("kernel_size", "strides", "dilation_rate"), ("valid", "same"))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        channels = known(shapes[0], -1, "the number of channels") * self.depth_multiplier
        return (_slid(shapes[0], self.rank, self.kernel_size, _sliding(self), channels),)

    def reach(self, places: tuple[int, ...]) -> tuple[int, ...] | None:
        """See Block."""
        return _reach(self, places)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        window, inputs = sides(self.kernel_size, "kernel_size", self.rank), known(shapes[0], -1, "the channels")
        kernel = self.depthwise_initializer.draw((*window, inputs, self.depth_multiplier))
        bias = self.bias_initializer.draw((inputs * self.depth_multiplier,)) if self.use_bias else None
        rules = (self.depthwise_regularizer, self.bias_regularizer)
        return modules.Depthwise(kernel, bias, _sliding(self), self.activation, rules)


@dataclass(frozen=True)
class DepthwiseConv1D(_Depthwise):
    """Each channel by itself, over steps: (length, inputs) -> (windows, inputs depth_multiplier)."""

    rank = 1


@dataclass(frozen=True)
class DepthwiseConv2D(_Depthwise):
    """Each channel by itself, over pictures: (height, width, inputs) -> (windows, windows, inputs depth_multiplier)."""

    rank = 2


@dataclass(frozen=True)
class _Separable(Block, ABC):
    """What SeparableConv1D and SeparableConv2D share."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    filters: int
    kernel_size: Sides
    strides: Sides = 1
    padding: str = "valid"
    dilation_rate: Sides = 1
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    depthwise_initializer: Initialiser = field(default_factory=GlorotUniform)
    pointwise_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    depthwise_regularizer: L1L2 | None = None
    pointwise_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        positive(self.filters, "filters")
        positive(self.depth_multiplier, "depth_multiplier")
        paddings = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        _settled(self, self.rank, ("kernel_size", "strides", "dilation_rate"), paddings)

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        return (_slid(shapes[0], self.rank, self.kernel_size, _sliding(self), self.filters),)

    def reach(self, places: tuple[int, ...]) -> tuple[int, ...] | None:
        """See Block."""
        return _reach(self, places)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        window, inputs = sides(self.kernel_size, "kernel_size", self.rank), known(shapes[0], -1, "the channels")
        depthwise = self.depthwise_initializer.draw((*window, inputs, self.depth_multiplier))
        wide = inputs * self.depth_multiplier
        pointwise = self.pointwise_initializer.draw((*(1,) * self.rank, wide, self.filters))
        bias = self.bias_initializer.draw((self.filters,)) if self.use_bias else None
        rules = (self.depthwise_regularizer, self.pointwise_regularizer, self.bias_regularizer)
        return modules.Separable(depthwise, pointwise, bias, _sliding(self), self.activation, rules)


@dataclass(frozen=True)
class SeparableConv1D(_Separable):
    """Depthwise, then a dense map at each step: (length, inputs) -> (windows, filters)."""

    rank = 1


@dataclass(frozen=True)
class SeparableConv2D(_Separable):
    """Depthwise, then a dense map at each place: (height, width, inputs) -> (windows, windows, filters)."""

    rank = 2
