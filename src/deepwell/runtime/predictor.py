"""Predictor: a bundle that answers. The same class evaluates a fresh run, so what is measured is what is handed over.

The answer to a row does not depend on how many rows are asked together: see batches.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell import tasks
from deepwell.bundle.contents import Contents
from deepwell.bundle.read import match, read
from deepwell.core import config as knobs
from deepwell.core.batch import Batch
from deepwell.core.errors import BundleError, ConfigError, DataError, RunError
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import CalibratedRunner, Emit, Runner
from deepwell.core.scores import Score
from deepwell.core.table import Part, Rejected, Table
from deepwell.core.task import Pipeline, Sizes, Task
from deepwell.data import sources
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.recognition import compare
from deepwell.runtime.answers import PROBLEM, Answers, align, below, concatenate, in_place
from deepwell.runtime.batches import KEY, batches

if TYPE_CHECKING:
    import torch


class Predictor:
    """A trained model that answers questions and can be scored.

    Attributes:
        contents: what the bundle holds.
        task: the application, with schema and config.
        pipeline: raw values <-> arrays.
        network: the network with the bundle's weights.
        uncalibrated, runner: the network as a Runner, without and with calibration.
        reading: how files with questions are read: as those of training were. May be replaced.
    """

    def __init__(self, contents: Contents, task: type[Task] | None = None, device: str = "cpu") -> None:
        from deepwell.nn.runner import TorchRunner
        from deepwell.training import plan

        device, _ = plan.device(device)
        self.contents = contents
        self.task, self.pipeline = reopened(contents, task)
        self.network = _network(self.task, contents, self.pipeline).to(device)
        self.uncalibrated: Runner = TorchRunner(self.network, device)
        self.runner: Runner = CalibratedRunner(self.uncalibrated, contents.calibration)
        self.reading = replace(_as_in_training(contents), arrays=self.task.whole_arrays)

    @property
    def schema(self) -> Schema:
        """The columns that the model was trained on."""
        return self.task.schema

    def predict(self, data: Any = None, request: Any = None, emit: Emit | None = None) -> Answers:
        """Answers for raw values: anything that `deepwell.train` reads; None for tasks whose questions need no rows.

        None is also the question of a task that knows what comes next, such as what follows the last rows of training.

        Raises DataError when columns are missing or of another kind. A row that cannot be used gets an empty answer with
        its reason.
        """
        request = self.task.Request() if request is None else request
        if not self.task.asks(request):
            if data is not None:
                knobs_ = ", ".join(f"--{o.name.replace('_', '-')}" for o in knobs.options(type(request)))
                raise DataError(
                    f"the task {self.contents.task!r} answers requests, not rows; got {str(data)[:80]!r}",
                    repair=f"ask with the knobs of a question: {knobs_}" if knobs_ else "",
                )
            empty = Batch({}, np.empty(0, np.int64))
            began = time.perf_counter()
            table = self.task.predict(self.runner, empty, self.pipeline, request, emit)
            seconds = time.perf_counter() - began
            answers = self._placed(table, None, {}, 0)
            echoes = tuple(f.name for f in fields(request) if f.name in table and not _chosen(answers, request, f.name))
            return replace(answers, echoes=echoes, seconds=seconds)
        asked = self.read(self._next() if data is None else data, targets=self.task.past_targets)
        examples = self.task.examples(Part("predict", asked), self.pipeline)
        answers = self.answer(examples, len(asked), request, emit)
        answers = replace(answers, files=() if asked.origin is None else asked.origin.files)
        if examples.rows is not None:
            return in_place(answers, asked)
        return replace(answers, table=below(answers.table, [f"{r.where}: {r.reason}" for r in asked.rejected]))

    def _next(self) -> Table:
        """The rows that are asked about where a question brings none. Raises DataError where the task has none."""
        rows = self.task.question(self.pipeline)
        if rows is None and self.task.past_targets:
            raise DataError(
                "this model keeps no rows of the data that it could go on from",
                repair="name a file with the rows known so far, or train without --no-tail",
            )
        if rows is None:
            raise DataError(f"the task {self.contents.task!r} answers rows: name a file with them")
        return rows

    def answer(self, examples: Examples, count: int, request: Any = None, emit: Emit | None = None) -> Answers:
        """Answers for examples made of `count` rows, one line per row (per example where examples are not made of rows)."""
        request = self.task.Request() if request is None else request
        tables, asked = [], [np.empty(0, np.int64)]
        for batch, size in batches(examples):
            table = self.task.predict(self.runner, batch, self.pipeline, request, emit)
            each, over = divmod(len(table), len(batch))
            if over or not each or (each > 1 and examples.rows is not None):
                raise RunError(f"the task gave {len(table)} lines of answers for {len(batch)} examples")
            tables.append(table.take(np.arange(each * size)))
            asked.append(np.repeat(batch.examples[:size], each))
        names = self.task.answers(self.pipeline).names
        answers = concatenate(tables) if tables else Table({n: np.empty(0, object) for n in names})
        order = np.argsort(np.concatenate(asked), kind="stable")
        return self._placed(answers.take(order), examples.rows, examples.problems, count)

    def _placed(
        self, answers: Table, rows: NDArray[np.int64] | None, problems: Mapping[int, str], count: int
    ) -> Answers:
        """Answers at the rows they belong to; as they come where they belong to none, the reasons for missing ones below."""
        schema = Schema((*self.task.answers(self.pipeline).fields, Field(PROBLEM, "text")))
        if rows is None:
            table = align(answers, np.arange(len(answers)), {}, len(answers))
            return Answers(below(table, list(dict.fromkeys(problems.values()))), schema)
        return Answers(align(answers, rows, problems, count), schema)

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """Class probabilities, shape (rows, classes) in the order of `classes`; rows that cannot be used are NaN.

        Raises ConfigError where the target is not a category.
        """
        asked = self.read(data)
        name = self._category("predict_proba").name
        examples = self.task.examples(Part("predict", asked), self.pipeline)
        full = np.full((len(asked), len(self.classes)), np.nan)
        for batch, size in batches(examples):
            outputs, _ = self.runner.run("forward", batch.arrays)
            logits = outputs[f"{name}.logits"][:size].astype(np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            rows = examples.rows if examples.rows is not None else np.arange(len(asked))
            full[rows[batch.examples[:size]]] = odds / odds.sum(axis=1, keepdims=True)
        return full

    @property
    def classes(self) -> list[str]:
        """The class names in the order of `predict_proba`. Raises ConfigError where the target is not a category."""
        return self.pipeline.classes(self._category("classes").name)

    def score(self, data: Any) -> list[Score]:
        """The task's metrics on labelled rows, each with a 95% interval. Raises DataError where no row can be used."""
        return self.measured(self.read(data, targets=True))[0]

    def measured(self, table: Table) -> tuple[list[Score], list[Rejected]]:
        """The task's metrics on the rows of a table, and the rows that could not be used.

        Raises DataError where no row can be used.
        """
        from deepwell.evaluation import intervals, measure

        examples = self.task.examples(Part("test", table), self.pipeline)
        rejected = [Rejected(table.where(row), why) for row, why in sorted(examples.problems.items())]
        if not examples.count:
            raise DataError(
                f"no row can be used: {rejected[0].reason}" if rejected else "there are no rows",
                where=rejected[0].where if rejected else "",
                repair="labels can be renamed with --map 'OLD -> NEW'" if rejected else "",
            )
        columns = measure.measure(self.task, self.runner, examples, self.pipeline)
        scores = [intervals.score(m, columns, examples.units, KEY) for m in self.task.metrics(self.pipeline)]
        return scores, [*table.rejected, *rejected]

    def read(self, data: Any, *, targets: bool = False) -> Table:
        """Raw values as a Table with the model's columns; a file without header gives them in order.

        targets: whether the target columns are needed too. Raises DataError naming the missing columns, with the nearest
        present ones.
        """
        table = data if isinstance(data, Table) else sources.read(data, replace(self.reading, targets=targets))
        if isinstance(data, str | Path):
            table = self._named(table, data)
        compare(self.schema, table, targets=targets)
        return table

    def _named(self, table: Table, path: str | Path) -> Table:
        """The table of a file; with the model's names, in order, where the file has none of its own.

        Without names are a table whose columns are only numbered, and one whose first row is no header after all: it
        has none of the names.
        """
        fields = [f for f in self.schema.fields if f.role != "split"]
        every, inputs = [f.name for f in fields], [f.name for f in fields if f.role != "target"]
        numbered = [f"column_{i + 1}" for i in range(len(table.names))]
        if table.names != numbered:
            if set(table.names) & set(every):
                return table
            bare = sources.read(path, replace(self.reading, header=False))
            return self._in_order(bare, every, inputs, like_training=True) or table
        return self._in_order(table, every, inputs) or table

    def _in_order(self, table: Table, every: list[str], inputs: list[str], like_training: bool = False) -> Table | None:
        """The table with the model's names in order; None where the number of columns is another.

        like_training: also None where its first row does not look like data: text in a number column, or nothing but
        unknown categories. A header of other names is no row.
        """
        order = next((names for names in (every, inputs) if len(names) == len(table.names)), None)
        if order is None or not len(table):
            return None
        named = Table(dict(zip(order, table.columns.values(), strict=True)), table.origin, table.rejected)
        if like_training:
            first = self.pipeline.encode(named.take(np.array([0])), targets=False)
            known = [first.columns[f.name][0] > 0 for f in self.schema.of("input", "category") if len(first.rows)]  # type: ignore[index]
            numbers = self.schema.of("input", "number")
            if first.problems or not (any(known) or (numbers and len(first.rows))):
                return None
        return named

    def _category(self, what: str) -> Field:
        targets = self.schema.targets
        if len(targets) != 1 or targets[0].kind != "category":
            raise ConfigError(f"{what} needs a single target that is a category; use predict")
        return targets[0]


