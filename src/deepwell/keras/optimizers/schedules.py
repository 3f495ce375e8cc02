"""Learning rates that change from step to step, by Keras's names: pure functions of the step.

Unusual: plain numbers in double precision on the host, since the loop asks for the rate there. Subclasses of one's own write
`__call__(step)`; what it gives may be a number or a tensor.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import ConfigError, nearest


class LearningRateSchedule(ABC):
    """Step (0-based) -> learning rate."""

    @abstractmethod
    def __call__(self, step: int) -> Any:
        """The learning rate of a step."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """A schedule of these arguments."""
        return cls(**config)


def _positive(name: str, steps: float) -> None:
    if steps <= 0:
        raise ConfigError(f"{name} must be above 0; got {steps}")


@dataclass
class ExponentialDecay(LearningRateSchedule):
    """initial * decay_rate^(step / decay_steps); the exponent is rounded down with staircase."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __post_init__(self) -> None:
        _positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        passed = step / self.decay_steps
        return float(self.initial_learning_rate * self.decay_rate ** (math.floor(passed) if self.staircase else passed))


@dataclass
class InverseTimeDecay(LearningRateSchedule):
    """initial / (1 + decay_rate step / decay_steps); the quotient of steps is rounded down with staircase."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def __post_init__(self) -> None:
        _positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        passed = step / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (math.floor(passed) if self.staircase else passed))


@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and including the step boundaries[i], the last value beyond."""

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise ConfigError(
                f"PiecewiseConstantDecay needs one value more than boundaries; got {len(self.boundaries)} boundaries and "
                f"{len(self.values)} values"
            )

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        return float(self.values[bisect_left(self.boundaries, step)])


@dataclass
class PolynomialDecay(LearningRateSchedule):
    """(initial - end) (1 - step / decay_steps)^power + end; with cycle decay_steps grows by multiples, else it stays at end."""

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __post_init__(self) -> None:
        _positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        steps = self.decay_steps * (max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1)
        left = 1.0 - min(step, steps) / steps
        return float((self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate)


@dataclass
class CosineDecay(LearningRateSchedule):
    """By half a cosine to alpha times where it begins (Loshchilov & Hutter 2017); before that straight up to warmup_target."""

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        _positive("decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        begin, since = self.initial_learning_rate, float(step)
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return begin + (self.warmup_target - begin) * step / self.warmup_steps
            begin, since = self.warmup_target, step - self.warmup_steps
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(since, self.decay_steps) / self.decay_steps))
        return begin * ((1.0 - self.alpha) * cosine + self.alpha)


@dataclass
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines one after the other, each t_mul times as long and m_mul times as high (arXiv:1608.03983)."""

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __post_init__(self) -> None:
        _positive("first_decay_steps", self.first_decay_steps)

    def __call__(self, step: int) -> float:
        """See LearningRateSchedule."""
        done, length, restarts = 0.0, float(self.first_decay_steps), 0
        while step >= done + length:
            done, length, restarts = done + length, length * self.t_mul, restarts + 1
        cosine = 0.5 * self.m_mul**restarts * (1.0 + math.cos(math.pi * (step - done) / length))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    kind.__name__: kind
    for kind in (
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        CosineDecay,
        CosineDecayRestarts,
    )
}
"""Name -> class."""


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
    """A schedule as plain values. Raises ConfigError for a user's own."""
    if type(schedule) not in SCHEDULES.values():
        raise ConfigError(
            f"the schedule {type(schedule).__name__} is code of your own and cannot be written down as data"
        )
    return {"class_name": type(schedule).__name__, "config": schedule.get_config()}


def deserialize(config: Mapping[str, Any]) -> LearningRateSchedule:
    """The schedule that `serialize` wrote. Raises ConfigError for an unknown one."""
    name = str(config.get("class_name"))
    if name not in SCHEDULES:
        raise ConfigError(f"there is no learning rate schedule {name!r}{nearest(name, SCHEDULES)}")
    return SCHEDULES[name].from_config(config.get("config", {}))
