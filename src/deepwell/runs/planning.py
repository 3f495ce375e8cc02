"""The plan of a run: chosen by rule, measured where the budget is open, or as recorded; and the speed that came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from deepwell.data.cache import tier
from deepwell.training import budget, flops, memory, probe, speed
from deepwell.training.decisions import Proposal
from deepwell.training.job import Job, Retime
from deepwell.training.plan import Plan, has_bfloat16, physical_cores

SHARE = 0.04
"""Most of the time for training that measuring the plan may take."""
PEAK_SECONDS = 0.2


def planned(job: Job, fixed: Collection[str]) -> Job:
    """The job with the plan that is decided. fixed: fields that the user chose.

    With steps or epochs given nothing is measured, so that the same command gives the same bits.
    """
    measured: list[probe.Measured] = []

    def propose() -> Proposal:
        chosen, figures = (job.plan, "") if job.budget.exact else _measured(job, fixed, measured)
        if not job.budget.exact and "micro_batch" not in fixed:
            chosen = _cut_to_memory(replace(job, plan=chosen))
        return chosen.to_json(), f"{figures or chosen}, examples in {_tier(job)}"

    chosen = Plan.from_json(job.decisions.settle(0, "plan", propose))
    promised = measured[0].rate / chosen.batch_size if measured else 0.0
    most = physical_cores() if chosen.device == "cpu" else 1
    retime = None if "threads" in fixed else Retime(partial(_retimed, most=most), most, promised)
    return replace(job, plan=chosen, retime=retime)


def _tier(job: Job) -> str:
    return {"memory": "memory", "mapped": "mapped files"}[tier(job.examples)]


def _measured(job: Job, fixed: Collection[str], found: list[probe.Measured]) -> tuple[Plan, str]:
    chosen, figures = probe.measure(job, SHARE * (job.budget.limit or budget.CAP), fixed)
    found.append(figures)
    return chosen, str(figures) if figures.rate else ""


def _cut_to_memory(job: Job) -> Plan:
    """The plan with a micro-batch that fits into the memory that is free now."""
    need = memory.need(job)
    cut = None if need is None else memory.micro_batch(job, need, memory.free(job.plan.device))
    if cut is None:
        return job.plan
    return replace(job.plan, micro_batch=cut[0], reasons={**job.plan.reasons, "micro_batch": cut[1]})


def _retimed(job: Job, seconds: float, most: int) -> tuple[int, float, str]:
    threads, figures = probe.threads(job, seconds, most)
    return threads, figures.rate / job.plan.batch_size, str(figures)


@dataclass(frozen=True)
class Ceiling:
    """What one example costs and what the machine could do. operations: FLOPs of training on it; peak: FLOP/s."""

    operations: float
    peak: float
    precision: str

    def event(self, rate: float) -> dict[str, Any]:
        """The event `speed` for so many examples/s: the share of the peak that was reached (MFU)."""
        share = speed.share(self.operations, rate, self.peak)
        operations = {"flops_per_example": self.operations, "peak": self.peak, "peak_precision": self.precision}
        return {"event": "speed", "wall": {"rate": rate, **operations, "share": share}}


def ceiling(job: Job) -> Ceiling | None:
    """The ceiling of a training, measured before it; None with steps or epochs given, and where nothing can be counted."""
    if job.budget.exact:
        return None
    operations = flops.step_flops(job)
    if operations is None:
        return None
    precision = "bfloat16" if has_bfloat16(job.plan.device.partition(":")[0]) else "float32"
    return Ceiling(operations, speed.peak(precision, physical_cores(), PEAK_SECONDS, job.plan.device), precision)
