"""Baselines of made pictures, as Runners of the calls `forward` (noise, label -> picture) and `features`.

A normal distribution over principal components knows which brightnesses go together and nothing else; training pictures moved by
a pixel are as good as it gets without making anything new, and show what a distance of nearly nothing is.

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
MOVED = 1


def components(picture: str, seen: Callable[[Pipeline], Seen]) -> Baseline:
    """Pictures drawn from a normal distribution over at most MOST_COMPONENTS principal components."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.decomposition import PCA

        pictures = _some(examples, picture, key).astype(np.float64)
        flat = pictures.reshape(len(pictures), -1)
        kept = max(1, min(MOST_COMPONENTS, *(side - 1 for side in flat.shape)))
        model = PCA(kept, random_state=key.fold("components").seed % 2**31).fit(flat)
        deviation = np.sqrt(model.explained_variance_)

        def make(noise: NDArray[Any]) -> NDArray[np.float32]:
            codes = _drawn(noise).normal(size=(len(noise), kept)) * deviation
            made = model.inverse_transform(codes).reshape(len(noise), *pictures.shape[1:])
            return np.asarray(np.clip(made, 0, 255), np.float32)

        return _runner(make, seen(pipeline))

    return Baseline("normal distribution of principal components", "trivial", fit)


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

    return Baseline("training pictures, moved by a pixel", "classical", fit)


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
