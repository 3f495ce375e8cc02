"""compare: two models -> which is better, on the same rows or against each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepwell.core.task import Task
from deepwell.runs.comparison import Comparison
from deepwell.runs.comparison import compare as compare_models


def compare(
    first: str | Path,
    second: str | Path,
    data: Any = None,
    *,
    map: dict[str, str] | None = None,
    task: str | type[Task] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Comparison:
    """Two models of one task on labelled data, with paired intervals of the differences; players without data: a match.

    map: labels of the target to rename, old -> new. reading: how the file is read, as for `predict`.
    Raises DataError for models of different tasks, and for data that do not fit.
    """
    return compare_models(Path(first), Path(second), data, map, task, reading)
