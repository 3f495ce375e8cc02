"""Baselines of judges of series, as Runners of the network's call: windows that end with a row -> how unusual that row is.

Each is a function of the window alone, and answers the arrays that a network does (nn/networks/series_judge.py), of which `parts`
has its one statistic in place of each of the network's.

Legend: n windows, W steps, T columns, R statistics.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline

Floats = NDArray[np.float64]
LEAST_DEVIATION = 1e-6
Judge = Callable[[Floats, NDArray[np.bool_]], tuple[Floats, Floats]]
"""(values (n, W, T), seen) -> how unusual each column's last value is (n, T), and what it was expected to be (n, T)."""


def from_the_mean() -> Baseline:
    """How far a value is from the mean of its series in training, in deviations."""
    return _baseline("far from the mean", "trivial", _far)


def windowed_gaussian() -> Baseline:
    """How many deviations a value is from the mean of the values before it in its window.

    The windowed Gaussian of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015, arXiv:1510.03336), which keeps the last 6,400
    values and answers the tail of a normal distribution: the same order of rows, without the tail's ties where it rounds to 0.
    """
    return _baseline("windowed Gaussian", "classical", _gaussian)


def _baseline(name: str, kind: str, judge: Judge) -> Baseline:
    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[np.float32]], State]:
            values, seen = arrays["window"].astype(np.float64), arrays["window.seen"] > 0
            each, expected = judge(values, seen)
            each = np.where(seen[:, -1], each, 0.0)
            outputs = {
                "score": each.max(axis=1),
                "onset": each.max(axis=1),
                "parts": each[:, :, None],
                "expected": expected,
            }
            return {name: found.astype(np.float32) for name, found in outputs.items()}, state

        return NumpyRunner({"forward": forward})

    return Baseline(name, kind, fit)


def _far(values: Floats, seen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    return np.abs(values[:, -1]), np.zeros_like(values[:, -1])


def _gaussian(values: Floats, seen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    past, there = values[:, :-1], seen[:, :-1]
    many = np.maximum(there.sum(axis=1), 1)
    mean = (past * there).sum(axis=1) / many
    deviation = np.sqrt((((past - mean[:, None]) ** 2) * there).sum(axis=1) / many)
    known = there.sum(axis=1) > 1  # one value tells no deviation
    each = np.abs(values[:, -1] - mean) / np.maximum(deviation, LEAST_DEVIATION)
    return np.where(known, each, 0.0), mean
