"""What a forecaster's answers are corrected by, found on windows that training did not use.

    future.linear.weight     share w of the linear family: value = w linear + (1 - w) patches
    future.quantiles.width   factor f: every quantile is f times as far from the value

The share is a least-squares fit, drawn towards a half as by EVEN more windows: which of two good forecasts is better is not
known from a few. The factor is conformal (Vovk et al. 2005; Romano et al. 2019, arXiv:1905.03222): the share of truths that an
interval promises lay inside the widened one. Unusual: windows that begin one step apart say nearly the same, so what counts as a
window is one that does not overlap another; and a factor below 1 is drawn towards 1 as by EVEN more windows, because a short
stretch may be a quiet one.

`corrected` applies the numbers wherever answers are made, so that prediction, measuring and calibrating agree.

Legend: n windows, H horizon, T targets, Q levels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

WEIGHT, WIDTH = "future.linear.weight", "future.quantiles.width"
EVEN = 4.0
"""Windows' worth of belief in equal shares."""
NARROWEST, WIDEST = 0.6, 3.0
SMALLEST_SIDE = 0.2
"""Each side of an interval counts as at least this share of half of it: the mean of skewed values may lie near an end."""

Arrays = Mapping[str, NDArray[np.floating]]


def corrected(outputs: Arrays) -> dict[str, NDArray[np.floating]]:
    """The outputs of a forecaster with its calibration numbers, where they stand beside them, worked in.

    outputs: future.value (n, H, T) and, of a network, future.linear, future.patches, future.quantiles (n, H, T, Q); baselines
    have no families and pass unchanged.
    """
    found = {name: values for name, values in outputs.items() if name not in (WEIGHT, WIDTH)}
    value = found["future.value"]
    if WEIGHT in outputs and {"future.linear", "future.patches"} <= set(found):
        weight = np.float32(outputs[WEIGHT][0])
        found["future.value"] = weight * found["future.linear"] + (1 - weight) * found["future.patches"]
    if "future.quantiles" in found:
        width = np.float32(outputs[WIDTH][0]) if WIDTH in outputs else np.float32(1)
        around = found["future.quantiles"] - value[..., None]
        found["future.quantiles"] = found["future.value"][..., None] + width * around
    return found


def weight(linear: NDArray[np.floating], patches: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """The share of the linear family, between 0 and 1. All (n, H, T); truth is NaN where it is not known.

    Windows follow each other step by step in time. Without any truth: a half.
    """
    seen = np.isfinite(truth)
    apart = np.where(seen, patches - linear, 0).astype(np.float64)
    missed = np.where(seen, truth - linear, 0).astype(np.float64)
    total = float((apart**2).sum())
    if total == 0:
        return 0.5
    windows = len(truth) * truth.shape[2] / truth.shape[1]
    best = float(np.clip((apart * missed).sum() / total, 0, 1))
    return float(1 - (best * windows + 0.5 * EVEN) / (windows + EVEN))


def width(
    value: NDArray[np.floating],
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    truth: NDArray[np.floating],
    share: float,
) -> float:
    """The factor by which the intervals from low to high around the values must grow to hold this share of truths.

    All (n, H, T); truth is NaN where it is not known. Windows follow each other step by step. Between NARROWEST and WIDEST; 1
    without any truth.
    """
    scores = misses(value, low, high, truth)
    if not len(scores):
        return 1.0
    rank = min(int(np.ceil((len(scores) + 1) * share)), len(scores))
    factor = float(np.clip(np.partition(scores, rank - 1)[rank - 1], NARROWEST, WIDEST))
    windows = len(truth) * truth.shape[2] / truth.shape[1]
    return factor if factor > 1 else float(factor ** (windows / (windows + EVEN)))


def misses(
    value: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating], truth: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(m,) for each known truth: how far it lies from the value, in distances of the end of the interval on that side."""
    known = np.isfinite(truth)
    v, lowest, highest, y = (side[known].astype(np.float64) for side in (value, low, high, truth))
    least = SMALLEST_SIDE * np.maximum(highest - lowest, 1e-9) / 2
    found: NDArray[np.float64] = np.where(
        y >= v, (y - v) / np.maximum(highest - v, least), (v - y) / np.maximum(v - lowest, least)
    )
    return found
