"""The checks. Each looks at a Subject and says whether the task holds (None: does not apply) and what was seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from deepwell.conformance.subject import Subject, command, python
from deepwell.core.batch import Batch, EncodedColumn, Ragged
from deepwell.core.examples import Examples, First
from deepwell.core.keys import Key
from deepwell.core.table import Column, Table
from deepwell.core.task import Pipeline
from deepwell.data.fields.kind import has_kind
from deepwell.data.pipeline import FieldPipeline
from deepwell.evaluation import intervals
from deepwell.evaluation.measure import measure
from deepwell.runs import fitting
from deepwell.runs.options import TrainOptions
from deepwell.runtime.answers import Answers
from deepwell.runtime.predictor import Predictor

Result = tuple[bool | None, str]
KEY = Key(0).fold("conformance")
BY_HEART = 16
HEART_STEPS = (60, 300)
"""Steps in which a network can learn them by heart; more only where few are not enough."""
FEW_STEPS = 5
UNTRAINED = MappingProxyType({"learning_rate": 1e-6})
PLAIN = MappingProxyType(
    {
        "weight_decay": 0.0,
        "l1": 0.0,
        "patience": 0,
        "ema": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "schedule": "linear",
        "augment": "none",
    }
)
"""Knobs without anything that keeps a network from learning by heart."""
GONE = "unheard-of value"


def learns(subject: Subject) -> Result:
    """The primary metric beats the untrained network and every trivial baseline by more than their interval."""
    events = subject.run.events
    trivial = [e for e in events if e["event"] == "baseline" and e["kind"] == "trivial"]
    if not trivial:
        return False, "the task has no trivial baseline"
    lost = [e["name"] for e in trivial if e["differences"][0]["better"] != "network"]
    task, pipeline, examples = subject.predictor.task, subject.predictor.pipeline, subject.prepared.examples["test"]
    metric = task.metrics(pipeline)[0]
    untrained = _fit(subject, steps=1, knobs=UNTRAINED)
    ours, theirs = (
        intervals.replicate([metric], measure(task, p.runner, examples, pipeline), examples.units, KEY)[metric.name]
        for p in (subject.predictor, untrained)
    )
    difference = intervals.difference(ours, theirs)
    seen = f"{metric.name}: trained {ours.value:.4g}, untrained {theirs.value:.4g}"
    seen += "".join(f", {e['name']} {e['scores'][0]['value']:.4g}" for e in trivial)
    if lost:
        return False, f"{seen}; not better than {', '.join(lost)}"
    return difference.better == "network", seen


def learns_by_heart(subject: Subject) -> Result:
    """Sixteen examples can be learned by heart: their loss falls to less than a third, in 300 steps at the most."""
    train = subject.prepared.examples["train"]
    if not train.count or not subject.prepared.schema.targets:
        return None, "no target"
    part = First(train, BY_HEART)
    before = _loss(_fit(subject, 1, only=part, knobs={**PLAIN, **UNTRAINED}), part)
    seen = f"loss {before:.4g} before"
    for steps in HEART_STEPS:
        after = _loss(_fit(subject, steps, only=part, knobs=PLAIN), part)
        seen += f", {after:.4g} after {steps} steps"
        if after < before / 3:
            return True, seen
    return False, seen


def repeats_bit_by_bit(subject: Subject) -> Result:
    """The same seed and plan give the same weights, bit for bit; another seed gives others."""
    first, again, other = (_digest(_fit(subject, FEW_STEPS, seed).contents.weights) for seed in (0, 0, 1))
    return first == again != other, f"sha256 {first[:12]}, {again[:12]}; seed 1: {other[:12]}"


def order_of_rows_does_not_matter(subject: Subject) -> Result:
    """Permuted rows in a batch of equal shape give equal answers, bit for bit."""
    examples = subject.prepared.examples["test"]
    count = min(64, examples.count or 0)
    if not subject.predictor.task.asks_rows or not count:
        return None, "questions have no rows"
    order = KEY.fold("permute").numpy().permutation(count)
    straight, permuted = (_answer(subject, examples.take(index, KEY)) for index in (np.arange(count), order))
    each = len(straight) // count  # lines of an example, such as the steps of a horizon
    lines = (order[:, None] * each + np.arange(each)).ravel()
    differ = [n for n in straight.names if list(map(_told, straight[n][lines])) != list(map(_told, permuted[n]))]
    return not differ, f"{count} rows" if not differ else f"columns {differ} differ"


def leaves_inputs_alone(subject: Subject) -> Result:
    """predict and measure do not change the arrays they are given."""
    examples = subject.prepared.examples["test"]
    batch = examples.take(np.arange(min(64, examples.count or 0)), KEY)
    before = _digest(batch.arrays)
    if subject.predictor.task.asks_rows:
        _answer(subject, batch)
    subject.predictor.task.measure(subject.predictor.runner, batch, subject.predictor.pipeline)
    return _digest(batch.arrays) == before, f"{len(batch.arrays)} arrays"


def encodes_and_decodes(subject: Subject) -> Result:
    """Decoding an encoded column and encoding it again gives the same array."""
    table, pipeline = subject.prepared.parts.train.rows, subject.prepared.pipeline
    coded = [f.name for f in subject.prepared.schema.fields if f.role in ("input", "target") and has_kind(f.kind)]
    if not len(table) or not coded:
        return None, "nothing is encoded"
    first = pipeline.encode(table)
    decoded = {n: _raw(pipeline, n, first.columns) for n in coded}
    second = pipeline.encode(table.take(first.rows).with_columns(decoded))
    wrong = [n for n in coded if not _close(first.columns[n], second.columns[n])]
    return not wrong, f"{len(coded)} columns" if not wrong else f"columns {wrong} change"


def survives_missing_and_unseen(subject: Subject) -> Result:
    """A missing and an unheard-of value in each input column is answered, or refused in words."""
    rows = subject.prepared.parts.test.rows
    inputs = [f for f in subject.prepared.schema.inputs if f.kind in ("number", "category", "image", "text")]
    if not subject.predictor.task.asks_rows or not len(rows) or not inputs:
        return None, "no inputs of a kind that can be missing"
    table = rows.take(np.arange(min(4, len(rows))))
    for field in inputs:
        for value in (None, GONE):
            column = table[field.name].astype(object) if table[field.name].ndim == 1 else _objects(table[field.name])
            column[0] = value
            answers = subject.predictor.predict(table.with_columns({field.name: column}))
            empty = [n for n in answers.table.names if n != "problem" and answers[n][0] in (None, "")]
            if empty and not answers["problem"][0]:
                return False, f"column {field.name!r} = {value!r}: no answer and no reason"
    return True, f"{len(inputs)} columns, missing and unheard-of"


def does_not_read_the_test_part(subject: Subject) -> Result:
    """Training works, with the same outcome, when any look at the test examples is an error."""
    open_, closed = (_digest(_fit(subject, FEW_STEPS, test=test).contents.weights) for test in (None, _Closed()))
    return open_ == closed, "the test examples were not touched"


def answers_the_same_elsewhere(subject: Subject) -> Result:
    """The bundle, loaded by the command line in a new process, answers bit-equal."""
    table = subject.prepared.parts.test.rows
    rows = subject.predictor.task.asks_rows
    flat = rows and all(c.ndim == 1 and _is_plain(c) for c in table.columns.values())
    asked = []
    data = None
    if flat:
        data = str(subject.directory / "asked.csv")
        with open(data, "w", encoding="utf-8") as file:
            file.write(Answers(table, subject.prepared.schema).csv())
        asked = [data]
    elif rows:
        return _same_from_python(subject, table)
    out = str(subject.directory / "answers.csv")
    task = ["--task", subject.name] if subject.name.endswith(".py") else []
    command(["predict", str(subject.run.path), *asked, *task, "--out", out])
    with open(out, encoding="utf-8") as file:
        there = file.read()
    here = subject.predictor.predict(data)
    return there == here.csv(), f"{len(here)} answers through the command line"


CHECKS: Mapping[str, Callable[[Subject], Result]] = {
    f.__name__.replace("_", " "): f
    for f in (
        learns,
        learns_by_heart,
        repeats_bit_by_bit,
        order_of_rows_does_not_matter,
        leaves_inputs_alone,
        encodes_and_decodes,
        survives_missing_and_unseen,
        does_not_read_the_test_part,
        answers_the_same_elsewhere,
    )
}


class _Closed:
    """Examples that nobody may look at."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(f"training looked at the test part: {name}")


