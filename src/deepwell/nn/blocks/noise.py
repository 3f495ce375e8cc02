"""What happens in training only: values dropped or disturbed, pictures mirrored, turned, moved, zoomed."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Shape, among, axes, fraction, settle
from deepwell.nn.layers.dropping import AddNoise, Drop, ScaleNoise
from deepwell.nn.layers.warping import FILLS, Extent, Mirror, Range, Warp

Factor = float | tuple[float, float]
"""(least, most), or one number: as much less as more; a block keeps the first form."""


@dataclass(frozen=True)
class _Noise(Block, ABC):
    """A layer that gives the shape it gets. rank: of what it takes; None: any."""

    rank: ClassVar[int | None] = None

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        if self.rank is not None:
            axes(shapes[0], self.rank)
        return shapes


@dataclass(frozen=True)
class Dropout(_Noise):
    """Each value becomes 0 with probability rate (Srivastava et al. 2014). The same shape.

    noise_shape: of the drawn mask, examples included; lengths of 1 are dropped together; None: as what goes in.
    """

    rate: float
    noise_shape: tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        fraction(self.rate, "rate")
        settle(self, "noise_shape", None if self.noise_shape is None else tuple(self.noise_shape))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        if self.noise_shape is not None and len(self.noise_shape) != len(shapes[0]) + 1:
            raise ConfigError(f"noise_shape {self.noise_shape} must have {len(shapes[0]) + 1} axes, examples included")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Drop(self.rate, tuple(axis for axis, n in enumerate(self.noise_shape or ()) if n == 1))


@dataclass(frozen=True)
class SpatialDropout1D(_Noise):
    """Whole channels become 0 with probability rate: (length, channels) -> the same (Tompson et al. 2014, arXiv:1411.4280)."""

    rank = 2

    rate: float

    def __post_init__(self) -> None:
        fraction(self.rate, "rate")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Drop(self.rate, (1,))


@dataclass(frozen=True)
class SpatialDropout2D(_Noise):
    """Whole channels become 0 with probability rate: (height, width, channels) -> the same (arXiv:1411.4280)."""

    rank = 3

    rate: float

    def __post_init__(self) -> None:
        fraction(self.rate, "rate")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Drop(self.rate, (1, 2))


@dataclass(frozen=True)
class GaussianNoise(_Noise):
    """Normal noise of a deviation is added. The same shape."""

    stddev: float

    def __post_init__(self) -> None:
        if self.stddev < 0:
            raise ConfigError(f"stddev must not be negative; got {self.stddev!r}")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return AddNoise(self.stddev)


@dataclass(frozen=True)
class GaussianDropout(_Noise):
    """Values times normal noise of mean 1 and variance rate / (1 - rate). The same shape."""

    rate: float

    def __post_init__(self) -> None:
        fraction(self.rate, "rate")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return ScaleNoise(self.rate)


def between(value: Factor, name: str, least: float = -1.0) -> Range:
    """A factor as (least, most). Raises ConfigError where it is none, or reaches below `least`."""
    found = (-value, value) if isinstance(value, int | float) else tuple(value)
    if len(found) != 2 or found[0] > found[1] or found[0] < least:
        raise ConfigError(f"{name} must be a number or (least, most), not below {least:g}; got {value!r}")
    return float(found[0]), float(found[1])


@dataclass(frozen=True)
class RandomFlip(_Noise):
    """Pictures are mirrored with probability 1/2: "horizontal", "vertical", or "horizontal_and_vertical"."""

    rank, passes_mask = 3, False

    mode: str = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        among(self.mode, "mode", "horizontal", "vertical", "horizontal_and_vertical")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Mirror("horizontal" in self.mode, "vertical" in self.mode)


@dataclass(frozen=True)
class RandomRotation(_Noise):
    """Pictures are turned by a part of a full turn, counter-clockwise. fill_mode: what lies beyond the edges."""

    rank, passes_mask = 3, False

    factor: Factor
    fill_mode: str = "reflect"
    interpolation: str = "bilinear"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        settle(self, "factor", between(self.factor, "factor"))
        _fill(self.fill_mode, self.interpolation)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        extent = Extent(turn=between(self.factor, "factor"))
        return Warp(extent, self.fill_mode, self.fill_value, self.interpolation == "bilinear")


@dataclass(frozen=True)
class RandomTranslation(_Noise):
    """Pictures are moved by a part of their height (down) and width (to the right)."""

    rank, passes_mask = 3, False

    height_factor: Factor
    width_factor: Factor
    fill_mode: str = "reflect"
    interpolation: str = "bilinear"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        settle(self, "height_factor", between(self.height_factor, "height_factor"))
        settle(self, "width_factor", between(self.width_factor, "width_factor"))
        _fill(self.fill_mode, self.interpolation)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        down, right = between(self.height_factor, "height_factor"), between(self.width_factor, "width_factor")
        return Warp(Extent(down=down, right=right), self.fill_mode, self.fill_value, self.interpolation == "bilinear")


@dataclass(frozen=True)
class RandomZoom(_Noise):
    """Pictures are zoomed: above 0 out, below 0 in. width_factor None: height and width alike."""

    rank, passes_mask = 3, False

    height_factor: Factor
    width_factor: Factor | None = None
    fill_mode: str = "reflect"
    interpolation: str = "bilinear"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        settle(self, "height_factor", between(self.height_factor, "height_factor"))
        if self.width_factor is not None:
            settle(self, "width_factor", between(self.width_factor, "width_factor"))
        _fill(self.fill_mode, self.interpolation)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        wide = None if self.width_factor is None else between(self.width_factor, "width_factor")
        extent = Extent(tall=between(self.height_factor, "height_factor"), wide=wide)
        return Warp(extent, self.fill_mode, self.fill_value, self.interpolation == "bilinear")


def _fill(mode: str, interpolation: str) -> None:
    among(mode, "fill_mode", *FILLS)
    among(interpolation, "interpolation", "bilinear", "nearest")
