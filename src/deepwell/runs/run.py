"""Run: a finished training as Python sees it. A view of the run directory, which stays the only truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from deepwell.core.scores import Score
from deepwell.core.task import Task
from deepwell.runtime.predictor import Predictor, load
from deepwell.tracking import record
from deepwell.tracking.directory import RunDirectory


class Run:
    """One training.

    Attributes:
        directory: where everything of it lies.
        report: path of the report (HTML).
    """

    def __init__(self, directory: RunDirectory, task: type[Task] | None = None) -> None:
        self.directory = directory
        self._task = task

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.directory.report

    @cached_property
    def model(self) -> Predictor:
        """The sealed model, loaded from its file."""
        return load(self.directory.model, self._task)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The record of the run, event by event."""
        return record.read(self.directory.record)

    @property
    def scores(self) -> dict[str, Score]:
        """The scores on the test part when it was first opened, by metric name, primary first; NaN where undefined."""
        first = next((e for e in self.events if e["event"] == "scores"), {})
        scores: list[dict[str, Any]] = [
            {k: math.nan if v is None else v for k, v in s.items()} for s in first.get("scores", [])
        ]
        return {s["name"]: Score(**s) for s in scores}

    @property
    def verdict(self) -> str:
        """The verdict, one sentence."""
        return str(self._last("verdict").get("text", ""))

    def _last(self, event: str) -> Mapping[str, Any]:
        return next((e for e in reversed(self.events) if e["event"] == event), {})

    def __repr__(self) -> str:
        return f"{self.verdict}\n{self.path}"
