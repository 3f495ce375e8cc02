"""What an optimizer of the Keras-style face is: settings by Keras's names, a learning rate that can be set, and what it makes.

Unusual: an optimizer computes nothing. `make` gives the training's own Optimiser with the rule that Keras's formula asks for
(training/rules_keras.py), and `rate` the learning rate of a step. Settings are fields of a dataclass; all but the learning rate
and those of the algorithm are given by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras.arguments import known
from deepwell.keras.optimizers.schedules import LearningRateSchedule, deserialize, serialize
from deepwell.training.optimisers import Optimiser, gradient_norm
from deepwell.training.rules import Rule
from deepwell.training.rules_keras import Clipped

Rate = float | LearningRateSchedule | Callable[[], float]


class LearningRate(float):
    """The learning rate as it is now: a number that also has `assign`, `numpy` and `value`, as Keras's variable does."""

    owner: Optimizer | None = None

    def assign(self, value: float) -> None:
        """Set the optimizer's learning rate."""
        if self.owner is not None:
            self.owner.learning_rate = value

    def numpy(self) -> np.float32:
        """As a number of numpy."""
        return np.float32(self)

    @property
    def value(self) -> float:
        """As a plain number."""
        return float(self)


@dataclass(eq=False)
class Optimizer:
    """Settings of an optimizer.

    Attributes:
        learning_rate: a number or a schedule; reading gives the rate at `iterations`. weight_decay: of all weights, apart
        from the gradient, times the learning rate. clipnorm: largest norm of one weight's gradient; clipvalue: largest number in
        it; global_clipnorm: largest norm of all gradients; at most one of the three. iterations: steps taken.
    """

    algorithm: ClassVar[str] = "adam"
    """The nearest of the names that a Recipe knows."""

    learning_rate: Any = 0.001
    weight_decay: float | None = field(default=None, kw_only=True)
    clipnorm: float | None = field(default=None, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Unknown arguments are refused with the nearest known one."""
        known(cls, named)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.name = self.name or type(self).__name__.lower()
        clips = [c for c in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, c) is not None]
        if len(clips) > 1:
            raise ConfigError(
                f"only one of clipnorm, clipvalue and global_clipnorm can be set; got {' and '.join(clips)}"
            )
        self._made: tuple[Optimiser, Mapping[str, nn.Parameter]] | None = None
        self._undecayed: tuple[str, ...] = ()
        self._undecayed_weights: tuple[Any, ...] = ()
        self._applied: tuple[Any, ...] = ()
        self.iterations = 0

    def __setattr__(self, name: str, value: Any) -> None:
        """Numbers given as learning rate are checked, and a schedule's rate follows the iterations."""
        if name == "learning_rate":
            self._take_rate(value)
            return
        object.__setattr__(self, name, value)
        if name == "iterations" and not isinstance(self._given, float):
            self._show(self.rate(value))

    def _take_rate(self, value: Any) -> None:
        if isinstance(value, str | bytes | bool) or not (isinstance(value, LearningRateSchedule) or callable(value)):
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = float("nan")
            if isinstance(value, str | bytes | bool) or not 0 <= number < float("inf"):
                raise ConfigError(
                    f"learning_rate must be a number of at least 0, a LearningRateSchedule or a function; got {value!r}"
                )
            value = number
        self.__dict__["given_rate"] = value
        self._show(value if isinstance(value, float) else self.rate(getattr(self, "iterations", 0)))

    @property
    def _given(self) -> Rate:
        """The number or schedule that was given."""
        rate: Rate = self.__dict__["given_rate"]
        return rate

    def _show(self, rate: float) -> None:
        shown = LearningRate(rate)
        shown.owner = self
        object.__setattr__(self, "learning_rate", shown)

    @property
    def lr(self) -> float:
        """The old name of learning_rate."""
        return float(self.learning_rate)

    @lr.setter
    def lr(self, value: Any) -> None:
        """Set learning_rate."""
        self.learning_rate = value

    def rate(self, step: int) -> float:
        """The learning rate of a step (0-based)."""
        rate = self._given
        if isinstance(rate, LearningRateSchedule):
            return float(rate(step))
        return float(rate()) if callable(rate) else float(rate)

    def rule(self, fused: bool) -> Rule:
        """The rule that moves weights, without clipping and decay. To be written by a subclass."""
        raise ConfigError(f"{type(self).__name__} says no rule; use one of Deepwell's optimizers")

    def make(self, network: nn.Module, names: Sequence[str], fused: bool = True) -> Optimiser:
        """What moves the network's parameters `names`; made anew it goes on from where the last one was.

        fused: with torch's one-pass kernels. For core.task.Update(optimiser=...).
        """
        parameters = dict(network.named_parameters())
        return self._make({name: parameters[name] for name in names}, fused)

    def _make(self, chosen: Mapping[str, nn.Parameter], fused: bool) -> Optimiser:
        rule = self.rule(fused)
        if self.weight_decay or self.clipnorm or self.clipvalue:
            rule = Clipped(rule, self.clipnorm or 0.0, self.clipvalue or 0.0)
        decays = {n: self.weight_decay or 0.0 for n, p in chosen.items() if self._decays(n, p)}
        return self.going_on(Optimiser(chosen, dict.fromkeys(chosen, rule), decays), chosen)

    def going_on(self, made: Optimiser, chosen: Mapping[str, nn.Parameter]) -> Optimiser:
        """`made`, with what the last one remembered of the same weights; those of another model begin anew."""
        if self._made is not None:
            last, weights = self._made
            state = made.state()
            same = {name for name, parameter in chosen.items() if weights.get(name) is parameter}
            old = {key: tensor for key, tensor in last.state().items() if key.split(".", 1)[1] in same and key in state}
            made.restore({**state, **old})
        self._made = made, chosen
        return made

    def _decays(self, name: str, parameter: nn.Parameter) -> bool:
        listed = any(parameter is weight for weight in self._undecayed_weights)
        return not listed and not any(text in name for text in self._undecayed)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """No decay for these weights, and for those whose name has one of these texts in it. To be said before training."""
        self._undecayed_weights = tuple(var_list or ())
        self._undecayed = tuple(var_names or ())

    def recipe_fields(self) -> dict[str, Any]:
        """What of this the knobs of a Recipe can say: a constant rate, the clip of all gradients, the nearest algorithm."""
        fields: dict[str, Any] = {
            "optimiser": self.algorithm,
            "learning_rate": float(self.learning_rate),
            "weight_decay": self.weight_decay or 0.0,
            "clip": self.global_clipnorm or 0.0,
            "schedule": "constant",
            "warmup": 0.0,
            "ema": 0.0,
            "patience": 0,
        }
        momentum = getattr(self, "momentum", None)
        return (
            fields
            if momentum is None
            else {**fields, "momentum": momentum, "nesterov": getattr(self, "nesterov", False)}
        )

    def apply(self, grads: Sequence[Tensor | None], trainable_variables: Sequence[nn.Parameter] | None = None) -> None:
        """One step by gradients that were computed outside: for loops of one's own. None leaves a weight as it is.

        trainable_variables: the same at each call, and needed at the first only. Raises ConfigError where there are none.
        """
        variables = self._applied if trainable_variables is None else tuple(trainable_variables)
        if not variables or len(variables) != len(grads):
            raise ConfigError(f"apply needs a weight for each gradient; got {len(grads)} and {len(variables)}")
        if self._made is None or [id(v) for v in variables] != [id(v) for v in self._applied]:
            self._applied = variables
            self._make({str(i): v for i, v in enumerate(variables)}, fused=True)
        for variable, gradient in zip(variables, grads, strict=True):
            variable.grad = None if gradient is None else gradient.clone()
        found = [v.grad for v in variables if v.grad is not None]
        if found and self._made is not None:
            divisor = torch.ones((), device=found[0].device)
            if self.global_clipnorm:
                divisor = (gradient_norm(found) / self.global_clipnorm).clamp(min=1.0)
            self._made[0].step(self.rate(self.iterations), divisor, torch.zeros_like(divisor))
        self.iterations += 1

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Tensor | None, nn.Parameter]]) -> None:
        """`apply`, from pairs."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])

    def get_config(self) -> dict[str, Any]:
        """The settings as plain values; a schedule as its name and arguments."""
        config = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        rate = self._given
        config["learning_rate"] = (
            serialize(rate) if isinstance(rate, LearningRateSchedule) else float(self.learning_rate)
        )
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """An optimizer of these settings. Raises ConfigError for an unknown one, with the nearest."""
        rate = config.get("learning_rate")
        given = {**config, "learning_rate": deserialize(rate)} if isinstance(rate, Mapping) else dict(config)
        return cls(**given)
