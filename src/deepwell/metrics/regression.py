"""Metrics of a number target, in the column's own unit. A metric's name is the name of the function that makes it.

As in classification.py, `finish(columns, weights)` computes R resamples at once: weights (R, n) -> (R,).
Columns read: TARGET.truth (n,), TARGET.answer (n,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]


def rmse(target: str, unit: str = "") -> Metric:
    """Root of the mean squared error."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return np.sqrt(_mean(_residuals(columns, target) ** 2, weights))

    return Metric("rmse", unit, "lower", finish)


def mae(target: str, unit: str = "") -> Metric:
    """Mean absolute error."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _mean(np.abs(_residuals(columns, target)), weights)

    return Metric("mae", unit, "lower", finish)


def median_absolute_error(target: str, unit: str = "") -> Metric:
    """Median absolute error: half of the examples are closer than this. The mean of the two middle ones where n is even."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        errors = np.abs(_residuals(columns, target))
        order = np.argsort(errors, kind="stable")
        ranked = errors[order]
        reached = np.cumsum(weights[:, order], axis=1)
        half = reached[:, -1:] / 2
        lower = np.argmax(reached >= half, axis=1)
        upper = np.argmax(reached > half, axis=1)
        return np.where(half[:, 0] > 0, (ranked[lower] + ranked[upper]) / 2, np.nan)

    return Metric("median_absolute_error", unit, "lower", finish)


def r_squared(target: str) -> Metric:
    """Coefficient of determination: 1 - squared error / squared distance of the truth to its own mean; NaN if that is 0.

    The mean is the resample's own. 1 is perfect, 0 as good as the mean, below 0 worse than the mean.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        truth = columns[f"{target}.truth"].astype(np.float64)
        centred = truth - truth.mean()  # a large mean would cancel digits below
        spread = _mean(centred**2, weights) - _mean(centred, weights) ** 2
        smallest = np.finfo(np.float64).eps * np.max(centred**2, initial=0)
        error = _mean(_residuals(columns, target) ** 2, weights)
        unexplained = np.full(len(weights), np.nan)
        np.divide(error, spread, out=unexplained, where=spread > smallest)
        return 1 - unexplained

    return Metric("r_squared", "", "higher", finish)


def _residuals(columns: Columns, target: str) -> Floats:
    """(n,): answer - truth."""
    residuals: Floats = np.subtract(columns[f"{target}.answer"], columns[f"{target}.truth"], dtype=np.float64)
    return residuals


def _mean(values: Floats, weights: Floats) -> Floats:
    """(R,): weighted means of values (n,); NaN without weight."""
    total = weights.sum(axis=1)
    filled = np.full(len(weights), np.nan)
    np.divide(weights @ values, total, out=filled, where=total > 0)
    return filled
