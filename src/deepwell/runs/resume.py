"""Resume: a run that ended before its end goes on where it was saved. Replay: a finished run is made once more, bit for bit.

Unusual: nothing but the run directory is needed. Data, options and seed stand in run.json, what was decided in the record,
the state in the checkpoints; everything between decisions is computed again and comes out the same. What cannot come out the
same, because data, versions or machine changed, is refused or said.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.bundle import read as bundle
from deepwell.core.errors import DataError, Interrupted, RunError, UsageError
from deepwell.core.runner import Sink
from deepwell.reports import render
from deepwell.runs import fitting, machine
from deepwell.runs.interrupt import stopping
from deepwell.runs.options import IN_MEMORY, TrainOptions, parse, to_json
from deepwell.runs.prepare import Prepared, prepare
from deepwell.runs.run import Run
from deepwell.runs.stage import Stage, carry_out, inputs, open_record
from deepwell.store import json as strict_json
from deepwell.store.files import failpoint, sha256, sweep, write_file
from deepwell.store.json import Limit
from deepwell.store.lock import own, owned
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory, create, find, runs_in
from deepwell.tracking.record import Record
from deepwell.training.checkpoints import SECONDS, Checkpoint, Checkpoints, latest
from deepwell.training.decisions import Decision, Decisions

SPLIT_LIMIT = Limit(1 << 28, 10_000_000)


def resume(
    path: str | Path | None,
    sinks: Sequence[Sink] = (),
    *,
    data: Any = None,
    test: Any = None,
    out: str = "runs",
    started: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Go on with a run; see verbs.resume. clock: of the training, for tests.

    Raises UsageError for a run that is finished or owned by another process, and where there is nothing to resume; DataError,
    naming the file, when the data are not those of the run; RunError and Interrupted as `train` does.
    """
    started = time.perf_counter() if started is None else started
    directory = newest(out) if path is None else find(path)
    with own(directory.path):
        events = record.read(directory.record)
        _refuse_finished(directory, events)
        opening = _opening(directory)
        if "repeats" in opening:
            raise UsageError(
                f"the run {str(directory)!r} repeats {opening['repeats']} and was stopped",
                repair=f"start it again: `deepwell train --replay {opening['repeats']}`",
            )
        options = parse(TrainOptions, opening["options"])
        prepared = _same_data(directory, opening, options, (data, test))
        sweep(directory.path)
        start = latest(directory.checkpoints) or Checkpoint(0, {}, {})
        with stopping() as stop, Record(directory.record, sinks) as writing:
            course = fitting.Course(
                # A request to stop is what is taken back now, also where the state saved on it is damaged.
                decisions=Decisions(writing.decide, [d for d in recorded(events) if d.what != "stop"]),
                checkpoints=checkpoints(directory, options, clock, writing),
                start=start,
                began=started,
                clock=clock,
            )
            opened = _rewind(writing, directory, events, start, opening)
            # The time limit counts the whole run, so what earlier lives have used counts as if it had been just now.
            began = started - _spent(events)
            return carry_out(Stage(prepared, options, directory, writing, began, stop, course, opened))


def replay(
    path: str | Path, options: TrainOptions, sinks: Sequence[Sink], command: Sequence[str], started: float
) -> Run:
    """Make a finished run once more in a directory of its own (options.out), with its recorded decisions.

    Raises UsageError for a run without a model, DataError when the data changed; RunError when the weights came out otherwise.
    """
    first = find(path)
    events = record.read(first.record)
    if not first.model.is_file() or record.status(events) not in ("done", "interrupted"):
        raise UsageError(f"the run {str(first)!r} has not ended", repair=f"`deepwell resume {first}` finishes it")
    opening = _opening(first)
    again = replace(parse(TrainOptions, opening["options"]), out=options.out)
    prepared = _same_data(first, opening, again)
    directory = create(again.out, prepared.name)
    with own(directory.path), stopping() as stop, Record(directory.record, sinks) as writing:
        course = fitting.Course(decisions=Decisions(writing.decide, _until_stop(recorded(events)), replay=True))
        stage = Stage(prepared, again, directory, writing, started, stop, course, repeats=str(first))
        open_record(stage, opening["source"], command)
        writing.emit({"event": "note", "text": f"this run repeats {first}" + _other_machine(opening)})
        try:
            run = carry_out(stage)
        except Interrupted:
            if stop.requested:
                raise
            run = Run(directory)  # the first run was stopped there, too
        differing = _differing(first, directory)
        if differing:
            raise RunError(f"the replay ended with other weights than {first}: {differing}" + _other_machine(opening))
        writing.emit({"event": "note", "text": f"all weights are bit-equal to those of {first}"})
        return run


