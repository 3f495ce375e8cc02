"""The engine's rows: which network on which data, in which batches. One line each; all sides read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import datasets
from benchmarks.datasets import Arrays

RATE = 1e-3
"""Of Adam, on every side."""


@dataclass(frozen=True)
class Workload:
    """One row.

    network: its name in benchmarks.networks and benchmarks.keras_fit. data: makes the arrays. batch: examples a step.
    held: examples that a check looks at, few enough that 20 checks of raw and averaged weights take less than a tenth of a
    run. trial: steps of the short measurements that choose threads, precision and number of steps.
    """

    network: str
    data: Callable[[], Arrays]
    batch: int
    held: int
    trial: int
    pictures: bool = False


WORKLOADS: Mapping[str, Workload] = {
    "convnet": Workload("convnet", datasets.mnist, batch=64, held=100, trial=60, pictures=True),
    "mlp": Workload("perceptron", datasets.adult, batch=256, held=1000, trial=400),
    "transformer": Workload("Transformer", datasets.shakespeare, batch=16, held=8, trial=10),
    "lstm": Workload("Recurrent", datasets.shakespeare, batch=32, held=8, trial=40),
    "tiny": Workload("tiny", datasets.tiny, batch=32, held=256, trial=1000),
}
