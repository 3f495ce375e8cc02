"""Normalisation: over the batch, over an example, over groups of channels, by numbers from the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Shape, known, place, positive, settle
from deepwell.nn.initialisers import Initialiser, Ones, Zeros
from deepwell.nn.layers import normalising as modules
from deepwell.nn.layers.batch_normalisation import BatchNorm
from deepwell.nn.layers.standardising import Affine, Standardise
from deepwell.nn.regularisers import L1L2

Axes = int | tuple[int, ...]


def _places(axis: Axes, shape: Shape) -> tuple[int, ...]:
    """Axes, rising, the first being 1. Raises ConfigError for those that are not there."""
    return tuple(sorted({place(a, shape) for a in ((axis,) if isinstance(axis, int) else axis)}))


def _lengths(places: Sequence[int], shape: Shape) -> tuple[int, ...]:
    return tuple(known(shape, axis - 1, "the axis that is normalised") for axis in places)


@dataclass(frozen=True)
class BatchNormalization(Block):
    """Each channel less its mean, over its deviation: in training those of the batch, else running ones. The same shape.

    Ioffe and Szegedy 2015, arXiv:1502.03167. axis: of the channels.
    """

    reads_mask: ClassVar[bool] = True

    axis: int = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Initialiser = field(default_factory=Zeros)
    gamma_initializer: Initialiser = field(default_factory=Ones)
    moving_mean_initializer: Initialiser = field(default_factory=Zeros)
    moving_variance_initializer: Initialiser = field(default_factory=Ones)
    beta_regularizer: L1L2 | None = None
    gamma_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ConfigError(f"momentum must be between 0 and 1; got {self.momentum!r}")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        known(shapes[0], place(self.axis, shapes[0]) - 1, "the number of channels")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        axis = place(self.axis, shapes[0])
        shape = (known(shapes[0], axis - 1, "the number of channels"),)
        gamma = self.gamma_initializer.draw(shape) if self.scale else None
        beta = self.beta_initializer.draw(shape) if self.center else None
        running = (self.moving_mean_initializer.draw(shape), self.moving_variance_initializer.draw(shape))
        rules = (self.gamma_regularizer, self.beta_regularizer)
        return BatchNorm((gamma, beta, *running), axis, self.momentum, self.epsilon, rules)


@dataclass(frozen=True)
class LayerNormalization(Block):
    """Each example less its mean, over its deviation, along `axis` (Ba et al. 2016, arXiv:1607.06450). The same shape."""

    axis: Axes = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Initialiser = field(default_factory=Zeros)
    gamma_initializer: Initialiser = field(default_factory=Ones)
    beta_regularizer: L1L2 | None = None
    gamma_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        settle(self, "axis", self.axis if isinstance(self.axis, int) else tuple(self.axis))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        _lengths(_places(self.axis, shapes[0]), shapes[0])
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        places = _places(self.axis, shapes[0])
        shape = _lengths(places, shapes[0])
        gamma = self.gamma_initializer.draw(shape) if self.scale else None
        beta = self.beta_initializer.draw(shape) if self.center else None
        return modules.LayerNorm(gamma, beta, places, self.epsilon, (self.gamma_regularizer, self.beta_regularizer))


@dataclass(frozen=True)
class RMSNormalization(Block):
    """Each example over the root of its mean square, along `axis` (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    passes_mask: ClassVar[bool] = False

    axis: Axes = -1
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        settle(self, "axis", self.axis if isinstance(self.axis, int) else tuple(self.axis))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        _lengths(_places(self.axis, shapes[0]), shapes[0])
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        places = _places(self.axis, shapes[0])
        return modules.RootMeanSquare(Ones().draw(_lengths(places, shapes[0])), places, self.epsilon)


@dataclass(frozen=True)
class GroupNormalization(Block):
    """Each group of channels less its mean, over its deviation (Wu and He 2018, arXiv:1803.08494). groups -1: each channel."""

    groups: int = 32
    axis: int = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Initialiser = field(default_factory=Zeros)
    gamma_initializer: Initialiser = field(default_factory=Ones)
    beta_regularizer: L1L2 | None = None
    gamma_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        if self.groups != -1:
            positive(self.groups, "groups")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        channels = known(shapes[0], place(self.axis, shapes[0]) - 1, "the number of channels")
        if channels % self.groups:
            raise ConfigError(f"the {channels} channels cannot be parted into {self.groups} equal groups")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        axis = place(self.axis, shapes[0])
        channels = known(shapes[0], axis - 1, "the number of channels")
        gamma = self.gamma_initializer.draw((channels,)) if self.scale else None
        beta = self.beta_initializer.draw((channels,)) if self.center else None
        groups = channels if self.groups == -1 else self.groups
        rules = (self.gamma_regularizer, self.beta_regularizer)
        return modules.GroupNorm(gamma, beta, groups, axis, self.epsilon, rules)


@dataclass(frozen=True)
class UnitNormalization(Block):
    """Each example over its length, along `axis`. The same shape."""

    axis: Axes = -1

    def __post_init__(self) -> None:
        settle(self, "axis", self.axis if isinstance(self.axis, int) else tuple(self.axis))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        _places(self.axis, shapes[0])
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return modules.UnitLength(_places(self.axis, shapes[0]))


@dataclass(frozen=True)
class Rescaling(Block):
    """scale x + offset. The same shape. One number each, or one for each channel."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            given = getattr(self, name)
            settle(self, name, float(given) if isinstance(given, int | float) else tuple(map(float, given)))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(value, tuple) and known(shapes[0], -1, "the last axis") not in (len(value), 1):
                raise ConfigError(f"{name} has {len(value)} numbers, which do not fit the last axis")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return Affine(self.scale, self.offset)


@dataclass(frozen=True)
class Normalization(Block):
    """(x - mean) / deviation, one of each for every place along `axis` (None: one for all). The same shape.

    mean, variance: known numbers; without them the module's `adapt` learns them from data. invert: x deviation + mean.
    """

    axis: Axes | None = -1
    mean: float | tuple[float, ...] | None = None
    variance: float | tuple[float, ...] | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        settle(self, "axis", self.axis if self.axis is None or isinstance(self.axis, int) else tuple(self.axis))
        for name in ("mean", "variance"):
            given = getattr(self, name)
            if given is not None:
                settle(self, name, float(given) if isinstance(given, int | float) else tuple(map(float, given)))
        if (self.mean is None) != (self.variance is None):
            raise ConfigError("give both mean and variance, or neither")

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        lengths = _lengths(self._axes(shapes[0]), shapes[0])
        for name, value in (("mean", self.mean), ("variance", self.variance)):
            if isinstance(value, tuple) and (not lengths or len(value) not in (1, lengths[-1])):
                raise ConfigError(f"{name} has {len(value)} numbers, which do not fit the axes {self.axis}")
        return shapes

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        places = self._axes(shapes[0])
        given = None
        if self.mean is not None and self.variance is not None:
            given = (torch.tensor(self.mean), torch.tensor(self.variance))
        return Standardise(places, _lengths(places, shapes[0]), given, self.invert)

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        return () if self.axis is None else _places(self.axis, shape)
