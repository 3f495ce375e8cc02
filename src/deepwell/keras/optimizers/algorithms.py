"""The optimizers by Keras's names: each its settings, defaults and rule. training/rules_keras.py has the formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from deepwell.core.config import Recipe
from deepwell.core.errors import ConfigError
from deepwell.keras.optimizers.base import Optimizer
from deepwell.training import rules_keras as keras_rules
from deepwell.training.optimisers import Optimiser, make
from deepwell.training.rules import SGD as PLAIN
from deepwell.training.rules import Rule


@dataclass(eq=False)
class SGD(Optimizer):
    """Gradient descent: w = w - r g; with momentum v = m v - r g, w = w + v."""

    algorithm: ClassVar[str] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum <= 1:
            raise ConfigError(f"momentum must be a number from 0 to 1; got {self.momentum!r}")

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        if not self.momentum:
            return PLAIN(0.0, False, fused)
        return keras_rules.HeavyBall(self.momentum, self.nesterov)


@dataclass(eq=False)
class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square."""

    algorithm: ClassVar[str] = "rmsprop"
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.RMSpropInside(self.rho, self.momentum, self.epsilon, self.centered)


@dataclass(eq=False)
class Adam(Optimizer):
    """Means of gradients divided by the root of their mean square, both corrected for their start."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.AdamHat(self.beta_1, self.beta_2, self.epsilon, self.amsgrad, fused)


@dataclass(eq=False)
class AdamW(Optimizer):
    """Adam with decay of the weights apart from the gradient."""

    algorithm: ClassVar[str] = "adamw"
    weight_decay: float | None = 0.004
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.AdamHat(self.beta_1, self.beta_2, self.epsilon, self.amsgrad, fused)


@dataclass(eq=False)
class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares."""

    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.Adagrad(self.initial_accumulator_value, self.epsilon)


@dataclass(eq=False)
class Adadelta(Optimizer):
    """Gradients scaled by the ratio of past moves to past gradients."""

    rho: float = 0.95
    epsilon: float = 1e-7

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.Adadelta(self.rho, self.epsilon)


@dataclass(eq=False)
class Adamax(Optimizer):
    """Adam with the largest gradient in the place of the mean square."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.Adamax(self.beta_1, self.beta_2, self.epsilon)


@dataclass(eq=False)
class Nadam(Optimizer):
    """Adam whose momentum looks one step ahead."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.Nadam(self.beta_1, self.beta_2, self.epsilon)


@dataclass(eq=False)
class Lion(Optimizer):
    """The sign of a mean of gradients."""

    beta_1: float = 0.9
    beta_2: float = 0.99

    def rule(self, fused: bool) -> Rule:
        """See Optimizer."""
        return keras_rules.Lion(self.beta_1, self.beta_2)


@dataclass(eq=False)
class Muon(Optimizer):
    """Deepwell's Muon: momentum made orthogonal for the matrices inside a network, AdamW for the rest (training/muon.py)."""

    algorithm: ClassVar[str] = "muon"
    momentum: float = 0.95
    nesterov: bool = True
    weight_decay: float | None = field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clipnorm or self.clipvalue:
            raise ConfigError("Muon sizes its moves by itself", repair="leave clipnorm and clipvalue out, or use AdamW")

    def make(self, network: nn.Module, names: Sequence[str], fused: bool = True) -> Optimiser:
        """See Optimizer."""
        recipe = Recipe(
            optimiser="muon", momentum=self.momentum, nesterov=self.nesterov, weight_decay=self.weight_decay or 0.0
        )
        parameters = dict(network.named_parameters())
        return self.going_on(make(network, names, recipe, fused), {name: parameters[name] for name in names})
