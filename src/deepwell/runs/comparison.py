"""Two sealed models side by side: on the same labelled rows, or against each other where they can meet, such as at a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.examples import Examples, Picked
from deepwell.core.scores import Metric, Score
from deepwell.core.table import Part, Table
from deepwell.core.task import Task
from deepwell.evaluation import intervals
from deepwell.evaluation.intervals import Difference
from deepwell.evaluation.measure import measure
from deepwell.evaluation.players import elo
from deepwell.runs.labels import renamed
from deepwell.runs.options import reread
from deepwell.runs.reopen import Evaluation, counted
from deepwell.runtime.batches import KEY
from deepwell.runtime.predictor import Predictor, load
from deepwell.tracking.directory import sealed
from deepwell.tracking.text import number, plural

BETTER = {"network": "first", "baseline": "second", "neither": "neither"}
WORDS = {"first": "the first is better", "second": "the second is better", "neither": "not distinguishable"}


@dataclass(frozen=True)
class Comparison:
    """Two models: scores of each, and differences first - second, metric by metric; for a direct match `points` alone.

    rows: examples that both could use. note: what else is to be said.
    """

    first: Sequence[Score]
    second: Sequence[Score]
    differences: Sequence[Difference]
    rows: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        pairs = {"first": [s.to_json() for s in self.first], "second": [s.to_json() for s in self.second]}
        told = [{**d.to_json(), "better": BETTER[d.better]} for d in self.differences]
        return {**pairs, "differences": told, "rows": self.rows, "note": self.note}

    def __repr__(self) -> str:
        lines = []
        for one, two, apart in zip(self.first, self.second, self.differences, strict=True):
            limits = f"{apart.value:+.4g} ({apart.low:+.4g} to {apart.high:+.4g})"
            said = WORDS[BETTER[apart.better]]
            lines.append(f"{one.name}: {number(one.value)} and {number(two.value)}, difference {limits}: {said}")
        return "\n".join([*lines, *([self.note] if self.note else [])])


def compare(
    first: Path,
    second: Path,
    data: Any = None,
    maps: Mapping[str, str] | None = None,
    task: str | type[Task] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Comparison:
    """See verbs.compare."""
    one, two = (load(sealed(path), task) for path in (first, second))
    if one.contents.task != two.contents.task:
        raise DataError(
            f"models of different tasks cannot be compared: {one.contents.task!r} and {two.contents.task!r}"
        )
    if data is None:
        return _match(one, two)
    if _judged_apart(one.task.judge, one.contents.weights, two.contents.weights):
        raise DataError(
            "the two models were judged by different networks, so their scores cannot be compared",
            repair="train both with the same judge, such as with --judge MODEL (a model that classifies such pictures)",
        )
    tables = [_read(model, data, maps or {}, reading or {}) for model in (one, two)]
    examples = [m.task.examples(Part("test", t), m.pipeline) for m, t in zip((one, two), tables, strict=True)]
    used = [np.arange(e.count or 0) if e.rows is None else np.asarray(e.rows) for e in examples]
    common = np.intersect1d(used[0], used[1])
    if not len(common):
        raise DataError("there is no row that both models can use")
    chosen = [Picked(e, np.flatnonzero(np.isin(rows, common))) for e, rows in zip(examples, used, strict=True)]
    columns = [measure(m.task, m.runner, e, m.pipeline) for m, e in zip((one, two), chosen, strict=True)]
    metrics = [model.task.metrics(model.pipeline) for model in (one, two)]
    shared = [m for m in metrics[0] if m.name in {other.name for other in metrics[1]}]
    told = _told(shared, [{m.name: m for m in metrics[1]}[m.name] for m in shared], columns, chosen)
    return replace(told, note=_opened((first, second), tables, (told.first, told.second)))


def _judged_apart(judge: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Whether the judges inside two models differ, by more than rounding. judge: prefix of their weights; empty: none."""
    if not judge:
        return False
    first, second = ({n: w for n, w in side.items() if n.startswith(judge)} for side in (one, two))
    if first.keys() != second.keys() or any(first[n].shape != second[n].shape for n in first):
        return True
    return not all(np.allclose(first[n], second[n], rtol=1e-5, atol=1e-6) for n in first)


def _read(model: Predictor, data: Any, maps: Mapping[str, str], reading: Mapping[str, Any]) -> Table:
    """Labelled data as a model reads them."""
    model.reading = reread(model.reading, reading)
    table = model.read(data, targets=True)
    return renamed(table, [t.name for t in model.schema.targets], maps) if maps else table


def _opened(paths: Sequence[Path], tables: Sequence[Table], scores: Sequence[Sequence[Score]]) -> str:
    """What is to be said where the data are those of a model's own run: its test part has been opened again, and is counted."""
    said = []
    for which, path, table, own in zip(("first", "second"), paths, tables, scores, strict=True):
        found = counted(sealed(path), table, Evaluation(list(own), [], len(table)))
        if found.opened:
            said.append(f"these are test rows of the {which}, now opened {found.opened} times")
        if found.trained_on:
            said.append(f"the {which} was trained on some of these rows: its scores are too good")
    return "; ".join(said)


def _told(
    metrics: Sequence[Metric],
    others: Sequence[Metric],
    columns: Sequence[Mapping[str, Any]],
    examples: Sequence[Examples],
) -> Comparison:
    found = [
        intervals.replicate(own, lines, part.units, KEY)
        for own, lines, part in zip((metrics, others), columns, examples, strict=True)
    ]
    return Comparison(
        [intervals.interval(found[0][m.name]) for m in metrics],
        [intervals.interval(found[1][m.name]) for m in metrics],
        [intervals.difference(found[0][m.name], found[1][m.name]) for m in metrics],
        examples[0].count or 0,
    )


def _match(one: Predictor, two: Predictor) -> Comparison:
    """Both models against each other. Raises DataError where the task knows no such thing."""
    if type(one.task).match is Task.match:
        raise DataError("these models are compared on labelled rows: name a file with them")
    examples = one.task.examples(Part("test", Table({})), one.pipeline)
    batch = examples.take(np.arange(examples.count or 0), KEY)
    points = one.task.match(one.runner, two.runner, batch, one.pipeline, two.task)
    metric = Metric("points", "share", "higher", lambda c, w: np.asarray((w @ c["points"]) / w.sum(axis=1)))
    sides = [{"points": points}, {"points": 1 - points}]
    stronger = elo(float(points.mean()), len(points))
    openings = len(points) // 2 if examples.units is None else len(np.unique(examples.units))
    note = f"{len(points)} games from {plural(openings, 'opening')}, both colours: the first is {stronger:+.0f} Elo stronger"
    told = _told([metric], [metric], sides, [examples, examples])
    return Comparison(told.first, told.second, told.differences, len(points), note)
