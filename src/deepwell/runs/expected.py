"""What a run is expected to take, said before it trains: seconds, memory, room on the disk, and the time kept for its end.

Unusual: the end of a run is rehearsed. Baselines are fitted by then, so an untrained network goes through evaluation and
report on a few training examples, twice with few and once with more; a straight line carries that on to the test part. So what
is kept of a time limit follows from this task, these baselines and this machine as busy as it is, and the libraries that
only the end needs are loaded before the time for training is set.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import RunError
from deepwell.core.examples import First
from deepwell.core.keys import Key
from deepwell.core.table import Part
from deepwell.reports import render
from deepwell.runs import evaluation, machine
from deepwell.runs.prepare import Prepared
from deepwell.runtime.predictor import Predictor
from deepwell.tracking import record
from deepwell.tracking.record import Record
from deepwell.tracking.text import size
from deepwell.training import memory
from deepwell.training.averaging import tensors
from deepwell.training.checkpoints import KEEP
from deepwell.training.decisions import Proposal
from deepwell.training.job import Job
from deepwell.training.optimisers import moments
from deepwell.training.order import Order
from deepwell.training.trial import Trial

FEW, MORE = 64, 1024
"""Examples of the rehearsals."""
REHEARSAL_SHARE = 0.05
"""Of the time that is left: the most that the longer rehearsal should take, so that dear examples are fewer."""
REHEARSED_FROM = 12.0
"""Seconds left: with fewer a rehearsal would take too large a share of them."""
GUESSED_SHARE, GUESSED_MOST = 0.3, 9.0
"""Kept where nothing was rehearsed: this share of the time that is left, at most so many seconds (two cores, 16,000 rows)."""
PLAYED_SHARE, PLAYED_MOST = 0.15, 90.0
"""Kept beside the guess where data make themselves, for such tests are whole games: this share, at most so many seconds."""
MOST_SHARE = 0.5
"""Of the time that is left: the most that is kept in any case."""
PAGES = 3.0
"""Drawing the page stands for itself, and for starting and leaving the interpreter, which no clock of ours sees: on a busy
machine these two take up to twice as long."""
POINTS, CHECKS = 50, 20
"""Of the learning curves in the rehearsal, as many as a run has."""
CALIBRATED = 0.25
"""Calibration measures a row once where evaluation does four times."""
SEALED = 100e6
"""Bytes of weights that are written, read back and hashed in a second, on a slow disk."""
SLOW_STEP = 1.0
"""Seconds of a step after which no second one is tried."""
CHECKS_SHARE = 0.1
"""Of the time of training, see training.checks."""


# what follows training -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Closing:
    """What follows training in one run, and how long that will take.

    fitted: the baselines; events: the record so far; baselines: seconds that fitting took, which a resumed run spends again.
    """

    prepared: Prepared
    fitted: evaluation.Fitted
    key: Key
    events: Sequence[Mapping[str, Any]]
    baselines: float

    def rehearse(self, untrained: Predictor, left: float) -> Proposal:
        """{seconds, baselines} with the reason. left: seconds that a time limit leaves for training and what follows it."""
        test = self.prepared.examples["test"].count or 0
        if left < REHEARSED_FROM or not test or not self.prepared.examples["train"].count:
            played = self.prepared.examples["train"].count is None
            more = min(PLAYED_MOST, PLAYED_SHARE * left) if played else 0.0
            kept = {"seconds": min(GUESSED_SHARE * left, guessed(left) + more), "baselines": self.baselines}
            return kept, "a share of the time, in seconds; too little time, or self-made data, to rehearse the end"
        began = time.perf_counter()
        few = min(FEW, test)
        page = self._rehearse(untrained, few)[1]  # also loads what only the end needs
        short = long = self._rehearse(untrained, few, drawn=False)[0]
        more = min(MORE, test, round(few * max(1.0, REHEARSAL_SHARE * left / short)))
        if more > few:
            long = self._rehearse(untrained, more, drawn=False)[0]
        each = max(0.0, long - short) / max(1, more - few)
        calibrated = CALIBRATED * (self.prepared.examples["calibrate"].count or 0)
        weights = sum(array.nbytes for array in untrained.contents.weights.values())
        scored = long + each * (test - more + calibrated)
        seconds = scored + PAGES * page + weights / SEALED
        why = (
            f"seconds for evaluation ({scored:.2g}), sealing and the report; rehearsed on {more:,} examples in "
            f"{time.perf_counter() - began:.2g} s"
        )
        return {"seconds": min(seconds, MOST_SHARE * left), "baselines": self.baselines}, why

    def _rehearse(self, untrained: Predictor, count: int, drawn: bool = True) -> tuple[float, float]:
        """Seconds of evaluating `count` examples, and of drawing the page of what came out."""
        sample = self._sample(count)
        with tempfile.TemporaryDirectory() as folder, Record(Path(folder) / "events.jsonl") as writing:
            began = time.perf_counter()
            answers = evaluation.evaluate(sample, untrained, self.fitted, self.key, writing)
            answers.csv()
            evaluated = time.perf_counter() - began
            if not drawn:
                return evaluated, 0.0
            _load_drawing()
            began = time.perf_counter()
            render([*self.events, *self._curves(), *record.read(writing.path)])
            return evaluated, time.perf_counter() - began

    def _curves(self) -> list[dict[str, Any]]:
        """Events of a training that never was: its curves take half of the time that the page takes."""
        names = ["loss", *(metric.name for metric in self.prepared.task.metrics(self.prepared.pipeline))]
        progress = [
            {"event": "progress", "step": step, "of": POINTS, "loss": 1 / step, "learning_rate": 1 / step}
            for step in range(1, POINTS + 1)
        ]
        checks = [
            {"event": "check", "step": step, "values": dict.fromkeys(names, 1 / step), "chosen": "ema", "best": True}
            for step in range(1, CHECKS + 1)
        ]
        return [*progress, *checks]

    def _sample(self, count: int) -> Prepared:
        """The same, with `count` training examples for its test part.

        Where examples are rows they are made of raw rows (again and again, where there are fewer), as those of the test are.
        """
        prepared = self.prepared
        train, table = prepared.examples["train"], prepared.parts.train.rows
        if train.rows is None:
            return replace(prepared, examples={**prepared.examples, "test": First(train, count)})
        part = Part("test", table.take(np.arange(count) % len(table)), prepared.parts.train.history)
        examples = {**prepared.examples, "test": prepared.task.examples(part, prepared.pipeline)}
        return replace(prepared, parts=replace(prepared.parts, test=part), examples=examples)


def guessed(left: float) -> float:
    """Seconds to keep for what follows training, before anything is known of it. left: seconds for both."""
    return min(GUESSED_MOST, GUESSED_SHARE * left)


def for_training(seconds: float | None) -> float | None:
    """What is left for training of so many seconds, before anything is known of what follows; None without a limit."""
    return None if seconds is None else seconds - guessed(seconds)


def _load_drawing() -> None:
    """Import what only the report needs, so that it does not count as drawing."""
    import jinja2  # noqa: F401
    import matplotlib.figure  # noqa: F401


def expect(
    job: Job, rehearse: Callable[[float], Proposal] | None, resumed: bool, spent: float, every: float | None = None
) -> Job:
    """The job with time kept for what follows training, after telling what the whole run is expected to take.

    job.budget.seconds: what the limit leaves for training and what follows; the time that this takes here is taken off it.
    rehearse: seconds left -> a proposal as Closing.rehearse gives it; None: nothing follows. spent, every: see announce.
    resumed: the baselines will be fitted once more, and what is expected was told before. Raises RunError, see
    refuse_full_disk.
    """
    began, seconds = time.perf_counter(), job.budget.seconds
    reserve = 0.0
    if rehearse is not None and seconds is not None:
        kept = job.decisions.settle(0, "closing", lambda: rehearse(seconds))
        reserve = float(kept["seconds"]) + (float(kept["baselines"]) if resumed else 0.0)
    if not resumed:
        announce(replace(job, budget=replace(job.budget, reserve=reserve)), spent, every)
    if seconds is None:
        return job
    left = max(1.0, seconds - (time.perf_counter() - began))
    return replace(job, budget=replace(job.budget, seconds=left, reserve=min(reserve, MOST_SHARE * left)))


# what is said first ----------------------------------------------------------------------------------------------------
def announce(job: Job, spent: float, every: float | None = None) -> None:
    """Tell job.sink what the run is expected to take, the event `expected`; see `refuse_full_disk` for the disk.

    spent: seconds of the run so far. every: seconds between two checkpoints; None: none are saved.
    """
    need = memory.need(job)
    wall: dict[str, Any] = {**_time(job, spent), "memory": None if need is None else _memory(job, need)}
    if job.checkpoints is not None:
        wall |= {"checkpoint": checkpoint_bytes(job), "every": every}
        refuse_full_disk(job.checkpoints.directory, checkpoint_bytes(job))
    if job.sink is not None:
        job.sink.emit({"event": "expected", "wall": {k: v for k, v in wall.items() if v is not None}})


def _time(job: Job, spent: float) -> dict[str, Any]:
    """{seconds: of the whole run, at_most: whether a limit will end it, steps}; seconds None where nobody can know."""
    budget = job.budget
    order = Order(job.examples.count, job.plan.batch_size, job.key, job.examples.costs)
    steps = budget.ceiling(order.steps_per_epoch, job.recipe.epochs)
    each = _step_seconds(job)
    needed = None if each is None else steps * each / (1 - (CHECKS_SHARE if job.judge is not None else 0.0))
    limit = budget.limit
    if limit is None:
        return {"seconds": None if needed is None else spent + needed, "at_most": False, "steps": steps}
    if needed is None or needed + budget.reserve >= limit:
        return {"seconds": spent + limit, "at_most": True}
    return {"seconds": spent + needed + budget.reserve, "at_most": False, "steps": steps}


def _step_seconds(job: Job) -> float | None:
    """Seconds of one step: as the plan was measured, else from one or two on a copy.

    None for self-made data, which steps would change, and where a copy would have to be compiled.
    """
    if job.retime is not None and job.retime.promised:
        return 1.0 / job.retime.promised
    if job.examples.count is None or job.plan.compile:
        return None
    trial = Trial(job, job.plan)
    first = trial.step()
    return first if first > SLOW_STEP else min(first, trial.step())


def _memory(job: Job, need: memory.Need) -> int:
    """The largest memory of the process that is to be expected; on another device than the CPU, of that device."""
    at_once = job.plan.micro_batch or min(job.plan.batch_size, job.examples.count or job.plan.batch_size)
    best = need.weights if _keeps_best(job) else 0
    if job.plan.device != "cpu":
        return need.whole(at_once) + best
    return max(machine.peak_bytes(), _resident() + need.state + need.step(at_once) + best)


def _resident() -> int:
    """Resident bytes of this process; the largest so far where the system does not say."""
    path = Path("/proc/self/status")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return machine.peak_bytes()


def _keeps_best(job: Job) -> bool:
    return job.judge is not None and job.watch is not None


def checkpoint_bytes(job: Job) -> int:
    """Bytes of one checkpoint, about: weights, what the optimiser remembers, averaged and best weights, the examples' state."""
    weights = sum(tensor.nbytes for tensor in tensors(job.network).values())
    trained = sum(p.nbytes for p in job.network.parameters() if p.requires_grad)
    copies = 1 + (job.recipe.ema > 0) + _keeps_best(job)
    return (
        copies * weights + moments(job.recipe) * trained + sum(array.nbytes for array in job.examples.state().values())
    )


def refuse_full_disk(directory: Path, each: int) -> None:
    """Raise RunError where the disk has no room for KEEP + 1 checkpoints of `each` bytes, those that are there included."""
    there = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    home = next(path for path in (directory, *directory.parents) if path.exists())
    needed, free = max(0, (KEEP + 1) * each - there), shutil.disk_usage(home).free
    if needed > free:
        raise RunError(
            f"the disk has no room for the state of this training: {KEEP + 1} checkpoints need {size(needed)}, "
            f"{size(free)} are free",
            where=str(home),
            repair="free space there, or --out on another disk",
        )
