"""Baselines of made pictures, as Runners of the calls `forward` (noise, label -> picture) and `features`.

A normal distribution over principal components knows which brightnesses go together and nothing else; training pictures moved by
a pixel are as good as it gets without making anything new, and show what a distance of nearly nothing is: a reference, which
makes nothing and is never recommended.

Legend: n pictures, z noise values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline

Seen = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Pictures (n, c, h, w), 0 to 255 -> features (n, f)."""
MOST_PICTURES = 5_000
MOST_COMPONENTS = 100
LARGE = 2_000
"""The largest matrix whose eigenvectors are asked for."""
MOVED = 1


def components(picture: str, seen: Callable[[Pipeline], Seen]) -> Baseline:
    """Pictures drawn from a normal distribution over at most MOST_COMPONENTS principal components."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        pictures = _some(examples, picture, key).astype(np.float64)
        mean, axes, deviations = principal(pictures.reshape(len(pictures), -1))

        def make(noise: NDArray[Any]) -> NDArray[np.float32]:
            codes = _drawn(noise).normal(size=(len(noise), len(axes))) * deviations
            made = (mean + codes @ axes).reshape(len(noise), *pictures.shape[1:])
            return np.asarray(np.clip(made, 0, 255), np.float32)

        return _runner(make, seen(pipeline))

    return Baseline("normal distribution of principal components", "trivial", fit)


def principal(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean (d,), at most MOST_COMPONENTS axes (k, d) and the standard deviation (k,) along each, of rows (n, d).

    By the eigenvectors of the smaller of the two products; with more values than LARGE a row, of LARGE rows that are
    spread evenly over all, since rows may be sorted by class.
    """
    d = rows.shape[1]
    few = d > LARGE and len(rows) > LARGE
    some = rows[np.linspace(0, len(rows) - 1, LARGE).astype(np.int64)] if few else rows
    mean = some.mean(axis=0)
    centred = some - mean
    across = d <= len(some)
    values, vectors = np.linalg.eigh(centred.T @ centred if across else centred @ centred.T)
    kept = max(1, min(MOST_COMPONENTS, len(some) - 1, d))
    values, vectors = np.maximum(values[::-1][:kept], 0.0), vectors[:, ::-1][:, :kept]
    axes = vectors.T if across else (centred.T @ vectors / np.sqrt(np.maximum(values, 1e-12))).T
    return mean, axes, np.sqrt(values / max(1, len(some) - 1))


def moved(picture: str, seen: Callable[[Pipeline], Seen]) -> Baseline:
    """Training pictures, moved by up to a pixel either way."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        pictures = _some(examples, picture, key)

        def make(noise: NDArray[Any]) -> NDArray[np.float32]:
            draws = _drawn(noise)
            chosen = pictures[draws.integers(len(pictures), size=len(noise))]
            by = draws.integers(-MOVED, MOVED + 1, (len(noise), 2))
            places = [
                np.clip(np.arange(side) - by[:, axis, None], 0, side - 1) for axis, side in enumerate(chosen.shape[2:])
            ]
            rows = np.arange(len(noise))[:, None, None]
            found = chosen[rows, :, places[0][:, :, None], places[1][:, None, :]]
            return np.ascontiguousarray(found.transpose(0, 3, 1, 2), np.float32)

        return _runner(make, seen(pipeline))

    return Baseline("training pictures, moved by a pixel", "reference", fit)


def _some(examples: Examples, picture: str, key: Key) -> NDArray[np.uint8]:
    rows = np.sort(permutation(examples.count or 0, key.fold("rows"))[:MOST_PICTURES])
    found: NDArray[np.uint8] = examples.take(rows, key).arrays[picture]
    return found


def _drawn(noise: NDArray[Any]) -> np.random.Generator:
    """Draws that follow from the noise alone, so that the same noise makes the same pictures."""
    return (
        Key(int(np.ascontiguousarray(noise, np.float32).view(np.uint32).astype(np.uint64).sum())).fold("made").numpy()
    )


def _runner(make: Callable[[NDArray[Any]], NDArray[np.float32]], seen: Seen) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        return {"picture": make(arrays["noise"])}, state

    def features(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        return {"features": seen(arrays["picture"])}, state

    return NumpyRunner({"forward": forward, "features": features})
