"""resume: go on with a run that was stopped or killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from deepwell.core.runner import Sink
from deepwell.runs.run import Run


def resume(
    run: str | Path | None = None, *, data: Any = None, test: Any = None, out: str = "runs", sinks: Sequence[Sink] = ()
) -> Run:
    """Go on with a run where its last checkpoint stands, to the very weights that it would have had without the stop.

    Args:
        run: the run directory; None: the unfinished run below `out` that was started last.
        data: the raw data once more, for a run that was made from objects in memory. Files are found again.
        test: likewise the author's test rows, where they were given as an object.
        out: the directory of all runs.
        sinks: objects with `emit(event)` that hear the run.

    Returns: the finished Run.
    Raises: UsageError (finished, owned by another process, nothing to resume), DataError when the data changed, RunError,
    Interrupted.
    """
    began = perf_counter()
    from deepwell.runs.resume import resume as go_on

    return go_on(run, sinks, data=data, test=test, out=out, started=began)
