"""Measure: a task's own lines of numbers for all examples of a part.

Unusual: each column is allocated once, at full length, and filled batch by batch, so the peak is the columns themselves
and one batch of outputs; wide columns that no metric of the caller reads (logits of many classes) can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import RunError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Runner
from deepwell.core.task import Pipeline, Task

BATCH = 256
"""Examples at once. Convolutions over 1024 pictures of 28x28 take 180 MB more and are no faster."""


def measure(
    task: Task,
    runner: Runner,
    examples: Examples,
    pipeline: Pipeline,
    size: int = BATCH,
    key: Key | None = None,
    without: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """The measured columns of all examples, one line per example, in order.

    Args:
        size: examples per batch. key: draws of examples that need them (None: Key(0)).
        without: endings of column names that are not kept, e.g. (".logits",).
    Returns:
        name -> (count, ...); `unit` (count,) where the examples have units. Empty when there are no examples.
    Raises:
        RunError: the examples are endless, or the task's columns differ between batches or have not one line per example.
    """
    if examples.count is None:
        raise RunError("these examples have no end, so they cannot be measured", repair="give Examples a count")
    columns: dict[str, NDArray[Any]] = {}
    start = 0
    for batch in examples.batches(size, key or Key(0)):
        end = start + len(batch)
        measured = {n: v for n, v in task.measure(runner, batch, pipeline).items() if not n.endswith(tuple(without))}
        if start and set(measured) != set(columns):
            raise RunError(f"measure gave the columns {sorted(measured)} after {sorted(columns)} in earlier batches")
        for name, values in measured.items():
            if len(values) != len(batch):
                raise RunError(f"measure gave {len(values)} lines of {name!r} for a batch of {len(batch)} examples")
            if name not in columns:
                columns[name] = np.empty((examples.count, *values.shape[1:]), values.dtype)
            columns[name][start:end] = values
        start = end
    if columns and examples.units is not None:
        columns["unit"] = examples.units
    return columns
