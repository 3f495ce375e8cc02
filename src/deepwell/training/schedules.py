"""Schedules of the step size: pure functions of progress, the share of the run in [0, 1].

Unusual: they know neither steps nor seconds. A horizon that moves changes how fast progress grows, never the shape, so
the step size cannot jump. The one that listens to checks is a factor beside the schedule: Plateau.
"""

from __future__ import annotations

import math

from deepwell.core.config import SCHEDULES
from deepwell.core.errors import ConfigError, nearest

ONE_CYCLE_START = 1 / 25
"""Where one-cycle begins, as a share of the peak."""
PLATEAU_CHECKS = 3
PLATEAU_FALL = 0.3
"""After so many checks without gain, the step size is multiplied by this."""
PLATEAU_LEAST = 1e-3


def rate(name: str, progress: float, warmup: float) -> float:
    """The factor of the peak learning rate at `progress`: it rises to 1 over the share `warmup`, then falls to 0.

    linear: rises and falls straight. cosine: falls by half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without
    restarts). constant: stays at 1. plateau: likewise, to be multiplied by Plateau.factor. one-cycle (Smith & Topin 2017,
    arXiv:1708.07120): rises by half a cosine from s = 1/25, s + (1 - s) (1 - cos(pi progress / warmup)) / 2, then falls as
    cosine does; it wants a long warm-up, of a third or so. Raises ConfigError for another name.
    """
    if name not in SCHEDULES:
        raise ConfigError(f"there is no schedule {name!r}{nearest(name, SCHEDULES)}")
    progress = min(1.0, max(0.0, progress))
    if progress < warmup:
        risen = progress / warmup
        if name == "one-cycle":
            return ONE_CYCLE_START + (1.0 - ONE_CYCLE_START) * 0.5 * (1.0 - math.cos(math.pi * risen))
        return risen
    if name in ("constant", "plateau"):
        return 1.0
    fallen = (progress - warmup) / (1.0 - warmup)
    return 1.0 - fallen if name == "linear" else 0.5 * (1.0 + math.cos(math.pi * fallen))


class Plateau:
    """The factor of the step size under the schedule `plateau`: it falls when checks show no gain, and never rises."""

    def __init__(self) -> None:
        self.factor = 1.0

    def after_check(self, without_gain: int) -> float | None:
        """The new factor where it falls: after every PLATEAU_CHECKS checks without gain, until PLATEAU_LEAST.

        without_gain: how many checks in a row brought none, the last one included. To be called once after each check.
        """
        if without_gain == 0 or without_gain % PLATEAU_CHECKS or self.factor <= PLATEAU_LEAST:
            return None
        self.factor = max(PLATEAU_LEAST, self.factor * PLATEAU_FALL)
        return self.factor

    def state(self) -> float:
        """The factor, a JSON value."""
        return self.factor

    def restore(self, state: float) -> None:
        """Take over what `state` gave."""
        self.factor = state
