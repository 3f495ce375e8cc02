"""Schedules of the step size: pure functions of progress, the share of the run in [0, 1].

Unusual: they know neither steps nor seconds. A horizon that moves changes how fast progress grows, never the shape, so
the step size cannot jump.
"""

from __future__ import annotations

import math

from deepwell.core.errors import ConfigError, nearest

NAMES = ("linear", "cosine", "constant")


def rate(name: str, progress: float, warmup: float) -> float:
    """The factor of the peak learning rate at `progress`: rises linearly to 1 over the share `warmup`, then falls to 0.

    linear: straight down. cosine: half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts).
    constant: stays at 1. Raises ConfigError for another name.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no schedule {name!r}{nearest(name, NAMES)}")
    progress = min(1.0, max(0.0, progress))
    if progress < warmup:
        return progress / warmup
    if name == "constant":
        return 1.0
    fallen = (progress - warmup) / (1.0 - warmup)
    return 1.0 - fallen if name == "linear" else 0.5 * (1.0 + math.cos(math.pi * fallen))