def _fit(
    subject: Subject,
    steps: int,
    seed: int = 0,
    only: Examples | None = None,
    test: Any = None,
    knobs: Mapping[str, Any] = MappingProxyType({}),
) -> Predictor:
    """A short training in this process: other knobs, `only` these examples, or a closed test part."""
    prepared = subject.prepared
    config = prepared.task.config
    known = {f.name for f in fields(config)}
    task = type(prepared.task)(prepared.schema, replace(config, **{n: v for n, v in knobs.items() if n in known}))
    examples = dict(prepared.examples)
    if prepared.examples["train"].state():  # self-made data begins anew with each training
        examples["train"] = task.examples(prepared.parts.train, prepared.pipeline)
    if only is not None:
        examples |= {"train": only, "select": only, "calibrate": only}
    if test is not None:
        examples["test"] = test
    changed = replace(prepared, task=task, examples=examples)
    predictor, _ = fitting.fit(
        changed, TrainOptions(steps=steps, seed=seed, device="cpu"), fitting.Memory(), lambda: False, None
    )
    return predictor


def _loss(predictor: Predictor, examples: Examples) -> float:
    """The loss of a model's own network on examples."""
    return fitting.losses(predictor.task, predictor.network, examples)["loss"]


def _answer(subject: Subject, batch: Batch) -> Table:
    predictor = subject.predictor
    return predictor.task.predict(predictor.runner, batch, predictor.pipeline, predictor.task.Request())


