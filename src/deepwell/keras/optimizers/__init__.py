"""Optimizers by Keras's names: `get("adam")`, objects with Keras's arguments, schedules of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.optimizers import schedules
from deepwell.keras.optimizers.algorithms import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Muon,
    Nadam,
    RMSprop,
)
from deepwell.keras.optimizers.base import Optimizer

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Muon", "Nadam", "Optimizer", "RMSprop", "deserialize",
    "get", "schedules", "serialize",
]  # fmt: skip
__getattr__ = finder("optimizers", __all__)

CLASSES: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind for kind in (SGD, RMSprop, Adam, AdamW, Adagrad, Adadelta, Adamax, Nadam, Lion, Muon)
}
"""Name in small letters -> class."""


def get(identifier: Any) -> Optimizer:
    """The optimizer of a name in any case, a configuration, a class or an object.

    Raises ConfigError for another, with the nearest name.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        if identifier.lower() not in CLASSES:
            raise ConfigError(f"there is no optimizer {identifier!r}{nearest(identifier.lower(), CLASSES)}")
        return CLASSES[identifier.lower()]()
    raise ConfigError(f"an optimizer is a name or an Optimizer; got {type(identifier).__name__}")


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer as plain values: the name of its class and its arguments. Raises ConfigError for a user's own."""
    if type(optimizer) not in CLASSES.values():
        raise ConfigError(
            f"the optimizer {type(optimizer).__name__} is code of your own and cannot be written down as data"
        )
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def deserialize(config: Mapping[str, Any]) -> Optimizer:
    """The optimizer that `serialize` wrote. Raises ConfigError for an unknown class or argument."""
    name = str(config.get("class_name"))
    if name.lower() not in CLASSES:
        raise ConfigError(f"there is no optimizer {name!r}{nearest(name.lower(), CLASSES)}")
    return CLASSES[name.lower()].from_config(config.get("config", {}))
