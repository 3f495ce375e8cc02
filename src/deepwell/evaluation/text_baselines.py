"""Baselines of texts and of tags: how often each tag occurs; and TF-IDF with a linear model, which is hard to beat on few rows.

The texts are decoded from the tokens that the network reads, so both see the same. scikit-learn's defaults, with single words
and pairs; of scripts written without spaces runs of one to three characters. What bounds the time is said in the notes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline

SMALLEST_SHARE = 1e-7
MOST_WORK = 30_000_000
"""Entries of the matrix times classes: about 10 s of a hundred rounds on one core."""
ENTRIES_A_TOKEN = 2
"""In the matrix: a word and a pair of words."""
FEWEST_ROWS = 1_000
MOST_FEATURES = 200_000
SPACED = 15.0
"""Characters from one space to the next, on average, above which a script counts as written without spaces."""
ROUNDS = 100
WORD = r"(?u)\w+|[^\w\s]"
BATCH = 1024

TargetKind = Literal["category", "number", "tags"]


def frequent_tags(target: str) -> Baseline:
    """Gives every row the share of training rows that have each tag."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        present = np.concatenate([batch.arrays[target] for batch in examples.batches(BATCH, key)])
        share = np.clip(present.mean(axis=0, dtype=np.float64), SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        logits = np.log(share / (1 - share)).astype(np.float32)
        return _runner(f"{target}.logits", lambda arrays: np.tile(logits, (_rows(arrays), 1)), ())

    return Baseline("frequent tags", "trivial", fit)


def words(target: str, kind: TargetKind, texts: Sequence[str]) -> Baseline:
    """TF-IDF of the texts with logistic regression (each tag for itself), or ridge regression for a number."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        classes = 1 if kind == "number" else len(pipeline.classes(target))
        rows, notes = _sample(examples, classes, key)
        read, truth = _read(examples, rows, target, texts, pipeline, key)
        vectors = _vectors(read)
        if any(text.strip() for text in read):
            matrix = vectors.fit_transform(read)
        else:
            matrix = vectors.fit(["none of them holds a word"]).transform(read)
        model, more = _model(matrix, truth, kind, classes)

        def answer(arrays: Arrays) -> NDArray[Any]:
            return np.asarray(model(vectors.transform(_decoded(arrays, texts, pipeline))), np.float32)

        return _runner(f"{target}.{'value' if kind == 'number' else 'logits'}", answer, (*notes, *more))

    return Baseline("TF-IDF", "classical", fit)


def _read(
    examples: Examples, rows: IntArray, target: str, texts: Sequence[str], pipeline: Pipeline, key: Key
) -> tuple[list[str], NDArray[Any]]:
    """The texts of some examples, those of several columns joined, and their truth."""
    read: list[str] = []
    truth: list[NDArray[Any]] = []
    for start in range(0, len(rows), BATCH):
        arrays = examples.take(rows[start : start + BATCH], key).arrays
        read += _decoded(arrays, texts, pipeline)
        truth.append(arrays[target])
    return read, np.concatenate(truth)


def _decoded(arrays: Arrays, texts: Sequence[str], pipeline: Pipeline) -> list[str]:
    """The texts of a batch, from its padded tokens."""
    columns = [pipeline.decode(name, arrays[name]) for name in texts]
    return ["\n".join(cells) for cells in zip(*columns, strict=True)]


def _vectors(read: Sequence[str]) -> Any:
    """What turns texts into rows of TF-IDF: of single words and pairs, or of characters where there are hardly any spaces."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    characters = sum(map(len, read)) / max(1, sum(text.count(" ") + 1 for text in read))
    if characters > SPACED:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=MOST_FEATURES)
    # Signs are words, too: without them a text of signs alone would leave nothing to learn from.
    return TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), max_features=MOST_FEATURES)


def _sample(examples: Examples, classes: int, key: Key) -> tuple[IntArray, tuple[str, ...]]:
    """The examples that a model is fitted on, and a note where they are not all. Raises DataError where there are none.

    What they cost is known by their tokens: no text is made of those that are left out.
    """
    count = examples.count
    if not count or examples.costs is None:
        raise DataError("a baseline needs training examples that can be counted; there are none")
    work = ENTRIES_A_TOKEN * float(examples.costs.sum()) * classes
    most = max(FEWEST_ROWS, int(count * min(1.0, MOST_WORK / max(1, work))))
    if most >= count:
        return np.arange(count), ()
    rows = np.sort(permutation(count, key.fold("sample"))[:most])
    return rows, (f"fitted on {most:,} of {count:,} rows, drawn at random, to bound its time",)


def _model(matrix: Any, truth: NDArray[Any], kind: TargetKind, classes: int) -> tuple[Any, tuple[str, ...]]:
    """matrix -> values (n,), log probabilities (n, classes), or log odds of each tag (n, classes); and notes."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    columns = list(truth.T) if kind == "tags" else [truth]
    with threadpool_limits(limits={"blas": 1, "openmp": 1}), warnings.catch_warnings():
        # An early end is said in the notes; the probabilities are then a little less extreme, the answers the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if kind == "number":
            return Ridge().fit(matrix, truth.astype(np.float64)).predict, ()
        models = [
            LogisticRegression(max_iter=ROUNDS, tol=1e-3).fit(matrix, column)
            if len(np.unique(column)) > 1
            else column[0]
            for column in columns
        ]
    early = any(np.max(model.n_iter_) >= ROUNDS for model in models if hasattr(model, "n_iter_"))
    notes = (f"stopped after {ROUNDS} rounds, before it had settled",) if early else ()

    def logits(asked: Any) -> NDArray[Any]:
        rows = asked.shape[0]
        if kind == "tags":
            sure = np.log(1 / SMALLEST_SHARE)
            odds = [m.decision_function(asked) if hasattr(m, "coef_") else np.full(rows, sure if m else -sure)
                    for m in models]  # fmt: skip
            return np.stack(odds, axis=1)
        found = np.full((rows, classes), np.log(SMALLEST_SHARE))
        if hasattr(models[0], "coef_"):
            shares = np.clip(models[0].predict_proba(asked), SMALLEST_SHARE, 1)
            found[:, models[0].classes_] = np.log(shares)
        else:
            found[:, models[0]] = 0.0
        return found

    return logits, notes


def _rows(arrays: Arrays) -> int:
    """How many examples a batch's arrays hold: as many as there are lengths of padded texts, or numbers or levels."""
    known = [n for n in arrays if n.endswith(".length") or n in ("inputs.number", "inputs.category")]
    return len(arrays[known[0]])


def _runner(output: str, answer: Any, notes: tuple[str, ...]) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        return {output: answer(arrays)}, state

    return NumpyRunner({"forward": forward}, notes)
