"""Activations by name, by Keras's names and constants (https://keras.io/api/layers/activations), and modules that are one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.core.errors import ConfigError, nearest
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2

_softmax = partial(functional.softmax, dim=-1)


def _linear(x: Tensor) -> Tensor:
    return x


def _squareplus(x: Tensor) -> Tensor:
    """(x + sqrt(x^2 + 4)) / 2 (Barron 2021, arXiv:2112.11687)."""
    return (x + (x * x + 4.0).sqrt()) / 2.0


def _sparse_plus(x: Tensor) -> Tensor:
    """0 up to -1, then (x + 1)^2 / 4, from 1 on x."""
    return torch.where(x >= 1, x, (x.clamp(-1, 1) + 1).square() / 4)


def _sparse_sigmoid(x: Tensor) -> Tensor:
    """0 up to -1, then (x + 1) / 2, from 1 on 1."""
    return (x.clamp(-1, 1) + 1) / 2


def _sparsemax(x: Tensor) -> Tensor:
    """The point of the simplex next to x, along the last axis (Martins and Astudillo 2016, arXiv:1602.02068)."""
    down = x.sort(dim=-1, descending=True).values
    number = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
    total = down.cumsum(-1)
    support = (1 + number * down > total).sum(-1, keepdim=True)
    edge = (total.gather(-1, support - 1) - 1) / support
    return (x - edge).clamp(min=0)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": _linear,
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "softmax": _softmax,
    "tanh": torch.tanh,
    "celu": functional.celu,
    "elu": functional.elu,
    "exponential": torch.exp,
    "gelu": functional.gelu,
    "hard_shrink": functional.hardshrink,
    "hard_sigmoid": functional.hardsigmoid,
    "hard_silu": functional.hardswish,
    "hard_swish": functional.hardswish,
    "hard_tanh": functional.hardtanh,
    "leaky_relu": partial(functional.leaky_relu, negative_slope=0.2),
    "log_sigmoid": functional.logsigmoid,
    "log_softmax": partial(functional.log_softmax, dim=-1),
    "mish": functional.mish,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "silu": functional.silu,
    "soft_shrink": functional.softshrink,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "sparsemax": _sparsemax,
    "squareplus": _squareplus,
    "swish": functional.silu,
    "tanh_shrink": functional.tanhshrink,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function of a name, element by element; softmax over the last axis. Raises ConfigError for another name."""
    if name not in ACTIVATIONS:
        raise ConfigError(f"there is no activation {name!r}{nearest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]


class Activated(nn.Module):
    """A module that ends in an activation; by itself it is one. Any shape, the same shape.

    Attributes:
        activation: its name; see nn.blocks.base.Activated.
    """

    def __init__(self, name: str = "linear") -> None:
        super().__init__()
        self.activation, self._function = name, activation(name)

    def linear(self, x: Tensor) -> Tensor:
        """All but the activation."""
        return x

    def activate(self, logits: Tensor) -> Tensor:
        """The activation."""
        return self._function(logits)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.activate(self.linear(x))


class Rectified(nn.Module):
    """x between threshold and most, most above it, slope (x - threshold) below the threshold. Any shape, the same shape."""

    def __init__(self, most: float | None = None, slope: float = 0.0, threshold: float = 0.0) -> None:
        super().__init__()
        self.most, self.slope, self.threshold = most, slope, threshold

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.threshold == 0.0:
            found = functional.leaky_relu(x, self.slope) if self.slope else functional.relu(x)
        else:
            found = torch.where(x > self.threshold, x, self.slope * (x - self.threshold))
        return found if self.most is None else found.clamp(max=self.most)


class Exponential(nn.Module):
    """x above 0, alpha (e^x - 1) below (Clevert et al. 2015, arXiv:1511.07289). Any shape, the same shape."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.elu(x, self.alpha)


class TrainedSlope(nn.Module):
    """x above 0, a x below, a trained (He et al. 2015, arXiv:1502.01852). Any shape, the same shape.

    alpha: a, of the shape of one example, 1 along the axes that share it.
    """

    alpha: Tensor

    def __init__(self, alpha: Tensor, rule: L1L2 | None = None) -> None:
        super().__init__()
        hold(self, Weight("alpha", "alpha"), alpha, rule)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.relu(x) - self.alpha * functional.relu(-x)


class SoftmaxOver(nn.Module):
    """Softmax over the given axes together. Any shape, the same shape."""

    def __init__(self, axes: tuple[int, ...] = (-1,)) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if len(self.axes) == 1:
            return functional.softmax(x, dim=self.axes[0])
        return torch.exp(x - torch.logsumexp(x, self.axes, keepdim=True))