def recorded(events: Sequence[Mapping[str, Any]]) -> list[Decision]:
    """The decisions of a record that are taken again, in order."""
    return [
        Decision(e["step"], e["what"], e["value"], e["why"])
        for e in events
        if e["event"] == "decision" and not e.get("follows")
    ]


def _until_stop(decisions: list[Decision]) -> list[Decision]:
    """Without what an earlier life decided beyond the step at which the run was stopped for good."""
    stops = [d.step for d in decisions if d.what == "stop"]
    return [d for d in decisions if d.step <= stops[-1]] if stops else decisions


def _spent(events: Sequence[Mapping[str, Any]]) -> float:
    """Seconds that earlier lives of a run used, as far as their events tell: before training, and in training."""
    before = sum(
        e["wall"]["seconds"] for e in events if e["event"] == "phase" and e["name"] in ("read", "fit", "baselines")
    )
    seconds = [e["wall"]["seconds"] for e in events if e["event"] == "progress" and "wall" in e]
    return float(before + max(seconds, default=0.0))


def newest(root: str | Path) -> RunDirectory:
    """The unfinished run below `root` that was started last. Raises UsageError where there is none."""
    unfinished = [d for d in runs_in(root) if _to_resume(d)]
    if not unfinished:
        raise UsageError(f"there is no unfinished run in {str(root)!r}", repair="name a run: `deepwell resume RUN`")
    return max(unfinished, key=lambda d: (str(_opening(d).get("wall", {}).get("started", "")), d.name))


def same_command(directory: RunDirectory, data: Mapping[str, Any], options: TrainOptions) -> list[RunDirectory]:
    """Unfinished runs beside `directory` with the same data and options."""
    asked = {**to_json(options), "out": None}
    found = []
    for other in runs_in(directory.path.parents[1]):
        if other.path != directory.path and other.path.parent == directory.path.parent and _to_resume(other):
            opening = _opening(other)
            if {**opening["options"], "out": None} == asked and opening["data"]["sha256"] == data["sha256"]:
                found.append(other)
    return found


def _to_resume(directory: RunDirectory) -> bool:
    """Whether a run has begun, has not come to its end, is nobody's now, and is no replay."""
    if not directory.run.is_file() or owned(directory.path):
        return False
    last = directory.record.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
    if b'"event":"end"' in last and b'"status":"done"' in last:  # as most are: nothing need be parsed
        return False
    return "repeats" not in _opening(directory) and record.status(record.read(directory.record)) != "done"


def checkpoints(
    directory: RunDirectory, options: TrainOptions, clock: Callable[[], float], writing: Record
) -> Checkpoints:
    """Where the state of a run is saved; what that has to say becomes a note of the record."""
    seconds = options.save_every or SECONDS

    def tell(text: str) -> None:
        writing.emit({"event": "note", "text": text})

    return Checkpoints(directory.checkpoints, seconds, clock, tell, first=writing.sync)


def _opening(directory: RunDirectory) -> dict[str, Any]:
    try:
        data = directory.run.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"the run {str(directory)!r} ended before it had begun: there is nothing to go on with",
            repair="start it again; the directory may be removed",
        ) from None
    except OSError as error:
        raise UsageError(f"the run cannot be read: {error.strerror}", where=str(directory.run)) from None
    opening: dict[str, Any] = strict_json.read(data, str(directory.run), DataError)
    return opening


