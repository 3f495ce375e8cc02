"""Baselines of autoencoders: every value by itself, and principal components; as Runners of the network's calls.

A row is one flat vector here: pixels from 0 to 1, scaled numbers, and a 1 among the levels of each category; or the numbers of a
window of a series, step by step. What networks write is put into the same form, so that the errors of all are of the same values.

Legend: n rows, D values, k codes, s draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.examples import Examples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key, permutation
from deepwell.core.runner import Arrays, NumpyRunner, State
from deepwell.core.task import Baseline, Pipeline

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

Floats = NDArray[np.float64]
MOST_ROWS = 10_000
"""Rows that components are fitted on."""
LEAST_SCALE = 0.01
LEAST_CHANCE = 1e-3


@dataclass(frozen=True)
class Flat:
    """Rows as flat vectors. pictures: name -> (c, h, w); missing: of each number, whether it has an indicator; levels: of each
    category.
    """

    pictures: Mapping[str, tuple[int, ...]]
    missing: tuple[bool, ...]
    levels: tuple[int, ...]

    @staticmethod
    def of(schema: Schema, pipeline: Pipeline) -> Flat:
        """For the inputs of a schema."""
        return Flat.sized(schema, pipeline.sizes())

    @staticmethod
    def sized(schema: Schema, sizes: Mapping[str, tuple[int, ...]]) -> Flat:
        """For the inputs of a schema, by the sizes of its fields; rows in an order are windows of `window` (steps, numbers),
        unless they hold pictures or no number: then `window` can only be a column of that name.
        """
        ordered = schema.of("order") and schema.of("input", "number") and not schema.of("input", "image")
        if ordered and "window" in sizes:
            return Flat({}, (True,) * math.prod(sizes["window"]), ())
        return Flat(
            {f.name: tuple(sizes[f.name]) for f in schema.of("input", "image")},
            tuple(sizes[f.name][0] > 1 for f in schema.of("input", "number")),
            tuple(sizes[f.name][0] for f in schema.of("input", "category")),
        )

    def truth(self, arrays: Mapping[str, Any]) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, D) values, and which are known: no missing numbers, no unknown levels."""
        n = len(next(iter(arrays.values())))
        values = [np.asarray(arrays[name], np.float64).reshape(n, -1) / 255.0 for name in self.pictures]
        known = [np.ones(v.shape, np.bool_) for v in values]
        if self.missing:
            given = np.asarray(arrays["inputs.number"], np.float64)
            values.append(given[:, : len(self.missing)])
            absent = np.zeros(values[-1].shape, np.bool_)
            absent[:, np.flatnonzero(self.missing)] = given[:, len(self.missing) :] > 0
            known.append(~absent)
        for place, levels in enumerate(self.levels):
            level = arrays["inputs.category"][:, place]
            values.append(np.eye(levels)[level])
            known.append(np.repeat(level[:, None] > 0, levels, axis=1))
        return np.concatenate(values, axis=1), np.concatenate(known, axis=1)

    def written(self, outputs: Arrays) -> Floats:
        """(n, D) what a network writes in the same form: chances of levels instead of ones."""
        n = len(outputs["codes"])
        values = [np.asarray(outputs[name], np.float64).reshape(n, -1) for name in self.pictures]
        if self.missing:
            values.append(np.asarray(outputs["numbers"], np.float64))
        start = 0
        for levels in self.levels:
            logits = np.asarray(outputs["categories"][:, start : start + levels], np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            values.append(odds / odds.sum(axis=1, keepdims=True))
            start += levels
        return np.concatenate(values, axis=1)

    def error(self, arrays: Mapping[str, Any], outputs: Arrays) -> Floats:
        """(n,) mean squared difference of the known values and what was written of them."""
        truth, known = self.truth(arrays)
        squares = ((truth - self.written(outputs)) ** 2) * known
        return np.asarray(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.float64)

    def outputs(self, values: Floats, codes: Floats) -> dict[str, NDArray[Any]]:
        """What a network would give that writes these values (n, D)."""
        found: dict[str, NDArray[Any]] = {"codes": codes, "spread": np.zeros_like(codes)}
        start = 0
        for name, size in self.pictures.items():
            end = start + math.prod(size)
            found[name], start = values[:, start:end].clip(0, 1).reshape(len(values), *size), end
        if self.missing:
            found["numbers"], start = values[:, start : start + len(self.missing)], start + len(self.missing)
        if self.levels:
            found["categories"] = np.log(values[:, start:].clip(LEAST_CHANCE, 1))
        return found

    @property
    def values(self) -> int:
        """How many values a row has; a category is one."""
        return sum(math.prod(size) for size in self.pictures.values()) + len(self.missing) + len(self.levels)

    @property
    def plain(self) -> int:
        """How many of the D values are pixels and numbers; the others are levels."""
        return sum(math.prod(size) for size in self.pictures.values()) + len(self.missing)


def apart(schema: Schema, bernoulli: bool) -> Baseline:
    """Each value by itself: its mean and spread, or its chance to be white; codes say nothing."""

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        flat = Flat.of(schema, pipeline)
        values, known = flat.truth(_some(examples, key))
        weight = known / np.maximum(known.sum(axis=0), 1)
        mean = (values * weight).sum(axis=0)
        deviation = np.sqrt((((values - mean) ** 2) * weight).sum(axis=0)).clip(LEAST_SCALE)
        chance = mean.clip(LEAST_CHANCE, 1 - LEAST_CHANCE)
        pixels = flat.plain - len(flat.missing)

        def likelihood(truth: Floats, known: NDArray[np.bool_]) -> Floats:
            normal = -0.5 * ((truth - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)
            each = np.where(np.arange(len(mean)) < flat.plain, normal, truth * np.log(chance))
            if bernoulli:
                black_or_white = truth * np.log(chance) + (1 - truth) * np.log1p(-chance)
                each = np.where(np.arange(len(mean)) < pixels, black_or_white, each)
            return np.asarray((each * known).sum(axis=1))

        return _runner(flat, lambda v: (np.broadcast_to(mean, v.shape), np.zeros((len(v), 1))), likelihood)

    return Baseline("every value by itself", "trivial", fit)


def components(schema: Schema, codes: Callable[[Pipeline], int], bernoulli: bool) -> Baseline:
    """Principal components, as many as codes; their likelihood is that of Tipping & Bishop 1999, where all values are normal.

    codes: at most; fewer where there are fewer rows or values. Missing numbers count as usual ones where components are fitted
    and written, and not at all in the likelihood. Where values are categories or black or white there is none.
    """

    def fit(examples: Examples, pipeline: Pipeline, key: Key) -> NumpyRunner:
        from sklearn.decomposition import PCA

        flat = Flat.of(schema, pipeline)
        values, _ = flat.truth(_some(examples, key))
        kept = max(1, min(codes(pipeline), *(side - 1 for side in values.shape)))
        model = PCA(n_components=kept, random_state=key.fold("components").seed % 2**31).fit(values)
        comparable = not bernoulli and not flat.levels

        def likelihood(truth: Floats, known: NDArray[np.bool_]) -> Floats:
            return _density(model, truth, known) if comparable else np.full(len(truth), np.nan)

        def write(truth: Floats) -> tuple[Floats, Floats]:
            found = model.transform(truth)
            return model.inverse_transform(found), found

        return _runner(flat, write, likelihood)

    return Baseline("principal components", "classical", fit)


def _density(model: PCA, truth: Floats, known: NDArray[np.bool_]) -> Floats:
    """(n,) log density of the known ones of the values (n, D) under probabilistic components (Tipping & Bishop 1999).

    The known values of a normal distribution are normal, with their part of its mean and of its covariance, which is that of the
    components and `rest` in all directions; by Woodbury's identity only matrices (k, k) are inverted. No direction is narrower
    than LEAST_SCALE, or rows on a plane would have no density.
    """
    least = LEAST_SCALE**2
    rest = max(float(model.noise_variance_), least)
    wide = np.sqrt(np.maximum(model.explained_variance_, rest) - rest)[:, None] * model.components_
    centred = truth - model.mean_
    density = np.empty(len(truth))
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.reshape(-1) == place)
        loads, there = wide[:, pattern], centred[rows][:, pattern]
        inner = rest * np.eye(len(loads)) + loads @ loads.T
        seen = there @ loads.T
        away = ((there**2).sum(axis=1) - (seen * np.linalg.solve(inner, seen.T).T).sum(axis=1)) / rest
        values = int(pattern.sum())
        spread = np.linalg.slogdet(inner)[1] + (values - len(loads)) * math.log(rest) + values * math.log(2 * math.pi)
        density[rows] = -0.5 * (away + spread)
    return density


def _some(examples: Examples, key: Key) -> Mapping[str, NDArray[Any]]:
    """The arrays of at most MOST_ROWS examples, drawn by key."""
    rows = np.sort(permutation(examples.count or 0, key.fold("rows"))[:MOST_ROWS])
    return examples.take(rows, key).arrays


def _runner(flat: Flat, write: Any, likelihood: Any) -> NumpyRunner:
    """write: truth (n, D) -> (written (n, D), codes); likelihood: truth, known -> (n,) nats."""

    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        # What is spoilt, NAME.read, comes after NAME and takes its place.
        read = {n.removesuffix(".read"): arrays[n] for n in sorted(arrays) if n != "noise"}
        truth, known = flat.truth(read)
        written, codes = write(truth)
        outputs = flat.outputs(np.asarray(written), codes)
        if "noise" in arrays:
            each = likelihood(truth, known)[:, None]  # exact, so that one draw says it
            outputs |= {"log_likelihood": each, "log_weight": each, "divergence": np.zeros(len(truth))}
        return outputs, state

    return NumpyRunner({"forward": forward})
