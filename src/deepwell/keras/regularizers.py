"""Regularisers by Keras's names: `"l2"`, `l2(0.01)`, `L1L2(l1=1e-5, l2=1e-4)`; nn/regularisers.py has the formula."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.ops.conversion import convert_to_tensor
from deepwell.keras.ops.placing import on
from deepwell.nn.regularisers import L1L2

__all__ = ["L1", "L1L2", "L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]
__getattr__ = finder("regularizers", __all__)


class Regularizer:
    """A regulariser of one's own: subclass it and write `__call__(weight)`, which gives what the weight costs."""

    def __call__(self, x: Tensor) -> Any:
        """What a weight costs: a scalar."""
        raise NotImplementedError(f"{type(self).__name__} has no method __call__(self, x)")

    def penalty(self, weight: Tensor) -> Tensor:
        """The same, as the training asks."""
        with on(weight.device):
            return convert_to_tensor(self(weight))


def l1(l1: float = 0.01) -> L1L2:
    """l1 times the sum of |w|."""
    return _checked(L1L2(l1=l1))


def l2(l2: float = 0.01) -> L1L2:
    """l2 times the sum of w^2."""
    return _checked(L1L2(l2=l2))


def l1_l2(l1: float = 0.0, l2: float = 0.0) -> L1L2:
    """Both together."""
    return _checked(L1L2(l1, l2))


L1, L2 = l1, l2
_NAMES = {"l1": l1, "l2": l2, "l1_l2": l1_l2, "L1": l1, "L2": l2, "L1L2": l1_l2}


def get(identifier: Any) -> L1L2 | Regularizer | None:
    """The regulariser of a name, a configuration or an object; None for None. Raises ConfigError for another."""
    if identifier is None or isinstance(identifier, L1L2 | Regularizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier})
    raise ConfigError(
        f"a regularizer is a name, l1(...), l2(...), l1_l2(...) or a Regularizer; got {type(identifier).__name__}"
    )


def serialize(regularizer: L1L2 | Regularizer) -> dict[str, Any]:
    """A regulariser as plain values. Raises ConfigError for a user's own."""
    if not isinstance(regularizer, L1L2):
        raise ConfigError(
            f"the regularizer {type(regularizer).__name__} is code of your own and cannot be written down as data"
        )
    return {"class_name": "L1L2", "config": dataclasses.asdict(regularizer)}


def deserialize(config: Mapping[str, Any]) -> L1L2:
    """The regulariser that `serialize` wrote. Raises ConfigError for an unknown name or argument."""
    name, given = str(config.get("class_name")), dict(config.get("config", {}))
    if name not in _NAMES:
        raise ConfigError(f"there is no regularizer {name!r}{nearest(name, _NAMES)}")
    known = {"l1": ("l1",), "l2": ("l2",), "L1": ("l1",), "L2": ("l2",)}.get(name, ("l1", "l2"))
    for key in given:
        if key not in known:
            raise ConfigError(f"{name} has no argument {key!r}{nearest(key, known)}")
    make: Any = _NAMES[name]
    found: L1L2 = make(**given)
    return found


def _checked(rule: L1L2) -> L1L2:
    """Raise ConfigError for a cost that is no finite number."""
    for name, value in (("l1", rule.l1), ("l2", rule.l2)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise ConfigError(f"{name} must be a number; got {value!r}")
    return rule
