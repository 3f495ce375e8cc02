"""Train: files -> a run directory with a sealed model, its scores beside baselines, and a report.

The order is unusual in two places. Baselines are fitted before the network, so that their cost is known when the training
budget is set. And what is evaluated is a Predictor made from the very contents that are then sealed.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deepwell.bundle.contents import Contents
from deepwell.bundle.write import seal
from deepwell.core import config as knobs
from deepwell.core.errors import Interrupted, RunError
from deepwell.core.keys import Key
from deepwell.core.runner import Sink
from deepwell.core.table import PARTS
from deepwell.reports import render
from deepwell.runs import evaluation, fitting, machine
from deepwell.runs.card import card
from deepwell.runs.fingerprint import source
from deepwell.runs.interrupt import Stop, stopping
from deepwell.runs.options import TrainOptions, to_json
from deepwell.runs.prepare import Prepared, prepare
from deepwell.runs.run import Run
from deepwell.store import json as strict_json
from deepwell.store.files import sha256, write_file
from deepwell.store.lock import own
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory, create
from deepwell.tracking.record import Record
from deepwell.training import plan

ROWS_A_LINE = 10_000
CLOSING_SECONDS = 9.0
"""Kept of a time limit for evaluation, sealing and the report; measured on two cores, 3 to 7 s for 16,000 test rows."""


@dataclass(frozen=True)
class _Stage:
    """What the steps of one run share."""

    prepared: Prepared
    options: TrainOptions
    directory: RunDirectory
    record: Record
    started: float
    stop: Stop

    @property
    def key(self) -> Key:
        return Key(self.options.seed)

    def phase(self, name: str, since: float) -> None:
        self.record.emit({"event": "phase", "name": name, "wall": {"seconds": time.perf_counter() - since}})

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        """The last event, as far as the disk takes it: a full disk is what ends some runs."""
        wall = {"seconds": time.perf_counter() - self.started, "peak_bytes": machine.peak_bytes()}
        with suppress(RunError):
            self.record.emit({"event": "end", "status": status, **facts, "wall": wall})

    def seconds_left(self) -> float | None:
        """What a time limit leaves for training, with the closing phases kept back; None without a limit."""
        if self.options.time is None:
            return None
        spent = time.perf_counter() - self.started
        return max(1.0, self.options.time - spent - min(CLOSING_SECONDS, 0.3 * self.options.time))


def train(
    data: Any,
    options: TrainOptions,
    sinks: Sequence[Sink] = (),
    command: Sequence[str] = (),
    started: float | None = None,
) -> Run:
    """One training from raw data to a sealed model. started: time.perf_counter() when the time limit began; None: now.

    Raises DataError or ConfigError before anything is written; RunError when training fails; Interrupted, with everything
    saved, when it was asked to stop.
    """
    started = time.perf_counter() if started is None else started
    plan.device(options.device)
    prepared = prepare(data, options)
    directory = create(options.out, prepared.name)
    with own(directory.path), stopping() as stop, Record(directory.record, sinks) as writing:
        stage = _Stage(prepared, options, directory, writing, started, stop)
        finished = False
        try:
            _run(stage, data, command)
            finished = True
        finally:
            if not finished:
                stage.end("failed", {"reason": str(sys.exc_info()[1])})
    if not directory.model.exists():
        shutil.rmtree(directory.path)
        raise Interrupted("stopped on request before the network was trained; nothing was kept")
    if stop.requested:
        raise Interrupted(f"stopped on request; the best model so far is sealed in {directory.model}")
    return Run(directory, type(prepared.task))


def _run(stage: _Stage, data: Any, command: Sequence[str]) -> None:
    """All phases after the data are prepared; nothing is sealed when the stop comes before the first step of training."""
    _open(stage, data, command)
    fitted = evaluation.fit_baselines(stage.prepared, stage.key, stage.record, stage.stop, stage.seconds_left())
    if stage.stop.requested:
        return
    since = time.perf_counter()
    predictor = fitting.fit(stage.prepared, stage.options, stage.record, stage.stop, stage.seconds_left())
    stage.phase("train", since)
    since = time.perf_counter()
    answers = evaluation.evaluate(stage.prepared, predictor, fitted, stage.key, stage.record)
    write_file(stage.directory.answers, answers.csv().encode())
    stage.phase("evaluate", since)
    _close(stage, predictor.contents)


def _open(stage: _Stage, data: Any, command: Sequence[str]) -> None:
    """Write down what is known before training."""
    prepared, options, directory = stage.prepared, stage.options, stage.directory
    task, parts = prepared.task, prepared.parts
    opening = {
        "id": f"{directory.path.parent.name}/{directory.path.name}",
        "task": prepared.name,
        "command": list(command) or ["python", *sys.argv],
        "seed": options.seed,
        "time": options.time,
        "source": source(data),
        "options": to_json(options),
        "versions": machine.versions(),
        "machine": machine.machine(),
        "data": prepared.data,
        "config": knobs.to_json(task.config),
    }
    write_file(directory.run, strict_json.write(opening))
    write_file(directory.schema, strict_json.write(task.schema.to_json()))
    counts = {part: prepared.examples[part].count for part in PARTS}
    digits = "".join(map(str, np.asarray(parts.assignment).tolist()))
    rows = [digits[i : i + ROWS_A_LINE] for i in range(0, len(digits), ROWS_A_LINE)]
    split: dict[str, Any] = {
        "reason": parts.reason,
        "notes": list(parts.notes),
        "counts": counts,
        "parts": list(PARTS),
        "rows": rows,
    }
    split["files"] = dict(prepared.files)
    write_file(directory.split, strict_json.write(split))
    lines = b"".join(strict_json.write({"where": r.where, "reason": r.reason}) + b"\n" for r in prepared.rejected)
    write_file(directory.rejected, lines)
    emit = stage.record.emit
    emit({"event": "run", **opening})
    emit({"event": "schema", "fields": task.schema.to_json(), "task_reason": prepared.task_reason})
    emit({"event": "columns", "columns": prepared.columns})
    emit({"event": "parts", "counts": counts, "reason": parts.reason, "notes": list(parts.notes)})
    emit(
        {
            "event": "rejected",
            "read": prepared.rows_read,
            "used": prepared.rows_read - len(prepared.rejected),
            "count": len(prepared.rejected),
            "rows": [{"where": r.where, "reason": r.reason} for r in prepared.rejected[:100]],
        }
    )
    for name, seconds in prepared.seconds.items():
        emit({"event": "phase", "name": name, "wall": {"seconds": seconds}})


def _close(stage: _Stage, contents: Contents) -> None:
    """Seal the model with its evidence, end the record, write the report."""
    since = time.perf_counter()
    directory = stage.directory
    events = record.read(directory.record)
    evidence: dict[str, Any] = {
        e["event"]: {k: v for k, v in e.items() if k not in ("event", "wall")} for e in events if e["event"] in EVIDENCE
    }
    evidence["baselines"] = [
        {k: e[k] for k in ("name", "kind", "scores", "differences")} for e in events if e["event"] == "baseline"
    ]
    sealed = replace(contents, evidence=evidence, card=card(events))
    seal(directory.model, sealed)
    size = directory.model.stat().st_size
    stage.record.emit(
        {"event": "bundle", "path": str(directory.model), "bytes": size, "sha256": sha256(directory.model)}
    )
    stage.phase("seal", since)
    stage.end("interrupted" if stage.stop.requested else "done", {"report": str(directory.report)})
    write_file(directory.report, render(record.read(directory.record)).encode())


EVIDENCE = ("run", "parts", "rejected", "scores", "calibration", "verdict")
