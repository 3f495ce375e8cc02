"""Baselines: what the network has to beat, as Runners of the same call, so that the same measure reads them.

Each constructor gives a Baseline whose fit(examples, pipeline, key) answers the call `forward` of a prediction network:
`TARGET.logits` (n, K) for a category (log probabilities) or `TARGET.value` (n,) for a number (standardised, as encoded).
They read the arrays of the prediction family: `inputs.number` (n, F) float, `inputs.category` (n, C) int, one (n, c, h, w)
uint8 array for each image field, and the target by name; what is not there is not used.

Unusual: default settings of scikit-learn and a bounded time on two cores. What bounds it (a sample of the rows, fewer
rounds) is said in the runner's notes and never silent. Classical baselines use the weights `TARGET.weight` (n,) that the
network is trained with, where there are any; trivial ones do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.evaluation.design import Levels, Linear, read_columns, row_count

Answer = Callable[[Arrays], NDArray[Any]]
TargetKind = Literal["category", "number"]

SMALLEST_SHARE = 1e-7
"""Probabilities are clipped here: one sure mistake costs 16 nats, not infinity."""
MOST_LINEAR_WORK = 60_000_000
"""Rows times columns times classes of a linear fit: 30,000 x 196 x 10 takes about 2 s on two cores."""
MOST_LINEAR_CELLS = 8_000_000
"""Rows times columns of a linear fit: scikit-learn's copies of so many take about 150 MB."""
FEWEST_ROWS = 1_000
MOST_BOOSTED_ROWS = 200_000
MOST_TREES = 3_000
ROWS_PER_THREAD = 5_000


def majority(target: str) -> Baseline:
    """Answers the most frequent class, with the class shares of the training examples as probabilities."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        classes = len(pipeline.classes(target))
        counts = np.bincount(read_columns(examples, [target], key)[target], minlength=classes)
        return _constant(target, counts / counts.sum())

    return Baseline("majority", "trivial", fit)


def mean(target: str) -> Baseline:
    """Answers the mean of the training examples."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        average = np.float32(read_columns(examples, [target], key)[target].mean(dtype=np.float64))
        return _runner(f"{target}.value", lambda arrays: np.full(row_count(arrays), average))

    return Baseline("mean", "trivial", fit)


