"""Evaluate a sealed model on labelled data; opening a run's own test part again is counted and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError, nearest
from deepwell.core.scores import Score
from deepwell.core.table import Part, Rejected, Table
from deepwell.core.task import Task
from deepwell.evaluation import intervals
from deepwell.evaluation.measure import measure
from deepwell.runs.fingerprint import fingerprint
from deepwell.runtime.predictor import KEY, load
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory, find
from deepwell.tracking.record import Record


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled data. opened: how often the run's test part has been opened by now; 0: other data."""

    scores: list[Score]
    rejected: list[Rejected]
    rows: int
    opened: int

    def __repr__(self) -> str:
        lines = [str(score) for score in self.scores]
        if self.rejected:
            lines.append(f"{len(self.rejected):,} of {self.rows:,} rows could not be used")
        if self.opened:
            lines.append(f"this data holds the run's test rows: they have now been opened {self.opened} times")
        return "\n".join(lines)


def evaluate(path: Path, data: Any, maps: Mapping[str, str], task: str | type[Task] | None) -> Evaluation:
    """See verbs.evaluate."""
    model = sealed(path)
    predictor = load(model, task)
    table = predictor.read(data, targets=True)
    if maps:
        table = renamed(table, [t.name for t in predictor.schema.targets], maps)
    examples = predictor.task.examples(Part("test", table), predictor.pipeline)
    if not examples.count:
        first = next(iter(examples.problems.items()), None)
        raise DataError(
            f"no row can be used: {first[1]}" if first else "there are no rows",
            where=table.where(first[0]) if first else "",
            repair="labels can be renamed with --map 'OLD -> NEW'" if first else "",
        )
    columns = measure(predictor.task, predictor.runner, examples, predictor.pipeline)
    metrics = predictor.task.metrics(predictor.pipeline)
    scores = [intervals.score(m, columns, examples.units, KEY) for m in metrics]
    rejected = [*table.rejected, *(Rejected(table.where(r), why) for r, why in sorted(examples.problems.items()))]
    opened = 0 if model == path else _count_opening(find(path), table, scores)
    return Evaluation(scores, rejected, len(table) + len(table.rejected), opened)


def _count_opening(directory: RunDirectory, table: Table, scores: list[Score]) -> int:
    """Raise the counter in the record when the data are files that the run was made from."""
    events = record.read(directory.record)
    known = {f["sha256"] for e in events if e["event"] == "run" for f in e["data"]["files"]}
    if not known & {f["sha256"] for f in fingerprint(table)["files"]}:
        return 0
    opened = 1 + max((e["opened"] for e in events if e["event"] == "scores"), default=0)
    Record(directory.record).emit(
        {"event": "scores", "part": "test, again", "scores": [s.to_json() for s in scores], "opened": opened}
    )
    return opened
