"""The phases of one run, from prepared data to a sealed model; the same for a run that begins, goes on, or is repeated.

The order is unusual in two places. Baselines are fitted before the network, so that their cost is known when the training
budget is set; a resumed run, whose budget is known, fits them after it. And what is evaluated is a Predictor made from the
very contents that are then sealed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.bundle.contents import Contents
from deepwell.bundle.write import seal
from deepwell.core import config as knobs
from deepwell.core.errors import DeepwellError, Interrupted, RunError
from deepwell.core.keys import Key
from deepwell.core.table import PARTS
from deepwell.reports import render
from deepwell.runs import evaluation, expected, fitting, machine
from deepwell.runs.card import card
from deepwell.runs.fingerprint import source
from deepwell.runs.interrupt import Stop
from deepwell.runs.options import TrainOptions, to_json
from deepwell.runs.prepare import Prepared
from deepwell.runs.run import Run
from deepwell.store import json as strict_json
from deepwell.store import manifest
from deepwell.store.files import sha256, write_file
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory, sealed
from deepwell.tracking.record import Record

ROWS_A_LINE = 10_000
HURRY = 0.6
"""Evaluation leaves something out when less than this share of the time that it needs is left."""


@dataclass(frozen=True)
class Stage:
    """What the phases of one run share.

    started: time.perf_counter() when the time limit of this process began. course: how the training goes on. opened: how
    often the test part was opened before. times: phase -> seconds, filled as they end. repeats: the run
    that this one makes once more.
    """

    prepared: Prepared
    options: TrainOptions
    directory: RunDirectory
    record: Record
    started: float
    stop: Stop
    course: fitting.Course = field(default_factory=fitting.Course)
    opened: int = 0
    times: dict[str, float] = field(default_factory=dict)
    repeats: str = ""

    @property
    def key(self) -> Key:
        """The key of all draws."""
        return Key(self.options.seed)

    def phase(self, name: str, since: float) -> None:
        """Tell that a phase is over; since: time.perf_counter() when it began."""
        self.times[name] = time.perf_counter() - since
        self.record.emit({"event": "phase", "name": name, "wall": {"seconds": self.times[name]}})

    def end(self, status: str, facts: Mapping[str, str]) -> bool:
        """The last event, as far as the disk takes it (a full disk is what ends some runs); whether it is there to stay."""
        seconds = time.perf_counter() - self.started
        phases = {**self.prepared.seconds, **self.times}
        phases["other"] = max(0.0, seconds - sum(phases.values()))  # imports above all
        wall = {"seconds": seconds, "peak_bytes": machine.peak_bytes(), "phases": phases}
        with suppress(RunError):
            self.record.emit({"event": "end", "status": status, **facts, "wall": wall})
            self.record.sync()
            return True
        return False

    def seconds_left(self) -> float | None:
        """What a time limit leaves, at least 1; None without a limit."""
        if self.options.time is None:
            return None
        return max(1.0, self.options.time - (time.perf_counter() - self.started))

    def leave(self) -> None:
        """Raise Interrupted where SIGTERM was heard: what is saved is safe, and the rest can wait."""
        if self.stop.leave:
            raise Interrupted("stopped on request", repair=f"`deepwell resume {self.directory}` goes on")


def carry_out(stage: Stage) -> Run:
    """All phases after the data are prepared and the record is opened.

    Raises RunError when training fails; Interrupted, with everything saved, when it was asked to stop.
    """
    stopped: bool | None = None
    try:
        stopped = _phases(stage)
    finally:
        if stopped is None:
            error = sys.exc_info()[1]
            status = "interrupted" if isinstance(error, Interrupted) else "failed"
            stage.end(status, {"reason": error.what if isinstance(error, DeepwellError) else str(error)})
    directory = stage.directory
    ended = stage.end("interrupted" if stopped else "done", {"report": str(directory.report)})
    if ended and not stopped and stage.course.checkpoints is not None:
        stage.course.checkpoints.clear()
    write_file(directory.report, render(record.read(directory.record)).encode())
    if stopped:
        raise Interrupted(
            f"stopped on request; the best model so far is sealed in {directory.model}",
            repair=f"`deepwell resume {directory}` goes on with the training",
        )
    if stage.stop.requested:
        raise Interrupted(f"asked to stop when the training had ended; the model is complete: {directory.model}")
    return Run(directory, type(stage.prepared.task))


def _phases(stage: Stage) -> bool:
    """Everything from the baselines to the sealed model; whether the training was stopped before its end."""
    prepared, course = stage.prepared, stage.course
    fitted = None if course.resumed else _baselines(stage)
    if stage.stop.requested:
        raise Interrupted("stopped on request before the network was trained")
    since = time.perf_counter()
    course = replace(course, closing=_closing(stage, fitted or ()).rehearse, leave=stage.leave)
    predictor, stopped = fitting.fit(prepared, stage.options, stage.record, stage.stop, stage.seconds_left(), course)
    stage.phase("train", since)
    if fitted is None:
        fitted = _baselines(stage)
        stage.leave()
    since = time.perf_counter()
    hurry = _late(stage)
    answers = evaluation.evaluate(prepared, predictor, fitted, stage.key, stage.record, stage.opened + 1, hurry)
    write_file(stage.directory.answers, answers.csv().encode())
    stage.phase("evaluate", since)
    stage.leave()
    _close(stage, predictor.contents)
    return stopped


def _baselines(stage: Stage) -> evaluation.Fitted:
    trained = stage.course.resumed  # then the model is there, and a request to stop ends with sealing it
    since = time.perf_counter()
    fitted = evaluation.fit_baselines(
        stage.prepared,
        stage.key,
        stage.record,
        lambda: stage.stop.requested and not trained,
        stage.seconds_left(),
        stage.course.decisions,
    )
    stage.times["baselines"] = time.perf_counter() - since
    return fitted


def _closing(stage: Stage, fitted: evaluation.Fitted) -> expected.Closing:
    events = record.read(stage.directory.record)
    return expected.Closing(stage.prepared, fitted, stage.key, events, stage.times.get("baselines", 0.0))


def _late(stage: Stage) -> bool:
    """Whether so little of a time limit is left after training that evaluation must hurry."""
    kept = [e["value"] for e in record.read(stage.directory.record) if e.get("what") == "closing"]
    left = stage.seconds_left()
    return left is not None and bool(kept) and left < HURRY * float(kept[-1]["seconds"])


def inputs(options: TrainOptions) -> dict[str, str]:
    """Option -> sha256 of the file that it names, for those that decide what is trained besides the data."""
    named = {name: getattr(options, name) for name in ("names", "schema", "task")}
    if options.from_:
        model = sealed(options.from_)
        named["from_"] = model / manifest.NAME if model.is_dir() else model
    return {n: sha256(Path(p)) for n, p in named.items() if isinstance(p, str | Path) and Path(p).is_file()}


def open_record(stage: Stage, data: Any, command: Sequence[str]) -> None:
    """Write down what is known before training; run.json last, so that a run that has one has all the rest."""
    prepared, options, directory = stage.prepared, stage.options, stage.directory
    task, parts = prepared.task, prepared.parts
    opening: dict[str, Any] = {
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
        "inputs": inputs(options),
        **({"repeats": stage.repeats} if stage.repeats else {}),
        "wall": {"started": datetime.now().astimezone().isoformat(timespec="seconds")},
    }
    write_file(directory.schema, strict_json.write(task.schema.to_json()))
    counts = {part: prepared.examples[part].count for part in PARTS}
    digits = (np.asarray(parts.assignment) + ord("0")).astype(np.uint8).tobytes().decode("ascii")
    rows = [digits[i : i + ROWS_A_LINE] for i in range(0, len(digits), ROWS_A_LINE)]
    split: dict[str, Any] = {
        "reason": parts.reason,
        "notes": list(parts.notes),
        "counts": counts,
        "parts": list(PARTS),
        "rows": rows,
    }
    split["files"] = {digest: file.parts for digest, file in prepared.files.items()}
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
            "used": prepared.rows_read - len(prepared.rejected) - parts.left_out,
            "count": len(prepared.rejected),
            "rows": [{"where": r.where, "reason": r.reason} for r in prepared.rejected[:100]],
        }
    )
    for note in prepared.notes:
        emit({"event": "note", "text": note})
    for name, seconds in prepared.seconds.items():
        emit({"event": "phase", "name": name, "wall": {"seconds": seconds}})
    stage.record.sync()
    write_file(directory.run, strict_json.write(opening))


def _close(stage: Stage, contents: Contents) -> None:
    """Seal the model with its evidence."""
    since = time.perf_counter()
    directory = stage.directory
    events = record.read(directory.record)
    evidence: dict[str, Any] = {
        e["event"]: {k: v for k, v in e.items() if k not in ("event", "wall")} for e in events if e["event"] in EVIDENCE
    }
    evidence["baselines"] = [
        {k: e[k] for k in ("name", "kind", "scores", "differences")} for e in events if e["event"] == "baseline"
    ]
    sealed = replace(contents, evidence=evidence, card=card(events, contents.kept))
    seal(directory.model, sealed)
    size = directory.model.stat().st_size
    stage.record.emit(
        {"event": "bundle", "path": str(directory.model), "bytes": size, "sha256": sha256(directory.model)}
    )
    stage.phase("seal", since)


EVIDENCE = ("run", "parts", "rejected", "scores", "calibration", "verdict")
