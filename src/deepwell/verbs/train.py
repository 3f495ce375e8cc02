"""train: raw data -> a run with a sealed model, its proof and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from deepwell.core.errors import ConfigError
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
    replay: str | Path | None = None,
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
        replay: a finished run to make once more, bit for bit, from its files and with its recorded decisions; nothing else but
            `out` may be asked for then.
        sinks: objects with `emit(event)` that hear the run, e.g. `deepwell.tracking.terminal.Terminal("auto")`.
        command: how the run was started, for the record; the interpreter's own command line if not given.
        options: any other field of `deepwell.runs.options.TrainOptions`, e.g. `task`, `epochs`, `set={"dropout": 0.2}`.
            An unknown one is refused with the nearest.

    Returns: the Run: `run.model`, `run.report`, `run.scores`, `run.verdict`.
    Raises: DataError, ConfigError (before anything is written), RunError, Interrupted.
    """
    began = perf_counter()  # the limit counts the whole run, so also what importing torch takes
    asked = parse(TrainOptions, {**options, "target": target, "test": test, "time": time, "seed": seed})
    if replay is not None:
        if data is not None or replace(asked, out="") != TrainOptions(out=""):
            raise ConfigError(
                "a replay takes data and options from the run that it repeats; only out may be given besides",
                repair=f"deepwell train --replay {replay}",
            )
        from deepwell.runs.resume import replay as run_again

        return run_again(replay, asked, sinks, command, began)
    from deepwell.runs.train import train as run_training

    return run_training(data, asked, sinks, command, began)
