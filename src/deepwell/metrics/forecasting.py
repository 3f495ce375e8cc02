"""Metrics of forecasts. A window is an example; steps and targets of it are summed up first, by `sums`.

Unusual: what `measure` gives for a window are sums and counts, not errors of each step, so that a metric over a thousand
resamples costs one product of matrices, whatever the horizon. A truth that is missing counts nowhere. `mse`, `mae` and the
quantile loss are in standardised units (deviations of the training values), as forecasting papers print them; root and mean
errors of one target are in its own unit.

Legend: n windows, H horizon, T targets, Q levels, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """Forecasts of a batch of windows and what came.

    truth, answer, seen: (n, H, T), standardised; seen: 1 where there is a truth. quantiles: (n, H, T, Q) or None, at the levels.
    low, high: (n, H, T), the ends of the interval, or None. factor, offset: (n, T), own unit = value * factor + offset.
    naive: (n, T), the mean absolute error of the seasonal naive forecast on the training values of that series, standardised;
    NaN or 0 where there is none.
    """

    truth: NDArray[np.floating]
    answer: NDArray[np.floating]
    seen: NDArray[np.generic]
    factor: Floats
    offset: Floats
    naive: Floats
    quantiles: NDArray[np.floating] | None = None
    levels: Sequence[float] = ()
    low: NDArray[np.floating] | None = None
    high: NDArray[np.floating] | None = None


def sums(forecast: Forecast) -> dict[str, Floats]:
    """The columns (n, T) that the metrics of this file read.

    sum.count, sum.squared, sum.absolute; sum.smape of 200 |e| / (|y| + |f|) in own units (0 where both are 0);
    sum.mase of |e| / naive and sum.mase.count; with quantiles sum.quantile (twice the pinball loss, mean over levels);
    with an interval sum.inside. Of squares and absolutes in own units: sum.own.squared, sum.own.absolute.
    """
    seen = forecast.seen.astype(bool)
    truth = np.where(seen, forecast.truth, 0).astype(np.float64)
    answer = np.where(seen, forecast.answer, 0).astype(np.float64)
    error = answer - truth
    absolute, squared = np.abs(error).sum(1), (error**2).sum(1)
    factor, offset = forecast.factor[:, None], forecast.offset[:, None]
    size = np.abs(truth * factor + offset) + np.abs(answer * factor + offset)
    share = np.divide(200 * np.abs(error * factor), size, out=np.zeros_like(error), where=seen & (size > 0))
    known = np.isfinite(forecast.naive) & (forecast.naive > 0)
    count = seen.sum(1).astype(np.float64)
    columns = {
        "sum.count": count,
        "sum.squared": squared,
        "sum.absolute": absolute,
        "sum.own.squared": squared * forecast.factor**2,
        "sum.own.absolute": absolute * np.abs(forecast.factor),
        "sum.smape": share.sum(1),
        "sum.mase": np.divide(absolute, forecast.naive, out=np.zeros_like(absolute), where=known),
        "sum.mase.count": np.where(known, count, 0.0),
    }
    if forecast.quantiles is not None:
        missed = truth[..., None] - np.where(seen[..., None], forecast.quantiles, 0)
        level = np.asarray(forecast.levels)
        columns["sum.quantile"] = 2 * np.maximum(level * missed, (level - 1) * missed).mean(-1).sum(1)
    if forecast.low is not None and forecast.high is not None:
        inside = seen & (forecast.low <= forecast.truth) & (forecast.truth <= forecast.high)
        columns["sum.inside"] = inside.sum(1).astype(np.float64)
    return columns


def mse() -> Metric:
    """Mean squared error over all windows, steps and targets, standardised."""
    return Metric("mse", "deviations²", "lower", lambda columns, weights: _mean(columns, weights, "sum.squared"))


def mae() -> Metric:
    """Mean absolute error over all windows, steps and targets, standardised."""
    return Metric("mae", "deviations", "lower", lambda columns, weights: _mean(columns, weights, "sum.absolute"))


def rmse_of(target: int, name: str, unit: str = "") -> Metric:
    """Root of the mean squared error of one target (its place among the targets) in its own unit, as `rmse NAME`."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return np.sqrt(_mean(columns, weights, "sum.own.squared", target=target))

    return Metric(f"rmse {name}", unit, "lower", finish)


def mae_of(target: int, name: str, unit: str = "") -> Metric:
    """Mean absolute error of one target (its place among the targets) in its own unit, as `mae NAME`."""

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _mean(columns, weights, "sum.own.absolute", target=target)

    return Metric(f"mae {name}", unit, "lower", finish)


def smape() -> Metric:
    """Symmetric mean absolute percentage error, 0 to 200 %: mean of 200 |e| / (|y| + |f|) in own units (M4's, 2020)."""
    return Metric("smape", "%", "lower", lambda columns, weights: _mean(columns, weights, "sum.smape"))


def mase() -> Metric:
    """Mean absolute error over that of the seasonal naive forecast on the training values (Hyndman and Koehler 2006).

    Below 1: better than the naive forecast was there, which looks one season ahead only. Series without such a figure do not
    count; NaN where none has one.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _mean(columns, weights, "sum.mase", count="sum.mase.count")

    return Metric("mase", "", "lower", finish)


def quantile_loss() -> Metric:
    """Twice the pinball loss, mean over levels, steps and targets: near the continuous ranked probability score."""
    return Metric(
        "quantile_loss", "deviations", "lower", lambda columns, weights: _mean(columns, weights, "sum.quantile")
    )


def coverage(share: float) -> Metric:
    """Share of truths inside the interval that promises `share`. It should be that share, no more and no less.

    Higher is called better, for too narrow intervals are the usual fault.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        return _mean(columns, weights, "sum.inside")

    return Metric(f"coverage_{100 * share:.0f}", "share", "higher", finish)


def _mean(columns: Columns, weights: Floats, total: str, count: str = "sum.count", target: int | None = None) -> Floats:
    """(R,): weighted sums of a column over those of its counts, of all targets or of one; NaN where nothing counts."""
    above, below = (
        weights @ (columns[name].sum(1) if target is None else columns[name][:, target]) for name in (total, count)
    )
    mean: Floats = np.full(len(weights), np.nan)
    np.divide(above, below, out=mean, where=below > 0)
    return mean
