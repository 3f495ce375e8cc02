"""How this machine runs a fit: by rule for short ones; measured, as for tasks, where the measuring is a small share of it.

Unusual: how long a fit will take is not known, so a few steps on a copy are timed first; bfloat16 is taken only where the
measuring has shown that it trains as float32 does. A plan is measured once for a model and a batch size.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deepwell.training import plan as plans
from deepwell.training import probe
from deepwell.training.job import Job
from deepwell.training.plan import Plan
from deepwell.training.trial import Trial

SHARE = 0.05
"""Most of the time of a fit that measuring may take, the first steps included."""
FEWEST_STEPS, FEWEST_SPARED = 150, 40
"""For shorter fits the six steps of a trial would be too much. One step of each shows whether more threads are a disaster; still
shorter fits are not timed at all."""
DISASTER = 3.0
"""So many times slower than the first step on one thread, which also finds the kernels."""
LEAST_SECONDS, MOST_SECONDS = 0.1, 20.0
"""Less time than this measures nothing; threads and precision need no more."""


def by_rule(network: Any, batch_size: int, examples: int, asked: Mapping[str, Any]) -> Plan:
    """The plan by rule, in float32 where the user does not say; asked: what the user fixed."""
    convolutional = any("Conv" in type(module).__name__ for module in network.modules())
    chosen = plans.choose(network, {"convolutional": convolutional}, asked, examples=examples, batch_size=batch_size)
    if "precision" not in asked and chosen.precision != "float32":
        reasons = {**chosen.reasons, "precision": "nothing was measured"}
        return replace(chosen, precision="float32", reasons=reasons)
    return chosen


def measured(job: Job, steps: int, fixed: Mapping[str, Any], own: bool) -> Plan:
    """The plan for so many steps. own: the network holds code of the user's, which is not compiled.

    job.updates make their optimisers on copies: nothing is changed.
    """
    alone = "threads" not in fixed and job.plan.device == "cpu"
    if steps < FEWEST_STEPS:
        return _spared(job) if alone and job.plan.threads > 1 and steps >= FEWEST_SPARED else job.plan
    began = time.perf_counter()
    # One thread is at the worst a few times too slow; all of them, beside a busy process, a hundred times.
    trial = Trial(job, replace(job.plan, threads=1) if alone else job.plan)
    trial.turn(began + SHARE * steps, math.inf)
    if not trial.rate:
        return job.plan
    seconds = SHARE * steps * trial.median - (time.perf_counter() - began)
    if seconds < LEAST_SECONDS:
        return job.plan
    # Layout and optimiser go by rule: what they could gain is less than what it costs to ask.
    always = {*fixed, "batch_size", "window", "channels_last", "fused"}
    plan, found = probe.measure(job, min(seconds, MOST_SECONDS), {*always, "compile"})
    # A plan that is much faster leaves less to gain: the rest is asked for in the time that is left of its own share.
    rest = SHARE * steps * plan.batch_size / found.rate - (time.perf_counter() - began) if found.rate else 0.0
    if rest < LEAST_SECONDS:
        return plan
    return probe.measure(
        replace(job, plan=plan), rest, {*always, "threads", "precision", *(["compile"] if own else [])}
    )[0]


def _spared(job: Job) -> Plan:
    """The plan on one thread where a step on all of them is far slower: another process is at work there."""
    one, several = Trial(job, replace(job.plan, threads=1)), Trial(job, job.plan)
    one.turn(0.0, math.inf)  # the time is over after the first step
    several.turn(0.0, math.inf)
    if several.median <= DISASTER * one.median:
        return job.plan
    why = f"a step took {one.median:.2g} s on one thread and {several.median:.2g} s on {job.plan.threads}"
    return replace(one.plan, reasons={**job.plan.reasons, "threads": why})


def apart(optimizer: Any) -> Any:
    """An optimizer that trials may use: what it makes stays unknown to the one in training."""
    return copy.copy(optimizer)
