"""Layers that only move values: flatten, reshape, permute, repeat, pad, crop, enlarge."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar, cast

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Shape, among, axes, positive, settle, shown, sides
from deepwell.nn.layers import shaping as modules
from deepwell.nn.layers.borders import Edge

Edges = int | tuple[int, ...] | tuple[tuple[int, int], ...]
"""So much on all sides, on both sides of each axis, or (before, after) for each axis; a block keeps the last form."""


@dataclass(frozen=True)
class Flatten(Block):
    """All axes but that of the examples as one, the last axis fastest."""

    passes_mask: ClassVar[bool] = False

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        if None in shapes[0]:
            raise ConfigError("every axis must be known before it is flattened")
        return ((math.prod(cast("tuple[int, ...]", shapes[0])),),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Flat()


@dataclass(frozen=True)
class Reshape(Block):
    """The same values in another shape; one length may be -1: whatever fits."""

    passes_mask: ClassVar[bool] = False

    target_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        settle(self, "target_shape", tuple(int(n) for n in self.target_shape))
        if self.target_shape.count(-1) > 1 or any(n < 1 and n != -1 for n in self.target_shape):
            raise ConfigError(f"target_shape must be lengths above 0, one of them -1 at most; got {self.target_shape}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        fixed = math.prod(n for n in self.target_shape if n != -1)
        if None in shapes[0]:
            return (tuple(None if n == -1 else n for n in self.target_shape),)
        number = math.prod(cast("tuple[int, ...]", shapes[0]))
        if number % fixed or (-1 not in self.target_shape and number != fixed):
            raise ConfigError(f"{number} values do not fit into {shown(self.target_shape)}")
        return (tuple(number // fixed if n == -1 else n for n in self.target_shape),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Reshape(self.target_shape)


@dataclass(frozen=True)
class Permute(Block):
    """Axes in another order: axis i of what comes out is axis dims[i - 1] of what goes in; 1 is the first."""

    passes_mask: ClassVar[bool] = False

    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        settle(self, "dims", tuple(self.dims))
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ConfigError(f"dims must hold each axis once, 1 being the first; got {self.dims}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], len(self.dims))
        return (tuple(shapes[0][axis - 1] for axis in self.dims),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Permute(self.dims)


@dataclass(frozen=True)
class RepeatVector(Block):
    """The same vector n times: (channels,) -> (n, channels)."""

    passes_mask: ClassVar[bool] = False

    n: int

    def __post_init__(self) -> None:
        positive(self.n, "n")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], 1)
        return ((self.n, shapes[0][0]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Repeat(self.n)


def edges(value: Edges, name: str, rank: int) -> tuple[Edge, ...]:
    """(before, after) for each axis. Raises ConfigError for what does not fit so many axes."""
    wanted = (
        "a whole number or (before, after)" if rank == 1 else "a whole number, two, or ((top, bottom), (left, right))"
    )
    if isinstance(value, int):
        found = ((value, value),) * rank
    elif rank == 1 and len(value) == 2 and all(isinstance(v, int) for v in value):
        found = (cast("Edge", tuple(value)),)
    elif len(value) == rank:
        found = tuple((v, v) if isinstance(v, int) else cast("Edge", tuple(v)) for v in value)
    else:
        found = ()
    if not found or any(len(side) != 2 or any(not isinstance(n, int) or n < 0 for n in side) for side in found):
        raise ConfigError(f"{name} must be {wanted}, at least 0; got {value!r}")
    return found


@dataclass(frozen=True)
class _Padding(Block, ABC):
    """What ZeroPadding1D and ZeroPadding2D share: (*lengths, channels) -> (*longer, channels)."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    padding: Edges = 1

    def __post_init__(self) -> None:
        settle(self, "padding", edges(self.padding, "padding", self.rank))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], self.rank + 1)
        added = [sum(side) for side in edges(self.padding, "padding", self.rank)]
        lengths = zip(shapes[0][:-1], added, strict=True)
        return ((*(None if n is None else n + more for n, more in lengths), shapes[0][-1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Pad(edges(self.padding, "padding", self.rank))


@dataclass(frozen=True)
class ZeroPadding1D(_Padding):
    """Zeros before and after the steps."""

    rank = 1


@dataclass(frozen=True)
class ZeroPadding2D(_Padding):
    """Zeros around pictures."""

    rank = 2


@dataclass(frozen=True)
class _Cropping(Block, ABC):
    """What Cropping1D and Cropping2D share: (*lengths, channels) -> (*shorter, channels)."""

    rank: ClassVar[int]
    passes_mask: ClassVar[bool] = False

    cropping: Edges = 0

    def __post_init__(self) -> None:
        settle(self, "cropping", edges(self.cropping, "cropping", self.rank))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], self.rank + 1)
        removed = [sum(side) for side in edges(self.cropping, "cropping", self.rank)]
        if any(n is not None and n <= less for n, less in zip(shapes[0][:-1], removed, strict=True)):
            raise ConfigError(f"nothing is left after {self.cropping} is cut off")
        lengths = zip(shapes[0][:-1], removed, strict=True)
        return ((*(None if n is None else n - less for n, less in lengths), shapes[0][-1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Crop(edges(self.cropping, "cropping", self.rank))


@dataclass(frozen=True)
class Cropping1D(_Cropping):
    """Without the first and last steps."""

    rank = 1

    cropping: Edges = 1


@dataclass(frozen=True)
class Cropping2D(_Cropping):
    """Without the edges of pictures."""

    rank = 2


@dataclass(frozen=True)
class UpSampling1D(Block):
    """Each step so many times: (length, channels) -> (length size, channels)."""

    passes_mask: ClassVar[bool] = False

    size: int = 2

    def __post_init__(self) -> None:
        positive(self.size, "size")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], 2)
        return ((None if shapes[0][0] is None else shapes[0][0] * self.size, shapes[0][1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Enlarge((self.size,))


@dataclass(frozen=True)
class UpSampling2D(Block):
    """Larger pictures: (height, width, channels) -> (height size, width size, channels). interpolation: nearest, bilinear."""

    passes_mask: ClassVar[bool] = False

    size: int | tuple[int, ...] = 2
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        settle(self, "size", sides(self.size, "size", 2))
        among(self.interpolation, "interpolation", "nearest", "bilinear")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], 3)
        factors = zip(shapes[0][:-1], sides(self.size, "size", 2), strict=True)
        return ((*(None if n is None else n * factor for n, factor in factors), shapes[0][-1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Enlarge(sides(self.size, "size", 2), self.interpolation == "bilinear")


@dataclass(frozen=True)
class Resizing(Block):
    """Pictures of another size: (any, any, channels) -> (height, width, channels). interpolation: bilinear, nearest."""

    passes_mask: ClassVar[bool] = False

    height: int
    width: int
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        positive(self.height, "height")
        positive(self.width, "width")
        among(self.interpolation, "interpolation", "bilinear", "nearest")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axes(shapes[0], 3)
        return ((self.height, self.width, shapes[0][-1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.Resize((self.height, self.width), self.interpolation == "bilinear")