def _same_from_python(subject: Subject, table: Table) -> Result:
    """Columns that no CSV holds are asked through Python, in a new process that makes the demo again."""
    code = f"""
from deepwell import tasks
from deepwell.conformance.checks import digest_of
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import prepare
from deepwell.runtime.predictor import load
rows = prepare(None, TrainOptions(task={subject.name!r}, demo=True)).parts.test.rows
answers = load({str(subject.run.directory.model)!r}, tasks.find({subject.name!r})).predict(rows)
print(digest_of(answers))
"""
    there = python(code).strip()
    here = digest_of(subject.predictor.predict(table))
    return there == here, f"{len(table)} answers through Python"


def digest_of(answers: Answers) -> str:
    """A hash of all cells, also of those that a CSV only tells about (masks)."""
    cells = (_told(value) for name in answers.table.names for value in answers[name])
    return hashlib.sha256("\n".join([answers.csv(), *cells]).encode()).hexdigest()


def _told(value: Any) -> str:
    """A cell as text that is equal for equal cells only; of a large array numpy's own leaves most values out."""
    return f"{value.shape} {value.tobytes().hex()}" if isinstance(value, np.ndarray) else repr(value)


def _is_plain(column: Column) -> bool:
    """Whether a CSV holds the column: numbers, or text in every row."""
    return column.dtype != object or all(v is None or isinstance(v, str) for v in column)


def _objects(column: Column) -> Column:
    """A column of arrays (pictures) as one of objects, so that a single one can be replaced."""
    objects = np.empty(len(column), object)
    objects[:] = list(column)
    return objects


def _raw(pipeline: Pipeline, name: str, columns: Mapping[str, EncodedColumn]) -> Column:
    """Raw values of one field: by its kind from all its arrays (boxes and their labels), else from the main one."""
    if not isinstance(pipeline, FieldPipeline):
        return pipeline.decode(name, columns[name])  # type: ignore[arg-type]
    beside = {n.removeprefix(f"{name}."): array for n, array in columns.items() if n.startswith(f"{name}.")}
    return pipeline.kinds_[name].whole({"": columns[name], **beside})


def _close(first: Any, second: Any) -> bool:
    if isinstance(first, Ragged):
        return np.array_equal(first.offsets, second.offsets) and np.allclose(first.values, second.values, atol=1e-4)
    return first.shape == second.shape and np.allclose(first, second, atol=1e-4, equal_nan=True)


def _digest(arrays: Mapping[str, Any]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()
