"""Initialisers by Keras's names: `"he_normal"`, `HeNormal(seed=1)`; nn/initialisers.py has the formulas."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.loss_base import snake
from deepwell.keras.ops.conversion import convert_to_tensor
from deepwell.nn.initialisers import (
    INITIALISERS,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    IdentityInitializer,
    Initialiser,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)

__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "IdentityInitializer", "Initializer",
    "LecunNormal", "LecunUniform", "Ones", "Orthogonal", "OrthogonalInitializer", "RandomNormal", "RandomUniform",
    "TruncatedNormal", "VarianceScaling", "Zeros", "constant", "deserialize", "get", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal",
    "random_uniform", "serialize", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip
__getattr__ = finder("initializers", __all__)


class Initializer(Initialiser):
    """An initialiser of one's own: subclass it and write `__call__(shape, dtype=None)`, which gives the numbers."""

    @abstractmethod
    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The first numbers of a weight of this shape."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """See Initialiser."""
        return convert_to_tensor(self(shape)).float()


Identity = identity = IdentityInitializer
OrthogonalInitializer = orthogonal = Orthogonal
constant, zeros, ones = Constant, Zeros, Ones
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
_NAMES: dict[str, type[Initialiser]] = {
    **{snake(name): kind for name, kind in INITIALISERS.items()},
    **INITIALISERS,
    "Identity": Identity, "identity": Identity, "OrthogonalInitializer": Orthogonal, "normal": RandomNormal,
    "uniform": RandomUniform, "zero": Zeros, "one": Ones,
}  # fmt: skip


def get(identifier: Any) -> Initialiser | None:
    """The initialiser of a name, a configuration, a class or an object; None for None.

    Raises ConfigError for another, with the nearest name.
    """
    if identifier is None or isinstance(identifier, Initialiser):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initialiser):
        return identifier()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier})
    raise ConfigError(
        f"an initializer is a name or an Initializer; got {type(identifier).__name__}",
        repair="subclass keras.initializers.Initializer and write __call__(self, shape, dtype=None)",
    )


def serialize(initializer: Initialiser) -> dict[str, Any]:
    """An initialiser as plain values. Raises ConfigError for a user's own."""
    if type(initializer) not in INITIALISERS.values():
        raise ConfigError(
            f"the initializer {type(initializer).__name__} is code of your own and cannot be written down as data"
        )
    return {"class_name": type(initializer).__name__, "config": dataclasses.asdict(initializer)}


def deserialize(config: Mapping[str, Any]) -> Initialiser:
    """The initialiser that `serialize` wrote. Raises ConfigError for an unknown name or argument."""
    name = str(config.get("class_name"))
    if name not in _NAMES:
        raise ConfigError(f"there is no initializer {name!r}{nearest(name, _NAMES)}")
    kind, given = _NAMES[name], dict(config.get("config", {}))
    known = [f.name for f in dataclasses.fields(kind)]
    for key in given:
        if key not in known:
            raise ConfigError(f"{name} has no argument {key!r}{nearest(key, known)}")
    return kind(**given)
