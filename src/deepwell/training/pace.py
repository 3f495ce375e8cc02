"""Pace: the number of threads of a long run, measured again when the machine has become another one.

Unusual: what was fastest at the start may be the slowest an hour later: beside another busy process two threads can be ten times
slower than one. So a run whose throughput collapsed, or that goes on fewer threads than there are, times a few real steps on a
copy between two of its own. What comes out is a decision: it is recorded before it takes effect, and taken again by a resumed
run at its step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from deepwell.training.budget import Timekeeper
from deepwell.training.decisions import Proposal
from deepwell.training.job import Job
from deepwell.training.watch import Watch

SHARE, MOST_SECONDS = 0.01, 1.0
"""Of the time of the run, and at most so many seconds, for one measurement."""


class Pace:
    """Threads of a training under way. threads: how many there are now."""

    def __init__(self, job: Job) -> None:
        self._job, self.threads = job, job.plan.threads
        most = 1 if job.retime is None or job.budget.exact else job.retime.most
        self._watch = Watch(job.retime.promised if job.retime else 0.0, job.plan.threads, most)
        self._watching = most > 1

    def look(self, step: int, keeper: Timekeeper) -> None:
        """After a step: measure threads again, where it is time to."""
        decisions = self._job.decisions
        if not self._watching and not decisions.left:
            return
        threads = decisions.choose(step, "threads", lambda: self._propose(step, keeper))
        if threads is not None:
            self.use(threads)

    def use(self, threads: int) -> None:
        """From now on so many threads."""
        self.threads = threads
        self._watch.uses(threads)
        torch.set_num_threads(threads)

    def pause(self, seconds: float) -> None:
        """A check or saving took so long."""
        self._watch.pause(seconds)

    def _propose(self, step: int, keeper: Timekeeper) -> Proposal | None:
        why = self._watch.look(step, keeper.elapsed()) if self._watching else None
        if why is None or self._job.retime is None:
            return None
        usable = keeper.usable or MOST_SECONDS / SHARE
        before = keeper.elapsed()
        job = replace(self._job, plan=replace(self._job.plan, threads=self.threads))
        threads, rate, figures = self._job.retime.measure(job, min(MOST_SECONDS, SHARE * usable))
        torch.set_num_threads(self.threads)
        seconds = keeper.elapsed() - before
        keeper.paused(seconds)
        self._watch.settled(step, keeper.elapsed(), threads, rate, seconds)
        return (threads, f"{why}; {figures}") if threads != self.threads else None


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Torch's threads inside, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
