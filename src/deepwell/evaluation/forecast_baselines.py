"""Baselines of forecasts, as Runners of the network's call: the past of windows -> future.value and future.quantiles.

Each is a function of the window alone; what has to be chosen (the factors of smoothing, the weights of lags) is chosen on the
training windows. Unusual: all give quantiles, too: those of what they missed on training windows, step by step and target by
target, so that intervals can be compared.

Arrays in: past, past.seen (n, C, T), future.factor, future.offset (n, T); out: future.value (n, H, T) standardised,
future.quantiles (n, H, T, Q). Gaps of a past are filled as the network fills them.

Legend: n windows, C context, H horizon, T targets, Q levels, m steps of a season.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.evaluation import lag_regression
from deepwell.evaluation.smoothing import Factors, smooth

Floats = NDArray[np.float64]
Means = Callable[[Arrays], Floats]
"""A batch -> means (n, H, T), standardised."""

MOST_WINDOWS = 500
"""Training windows whose misses make the quantiles."""
MOST_TRIED = 48
"""Training windows on which the factors of smoothing are tried."""
ALPHAS, BETAS, GAMMAS, PHIS = (0.02, 0.1, 0.3, 0.6, 0.9), (0.0, 0.02, 0.1, 0.3), (0.0, 0.05, 0.2, 0.5), (0.9, 0.98, 1.0)
LINEAR_PENALTY = 0.01


def repeat_last(levels: Sequence[float]) -> Baseline:
    """Answers the last value that was seen."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        steps = _steps(examples, key)
        return _with_quantiles(lambda arrays: np.repeat(_past(arrays)[:, -1:], steps, 1), examples, levels, key)

    return Baseline("repeat last", "trivial", fit)


def seasonal_naive(season: int, levels: Sequence[float]) -> Baseline:
    """Answers the last season again. Where a window holds no whole season: its last value."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        steps = _steps(examples, key)

        def answer(arrays: Arrays) -> Floats:
            past = _past(arrays)
            period = season if 1 <= season <= past.shape[1] else 1
            again: Floats = past[:, past.shape[1] - period + np.arange(steps) % period]
            return again

        return _with_quantiles(answer, examples, levels, key)

    return Baseline("seasonal naive", "trivial", fit)


def drift(levels: Sequence[float]) -> Baseline:
    """Answers a straight line through the first and the last value of the window."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        steps = _steps(examples, key)

        def answer(arrays: Arrays) -> Floats:
            past, seen = _past(arrays), arrays["past.seen"] > 0
            first = np.argmax(seen, 1)[:, None]  # (n, 1, T); a padded beginning is no value
            since = np.maximum(past.shape[1] - 1 - first, 1)
            slope = (past[:, -1:] - np.take_along_axis(past, first, 1)) / since
            line: Floats = past[:, -1:] + slope * np.arange(1, steps + 1)[:, None]
            return line

        return _with_quantiles(answer, examples, levels, key)

    return Baseline("drift", "trivial", fit)


def exponential_smoothing(season: int, levels: Sequence[float]) -> Baseline:
    """Level, damped trend and season, additive or multiplicative; factors by the errors on training windows, per target."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        steps = _steps(examples, key)
        arrays = _spread(examples, MOST_TRIED, key)
        past, future, seen = _own(arrays), arrays["future"], arrays["future.seen"] > 0
        factor, offset = arrays["future.factor"][:, None], arrays["future.offset"][:, None]
        chosen = []
        for target in range(past.shape[2]):
            truth = future[..., target] * factor[..., target] + offset[..., target]
            chosen.append(_best(past[..., target], truth, seen[..., target], season))

        def answer(arrays: Arrays) -> Floats:
            own = _smoothed(_own(arrays), season, steps, chosen)
            found: Floats = (own - arrays["future.offset"][:, None]) / arrays["future.factor"][:, None]
            return found

        return _with_quantiles(answer, examples, levels, key)

    return Baseline("exponential smoothing", "classical", fit)


def linear(levels: Sequence[float]) -> Baseline:
    """Each step as a linear function of the past of the window: one ridge regression for all targets."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        weight = lag_regression.fit(examples, 0, key, LINEAR_PENALTY).weight

        def answer(arrays: Arrays) -> Floats:
            means: Floats = (_past(arrays).transpose(0, 2, 1) @ weight).transpose(0, 2, 1)
            return means

        return _with_quantiles(answer, examples, levels, key)

    return Baseline("linear", "classical", fit)


