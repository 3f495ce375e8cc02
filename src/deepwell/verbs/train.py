"""train: raw data -> a run with a sealed model, its proof and a report."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from deepwell.core.runner import Sink
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.run import Run


def train(
    data: Any = None,
    *,
    target: str | Sequence[str] = (),
    test: Any = None,
    time: float | str | None = None,
    seed: int = 0,
    sinks: Sequence[Sink] = (),
    command: Sequence[str] = (),
    **options: Any,
) -> Run:
    """Train a model on raw data.

    Args:
        data: a path (file or folder), a data frame, a dict of columns, arrays or `(X, y)`; None with `task` and `demo=True`.
        target: the column to learn; several are allowed where the task takes them.
        test: the author's test rows, in the same form as `data`. Without it a part is cut off and never trained on.
        time: limit for the whole run in seconds, or text such as "60s".
        seed: of all draws.
        sinks: objects with `emit(event)` that hear the run, e.g. `deepwell.tracking.terminal.Terminal("auto")`.
        command: how the run was started, for the record; the interpreter's own command line if not given.
        options: any other field of `deepwell.runs.options.TrainOptions`, e.g. `task`, `epochs`, `set={"dropout": 0.2}`.
            An unknown one is refused with the nearest.

    Returns: the Run: `run.model`, `run.report`, `run.scores`, `run.verdict`.
    Raises: DataError, ConfigError (before anything is written), RunError, Interrupted.
    """
    began = perf_counter()  # the limit counts the whole run, so also what importing torch takes
    from deepwell.runs.train import train as run_training

    given = {**options, "target": target, "test": test, "time": time, "seed": seed}
    return run_training(data, parse(TrainOptions, given), sinks, command, began)
