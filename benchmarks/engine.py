"""Our engine as a side: all that Deepwell's loop does for a user, driven as `runs` drives it.

Clip, EMA, schedule, checks of raw and averaged weights with the best ones kept, a guard against non-finite steps, keyed
draws, progress events. The recipe's AdamW without decay is Adam.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.datasets import Arrays
from benchmarks.measuring import CLIP, MEMORY, WARMUP, Setting, Stopwatch, build, held, judge
from benchmarks.networks import Called, cross_entropy
from benchmarks.workloads import RATE, Workload
from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Recipe
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.core.task import Loss
from deepwell.training.budget import Budget
from deepwell.training.flops import step_flops
from deepwell.training.job import Job
from deepwell.training.loop import fit
from deepwell.training.plan import Plan
from deepwell.training.speed import peak, share


class Events:
    """A sink that keeps everything, as the record does."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def emit(self, event: Mapping[str, Any]) -> None:
        """One event."""
        self.events.append(event)


def engine(workload: Workload, arrays: Arrays, setting: Setting, watch: Stopwatch) -> float:
    """Our engine. Returns the loss last reported, NaN if none was."""

    def tick() -> bool:
        watch.rows = watch.ticks * workload.batch
        if watch.ticks == setting.taken:
            return True
        watch.tick()
        return False

    events = Events()
    fit(replace(job(workload, arrays, setting), sink=events, stop=tick))
    watch.rows = watch.ticks * workload.batch
    return float(next((e["loss"] for e in reversed(events.events) if e["event"] == "progress"), math.nan))


def job(workload: Workload, arrays: Arrays, setting: Setting) -> Job:
    """The row as the engine's job: a fixed number of steps under a given plan, so that no clock decides anything."""
    x, y = held(workload, arrays)
    return Job(
        network=Called(build(workload, arrays, setting.seed)),
        examples=RowExamples(Encoded({"x": arrays.x, "y": arrays.y}, np.arange(len(arrays.x)))),
        loss=engine_loss,
        recipe=Recipe(learning_rate=RATE, weight_decay=0.0, clip=CLIP, ema=MEMORY, warmup=WARMUP),
        budget=Budget(steps=setting.whole),
        plan=Plan(
            threads=setting.threads or torch.get_num_threads(),
            precision=setting.precision,
            channels_last=workload.pictures,
            batch_size=workload.batch,
        ),
        key=Key(setting.seed),
        judge=lambda network: {"loss": judge(lambda a: network({"x": a})[0]["scores"], x, y)},
        watch="loss",
    )


def utilisation(workload: Workload, arrays: Arrays, setting: Setting, rows_per_second: float) -> dict[str, float]:
    """FLOPs of a row, forwards and backwards; the machine's bfloat16 peak on as many threads; the share reached (MFU).

    What torch does not count (an LSTM's own kernel) is missing from the share.
    """
    flops = step_flops(job(workload, arrays, setting)) or 0.0
    fastest = peak("bfloat16", setting.threads or torch.get_num_threads(), seconds=0.5)
    return {"flops_per_row": flops, "bfloat16_peak": fastest, "mfu": share(flops, rows_per_second, fastest)}


def engine_loss(network: nn.Module, batch: Batch, draw: Key) -> Loss:
    """The summed cross-entropy, as a task's loss gives it."""
    truth = batch.arrays["y"]
    return Loss(cross_entropy(network(batch.arrays)[0]["scores"], truth, "sum"), truth.numel())
