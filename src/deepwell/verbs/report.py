"""report: a run's record -> its HTML page, written again."""

from __future__ import annotations

from pathlib import Path

from deepwell.reports import render
from deepwell.store.files import write_file
from deepwell.tracking import record
from deepwell.tracking.directory import find


def report(run: str | Path) -> Path:
    """Write the report of a run directory again from its record; returns its path. Raises DataError if there is no run."""
    directory = find(Path(run))
    write_file(directory.report, render(record.read(directory.record)).encode())
    return directory.report