def _refuse_finished(directory: RunDirectory, events: Sequence[Mapping[str, Any]]) -> None:
    if any(e["event"] == "end" and e["status"] == "done" for e in events):
        # A kill after the last event may have left the states behind, and the report undrawn.
        sweep(directory.path)
        if directory.checkpoints.exists():
            shutil.rmtree(directory.checkpoints)
        if not directory.report.exists():
            write_file(directory.report, render(events).encode())
        raise UsageError(
            f"the run {str(directory)!r} is finished: its model is {directory.model}",
            repair=f"`deepwell train --replay {directory}` makes it once more",
        )


def _same_data(
    directory: RunDirectory, opening: Mapping[str, Any], options: TrainOptions, given: tuple[Any, Any] | None = None
) -> Prepared:
    """The prepared data of the run. given: data and test rows, where the user gives objects once more; None: a replay.

    Raises DataError, naming the file, when they are not what they were.
    """
    data, test = given or (None, None)
    if data is None:
        _check_files(opening)
        data = opening["source"]
    for what, name in ((data, "data"), (options.test if test is None else test, "test")):
        if isinstance(what, str) and what.endswith(IN_MEMORY):
            repair = f"give it again: dw.resume(run, {name}=...)" if given else "train again with the same object"
            raise UsageError(f"this run was made from {what}, which no file holds ({name})", repair=repair)
    for name, digest in opening.get("inputs", {}).items():
        if inputs(options).get(name) != digest:
            raise DataError(
                f"the file of --{name.strip('_')} has changed since the run began",
                where=str(getattr(options, name)),
                repair="put the old file back, or start a new run",
            )
    prepared = prepare(data, options if test is None else replace(options, test=test))
    if prepared.data["sha256"] != opening["data"]["sha256"]:
        split = strict_json.read(directory.split.read_bytes(), str(directory.split), DataError, SPLIT_LIMIT)
        other = [file.path for digest, file in prepared.files.items() if digest not in split["files"]]
        raise DataError(
            "the data are not those of the run"
            + (f": {other[0]} is new or has changed" if other else ": a file is gone"),
            repair="put the old data back, or start a new run",
        )
    return prepared


def _check_files(opening: Mapping[str, Any]) -> None:
    for file in opening["data"]["files"]:
        path = Path(file["path"])
        if not path.is_file():
            raise DataError(
                "the file is gone since the run began", where=str(path), repair="put it back, or start a new run"
            )
        if sha256(path) != file["sha256"]:
            raise DataError(
                "the file has changed since the run began", where=str(path),
                repair="put the old file back, or start a new run",
            )  # fmt: skip


def _rewind(
    writing: Record,
    directory: RunDirectory,
    events: Sequence[Mapping[str, Any]],
    start: Checkpoint,
    opening: Mapping[str, Any],
) -> int:
    """Write down from where the run goes on; gives how often its test part was opened before."""
    opened = max((int(e.get("opened", 0)) for e in events if e["event"] in ("scores", "rewind")), default=0)
    failpoint("rewind.write")
    writing.emit({"event": "rewind", "step": start.step, "opened": opened})
    failpoint("rewind.written")
    for damaged in start.damaged:
        writing.emit({"event": "note", "text": f"a checkpoint is damaged and was passed over: {damaged}"})
    other = _other_machine(opening)
    if other:
        writing.emit({"event": "note", "text": f"the run goes on{other}"})
    return opened


def _other_machine(opening: Mapping[str, Any]) -> str:
    """What differs from the machine and versions of the run, so that bits may; empty where nothing does."""
    then = {**opening["versions"], **{k: opening["machine"].get(k) for k in ("processor", "cores")}}
    now = {**machine.versions(), **{k: machine.machine().get(k) for k in ("processor", "cores")}}
    changed = [f"{name} was {then.get(name)}, is {now[name]}" for name in now if then.get(name) != now[name]]
    return f", not bit-exact: {', '.join(changed)}" if changed else ""


def _differing(first: RunDirectory, second: RunDirectory) -> str:
    """The tensors that two sealed models do not share bit for bit, in words; empty when they are equal."""
    one, two = (bundle.read(d.model).weights for d in (first, second))
    names = [n for n in sorted({*one, *two}) if n not in one or n not in two or not _equal(one[n], two[n])]
    return f"{len(names)} of {len(one)} tensors differ, the first is {json.dumps(names[0])}" if names else ""


def _equal(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> bool:
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
