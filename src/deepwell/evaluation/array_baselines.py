"""Baselines of arrays: the mean answer or the class shares, and a linear model of all numbers of a row.

They answer the call `forward` as a network of arrays does: `TARGET` (n, *shape), and `TARGET.logits` beside class shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline
from deepwell.evaluation.design import read_columns, row_count

Answer = Callable[[Arrays], Mapping[str, NDArray[Any]]]
Counted = Callable[[Pipeline], Mapping[str, int]]
SMALLEST_SHARE = 1e-7
MOST_CELLS = 8_000_000
"""Rows times numbers of a row that the linear model is fitted on."""


def mean(counted: Counted) -> Baseline:
    """The mean of each target over the training rows; of classes their shares.

    counted: pipeline -> target -> how many classes its whole numbers are, 0: it is learnt as numbers.
    """

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        classes = counted(pipeline)
        truths = read_columns(examples, list(classes), key)
        found: dict[str, NDArray[Any]] = {}
        for name, count in classes.items():
            truth = truths[name]
            if count:
                places = truth.reshape(len(truth), -1)
                shares = np.stack([(places == c).mean(axis=0) for c in range(count)], axis=-1)
                found |= _shares(name, shares.reshape(*_inner(truth), count))
            else:
                found[name] = truth.mean(axis=0, dtype=np.float64).astype(np.float32)

        def answer(arrays: Arrays) -> Mapping[str, NDArray[Any]]:
            rows = row_count(arrays)
            return {name: np.tile(value, (rows, *([1] * value.ndim))) for name, value in found.items()}

        return _runner(answer)

    return Baseline("mean", "trivial", fit)


def linear(inputs: Sequence[str], counted: Counted) -> Baseline:
    """Ridge regression, or logistic regression for one class a row, on all numbers of a row, standardised. See mean."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        classes = counted(pipeline)
        read = read_columns(examples, [*inputs, *classes], key)
        width = max(1, _flat(read, inputs).shape[1])
        count = len(read[inputs[0]])
        rows = np.sort(permutation(count, key.fold("sample"))[: max(1_000, MOST_CELLS // width)])
        notes = () if len(rows) == count else (f"fitted on {len(rows):,} of {count:,} rows, to bound time and memory",)
        flat = _flat({name: array[rows] for name, array in read.items()}, inputs)
        centre, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-9
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an early end: the answers are the same, only less sure
            models = {n: _model((flat - centre) / scale, read[n][rows], classes[n]) for n in classes}

        def answer(arrays: Arrays) -> Mapping[str, NDArray[Any]]:
            seen = (_flat(arrays, inputs) - centre) / scale
            found: dict[str, NDArray[Any]] = {}
            for name, model in models.items():
                found |= model(name, seen)
            return found

        return _runner(answer, notes)

    return Baseline("linear", "classical", fit)


def _model(
    flat: NDArray[np.float64], truth: NDArray[Any], classes: int
) -> Callable[[str, NDArray[np.float64]], Mapping[str, NDArray[Any]]]:
    """(target, rows) -> its arrays, from a model fitted here."""
    from sklearn.linear_model import LogisticRegression, Ridge

    inner = _inner(truth)
    if not classes:
        ridge = Ridge().fit(flat, truth.reshape(len(truth), -1))
        return lambda name, seen: {name: ridge.predict(seen).reshape(len(seen), *inner).astype(np.float32)}
    single = truth.reshape(len(truth), -1)[:, 0]
    if (len(inner) and int(np.prod(inner)) > 1) or len(np.unique(single)) < 2:
        shares = np.stack([(truth == c).mean(axis=0) for c in range(classes)], axis=-1)
        return lambda name, seen: {
            key: np.tile(value, (len(seen), *([1] * value.ndim))) for key, value in _shares(name, shares).items()
        }
    model = LogisticRegression(max_iter=100, tol=1e-3).fit(flat, single)

    def answer(name: str, seen: NDArray[np.float64]) -> Mapping[str, NDArray[Any]]:
        shares = np.full((len(seen), classes), SMALLEST_SHARE)
        if len(seen):
            shares[:, model.classes_.astype(np.int64)] = model.predict_proba(seen)
        return _shares(name, shares)

    return answer


def _shares(name: str, shares: NDArray[Any]) -> dict[str, NDArray[Any]]:
    clipped = np.clip(shares, SMALLEST_SHARE, 1.0).astype(np.float32)
    return {name: clipped, f"{name}.logits": np.log(clipped)}


def _inner(truth: NDArray[Any]) -> tuple[int, ...]:
    """The axes of one target; classes that stand alone in an axis of their own have none."""
    shape: tuple[int, ...] = truth.shape[1:]
    return shape[:-1] if truth.dtype.kind == "i" and shape and shape[-1] == 1 else shape


def _flat(arrays: Mapping[str, NDArray[Any]], inputs: Sequence[str]) -> NDArray[np.float64]:
    pieces = [np.asarray(arrays[name], np.float64).reshape(len(arrays[name]), -1) for name in inputs]
    return np.concatenate(pieces, axis=1)


def _runner(answer: Answer, notes: tuple[str, ...] = ()) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[Mapping[str, NDArray[Any]], State]:
        return answer(arrays), state

    return NumpyRunner({"forward": forward}, notes)
