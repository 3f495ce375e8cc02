"""Baselines of anomaly detection: one score for all, each value by itself, isolation forest, robust distance.

They answer the call `forward` with `score` (n,), higher is odder. Unusual: numbers are read in their own units, as
whoever uses these detectors by hand would; only the robust distance reads the scaled ones, because it is of no use on raw tails.

    each value by itself   how far out each value is, of numbers by the share of training rows beyond it, of
                           categories by their own share; -log, summed (Li et al. 2022, ECOD, arXiv:2201.00382)
    isolation forest       Liu et al. 2008, scikit-learn's with its default settings
    robust distance        Mahalanobis' under the minimum covariance determinant (Rousseeuw & Van Driessen 1999), scikit-learn's;
                           it bears up to half of all rows being anomalous, and so it is what tells when very many are
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.evaluation.anomaly_figures import heap, heaps_said
from deepwell.evaluation.design import read_columns, row_count, small_pixels

Floats = NDArray[np.float64]
MOST_ROWS = 20_000
MOST_ROBUST_ROWS = 2_000
MOST_DIRECTIONS = 20
"""The robust distance is taken along so many principal components at most."""
MOST_LEVELS = 100
"""Levels of a category that have a column of their own, the lowest ones."""
LEAST_VARIANCE = 1e-6


def same() -> Baseline:
    """The same score for every row."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        return _runner(lambda arrays: np.zeros(row_count(arrays)))

    return Baseline("one score for all", "trivial", fit)


def apart() -> Baseline:
    """See "each value by itself" at the top of this file."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        arrays, notes = _some(examples, MOST_ROWS, key)
        numbers = arrays.get("inputs.number", np.zeros((row_count(arrays), 0), np.float32))
        levels = arrays.get("inputs.category", np.zeros((row_count(arrays), 0), np.int32))
        ranked = [np.sort(column) for column in numbers.T]
        counts = [np.bincount(column, minlength=int(column.max(initial=0)) + 1) for column in levels.T]

        def score(asked: Arrays) -> Floats:
            total = np.zeros(row_count(asked))
            for values, column in zip(ranked, asked.get("inputs.number", numbers[:0]).T, strict=True):
                below = np.searchsorted(values, column, "right"), np.searchsorted(values, column, "left")
                sides = (below[0] + 0.5, len(values) - below[1] + 0.5)
                total -= np.log(np.minimum(*sides) / (len(values) + 1))
            for known, column in zip(counts, asked.get("inputs.category", levels[:0]).T, strict=True):
                seen = np.where(column < len(known), known[np.minimum(column, len(known) - 1)], 0)
                total -= np.log((seen + 0.5) / (known.sum() + 1))
            return total

        return _runner(score, notes)

    return Baseline("each value by itself", "classical", fit)


def isolation_forest(names: Sequence[str], picture: str = "") -> Baseline:
    """See the top of this file. names: the number columns; picture: the column of pictures, whose small pixels are read."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.ensemble import IsolationForest

        arrays, notes = _some(examples, MOST_ROWS, key)
        own = _Matrix(pipeline, names, picture)
        model = IsolationForest(random_state=key.fold("forest").seed % 2**31).fit(own.fit(arrays))
        return _runner(lambda asked: -model.score_samples(own.matrix(asked)), notes)

    return Baseline("isolation forest", "classical", fit)


def robust_distance(names: Sequence[str], picture: str = "") -> Baseline:
    """See the top of this file; along principal components, so that fields that follow from others do no harm.

    names, picture: as for `isolation_forest`.
    """

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.covariance import MinCovDet
        from sklearn.decomposition import PCA

        arrays, notes = _some(examples, MOST_ROBUST_ROWS, key)
        scaled = _Matrix(None, names, picture)
        matrix = scaled.fit(arrays)
        if not np.ptp(matrix, axis=0).any():
            return _runner(lambda asked: np.zeros(row_count(asked)), (*notes, "nothing changes in the training rows"))
        centre, parts = np.median(matrix, axis=0), min(MOST_DIRECTIONS, *matrix.shape)
        seed = key.fold("robust").seed % 2**31
        axes = PCA(n_components=parts, random_state=seed).fit(matrix)
        kept = axes.explained_variance_ > LEAST_VARIANCE * float(axes.explained_variance_.max())

        def along(asked: Arrays) -> Floats:
            return np.asarray((scaled.matrix(asked) - centre) @ axes.components_[kept].T)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of half the rows in one plane, as many equal values make them
            model = MinCovDet(random_state=seed).fit(along(arrays))
        share = heap(model.mahalanobis(along(arrays)))
        notes = notes if share is None else (*notes, heaps_said("robust distances of the training rows", share))
        return _runner(lambda asked: model.mahalanobis(along(asked)), notes)

    return Baseline("robust distance", "classical", fit)


class _Matrix:
    """Rows as columns of numbers, missing ones in the middle, categories as ones and noughts, and small pixels.

    pipeline: it gives numbers their own units; None: they stay as they are encoded.
    """

    def __init__(self, pipeline: Pipeline | None, names: Sequence[str], picture: str) -> None:
        self.pipeline, self.names, self.picture = pipeline, names, picture
        self.middle_: Floats = np.zeros(len(names))
        self.levels_: list[int] = []

    def fit(self, arrays: Arrays) -> Floats:
        """Learn middles and levels; returns the matrix."""
        values = self._numbers(arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value
            self.middle_ = np.nan_to_num(np.nanmedian(values, axis=0)) if values.size else self.middle_
        levels = arrays.get("inputs.category")
        self.levels_ = [] if levels is None else [min(MOST_LEVELS, int(c.max(initial=0)) + 1) for c in levels.T]
        return self.matrix(arrays)

    def matrix(self, arrays: Arrays) -> Floats:
        """(n, columns)."""
        values = self._numbers(arrays)
        parts = [np.where(np.isnan(values), self.middle_, values)]
        for count, column in zip(self.levels_, arrays.get("inputs.category", np.zeros((0, 0))).T, strict=True):
            parts.append((column[:, None] == np.arange(count)).astype(np.float64))
        if self.picture:
            parts.append(small_pixels(arrays[self.picture]).astype(np.float64))
        return np.concatenate(parts, axis=1).clip(-1e30, 1e30)  # the forest reads float32

    def _numbers(self, arrays: Arrays) -> Floats:
        places = arrays.get("inputs.number")
        if places is None:
            return np.zeros((row_count(arrays), 0))
        if self.pipeline is None:
            return np.where(places < 0, np.nan, places.astype(np.float64))
        columns = [self.pipeline.decode(name, places[:, i]) for i, name in enumerate(self.names)]
        return np.stack(columns, axis=1).astype(np.float64)


def _some(examples: Examples, most: int, key: Key) -> tuple[Mapping[str, NDArray[Any]], tuple[str, ...]]:
    """The arrays of at most `most` training examples, drawn by key, and a note where these are not all."""
    pictures = [f"{name}" for name, column in (examples.columns or {}).items() if column.ndim == 4]
    columns = read_columns(examples, ["inputs.number", "inputs.category", *pictures], key)
    count = row_count(columns)
    if count <= most:
        return columns, ()
    rows = np.sort(permutation(count, key.fold("rows"))[:most])
    note = f"fitted on {most:,} of {count:,} rows, drawn at random, to bound time and memory"
    return {name: column[rows] for name, column in columns.items()}, (note,)


def _runner(score: Any, notes: tuple[str, ...] = ()) -> NumpyRunner:
    """score: arrays -> (n,)."""

    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        return {"score": np.asarray(score(arrays), np.float64)}, state

    return NumpyRunner({"forward": forward}, notes)
