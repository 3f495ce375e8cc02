"""Activations by Keras's names: functions of tensors, and `get("relu")`. The closed set stands in nn/layers/activations.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras import ops
from deepwell.keras.absent import finder
from deepwell.keras.ops import (
    elu,
    hard_sigmoid,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from deepwell.keras.ops.conversion import convert_to_tensor, floating
from deepwell.nn.layers.activations import ACTIVATIONS

__all__ = [
    "deserialize", "elu", "exponential", "gelu", "get", "hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu", "linear",
    "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid", "silu", "softmax", "softplus",
    "softsign", "swish", "tanh",
]  # fmt: skip
__getattr__ = finder("activations", __all__)
swish = silu


def linear(x: Any) -> Any:
    """x."""
    return x


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """x from threshold up to max_value; below the threshold negative_slope (x - threshold)."""
    given = convert_to_tensor(x)
    if threshold:
        found = torch.where(given > threshold, given, negative_slope * (given - threshold))
    else:
        found = functional.leaky_relu(given, negative_slope) if negative_slope else functional.relu(given)
    return found if max_value is None else torch.clamp(found, max=max_value)


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x times the normal distribution function of x; by its tanh formula if approximate."""
    return ops.gelu(x, approximate)


def exponential(x: Any) -> Tensor:
    """e^x."""
    return ops.exp(x)


def hard_silu(x: Any) -> Tensor:
    """x hard_sigmoid(x)."""
    return functional.hardswish(convert_to_tensor(x))


hard_swish = hard_silu


def mish(x: Any) -> Tensor:
    """x tanh(softplus(x)) (Misra 2019, arXiv:1908.08681)."""
    return functional.mish(convert_to_tensor(x))


def get(identifier: Any) -> Callable[..., Any]:
    """The function of a name; a function stays what it is; linear for None. Raises ConfigError for another."""
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        if identifier not in ACTIVATIONS:
            raise ConfigError(f"there is no activation {identifier!r}{nearest(identifier, ACTIVATIONS)}")
        given: Callable[..., Any] | None = globals().get(identifier)
        return given or _of_anything(ACTIVATIONS[identifier])
    if callable(identifier):
        own: Callable[..., Any] = identifier
        return own
    raise ConfigError(f"an activation is a name or a function; got {type(identifier).__name__}")


def _of_anything(function: Callable[[Tensor], Tensor]) -> Callable[[Any], Tensor]:
    """A function of tensors that takes arrays too."""
    return lambda x: function(floating(x))


def serialize(activation: Callable[..., Any]) -> str:
    """The name of a function. Raises ConfigError for a user's own."""
    name = getattr(activation, "__name__", "")
    if globals().get(name) is not activation or name not in ACTIVATIONS:
        raise ConfigError(
            f"the activation {name or activation!r} is code of your own and cannot be written down as data"
        )
    return name


def deserialize(config: str) -> Callable[..., Any]:
    """The function of a name. Raises ConfigError for an unknown one."""
    return get(config)
