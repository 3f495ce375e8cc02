"""evaluate: a model and labelled rows -> scores with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepwell.core.task import Task
from deepwell.runs.reopen import Evaluation
from deepwell.runs.reopen import evaluate as evaluate_run


def evaluate(
    model: str | Path,
    data: Any = None,
    *,
    map: dict[str, str] | None = None,
    task: str | type[Task] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Evaluation:
    """The task's metrics of a model on labelled data.

    When the data is the test file of the model's own run, the counter of how often the test part was opened is raised.
    Models that learnt without data, such as those of games, are measured without any, as when they were made.
    map: labels of the target to rename, old -> new. reading: how the file is read, as for `predict`.
    Raises DataError for columns or labels that do not fit, for no data where they are needed, and the other way round.
    """
    return evaluate_run(Path(model), data, map or {}, task, reading or {})
