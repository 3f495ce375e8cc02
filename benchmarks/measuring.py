"""What the sides of a row share: how to measure, the clock, the network, the check. No engine in here.

Unusual: a side ticks before each step, and its time runs from the tick after the warm-up to its return. What is measured may
be the first stretch of a longer run, so that averages and checks are as rare as in real ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks import networks
from benchmarks.datasets import Arrays
from benchmarks.networks import cross_entropy
from benchmarks.workloads import Workload

CLIP, MEMORY, WARMUP = 1.0, 0.05, 0.05
"""Norm of a clipped gradient; memory of the averaged weights and rise of the rate, as shares of the run."""


@dataclass(frozen=True)
class Setting:
    """How to measure. steps: timed ones, after `warm` others. threads: None leaves torch's default.

    horizon: steps of the run that these are the beginning of, for how often weights are averaged and checked is a share
    of the run; 0: all of it.
    """

    steps: int
    warm: int
    horizon: int = 0
    threads: int | None = None
    precision: str = "float32"
    seed: int = 0

    @property
    def taken(self) -> int:
        """Steps in all that are taken."""
        return self.warm + self.steps

    @property
    def whole(self) -> int:
        """Steps of the run."""
        return max(self.taken, self.horizon)


@dataclass
class Stopwatch:
    """Times the steps after the first `warm` ones, in rows and seconds of `clock`."""

    warm: int
    clock: Callable[[], float] = time.perf_counter
    ticks: int = 0
    rows: int = 0
    _began: float = field(default=math.nan, init=False)
    _rows_before: int = field(default=0, init=False)

    def tick(self) -> None:
        """A step is about to begin."""
        if self.ticks == self.warm:
            self._began, self._rows_before = self.clock(), self.rows
        self.ticks += 1

    def finish(self) -> dict[str, float]:
        """Rows, steps and seconds since the warm-up. Raises ValueError where there was no step after it."""
        if self.ticks <= self.warm:
            raise ValueError(f"{self.ticks} steps, of which {self.warm} are warm-up")
        seconds = self.clock() - self._began
        return {"rows": self.rows - self._rows_before, "steps": self.ticks - self.warm, "seconds": seconds}


Side = Callable[[Workload, Arrays, Setting, Stopwatch], float]
"""Trains and gives the last loss that it knows."""


def build(workload: Workload, arrays: Arrays, seed: int) -> nn.Module:
    """The row's network, weights drawn from the seed."""
    torch.manual_seed(seed)
    network: nn.Module = getattr(networks, workload.network)(arrays.x.shape[1:], arrays.classes)
    return network


def held(workload: Workload, arrays: Arrays) -> tuple[Tensor, Tensor]:
    """The examples that checks look at: inputs and targets."""
    return torch.from_numpy(arrays.held_x[: workload.held]), torch.from_numpy(arrays.held_y[: workload.held])


def judge(scores: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    """The mean loss in float32, without gradients."""
    with torch.inference_mode():
        return float(cross_entropy(scores(x), y))
