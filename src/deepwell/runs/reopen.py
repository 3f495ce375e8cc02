"""Evaluate a sealed model on labelled data; opening a run's own test part again is counted and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.scores import Score
from deepwell.core.table import Rejected, Table
from deepwell.core.task import Task
from deepwell.runs.fingerprint import file_parts
from deepwell.runs.labels import renamed
from deepwell.runs.options import reread
from deepwell.runtime.predictor import load
from deepwell.store import json as strict_json
from deepwell.store.json import Limit
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory, sealed
from deepwell.tracking.record import Record

SPLIT_LIMIT = Limit(1 << 28, 10_000_000)


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled data.

    rejected: the rows that could not be used. rows: all that were read. opened: how often the run's test part has been
    opened by now; 0: other data. trained_on: whether the data also hold rows that training saw.
    """

    scores: list[Score]
    rejected: list[Rejected]
    rows: int
    opened: int = 0
    trained_on: bool = False

    def __repr__(self) -> str:
        lines = [str(score) for score in self.scores]
        if self.rejected:
            first = self.rejected[0]
            lines.append(
                f"{len(self.rejected):,} of {self.rows:,} rows could not be used; {first.where}: {first.reason}"
            )
        if self.opened:
            lines.append(f"this data holds the run's test rows: they have now been opened {self.opened} times")
        if self.trained_on:
            lines.append("it also holds rows that the model was trained on: these scores are too good")
        return "\n".join(lines)


def evaluate(
    path: Path, data: Any, maps: Mapping[str, str], task: str | type[Task] | None, reading: Mapping[str, Any]
) -> Evaluation:
    """See verbs.evaluate."""
    model = sealed(path)
    predictor = load(model, task)
    predictor.reading = reread(predictor.reading, reading)
    alone = not predictor.task.asks_rows and not predictor.schema.fields  # it makes its own data, such as games
    if alone and data is not None:
        raise DataError("this model is measured by what it makes itself", repair="name no data")
    if data is None and not alone:
        raise DataError("this model is measured on labelled rows", repair="name a file or folder with them")
    table = Table({}) if alone else predictor.read(data, targets=True)
    if maps:
        table = renamed(table, [t.name for t in predictor.schema.targets], maps)
    scores, rejected = predictor.measured(table)
    return counted(model, table, Evaluation(scores, rejected, len(table) + len(table.rejected)))


def counted(model: Path, table: Table, found: Evaluation) -> Evaluation:
    """The counter in the record of the model's run is raised when the data hold files whose rows the run tested on.

    A model that lies outside of its run has none.
    """
    directory = RunDirectory(model.parent)
    if not directory.record.is_file():
        return found
    split = strict_json.read(directory.split.read_bytes(), str(directory.split), DataError, SPLIT_LIMIT)
    parts = {
        part for digest in file_parts(table, np.zeros(len(table), np.int8)) for part in split["files"].get(digest, ())
    }
    found = replace(found, trained_on="train" in parts)
    if "test" not in parts:
        return found
    opened = 1 + max((e["opened"] for e in record.read(directory.record) if e["event"] == "scores"), default=0)
    scores = [s.to_json() for s in found.scores]
    with Record(directory.record) as writing:
        writing.emit({"event": "scores", "part": "test, again", "scores": scores, "opened": opened})
    return replace(found, opened=opened)
