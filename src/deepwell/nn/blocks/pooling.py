"""Pooling over one and two axes, in windows or over everything."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Shape, among, axes, settle, shown, sides
from deepwell.nn.layers.borders import reached, windows
from deepwell.nn.layers.pooling import Pool, PoolAll

Sides = int | tuple[int, ...]


@dataclass(frozen=True)
class _Pooling(Block, ABC):
    """What pooling in windows shares: (*lengths, channels) -> (*windows, channels). strides None: those of pool_size."""

    rank: ClassVar[int]
    largest: ClassVar[bool]
    passes_mask: ClassVar[bool] = False

    pool_size: Sides = 2
    strides: Sides | None = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        settle(self, "pool_size", sides(self.pool_size, "pool_size", self.rank))
        given = self.pool_size if self.strides is None else self.strides
        settle(self, "strides", sides(given, "strides", self.rank))
        among(self.padding, "padding", "valid", "same")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], self.rank + 1)
        sizes, strides = self._sides()
        found: list[int | None] = []
        for length, size, stride in zip(shapes[0][:-1], sizes, strides, strict=True):
            number = None if length is None else windows(length, size, stride, self.padding)
            if number is not None and number < 1:
                raise ConfigError(
                    f"its window of {size} does not fit into {length} places; the shape received is {shown(shapes[0])}",
                    repair="use padding='same', a smaller window, or fewer layers that shrink the picture before it",
                )
            found.append(number)
        return ((*found, shapes[0][-1]),)

    def reach(self, places: tuple[int, ...]) -> tuple[int, ...] | None:
        """See Block."""
        return tuple(map(reached, places, *self._sides())) if self.padding == "valid" else None

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        sizes, strides = self._sides()
        return Pool(sizes, strides, self.padding, self.largest)

    def _sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        strides = self.pool_size if self.strides is None else self.strides
        return sides(self.pool_size, "pool_size", self.rank), sides(strides, "strides", self.rank)


@dataclass(frozen=True)
class MaxPooling1D(_Pooling):
    """The largest value of each window of steps."""

    rank, largest = 1, True


@dataclass(frozen=True)
class MaxPooling2D(_Pooling):
    """The largest value of each window of pixels."""

    rank, largest = 2, True


@dataclass(frozen=True)
class AveragePooling1D(_Pooling):
    """The mean of each window of steps; what lies beyond the edges does not count."""

    rank, largest = 1, False


@dataclass(frozen=True)
class AveragePooling2D(_Pooling):
    """The mean of each window of pixels; what lies beyond the edges does not count."""

    rank, largest = 2, False


@dataclass(frozen=True)
class _GlobalPooling(Block, ABC):
    """What pooling over everything shares: (*lengths, channels) -> (channels,), or (1, ..., channels) with keepdims."""

    rank: ClassVar[int]
    largest: ClassVar[bool]
    passes_mask: ClassVar[bool] = False

    keepdims: bool = False

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], self.rank + 1)
        return ((*((1,) * self.rank if self.keepdims else ()), shapes[0][-1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return PoolAll(self.largest, self.keepdims)


@dataclass(frozen=True)
class GlobalMaxPooling1D(_GlobalPooling):
    """The largest value of all steps."""

    rank, largest = 1, True


@dataclass(frozen=True)
class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of all pixels."""

    rank, largest = 2, True


@dataclass(frozen=True)
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of all steps that are there."""

    rank, largest, reads_mask = 1, False, True


@dataclass(frozen=True)
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of all pixels."""

    rank, largest = 2, False
