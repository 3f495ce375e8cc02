"""Checks: the network is judged on the select part now and then, and the best weights so far are kept.

Unusual: raw and averaged weights are both judged and the better ones count. Of equal values the later weights are kept
(they saw more data, at a smaller step size), but only a true gain counts for patience. What is not finite is never best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest
from deepwell.nn.runner import evaluating

Judge = Callable[[nn.Module], Mapping[str, float]]
MOST = 20
"""Checks of a run, when they are cheap."""
SHARE = 0.1
"""The most of the time that checks may take."""
APART = 8
"""The fewest steps between two checks."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """One check: the values of the better weights, which these are ("ema" or "raw"), and whether they are the best yet."""

    values: Mapping[str, float]
    chosen: str
    best: bool


class Selection:
    """Judges candidates and keeps the best weights.

    judge: module -> {metric: value} on the select part; None: nothing is judged. watch: which of them chooses; None: the
    last candidate named first is kept. direction: which way is better.
    """

    def __init__(self, judge: Judge | None, watch: str | None, direction: Literal["higher", "lower"]) -> None:
        self._judge, self._watch = judge, watch if judge is not None else None
        self._sign = 1.0 if direction == "higher" else -1.0
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_name, self.best_values = 0, "", dict[str, float]()
        self.without_gain = 0
        self._next, self._last_step, self.spacing = 1.0 / MOST, 0, 1.0 / MOST

    @property
    def judging(self) -> bool:
        """Whether there is anything to judge with."""
        return self._judge is not None

    @property
    def watching(self) -> bool:
        """Whether a value chooses the weights."""
        return self._watch is not None

    def due(self, step: int, progress: float) -> bool:
        """Whether a check should follow this step; the last step (progress 1) always has one."""
        if not self.judging or progress >= 1.0:
            return self.judging
        near_end = 1.0 - progress < 0.5 * self.spacing
        return progress >= self._next - ROUNDING and step - self._last_step >= APART and not near_end

    def fewer(self, seconds: float, usable: float | None, progress: float) -> tuple[int, str] | None:
        """How many checks should still come where one takes `seconds` and the run has `usable`; None to leave it."""
        if usable is None or progress >= 1.0:
            return None
        count = max(1, min(MOST, int(SHARE * usable / max(seconds, 1e-9))))
        if count == MOST or (1.0 - progress) / count <= self.spacing:
            return None
        return count, f"one takes {seconds:.3g} s; they may take a tenth of {usable:.3g} s"

    def space(self, count: int, progress: float) -> None:
        """Spread `count` checks over what is left after `progress`."""
        self.spacing = (1.0 - progress) / count
        self._next = progress + self.spacing

    def left(self, progress: float) -> float:
        """How many checks are still to come, the last one included."""
        return max(1.0, (1.0 - progress) / self.spacing) if self.judging else 0.0

    def check(self, step: int, progress: float, candidates: Mapping[str, nn.Module]) -> Check:
        """Judge the candidates after `step` steps; the first of equals wins. Keeps a copy of new best weights.

        Raises ConfigError when the judge does not know the watched value.
        """
        if self._judge is None:
            raise ValueError("nothing to judge with")
        self._last_step = step
        while self._next <= progress + ROUNDING:
            self._next += self.spacing
        judged = {}
        for name, module in candidates.items():
            with evaluating(module):
                judged[name] = {key: float(value) for key, value in self._judge(module).items()}
        chosen = next(iter(judged))
        for name in judged:
            if self._worth(judged[name]) > self._worth(judged[chosen]):
                chosen = name
        best = self.watching and self._keep(step, chosen, candidates[chosen], judged[chosen])
        return Check(judged[chosen], chosen, best)

    def _keep(self, step: int, name: str, module: nn.Module, values: dict[str, float]) -> bool:
        """Keep these weights unless they are worse than the best; whether they were kept."""
        new, old = self._worth(values), self._worth(self.best_values) if self.best else -math.inf
        self.without_gain = 0 if new > old else self.without_gain + 1
        if new < old or new == -math.inf:
            return False
        self.best = snapshot(module)
        self.best_step, self.best_name = step, name
        self.best_values = {key: value for key, value in values.items() if math.isfinite(value)}
        return True

    def _worth(self, values: Mapping[str, float]) -> float:
        """Higher is better; what is not finite is worst."""
        if self._watch is None:
            return 0.0
        if self._watch not in values:
            raise ConfigError(f"the select part has no measure {self._watch!r}{nearest(self._watch, values)}")
        worth = self._sign * values[self._watch]
        return worth if math.isfinite(worth) else -math.inf

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The best weights by name, and the rest as JSON values."""
        facts = {
            "best_step": self.best_step,
            "best_name": self.best_name,
            "best_values": dict(self.best_values),
            "without_gain": self.without_gain,
            "next": self._next,
            "last_step": self._last_step,
            "spacing": self.spacing,
        }
        return dict(self.best), facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.best = dict(tensors)
        self.best_step, self.best_name = facts["best_step"], facts["best_name"]
        self.best_values, self.without_gain = dict(facts["best_values"]), facts["without_gain"]
        self._next, self._last_step, self.spacing = facts["next"], facts["last_step"], facts["spacing"]


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights that a bundle holds (parameters and saved buffers), contiguous, on the module's device."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in module.state_dict().items()}