def load(path: str | Path, task: str | type[Task] | None = None, device: str = "cpu") -> Predictor:
    """The model in a bundle. `task`: the class or file of a task that is not installed.

    Raises BundleError for a file that is damaged, foreign or too new.
    """
    return Predictor(*opened(path, task), device)


def opened(path: str | Path, task: str | type[Task] | None = None) -> tuple[Contents, type[Task]]:
    """What a bundle holds, and the class of its task, before a network is built. Raises BundleError as `load` does."""
    contents = read(Path(path))
    return contents, (tasks.find(task) if isinstance(task, str) else task) or _installed(contents.task)


def requested(task: type[Task], knobs_given: Mapping[str, Any], verb: str, model: str | Path) -> Any:
    """A Request of a task with these knobs. Raises ConfigError that names the help where they are listed."""
    try:
        return knobs.make(task.Request, knobs_given)
    except ConfigError as error:
        repair = f"`deepwell {verb} {model} --help` lists the knobs of a question to this model"
        raise ConfigError(error.what, repair=repair) from None


def reopened(contents: Contents, task: type[Task] | None = None) -> tuple[Task, Pipeline]:
    """The task and the fitted pipeline of a bundle. task: its class, where it is not installed. Raises BundleError."""
    task_class = task or _installed(contents.task)
    _same_task(contents, task_class)
    made = task_class(contents.schema, knobs.make(task_class.Config, contents.config))
    pipeline = (made.pipeline(None) or FieldPipeline(contents.schema)).restore(contents.pipeline)
    pipeline.restore_kept(contents.kept)
    return made, pipeline


