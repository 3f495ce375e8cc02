"""Metrics of made pictures, by the features that a judge network sees in them: distance, precision, recall.

Columns read: `real` (n, f), `made` (n, f): features of n real pictures, and of as many made ones. As elsewhere
`finish(columns, weights)` computes R resamples at once: weights (R, n) -> (R,); a real and a made picture share a line and are
resampled together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.scores import Columns, Metric

Floats = NDArray[np.float64]
NEIGHBOURS = 3
MOST_COMPARED = 1_000
"""Pictures of either side between which all distances are taken, anew for every hundred or so resamples: spread over all."""
FLAT = 1e-9
"""Directions in which features vary less than this share of the most are left out of an inverse."""


def frechet_distance() -> Metric:
    """Distance of the normal distributions of features (Heusel et al. 2017, arXiv:1706.08500, there of Inception's features).

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). It depends on the judge and, being biased upwards, on the number of pictures:
    it can be compared where both are the same. Unusual: roots of a thousand matrices would take minutes, so many resamples are
    told by the exact distance at their mean and by how it changes with each picture's weight (Efron 1982, The Jackknife, the
    Bootstrap and Other Resampling Plans, chapter 6: the infinitesimal jackknife). A single line of weights is exact.
    """

    def finish(columns: Columns, weights: Floats) -> Floats:
        real, made = (np.asarray(columns[name], np.float64) for name in ("real", "made"))
        total = weights.mean(axis=0)
        one, other = Moments.of(real, total), Moments.of(made, total)
        value = frechet(one, other)
        if len(weights) == 1:
            return np.array([value])
        shares = weights / weights.sum(axis=1, keepdims=True) - total / total.sum()
        return np.asarray(np.maximum(value + shares @ (pull(real, one, other) + pull(made, other, one)), 0.0))

    return Metric("frechet_distance", "", "lower", finish)


def precision() -> Metric:
    """Share of made pictures that lie among real ones: within the reach of one, to its third neighbour (arXiv:1904.06991)."""
    return _within("precision", "real", "made")


def recall() -> Metric:
    """Share of real pictures that lie among made ones; low where kinds of pictures are never made (arXiv:1904.06991)."""
    return _within("recall", "made", "real")


def _within(name: str, home: str, guest: str) -> Metric:
    def finish(columns: Columns, weights: Floats) -> Floats:
        compared = _compared(len(columns[guest]))
        owners, guests = (np.asarray(columns[side], np.float32)[compared] for side in (home, guest))
        apart = distances(owners, owners)
        reach = np.partition(apart, min(NEIGHBOURS, len(apart) - 1), axis=1)[:, min(NEIGHBOURS, len(apart) - 1)]
        inside = np.any(distances(guests, owners) <= reach, axis=1)
        some = weights[:, compared]
        return np.asarray((some @ inside) / some.sum(axis=1))

    def looked(columns: Columns) -> int:
        return min(MOST_COMPARED, len(columns[guest]))

    return Metric(name, "share", "higher", finish, trials=lambda columns: float(looked(columns)), looked=looked)


def _compared(count: int) -> IntArray:
    """At most MOST_COMPARED of so many lines, spread evenly over all, since lines may be sorted by class."""
    return np.linspace(0, count - 1, min(MOST_COMPARED, count)).astype(np.int64)


def distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) squared distances between two sets of points (n, f), (m, f)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.maximum(squares, 0.0), np.float32)


@dataclass(frozen=True)
class Moments:
    """Mean (f,) and covariance (f, f) of features, and the covariance's root."""

    mean: Floats
    covariance: Floats
    root: Floats

    @staticmethod
    def of(features: Floats, weights: Floats) -> Moments:
        """Weighted; divided by the sum of weights less one, as of counted pictures."""
        total = weights.sum()
        mean = weights @ features / total
        centred = features - mean
        covariance = (centred * weights[:, None]).T @ centred / max(total - 1, 1)
        values, vectors = np.linalg.eigh(covariance)
        return Moments(mean, covariance, (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def frechet(one: Moments, other: Moments) -> float:
    """The trace of the root of C1 C2 is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric."""
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(one.root @ other.covariance @ one.root), 0)).sum()
    squares = ((one.mean - other.mean) ** 2).sum()
    return float(max(squares + np.trace(one.covariance) + np.trace(other.covariance) - 2 * shared, 0.0))


def pull(features: Floats, own: Moments, other: Moments) -> Floats:
    """(n,) how the distance changes with the share that each picture of `own` has.

    The derivative by C1 is 1 - C1^(-1/2) (C1^(1/2) C2 C1^(1/2))^(1/2) C1^(-1/2), one less the map that carries one normal
    distribution to the other (Dowson & Landau 1982, J. Multivariate Analysis 12(3)).
    """
    values, vectors = np.linalg.eigh(own.root @ other.covariance @ own.root)
    shared = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inverse = np.linalg.pinv(own.root, rcond=FLAT**0.5, hermitian=True)
    slope = np.eye(len(own.mean)) - inverse @ shared @ inverse
    centred = features - own.mean
    return np.asarray(2 * centred @ (own.mean - other.mean) + np.einsum("nf,nf->n", centred @ slope, centred))
