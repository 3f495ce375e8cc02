"""Train: files -> a run directory with a sealed model, its scores beside baselines, and a report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from deepwell.core.errors import Interrupted
from deepwell.core.runner import Sink
from deepwell.runs import fitting, resume
from deepwell.runs.interrupt import stopping
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import prepare
from deepwell.runs.run import Run
from deepwell.runs.stage import Stage, carry_out, open_record
from deepwell.store.lock import own
from deepwell.tracking import record
from deepwell.tracking.directory import create
from deepwell.tracking.record import Record
from deepwell.training import plan
from deepwell.training.decisions import Decisions


def train(
    data: Any,
    options: TrainOptions,
    sinks: Sequence[Sink] = (),
    command: Sequence[str] = (),
    started: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """One training from raw data to a sealed model. started: time.perf_counter() when the time limit began; None: now.

    clock: of the training, for tests.
    Raises DataError or ConfigError before anything is written; RunError when training fails; Interrupted, with everything
    saved, when it was asked to stop.
    """
    started = time.perf_counter() if started is None else started
    plan.device(options.device)
    plan.Plan.from_json(options.plan)  # a wrong field is told before anything is read
    prepared = prepare(data, options)
    directory = create(options.out, prepared.name)
    with own(directory.path), stopping() as stop, Record(directory.record, sinks) as writing:
        course = fitting.Course(
            decisions=Decisions(writing.decide),
            began=started,
            checkpoints=resume.checkpoints(directory, options, clock, writing),
            clock=clock,
        )
        stage = Stage(prepared, options, directory, writing, started, stop, course)
        open_record(stage, data, command)
        for unfinished in resume.same_command(directory, stage.prepared.data, options):
            text = f"{unfinished} is an unfinished run of the same command and data"
            writing.emit({"event": "note", "text": f"{text}; `deepwell resume {unfinished}` goes on with it"})
        try:
            return carry_out(stage)
        except Interrupted:
            began = any(e["event"] == "progress" for e in record.read(directory.record))
            if began or directory.model.exists() or directory.checkpoints.exists():
                raise
    shutil.rmtree(directory.path)
    raise Interrupted("stopped on request before the network was trained; nothing was kept")
