"""Calibration: do probabilities mean what they say, and how wide must an interval be.

Unusual: the temperature has a weak prior, so a small calibrate part on which everything is right cannot ask for infinite
certainty; and a margin from too few residuals is infinite rather than wrong.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLDEST, HOTTEST = 0.05, 20.0
MOST_LOGITS = 20_000_000


def temperature(logits: NDArray[Any], truth: NDArray[Any]) -> float:
    """The T that makes softmax(logits / T) most likely (Guo et al. 2017), between 0.05 and 20.

    Found by golden-section search over log T, to 0.1%, of the summed negative log likelihood plus (log T)^2 / 2: a prior of
    one observation's weight, which only shows where there are few examples. Changes no answer, only the certainty.
    logits: (n, K), finite. truth: (n,) class indices. No examples: 1. Above 20 million logits every k-th row is used.
    """
    stride = max(1, math.ceil(logits.size / MOST_LOGITS))
    logits, truth = logits[::stride].astype(np.float64), truth[::stride]
    margins = logits - logits[np.arange(len(truth)), truth][:, None]  # (n, K), 0 at the truth
    top = margins.max(axis=1, keepdims=True, initial=0)
    lowered, raised = margins - top, top[:, 0].sum()

    def cost(log_t: float) -> float:
        cold = math.exp(-log_t)
        likelihood = cold * raised + np.log(np.exp(cold * lowered).sum(axis=1)).sum()
        return float(likelihood + log_t**2 / 2)

    return math.exp(_golden(cost, math.log(COLDEST), math.log(HOTTEST))) if len(truth) else 1.0


def _golden(cost: Any, low: float, high: float) -> float:
    """The minimum of a function with one valley between low and high, to 0.001 (Kiefer 1953)."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > 1e-3:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return (low + high) / 2


def expected_calibration_error(confidence: NDArray[Any], correct: NDArray[Any], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by size (Guo et al. 2017).

    confidence: (n,) probability of the answer, 0 to 1. correct: (n,) whether it was right. NaN for no examples.
    A bin holds its upper edge: (0, 1/bins], ...
    """
    if not len(confidence):
        return math.nan
    index = np.clip(np.ceil(confidence.astype(np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=correct.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def reliability(confidence: NDArray[Any], correct: NDArray[Any], bins: int = 15) -> dict[str, list[dict[str, float]]]:
    """The points of a reliability diagram: bins of equal count, from unsure to sure.

    confidence, correct: (n,) as above. Fewer bins for few examples (ten each at least); equal confidences stay together.
    Returns: JSON values {"bins": [{confidence, accuracy (means), low, high (range of the confidence), count}]}.
    """
    order = np.argsort(confidence, kind="stable")
    sure, right = confidence[order].astype(np.float64), correct[order].astype(np.float64)
    wanted = max(1, min(bins, len(sure) // 10))
    cuts = sure[len(sure) * np.arange(1, wanted) // wanted]
    edges = np.unique([0, *np.searchsorted(sure, cuts), len(sure)])
    points = []
    for start, end in pairwise(edges):
        points.append(
            {
                "confidence": float(sure[start:end].mean()), "accuracy": float(right[start:end].mean()),
                "low": float(sure[start]), "high": float(sure[end - 1]), "count": int(end - start),
            }
        )  # fmt: skip
    return {"bins": points}


def conformal_margin(residuals: NDArray[Any], coverage: float = 0.9) -> float:
    """The half-width m for which truth lies in answer +- m with at least this probability (split conformal prediction).

    The ceil((n + 1) coverage)-th smallest absolute residual (Vovk et al. 2005; Lei et al. 2018), valid for any model if
    new rows are like these. Infinite where n is too small to promise the coverage (below 9 for 0.9).
    residuals: (n,) of rows that the model was not fitted on, any unit; the margin has the same.
    """
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)  # 9 + 1 times 0.9 is 9, whatever floats say
    if rank > len(residuals):
        return math.inf
    return float(np.partition(np.abs(residuals.astype(np.float64)), rank - 1)[rank - 1])