def _with_quantiles(means: Means, examples: Examples, levels: Sequence[float], key: Key) -> NumpyRunner:
    """The runner that answers these means, with the quantiles of what they missed on training windows around them."""
    arrays = _spread(examples, MOST_WINDOWS, key)
    missed = np.where(arrays["future.seen"] > 0, arrays["future"] - means(arrays), np.nan)
    pooled = np.where(np.isfinite(missed).any(0, keepdims=True), missed, 0.0)  # a step that was never seen: no width
    around = np.moveaxis(np.nanquantile(pooled, levels, axis=0), 0, -1)  # (H, T, Q)

    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[np.float32]], State]:
        value = means(arrays)
        outputs = {"future.value": value, "future.quantiles": value[..., None] + around}
        return {name: found.astype(np.float32) for name, found in outputs.items()}, state

    return NumpyRunner({"forward": forward})


def _best(past: Floats, truth: Floats, seen: NDArray[np.bool_], season: int) -> Factors:
    """The factors, the same for all windows past (n, C), whose forecasts miss truth (n, H) least in the mean of squares."""
    grid = [p for p in product(ALPHAS, BETAS, GAMMAS, PHIS) if (p[1] or p[3] == 1) and (season > 1 or not p[2])]
    columns = list(np.repeat(np.array(grid), len(past), 0).T)
    steps = truth.shape[1]
    best, least = _factors(grid[0], False), np.inf
    for multiplicative in (False, True) if season > 1 and (past > 0).all() else (False,):
        tried = _factors(columns, multiplicative)
        answers = smooth(np.tile(past, (len(grid), 1)), season, steps, tried).reshape(len(grid), *truth.shape)
        errors = (np.where(seen, answers - truth, 0) ** 2).mean((1, 2))
        place = int(np.argmin(errors))
        if errors[place] < least:
            best, least = (
                _factors(grid[place], multiplicative),
                float(errors[place]),
            )
    return best


def _factors(values: Sequence[float | Floats], multiplicative: bool) -> Factors:
    alpha, beta, gamma, phi = (np.asarray(value, np.float64) for value in values)
    return Factors(alpha, beta, gamma, phi, multiplicative)


def _smoothed(past: Floats, season: int, steps: int, factors: Sequence[Factors]) -> Floats:
    """Forecasts (n, H, T) of windows (n, C, T) with the factors of each target, all in one pass for each form of the season.

    A season does not multiply where a window has values that are not positive.
    """
    n, context, targets = past.shape
    flat = past.transpose(0, 2, 1).reshape(-1, context)  # target by target within each window
    each = [np.tile([getattr(f, name) for f in factors], n) for name in ("alpha", "beta", "gamma", "phi")]
    multiplies = np.tile([f.multiplicative for f in factors], n) & (flat > 0).all(1)
    found = np.empty((len(flat), steps))
    for form in (False, True):
        rows = multiplies == form
        if rows.any():
            found[rows] = smooth(flat[rows], season, steps, _factors([f[rows] for f in each], form))
    return found.reshape(n, targets, steps).transpose(0, 2, 1)


def _past(arrays: Arrays) -> Floats:
    """(n, C, T) without gaps."""
    only = {name: arrays[name] for name in ("past", "past.seen")}
    n, context, targets = arrays["past"].shape
    return lag_regression.sequences(only)[0].reshape(n, targets, context).transpose(0, 2, 1).astype(np.float64)


def _own(arrays: Arrays) -> Floats:
    """(n, C, T) without gaps, in own units."""
    return _past(arrays) * arrays["future.factor"][:, None] + arrays["future.offset"][:, None]


def _steps(examples: Examples, key: Key) -> int:
    return int(examples.take(np.zeros(1, np.int64), key).arrays["future"].shape[1])


def _spread(examples: Examples, most: int, key: Key) -> Arrays:
    """The arrays of at most so many windows, evenly spread over all."""
    count = examples.count or 0
    return examples.take(np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64)), key).arrays
