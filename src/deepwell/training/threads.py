"""Threads, measured: how many are fastest for this network on this machine as busy as it is now.

Unusual: it times real steps on copies. OpenMP's barriers spin, so beside another busy process two threads can be ten times
slower than one, while on a quiet machine they are nearly twice as fast; no rule can know which.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from deepwell.training.loop import Job, Loop

STEPS = 5
"""Timed steps per candidate and round, after one that is not timed."""
ROUNDS = 2
HOPELESS = 3.0
"""A candidate whose first step takes so many times the best median is not timed further."""


def measured(job: Job, seconds: float) -> tuple[Job, str]:
    """The job with the fastest number of threads in its plan, and the figures in words; empty where nothing was measured.

    seconds: most time to spend. Nothing is measured off the CPU, with one thread, or for self-made data, whose examples
    would be changed by steps.
    """
    most = job.plan.threads
    if job.plan.device != "cpu" or most < 2 or job.examples.count is None:
        return job, ""
    candidates = sorted({1, most})
    times: dict[int, list[float]] = {threads: [] for threads in candidates}
    end = time.perf_counter() + seconds
    for _ in range(ROUNDS):
        for threads in candidates:
            others = [statistics.median(t) for other, t in times.items() if t and other != threads]
            times[threads] += _step_seconds(job, threads, end, min(others, default=float("inf")))
            if time.perf_counter() > end:
                break
    medians = {threads: statistics.median(t) for threads, t in times.items() if t}
    best = min(medians, key=medians.__getitem__)
    rates = ", ".join(f"{n} thread{'s' * (n > 1)} {1 / m:.3g} steps/s" for n, m in medians.items())
    reasons = {**job.plan.reasons, "threads": f"measured: {rates}"}
    return replace(job, plan=replace(job.plan, threads=best, reasons=reasons)), rates


def _step_seconds(job: Job, threads: int, end: float, best: float) -> Sequence[float]:
    """Seconds of single steps of a copy; fewer when the time is over or the candidate is hopeless."""
    plan = replace(job.plan, threads=threads)
    trial = Loop(
        replace(job, network=copy.deepcopy(job.network), plan=plan, judge=None, sink=None, decide=None, stop=None)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seconds: list[float] = []
        for number in range(STEPS + 1):
            began = time.perf_counter()
            trial.step()
            taken = time.perf_counter() - began
            if number:
                seconds.append(taken)
            over = time.perf_counter() > end
            if over or taken > HOPELESS * best:
                return seconds or [taken]
        return seconds
    finally:
        torch.set_num_threads(before)
