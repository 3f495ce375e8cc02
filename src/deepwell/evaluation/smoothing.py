"""Exponential smoothing of many sequences at once: level, damped trend and a season, additive or multiplicative.

    level  l' = alpha (y / s) + (1 - alpha) (l + phi b)      trend  b' = beta (l' - l) + (1 - beta) phi b
    season s' = gamma (y / (l + phi b)) + (1 - gamma) s      with - in place of / where the season is additive
    answer of step h: (l + (phi + ... + phi^h) b) * s        with + in place of *

Holt 1957 and Winters 1960, damped as Gardner and McKenzie 1985. Unusual: the factors are not searched for one sequence at a
time; all sequences of an array go through the recursion together, each with factors of its own.

Legend: s sequences, C steps seen, H steps asked, m steps of a season (1: none).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """The factors of each sequence, (s,) each or broadcast to it. multiplicative: the season multiplies (values are positive)."""

    alpha: Floats
    beta: Floats
    gamma: Floats
    phi: Floats
    multiplicative: bool = False


def smooth(x: Floats, season: int, steps: int, factors: Factors) -> Floats:
    """Forecasts (s, H) of the `steps` after sequences x (s, C) without gaps.

    The level begins as the mean of the first season and the trend as the change to the second; without a season they begin as
    the first value and 0.
    season: m; without two whole seasons in the window there is none. A multiplicative season needs positive values.
    """
    period = season if 1 < season <= x.shape[1] // 2 else 1
    level, trend = x[:, :period].mean(1), np.zeros(len(x))
    if period > 1:
        trend = np.where(factors.beta > 0, (x[:, period : 2 * period].mean(1) - level) / period, 0.0)
    index = _indices(x, period, factors.multiplicative)
    for step in range(x.shape[1]):
        here, ahead = index[:, step % period], level + factors.phi * trend
        without = x[:, step] / here if factors.multiplicative else x[:, step] - here
        new = factors.alpha * without + (1 - factors.alpha) * ahead
        trend = np.where(factors.beta > 0, factors.beta * (new - level) + (1 - factors.beta) * factors.phi * trend, 0.0)
        level = new
        if period > 1:
            left = x[:, step] / _apart(ahead) if factors.multiplicative else x[:, step] - ahead
            index[:, step % period] = factors.gamma * left + (1 - factors.gamma) * here
    phi = np.broadcast_to(factors.phi, len(x))[:, None]
    grown = level[:, None] + trend[:, None] * np.cumsum(phi ** np.arange(1, steps + 1), axis=1)
    seasonal = index[:, (x.shape[1] + np.arange(steps)) % period]
    found: Floats = grown * seasonal if factors.multiplicative else grown + seasonal
    return found


def _indices(x: Floats, period: int, multiplicative: bool) -> Floats:
    """(s, m): how places of a season differ from its mean, as an average of the first two seasons."""
    if period == 1:
        return np.full((len(x), 1), 1.0 if multiplicative else 0.0)
    seasons = x[:, : 2 * period].reshape(len(x), 2, period)
    middle = seasons.mean(2, keepdims=True)
    found: Floats = (seasons / _apart(middle) if multiplicative else seasons - middle).mean(1)
    return np.where(np.abs(found) > 1e-6, found, 1e-6) if multiplicative else found


def _apart(values: Floats) -> Floats:
    """Values kept away from 0, for they divide."""
    return np.where(np.abs(values) > 1e-9, values, 1e-9)