def linear(target: str, kind: TargetKind) -> Baseline:
    """Logistic regression (category) or ridge regression (number) on scaled numbers, one-hot levels and small pixels."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        data = _Data.of(examples, pipeline, target, kind, key)
        design = Linear(data.images)
        width = max(1, design.width(data.arrays))
        data = data.sample(min(MOST_LINEAR_WORK // max(2, data.classes), MOST_LINEAR_CELLS) // width, key)
        if kind == "number":
            return _ridge(data, design)
        return _logistic(data, design)

    return Baseline("linear", "classical", fit)


def boosting(target: str, kind: TargetKind) -> Baseline:
    """Histogram gradient boosting (scikit-learn's, default settings) on numbers and levels; pictures are not read.

    Early stopping as scikit-learn decides: above 10,000 rows. At most 200,000 rows; fewer rounds above 30 classes. A
    column of more than 255 levels keeps the most frequent and puts the rest together.
    """

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        data = _Data.of(examples, pipeline, target, kind, key).sample(MOST_BOOSTED_ROWS, key)
        if not {"inputs.number", "inputs.category"} & set(data.arrays):
            raise DataError("boosting reads numbers and categories; these examples have neither")
        return _boosted(data, key)

    return Baseline("boosting", "classical", fit)


@dataclass(frozen=True)
class _Data:
    """What a classical baseline is fitted on. classes: 0 for a number target; images: names of the image arrays.

    weights: (n,) in the loss, or None.
    """

    target: str
    classes: int
    images: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]
    truth: NDArray[Any]
    weights: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(examples: Examples, pipeline: Pipeline, target: str, kind: str, key: Key) -> _Data:
        """The arrays of all examples that baselines know. Raises DataError if there are none."""
        images = tuple(f.name for f in pipeline.schema.inputs if f.kind == "image")
        found = read_columns(examples, [target, f"{target}.weight", "inputs.number", "inputs.category", *images], key)
        truth, weights = found.pop(target), found.pop(f"{target}.weight", None)
        arrays = {n: a for n, a in found.items() if a.ndim == 4 or a.shape[1] > 0}
        if not arrays:
            raise DataError("a classical baseline reads numbers, categories and pictures; these examples have none")
        classes = len(pipeline.classes(target)) if kind == "category" else 0
        return _Data(target, classes, tuple(n for n in images if n in arrays), arrays, truth, weights)

    def sample(self, most: int, key: Key) -> _Data:
        """At most this many rows, drawn by key, and a note that says so."""
        count, most = len(self.truth), max(most, FEWEST_ROWS)
        if count <= most:
            return self
        rows: IntArray = np.sort(permutation(count, key.fold("sample"))[:most])
        note = f"fitted on {len(rows):,} of {count:,} rows, drawn at random, to bound time and memory"
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, arrays=arrays, truth=self.truth[rows], weights=weights, notes=(*self.notes, note))


def _logistic(data: _Data, design: Linear) -> NumpyRunner:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(data.truth)) < 2:
        return _constant(data.target, np.bincount(data.truth, minlength=data.classes) / len(data.truth), data.notes)
    model = LogisticRegression(max_iter=100, tol=1e-3)
    with _threads(len(data.truth)), warnings.catch_warnings():
        # An early end is said in the notes; the probabilities are then a little less extreme, the answers the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(design.fit(data.arrays), data.truth, data.weights)
    rounds = int(np.max(model.n_iter_))
    notes = (*data.notes, f"stopped after {rounds} rounds, before it had settled") if rounds >= 100 else data.notes
    return _classifier(data, model, design.encode, notes)


def _ridge(data: _Data, design: Linear) -> NumpyRunner:
    from sklearn.linear_model import Ridge

    with _threads(len(data.truth)):
        model = Ridge().fit(design.fit(data.arrays), data.truth.astype(np.float64), data.weights)
    return _regressor(data, model, design.encode, data.notes)


def _boosted(data: _Data, key: Key) -> NumpyRunner:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    levels = Levels()
    matrix = levels.fit(data.arrays)
    options = {"categorical_features": levels.categorical, "random_state": key.fold("boosting").seed % 2**31}
    with _threads(len(data.truth)):
        if not data.classes:
            model = HistGradientBoostingRegressor(**options).fit(matrix, data.truth.astype(np.float64), data.weights)
            return _regressor(data, model, levels.encode, data.notes)
        counts = np.unique(data.truth, return_counts=True)[1]
        if len(counts) < 2:
            return _constant(data.target, np.bincount(data.truth, minlength=data.classes) / counts[0], data.notes)
        trees_a_round = 1 if len(counts) == 2 else len(counts)
        rounds = max(10, min(100, MOST_TREES // trees_a_round))
        # Its validation rows are drawn by class, which a class of one row does not allow.
        stopping: bool | str = "auto" if counts.min() > 1 and len(counts) < len(data.truth) // 10 else False
        model = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=stopping, **options)
        model.fit(matrix, data.truth, data.weights)
    less = f"{rounds} rounds instead of 100, because each grows {trees_a_round} trees"
    return _classifier(data, model, levels.encode, (*data.notes, less) if rounds < 100 else data.notes)


def _classifier(data: _Data, model: Any, encode: Answer, notes: tuple[str, ...]) -> NumpyRunner:
    """The runner of a scikit-learn classifier; classes that it never saw get the smallest probability."""

    def answer(arrays: Arrays) -> NDArray[Any]:
        logits = np.full((row_count(arrays), data.classes), np.log(SMALLEST_SHARE), np.float32)
        if len(logits):
            logits[:, model.classes_] = np.log(np.clip(model.predict_proba(encode(arrays)), SMALLEST_SHARE, 1))
        return logits

    return _runner(f"{data.target}.logits", answer, notes)


def _regressor(data: _Data, model: Any, encode: Answer, notes: tuple[str, ...]) -> NumpyRunner:
    """The runner of a scikit-learn regressor."""

    def answer(arrays: Arrays) -> NDArray[Any]:
        if not row_count(arrays):
            return np.zeros(0, np.float32)
        return np.asarray(model.predict(encode(arrays)), np.float32)

    return _runner(f"{data.target}.value", answer, notes)


def _constant(target: str, shares: NDArray[np.float64], notes: tuple[str, ...] = ()) -> NumpyRunner:
    """The runner that gives every row the same class shares (K,)."""
    logits = np.log(np.clip(shares, SMALLEST_SHARE, 1)).astype(np.float32)
    return _runner(f"{target}.logits", lambda arrays: np.tile(logits, (row_count(arrays), 1)), notes)


def _runner(output: str, answer: Answer, notes: tuple[str, ...] = ()) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        return {output: answer(arrays)}, state

    return NumpyRunner({"forward": forward}, notes)


@contextmanager
def _threads(rows: int) -> Iterator[None]:
    """At most one thread per 5,000 rows and eight in all, never more than now: threads of little work wait for each other.

    One for BLAS, whose threads spin: beside a busy process the linear model of MNIST took 22 s with two, 2 s with one.
    """
    from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

    now = min((pool["num_threads"] for pool in threadpool_info()), default=1)
    with threadpool_limits(limits={"blas": 1, "openmp": max(1, min(now, 8, rows // ROWS_PER_THREAD))}):
        yield
