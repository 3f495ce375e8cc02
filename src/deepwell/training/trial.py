"""Trial: real training steps on a copy, timed. The network, the examples and the record of the run are left as they are.

Unusual: a step's time is taken singly, so that a median can leave out those that another process disturbed. On a device
that runs beside the host several steps are timed together, because the loop waits for it only now and then.
"""

from __future__ import annotations

import copy
import math
import statistics
import time

import torch

from deepwell.core.errors import RunError
from deepwell.core.examples import First
from deepwell.core.runner import Sink
from deepwell.training.budget import Budget
from deepwell.training.guards import out_of_memory
from deepwell.training.job import Job
from deepwell.training.loop import Loop
from deepwell.training.pace import using_threads
from deepwell.training.plan import Plan

TURN = 5
"""Timed steps of a turn, after one that is not timed."""
TOGETHER = 10
"""Steps timed together off the CPU."""
HOPELESS = 3.0
"""A trial whose step takes so many times the best median ends its turn."""
ONCE = 0.25
"""Seconds that a first step may take longer, for kernels and memory that later steps find ready."""
BATCHES = 64
"""Batches of examples that a trial reads, so that a device need not hold all of them once more."""
LONG = 1_000_000
"""Steps of a trial's horizon, which is never reached."""


def copied(job: Job, plan: Plan, steps: int = LONG, sink: Sink | None = None) -> Job:
    """The job on a copy of its network, under a plan, for so many steps; nobody judges, decides or stops."""
    return Job(
        network=copy.deepcopy(job.network),
        examples=First(job.examples, BATCHES * plan.batch_size),
        loss=job.loss,
        recipe=job.recipe,
        budget=Budget(steps=steps),
        plan=plan,
        key=job.key,
        updates=job.updates,
        transforms=job.transforms,
        sink=sink,
    )


class Trial:
    """A job under one plan. seconds: of the timed steps so far. failed: a step ended with an error (a loss not finite)."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self.plan, self.failed = plan, False
        self.seconds: list[float] = []
        self._job = job
        self._loop: Loop | None = None
        self._device = torch.device(plan.device)
        self._together = 1 if self._device.type == "cpu" else TOGETHER

    @property
    def median(self) -> float:
        """Seconds of the median step; infinite before any was timed, and where one failed."""
        return statistics.median(self.seconds) if self.seconds and not self.failed else math.inf

    @property
    def least(self) -> float:
        """Seconds of the fastest step, which nobody disturbed; infinite before any was timed."""
        return min(self.seconds, default=math.inf)

    @property
    def rate(self) -> float:
        """Rows a second at the median step; 0.0 before any was timed, and where one failed."""
        return self.plan.batch_size / self.median

    def turn(self, end: float, best: float) -> None:
        """Time a few steps. end: perf_counter() after which no step begins. best: median seconds of the best trial so far.

        A turn that ends with its first step counts that one, so every trial has a figure, if a pessimistic one.
        """
        once = ONCE if self._loop is None else 0.0
        for number in range(TURN + 1):
            try:
                taken = self.step()
            except RunError:
                self.failed = True
                return
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self.failed = True
                return
            over = time.perf_counter() > end or taken > HOPELESS * best + (0.0 if number else once)
            if number or (over and not self.seconds):
                self.seconds.append(taken)
            if over:
                return

    def step(self) -> float:
        """One step, or on another device than the CPU a few: seconds of one. The first of all also makes the copy."""
        if self._loop is None:
            self._loop = Loop(copied(self._job, self.plan))
        with using_threads(self.plan.threads):
            self._wait()
            began = time.perf_counter()
            for _ in range(self._together):
                self._loop.step()
            self._wait()
            return (time.perf_counter() - began) / self._together

    def _wait(self) -> None:
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
