"""Threads, measured: the call that runs used before probe.py measured the whole plan."""

from __future__ import annotations

from dataclasses import replace

from deepwell.training import probe
from deepwell.training.job import Job


def measured(job: Job, seconds: float) -> tuple[Job, str]:
    """The job with the fastest number of threads in its plan, and the figures in words; empty where nothing was measured.

    seconds: most time to spend. See probe.threads.
    """
    count, figures = probe.threads(job, seconds, job.plan.threads)
    if not figures.rate:
        return job, ""
    reasons = {**job.plan.reasons, "threads": f"measured: {figures}"}
    return replace(job, plan=replace(job.plan, threads=count, reasons=reasons)), str(figures)
