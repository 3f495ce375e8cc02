"""Budget: how long a training may take. Horizon: how many steps that is, and how far along a step stands.

Unusual: the horizon of an open budget is set after a short probe of real steps and may move a few times, yet progress is
piecewise linear in the step, so the step size never jumps; and the last step always ends at progress 1. With steps or
epochs given and no time, no clock is read for any choice: the same inputs give the same bits.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import ConfigError

CAP = 300.0
"""Seconds of a training for which neither time, steps nor epochs are given."""
MOST_REVISIONS = 8
KEPT_REVISIONS = 2
"""Revisions that are kept for cooling down and for the deadline."""
MARKS = (0.05, 0.25, 0.6, 0.9)
"""Shares of the time at which the rate is looked at again; the first soon, for a probe of few steps is the worst witness."""
HALF, AHEAD = 0.5, 0.35
"""The rate is looked at between marks, too, when HALF of the steps that are left took less than AHEAD of the time that is
left: else a run that became faster would end early."""
PROBE_STEPS = 20
PROBE_SHARE = 0.02
"""The probe ends after so many steps or this share of the time, whichever comes first."""
WARM_STEPS = 3
"""Steps before the probe: they also pay for memory and kernels that later steps find ready."""
LATEST = 3
"""Checks whose median says how fast the machine is, the first so many and the latest."""
MOST_SLOWDOWN = 3.0
TOLERANCE = 0.02
"""A horizon is left alone when what remains would change by less than this share."""
WARMING, PROBING = -2, -1


@dataclass(frozen=True)
class Budget:
    """How long a training may take: whichever limit is reached first. Raises ConfigError for limits that are not positive.

    seconds: of what is left of the run when training begins; CAP when nothing at all is given.
    steps, epochs: train exactly this long if no time is given.
    clock: seconds on any scale that never runs backwards.
    reserve: seconds to keep for what follows training (evaluation, sealing, report), at the speed of the machine when training
    begins; more is kept where checks become slower.
    spent: seconds that this process has spent before a restored training goes on; they count as well.
    """

    seconds: float | None = None
    steps: int | None = None
    epochs: float | None = None
    clock: Callable[[], float] = time.monotonic
    reserve: float = 0.0
    spent: float = 0.0

    def __post_init__(self) -> None:
        for name in ("seconds", "steps", "epochs"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"the budget's {name} must be above 0; got {value!r}")

    @property
    def exact(self) -> bool:
        """Whether the user said how many steps or epochs; then nothing stops earlier but the time, if given."""
        return self.steps is not None or self.epochs is not None

    @property
    def limit(self) -> float | None:
        """Seconds from now on; None when no clock decides."""
        return self.seconds if self.seconds is not None or self.exact else CAP

    def ceiling(self, steps_per_epoch: int, epochs: float) -> int:
        """The most steps, time aside. epochs: the most that pay, for where the user did not say."""
        if not self.exact:
            return max(1, round(epochs * steps_per_epoch))
        by_epochs = math.inf if self.epochs is None else max(1, round(self.epochs * steps_per_epoch))
        return int(min(by_epochs, math.inf if self.steps is None else self.steps))


class Horizon:
    """How many steps the run has, and progress as a piecewise linear function of the step.

    progress(0) = 0, progress(steps) = 1 exactly; it never falls and never jumps, whatever the revisions.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._knots: list[tuple[int, float]] = [(0, 0.0)]

    @property
    def revisions(self) -> int:
        """How often the horizon has been revised."""
        return len(self._knots) - 1

    def progress(self, step: float) -> float:
        """The share of the run done after `step` steps; halves of steps are allowed."""
        if step >= self.steps:
            return 1.0
        knots = [*self._knots, (self.steps, 1.0)]
        upper = next(i for i in range(1, len(knots)) if step <= knots[i][0])
        (start, low), (end, high) = knots[upper - 1], knots[upper]
        return low + (high - low) * (step - start) / (end - start) if end > start else high

    def revise(self, at: int, steps: int) -> None:
        """From step `at` on, the run has `steps` steps in all; at < steps.

        Raises ValueError for a revision of the past or to the past. How many there are is the Timekeeper's business; those
        of several lives of a run, killed before its first checkpoint, add up.
        """
        if at < self._knots[-1][0] or steps <= at:
            raise ValueError(f"a horizon of {self.steps} steps cannot be revised at step {at} to {steps}")
        self._knots.append((at, self.progress(at)))
        self.steps = steps

    def state(self) -> dict[str, Any]:
        """The horizon as JSON values."""
        return {"steps": self.steps, "knots": [list(knot) for knot in self._knots]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.steps = state["steps"]
        self._knots = [(step, progress) for step, progress in state["knots"]]


class Timekeeper:
    """Watches the clock of an open budget and says when the horizon should move; it moves nothing itself.

    ceiling: the most steps, time aside. Steps per second are measured over the steps since the last look, with pauses
    (checks) left out.
    """

    def __init__(self, budget: Budget, ceiling: int) -> None:
        self._clock, self._limit, self._ceiling = budget.clock, budget.limit, ceiling
        self._spent, self._reserve = budget.spent, budget.reserve
        self._whole = math.inf if self._limit is None else self._limit
        self._begun = self._since = self._clock()
        self._since_step = 0
        self._mark = WARMING  # then PROBING, then an index into MARKS
        self._checks: list[float] = []
        self._idle = self._spent
        self.rate: float | None = None

    @property
    def probing(self) -> bool:
        """Whether the first steps are still being timed; the caller then waits for the device before each look."""
        return self._limit is not None and self._mark < 0

    @property
    def reserve(self) -> float:
        """Seconds to keep for what follows training, as fast as the machine is now: as its latest checks against its first."""
        if len(self._checks) < LATEST:
            return self._reserve
        first, latest = statistics.median(self._checks[:LATEST]), statistics.median(self._checks[-LATEST:])
        return self._reserve * min(max(1.0, latest / max(first, 1e-9)), MOST_SLOWDOWN)

    @property
    def usable(self) -> float | None:
        """Seconds from the beginning of training to its deadline; None when no clock decides."""
        return None if self._limit is None else self._whole - self.reserve

    @property
    def check_seconds(self) -> float:
        """Seconds of the latest check."""
        return self._checks[-1] if self._checks else 0.0

    def elapsed(self) -> float:
        """Seconds since training began."""
        return self._clock() - self._begun

    @property
    def times(self) -> tuple[float, float]:
        """Seconds since training began; and of these in steps: no checks, saving, measuring, nor the start of a resumed run."""
        elapsed = self.elapsed()
        return elapsed, elapsed - self._idle

    def paused(self, seconds: float) -> None:
        """Something other than steps took so long: it does not count against their speed."""
        self._since += seconds
        self._idle += seconds

    def checked(self, seconds: float) -> None:
        """A check took so long: it does not count against the speed of steps, and others will come."""
        self.paused(seconds)
        self._checks.append(seconds)

    def close(self, steps: int) -> None:
        """The run is cooling down to `steps`: from now on only the deadline may shorten it."""
        self._ceiling, self._mark = steps, max(self._mark, len(MARKS))

    def look(self, step: int, horizon: int, checks_left: float, revisions: int = 0) -> tuple[int, str] | None:
        """The horizon as it should be after `step` steps, with the reason; None to leave it.

        checks_left: how many checks are still to come; their time is kept. revisions: how many the horizon has had.
        """
        usable = self.usable
        if usable is None or step >= horizon:
            return None
        now, deadline = self._clock(), self._begun + usable
        if now + min(1.0, checks_left) * self.check_seconds >= deadline:
            return (step + 1, "the time is over") if horizon > step + 1 else None
        if revisions >= MOST_REVISIONS - KEPT_REVISIONS or not self._due(step, horizon, now, deadline):
            return None
        self.rate = (step - self._since_step) / max(now - self._since, 1e-9)
        self._since, self._since_step = now, step
        seconds = deadline - now - checks_left * self.check_seconds
        steps = min(self._ceiling, step + max(1, int(self.rate * seconds)))
        if abs(steps - horizon) <= TOLERANCE * (horizon - step):
            return None
        why = "all epochs that pay fit" if steps == self._ceiling else f"{seconds:.3g} s are left"
        return steps, f"{self.rate:.3g} steps/s measured; {why}"

    def _due(self, step: int, horizon: int, now: float, deadline: float) -> bool:
        """Whether this is the moment to look: the end of the probe, a mark passed, or far ahead of the time."""
        spent = (now - self._begun) / max(deadline - self._begun, 1e-9)
        if self._mark == WARMING and step >= WARM_STEPS and spent < PROBE_SHARE:
            self._since, self._since_step, self._mark = now, step, PROBING
        if self._mark < 0:
            over = spent >= PROBE_SHARE or (self._mark == PROBING and step - self._since_step >= PROBE_STEPS)
        else:
            over = self._mark < len(MARKS) and spent >= MARKS[self._mark]
            over = over or self._ahead(step, horizon, now, deadline)
        if not over or step == self._since_step:
            return False
        self._mark = next((i for i, mark in enumerate(MARKS) if mark > spent), len(MARKS))
        return True

    def _ahead(self, step: int, horizon: int, now: float, deadline: float) -> bool:
        """Whether a run that the time has shortened is so much faster since the last look that it would end early."""
        if horizon >= self._ceiling or horizon <= self._since_step:
            return False
        done = (step - self._since_step) / (horizon - self._since_step)
        return done >= HALF and now - self._since < AHEAD * (deadline - self._since)

    def state(self) -> dict[str, Any]:
        """What it knows as JSON values; times are relative, so another process with another clock can go on."""
        now = self._clock()
        return {
            "whole": None if self._limit is None else self._whole,
            "spent": now - self._begun,
            "since": now - self._since,
            "since_step": self._since_step,
            "mark": self._mark,
            "ceiling": self._ceiling,
            "rate": self.rate,
            "idle": self._idle,
            "checks": list(self._checks),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave; the clock goes on from the seconds spent then and before this training goes on.

        The reserve is that of this process's budget, for it may have more to do after training.
        """
        now = self._clock() - self._spent
        self._begun, self._since = now - state["spent"], self._clock() - state["since"]
        self._whole = math.inf if state["whole"] is None else state["whole"]
        self._since_step, self._mark, self._ceiling = state["since_step"], state["mark"], state["ceiling"]
        self.rate, self._checks = state["rate"], list(state["checks"])
        self._idle = state["idle"] + self._spent
