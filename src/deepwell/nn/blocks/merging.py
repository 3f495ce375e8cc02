"""Several values into one."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Mask, Shape, place, settle, shown
from deepwell.nn.layers.merging import Inner, Join, Merge


@dataclass(frozen=True)
class _Merge(Block, ABC):
    """Element by element. way: see nn/layers/merging.py. A call may say without_mask: what comes out has none."""

    values: ClassVar[tuple[int, int | None]] = (2, None)
    arguments: ClassVar[tuple[str, ...]] = ("without_mask",)
    way: ClassVar[str]

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        most = max(map(len, shapes))
        level = [(1,) * (most - len(shape)) + shape for shape in shapes]
        found: list[int | None] = []
        for lengths in zip(*level, strict=True):
            fixed = {n for n in lengths if n not in (None, 1)}
            if len(fixed) > 1:
                raise ConfigError(f"the shapes received do not fit each other: {', '.join(map(shown, shapes))}")
            found.append(fixed.pop() if fixed else None if None in lengths else 1)
        return (tuple(found),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Merge(self.way)

    def run(
        self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...], arguments: Mapping[str, Any]
    ) -> tuple[tuple[Tensor, ...], tuple[Mask, ...]]:
        """See Block."""
        return super().run(module, values, (None,) * len(values) if arguments.get("without_mask") else masks, {})

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """Where any value is there, if all have masks; else none."""
        there = [mask for mask in masks if mask is not None]
        return reduce(torch.logical_or, there) if len(there) == len(values) else None


@dataclass(frozen=True)
class Add(_Merge):
    """The sum."""

    way = "sum"


@dataclass(frozen=True)
class Subtract(_Merge):
    """The first value less the second."""

    values = (2, 2)
    way = "difference"


@dataclass(frozen=True)
class Multiply(_Merge):
    """The product."""

    way = "product"


@dataclass(frozen=True)
class Average(_Merge):
    """The mean."""

    way = "mean"


@dataclass(frozen=True)
class Maximum(_Merge):
    """The largest."""

    way = "largest"


@dataclass(frozen=True)
class Minimum(_Merge):
    """The least."""

    way = "least"


@dataclass(frozen=True)
class Concatenate(Block):
    """Side by side along an axis; all other axes are equal."""

    values: ClassVar[tuple[int, int | None]] = (1, None)

    axis: int = -1

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        axis = place(self.axis, shapes[0]) - 1
        alike = [
            len(shape) == len(shapes[0])
            and all(
                a == b or None in (a, b) for i, (a, b) in enumerate(zip(shape, shapes[0], strict=True)) if i != axis
            )
            for shape in shapes
        ]
        if not all(alike):
            which = ", ".join(map(shown, shapes))
            raise ConfigError(f"all axes but {self.axis} must be equal; the shapes received are {which}")
        lengths = [shape[axis] for shape in shapes]
        total = None if None in lengths else sum(n for n in lengths if n is not None)
        found = list(shapes[0])
        for shape in shapes[1:]:
            found = [b if a is None else a for a, b in zip(found, shape, strict=True)]
        found[axis] = total
        return (tuple(found),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Join(place(self.axis, shapes[0]))

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """Along steps the masks follow each other; along channels a step is there where any value has it."""
        if all(mask is None for mask in masks):
            return None
        there = [
            value.new_ones(value.shape[:2], dtype=torch.bool) if mask is None else mask
            for value, mask in zip(values, masks, strict=True)
        ]
        if place(self.axis, tuple(values[0].shape[1:])) == 1 and values[0].dim() > 2:
            return torch.cat(there, 1)
        return reduce(torch.logical_or, there)


@dataclass(frozen=True)
class Dot(Block):
    """Inner products along one axis of each of two values; normalize: of vectors of length 1, which gives the cosine."""

    values: ClassVar[tuple[int, int | None]] = (2, 2)
    passes_mask: ClassVar[bool] = False

    axes: int | tuple[int, int]
    normalize: bool = False

    def __post_init__(self) -> None:
        settle(self, "axes", self.axes if isinstance(self.axes, int) else tuple(self.axes))
        if not isinstance(self.axes, int) and len(self.axes) != 2:
            raise ConfigError(f"axes must be one axis, or one for each of the two values; got {self.axes!r}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        one, two = self._places(shapes)
        x, y = shapes[0][one - 1], shapes[1][two - 1]
        if x is not None and y is not None and x != y:
            raise ConfigError(
                f"the axes {self.axes} must be equally long; the shapes received are {shown(shapes[0])}, {shown(shapes[1])}"
            )
        rest = [n for i, n in enumerate(shapes[0], 1) if i != one] + [n for i, n in enumerate(shapes[1], 1) if i != two]
        return (tuple(rest or [1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Inner(self._places(shapes), self.normalize)

    def _places(self, shapes: tuple[Shape, ...]) -> tuple[int, int]:
        one, two = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return place(one, shapes[0]), place(two, shapes[1])