def _chosen(answers: Answers, request: Any, name: str) -> bool:
    """Whether a column of the name of a knob says what was chosen instead, such as the classes where none was asked for."""
    return not getattr(request, name) and name in answers.schema and answers.schema[name].kind == "category"


def _as_in_training(contents: Contents) -> sources.ReadOptions:
    """What had to be said about reading; a .names file beside the data names every column but the target."""
    kept = contents.reading
    return sources.ReadOptions(
        usual=kept.get("form"),
        delimiter=kept.get("delimiter"),
        encoding=kept.get("encoding"),
        missing=tuple(kept.get("missing", ())),
        target_name=next((t.name for t in contents.schema.targets), "target"),
        expected=tuple(f.name for f in contents.schema.fields),
    )


def _same_task(contents: Contents, task: type[Task]) -> None:
    """Raise BundleError where a bundle is of another task, or of another version of it, than the one at hand."""
    if contents.task != task.name():
        raise BundleError(f"the bundle is of the task {contents.task!r}, not of {task.name()!r}")
    if contents.task_version != task.version:
        raise BundleError(
            f"the bundle is of version {contents.task_version} of the task {contents.task!r}, installed is version "
            f"{task.version}",
            repair="install the version of deepwell that made it (`deepwell show` names it)",
        )


def _installed(name: str) -> type[Task]:
    """The installed task of a bundle. A bundle can only name a task, never bring or locate one."""
    if name not in tasks.names():
        raise BundleError(
            f"the bundle needs the task {name!r}, which is not installed",
            repair="give the file of the task with --task (dw.load(path, task=...)) if you have it and trust it",
        )
    return tasks.find(name)


def _network(task: Task, contents: Contents, pipeline: Pipeline) -> torch.nn.Module:
    """The network with the bundle's weights: built on the meta device, compared, only then given memory."""
    import torch

    from deepwell.nn.unfilled import unfilled

    sizes = Sizes.from_json(contents.sizes)
    fields = {name: tuple(size) for name, size in pipeline.sizes().items()}
    if sizes.fields != fields:
        raise BundleError("the sizes in config.json are not those of the stored transforms")
    with unfilled():
        network = task.network(sizes)
    expected = {n: (tuple(t.shape), str(t.dtype).removeprefix("torch.")) for n, t in network.state_dict().items()}
    match(contents.weights, expected)
    weights = {n: torch.from_numpy(np.array(w)) for n, w in contents.weights.items()}
    network.load_state_dict(weights, assign=True)
    left = [n for n, t in [*network.named_parameters(), *network.named_buffers()] if t.is_meta]
    if left:
        raise BundleError(f"the network of {contents.task!r} has values that no bundle holds: {left[0]}")
    return network
