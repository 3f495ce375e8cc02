"""Files to examples: everything of a run that can fail because of the user's data happens here, before a run exists."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell import tasks
from deepwell.bundle.reading import said
from deepwell.core import config as knobs
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.examples import Examples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import PARTS, Part, Rejected, Table
from deepwell.core.task import Pipeline, Sizes, Task
from deepwell.data import memory, sources
from deepwell.data.cache import Storage
from deepwell.data.fields.values import missing
from deepwell.data.gathering import gathered
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.recognition import Edits, describe, recognise
from deepwell.data.splits import Parts, split
from deepwell.data.usable import stop_if_many
from deepwell.runs import transfer
from deepwell.runs.fingerprint import HashedFile, file_parts, fingerprint
from deepwell.runs.labels import check_labels, renamed
from deepwell.runs.options import SchemaAsked, TrainOptions
from deepwell.store import json as strict_json


@dataclass(frozen=True)
class Prepared:
    """All that training and evaluation need, and how the data came to it. The table itself is not kept, only its parts.

    data, columns: the table's fingerprint and its columns' statistics, as the record has them. files: sha256 -> parts.
    rows_read = rows that became examples of any part, counted before texts were cut, + len(rejected). seconds: name of a phase
    -> how long it took. reading: how the files were read, as the bundle keeps it. start: the model that training begins from.
    """

    task: Task
    task_reason: str
    data: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    files: Mapping[str, HashedFile]
    parts: Parts
    pipeline: Pipeline
    examples: Mapping[str, Examples]
    rejected: Sequence[Rejected]
    rows_read: int
    seconds: Mapping[str, float]
    notes: Sequence[str] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    start: transfer.Start | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return type(self.task).name()

    @property
    def schema(self) -> Schema:
        """The schema with all roles."""
        return self.task.schema


def recognised(
    data: Any, asked: SchemaAsked, test: Any = None, tested: bool = True, allowed: int | None = None
) -> tuple[Table, Schema]:
    """Read and recognise, without choosing a task. Raises DataError for what cannot be read.

    tested: see Edits. allowed: bytes of memory that the data may take; None: half of what is free.
    """
    options = sources.ReadOptions(
        test=test,
        names=asked.names,
        header=asked.header,
        delimiter=asked.delimiter,
        encoding=asked.encoding,
        missing=asked.missing,
        form=asked.form,
        target_name=asked.target[0] if asked.target else "target",
        arrays=bool(asked.task) and tasks.find(asked.task or "").whole_arrays,
        memory=int(memory.TABLE_SHARE * (memory.allowed(None) if allowed is None else allowed)),
    )
    table = sources.read(data, options)
    learnt = not (asked.task and tasks.find(asked.task).partly_labelled)
    saved = _saved_schema(asked.schema)
    edits = Edits(tuple(asked.target), dict(asked.role), dict(asked.kind), saved, tested=tested, learnt=learnt)
    try:
        if asked.map:
            table = renamed(table, [t.name for t in recognise(table, edits).targets], asked.map)
        return table, recognise(table, edits)
    except DataError as error:
        if error.where or not isinstance(data, str | Path):
            raise
        raise DataError(error.what, where=str(data), repair=error.repair) from None


def prepare(data: Any, options: TrainOptions, test_share: float | None = None) -> Prepared:
    """Read, recognise, choose the task, split, fit the pipeline, make the examples of every part.

    test_share: of rows kept for the test where the author named none; None: as the task's rule says.

    Raises DataError or ConfigError; nothing has been written by then.
    """
    clock = _Clock()
    allowed = memory.allowed(options.memory)
    task_class, table, schema, reason = _data_and_task(data, options, allowed, tested=test_share != 0.0)
    start = transfer.start(options.from_, task_class) if options.from_ else None
    if options.freeze and start is None:
        raise ConfigError("--freeze leaves weights as they are that --from brings", repair="give --from MODEL, too")
    task = task_class(schema, knobs.make(task_class.Config, _knob_values(task_class, options, start)))
    table, without_target = _without_missing_targets(table, schema, task_class)
    reading = said(options.form or sources.form_of(data), options.delimiter, options.encoding, options.missing)
    data, columns = fingerprint(table), describe(table, schema)
    clock.lap("read")
    rule = task.split() if test_share is None else replace(task.split(), test=test_share)
    rows_read = len(table) + len(table.rejected) + len(without_target)
    parts = split(table, schema, rule, Key(options.seed).fold("split"))
    table = table if parts.cut is None else replace(parts.cut, rejected=table.rejected, notes=table.notes)
    if not task_class.partly_labelled:
        check_labels(parts, schema)
    files = file_parts(table, parts.assignment)
    table = replace(table, columns={})  # the cells are in the parts now; what stays says where each row came from
    pipeline = task.pipeline(None if start is None else start.pipeline) or FieldPipeline(schema)
    if start is not None:
        transfer.begin(pipeline, start)
    if isinstance(pipeline, FieldPipeline):
        pipeline.storage = Storage(int(memory.ENCODED_SHARE * allowed))
    pipeline.fit(parts.train.rows)
    task.metrics(pipeline)  # a metric or a positive class that does not suit is refused here, not after the training
    examples = {part.name: task.examples(part, pipeline) for part in _each(parts)}
    rejected = [*table.rejected, *without_target, *_problems(table, parts, examples)]
    stop_if_many(rejected, rows_read, options.max_rejected)
    if examples["train"].count == 0:
        raise DataError("no usable rows are left to train on", repair="look at the data with `deepwell check`")
    if start is not None:
        sizes = Sizes(pipeline.sizes(), examples["train"].count or 0)
        transfer.check(task, sizes, pipeline, start, options.freeze)
    clock.lap("fit")
    notes = [*table.notes, *pipeline.said()]
    return Prepared(
        task,
        reason,
        data,
        columns,
        files,
        parts,
        pipeline,
        examples,
        rejected,
        rows_read,
        clock.laps,
        notes,
        reading,
        start,
    )


def _each(parts: Parts) -> list[Part]:
    return [getattr(parts, name) for name in PARTS]


def _problems(table: Table, parts: Parts, examples: Mapping[str, Examples]) -> list[Rejected]:
    """The rows of all parts that no example could be made of, in the order of the table."""
    found: dict[int, str] = {}
    for number, name in enumerate(PARTS):
        if examples[name].problems:
            rows = np.flatnonzero(parts.assignment == number)
            found |= {int(rows[row]): why for row, why in examples[name].problems.items()}
    return [Rejected(table.where(row), why) for row, why in sorted(found.items())]


def _data_and_task(
    data: Any, options: TrainOptions, allowed: int, tested: bool
) -> tuple[type[Task], Table, Schema, str]:
    """The task class, its data, and the schema with the roles that the task gives."""
    asked = tasks.find(options.task) if options.task else None
    if options.demo or data is None:
        if asked is None:
            raise ConfigError(
                "there is nothing to train on",
                repair="name files (`deepwell train data.csv --target column`), or a task with --task and --demo",
            )
        made = asked.demo(options.seed)
        if made is None:
            return asked, Table({}), Schema(), "the task makes its own data"
        data = made
    table, schema = recognised(data, options, options.test, tested, allowed)
    if asked is None:
        asked, fit = tasks.choose(schema)
    else:
        fit = asked.fits(schema)
        if fit.rank <= 0:
            raise DataError(f"the task {options.task!r} does not suit this data: {fit.reason}")
    return asked, table, schema.with_roles(fit.roles), fit.reason


def _knob_values(task: type[Task], options: TrainOptions, start: transfer.Start | None) -> dict[str, Any]:
    values: dict[str, Any] = dict(options.set)
    known = {o.name for o in knobs.options(task.Config)}
    asked = {name: getattr(options, name) for name in ("size", "positive", "metric", "horizon", "split", "judge")}
    for option, value in {**asked, "no_tail": "no" if options.no_tail else None}.items():
        name = option.removeprefix("no_")
        if value is None:
            continue
        if name not in known:
            raise ConfigError(f"this task has no option --{option.replace('_', '-')}")
        values[name] = value
    size = next((o.knob.choices for o in knobs.options(task.Config) if o.name == "size"), ())
    return values if start is None else {**values, **transfer.prepared_size(values, size, start)}


def _saved_schema(path: str | None) -> Schema | None:
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"the schema file cannot be read: {error.strerror}", where=path) from None
    return Schema.from_json(strict_json.read(data, path))


def _without_missing_targets(table: Table, schema: Schema, task: type[Task]) -> tuple[Table, list[Rejected]]:
    """The rows that have every target, and the others as rejected; all rows where the task can do without."""
    if task.past_targets or task.partly_labelled:
        return table, []
    absent = np.zeros(len(table), np.bool_)
    for target in schema.targets:
        absent |= missing(table[target.name])
    if not absent.any():
        return table, []
    rejected = [Rejected(table.where(int(r)), "the target is missing") for r in np.flatnonzero(absent)]
    kept = gathered(table, np.flatnonzero(~absent))
    return replace(kept, rejected=table.rejected, notes=table.notes), rejected


class _Clock:
    """Laps of wall-clock time in seconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
