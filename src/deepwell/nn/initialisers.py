"""Initialisers: how new weights are drawn, by Keras's names and formulas, from torch's default generator.

Unusual: fans are counted on the outer shape of a weight (nn/layout.py): (..., inputs, outputs), the axes before being those of a
window (https://keras.io/api/layers/initializers). On the meta device, where tensors have no memory, nothing is drawn. With a
seed of its own an initialiser draws the same numbers every time and leaves the default generator alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from deepwell.core.errors import ConfigError

TRUNCATED = 0.87962566103423978
"""The standard deviation of a standard normal distribution that is cut off at 2."""


@dataclass(frozen=True)
class Initialiser(ABC):
    """How the numbers of a weight begin."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """A new tensor of the outer shape, float32."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Tensor:
        """The same by a call, as Keras's initialisers are used. dtype: float32 if any; other names change the type."""
        drawn = self.draw(tuple(shape))
        return drawn if dtype in (None, "float32") else drawn.to(getattr(torch, dtype))


@dataclass(frozen=True)
class Zeros(Initialiser):
    """All 0."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        return torch.zeros(shape)


@dataclass(frozen=True)
class Ones(Initialiser):
    """All 1."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        return torch.ones(shape)


@dataclass(frozen=True)
class Constant(Initialiser):
    """All the same."""

    value: float = 0.0

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        return torch.full(shape, float(self.value))


@dataclass(frozen=True)
class RandomNormal(Initialiser):
    """Normal."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        found = torch.empty(shape)
        return found if found.is_meta else found.normal_(self.mean, self.stddev, generator=_generator(self.seed))


@dataclass(frozen=True)
class RandomUniform(Initialiser):
    """Uniform within [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        found = torch.empty(shape)
        return found if found.is_meta else found.uniform_(self.minval, self.maxval, generator=_generator(self.seed))


@dataclass(frozen=True)
class TruncatedNormal(Initialiser):
    """Normal, what lies beyond two `stddev` being drawn anew."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        found = torch.empty(shape)
        if found.is_meta:
            return found
        edge = math.erf(
            2.0 / math.sqrt(2.0)
        )  # what lies within two deviations; the inverse of the distribution function
        found.uniform_(-edge, edge, generator=_generator(self.seed)).erfinv_()
        return found.mul_(self.stddev * math.sqrt(2.0)).add_(self.mean)


@dataclass(frozen=True)
class VarianceScaling(Initialiser):
    """Mean 0, variance scale / n; n: "fan_in", "fan_out" or their mean, "fan_avg" (He et al. 2015, arXiv:1502.01852).

    distribution: "truncated_normal" (or "normal"), "untruncated_normal", "uniform".
    Raises ConfigError for another mode or distribution, and where scale is not above 0.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ConfigError(f"scale must be above 0; got {self.scale}")
        if self.mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ConfigError(f"mode must be 'fan_in', 'fan_out' or 'fan_avg'; got {self.mode!r}")
        if self.distribution not in ("normal", "truncated_normal", "untruncated_normal", "uniform"):
            known = "'truncated_normal', 'untruncated_normal' or 'uniform'"
            raise ConfigError(f"distribution must be {known}; got {self.distribution!r}")

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        inner, outer = fans(shape)
        number = {"fan_in": inner, "fan_out": outer, "fan_avg": (inner + outer) / 2}[self.mode]
        variance = self.scale / max(1.0, number)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return RandomUniform(-limit, limit, self.seed).draw(shape)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, math.sqrt(variance), self.seed).draw(shape)
        return TruncatedNormal(0.0, math.sqrt(variance) / TRUNCATED, self.seed).draw(shape)


@dataclass(frozen=True)
class _Scaled(Initialiser):
    """VarianceScaling with fixed values: (scale, mode, distribution)."""

    fixed: ClassVar[tuple[float, str, str]]

    seed: int | None = None

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        return VarianceScaling(*self.fixed, self.seed).draw(shape)


@dataclass(frozen=True)
class GlorotUniform(_Scaled):
    """Uniform within sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010)."""

    fixed = (1.0, "fan_avg", "uniform")


@dataclass(frozen=True)
class GlorotNormal(_Scaled):
    """Truncated normal, variance 2 / (fan in + fan out) (Glorot and Bengio 2010)."""

    fixed = (1.0, "fan_avg", "truncated_normal")


@dataclass(frozen=True)
class HeUniform(_Scaled):
    """Uniform within sqrt(6 / fan in) (He et al. 2015, arXiv:1502.01852)."""

    fixed = (2.0, "fan_in", "uniform")


@dataclass(frozen=True)
class HeNormal(_Scaled):
    """Truncated normal, variance 2 / fan in (He et al. 2015, arXiv:1502.01852)."""

    fixed = (2.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class LecunUniform(_Scaled):
    """Uniform within sqrt(3 / fan in) (LeCun et al. 1998, "Efficient backprop")."""

    fixed = (1.0, "fan_in", "uniform")


@dataclass(frozen=True)
class LecunNormal(_Scaled):
    """Truncated normal, variance 1 / fan in (Klambauer et al. 2017, arXiv:1706.02515)."""

    fixed = (1.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class Orthogonal(Initialiser):
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013, arXiv:1312.6120).

    All axes but the last count as rows. Raises ConfigError for fewer than two axes.
    """

    gain: float = 1.0
    seed: int | None = None

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        if len(shape) < 2:
            raise ConfigError(f"an orthogonal weight has two axes at least; got the shape {shape}")
        found = torch.empty(shape)
        if found.is_meta or not found.numel():
            return found
        rows, columns = math.prod(shape[:-1]), shape[-1]
        noise = RandomNormal(0.0, 1.0, self.seed).draw((max(rows, columns), min(rows, columns)))
        q, r = torch.linalg.qr(noise)
        q = q * r.diagonal().sign()  # without the signs some matrices would come more often than others
        turned: Tensor = q if rows >= columns else q.T
        return turned.mul(self.gain).reshape(shape).contiguous()


@dataclass(frozen=True)
class IdentityInitializer(Initialiser):
    """gain times the identity matrix. Raises ConfigError for other than two axes."""

    gain: float = 1.0

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        if len(shape) != 2:
            raise ConfigError(f"an identity matrix has two axes; got the shape {shape}")
        return torch.eye(*shape).mul_(self.gain)


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """How many values a weight of this outer shape reads and writes: (fan in, fan out)."""
    if len(shape) < 2:
        single = float(shape[0]) if shape else 1.0
        return single, single
    window = float(math.prod(shape[:-2]))
    return window * shape[-2], window * shape[-1]


def _generator(seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(seed)


INITIALISERS: dict[str, type[Initialiser]] = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Initialiser) and kind not in (Initialiser, _Scaled)
}
"""The closed set, by class name: all of the above."""
