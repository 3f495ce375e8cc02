"""Metrics of made pictures, by the features that a judge network sees in them: distance, precision, recall.

Columns read: `real` (n, f), `made` (n, f): features of n real pictures, and of as many made ones. As elsewhere
`finish(columns, weights)` computes R resamples at once: weights (R, n) -> (R,); a real and a made picture share a line and are
resampled together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]
NEIGHBOURS = 3
MOST_COMPARED = 2_000
"""Pictures of either side between which all distances are taken."""


def frechet_distance() -> Metric:
    """Distance of the normal distributions of features (Heusel et al. 2017, arXiv:1706.08500, there of Inception's features).

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). It depends on the judge and, being biased upwards, on the number of pictures:
    it can be compared where both are the same.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        real, made = (np.asarray(columns[name], np.float64) for name in ("real", "made"))
        return np.array([_frechet(*_moments(real, w), *_moments(made, w)) for w in weights])

    return Metric("frechet_distance", "", "lower", finish)


def precision() -> Metric:
    """Share of made pictures that lie among real ones: within the reach of one, to its third neighbour (arXiv:1904.06991)."""
    return _within("precision", "real", "made")


def recall() -> Metric:
    """Share of real pictures that lie among made ones; low where kinds of pictures are never made (arXiv:1904.06991)."""
    return _within("recall", "made", "real")


def _within(name: str, home: str, guest: str) -> Metric:
    def finish(columns: Columns, weights: Floats) -> Floats:
        owners, guests = (np.asarray(columns[side], np.float32)[:MOST_COMPARED] for side in (home, guest))
        apart = distances(owners, owners)
        reach = np.partition(apart, min(NEIGHBOURS, len(apart) - 1), axis=1)[:, min(NEIGHBOURS, len(apart) - 1)]
        inside = np.any(distances(guests, owners) <= reach, axis=1)
        some = weights[:, : len(inside)]
        return np.asarray((some @ inside) / some.sum(axis=1))

    return Metric(
        name, "share", "higher", finish, trials=lambda columns: float(min(MOST_COMPARED, len(columns[guest])))
    )


def distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) squared distances between two sets of points (n, f), (m, f)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.maximum(squares, 0.0), np.float32)


def _moments(features: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean (f,) and covariance (f, f), divided by the sum of weights less one, as of counted pictures."""
    total = weights.sum()
    mean = weights @ features / total
    centred = features - mean
    return mean, (centred * weights[:, None]).T @ centred / max(total - 1, 1)


def _frechet(mean: Floats, covariance: Floats, other_mean: Floats, other: Floats) -> float:
    """The trace of the root of C1 C2 is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    apart = ((mean - other_mean) ** 2).sum() + np.trace(covariance) + np.trace(other) - 2 * shared
    return float(max(apart, 0.0))
