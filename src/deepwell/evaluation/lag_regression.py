"""Lag regression: each step ahead as weights of the past steps of a window, in closed form.

    answer(h) = sum_c V[c, h] x[c]        V = argmin sum over windows w |y - V' x|^2 + penalty |V - V0|^2,  columns sum to 1

Ridge regression (Hoerl and Kennard 1970) on all windows and targets at once. Unusual: V is not drawn towards zero but towards a
simple forecast V0 (repeat last, seasonal naive, their combinations); V0 and the penalty are chosen by two rolling hold-outs at
the end of the training windows, and all that are about as good as the best are averaged, the more the fewer windows there are:
on four cuts of hourly training data the average missed as much as the best one alone, or up to 1.5% less. A short series so gets
a simple forecast, a long one what its lags say. One pass over the windows makes the moments that all fits and their errors are
computed from.

Where all values are positive the same is tried with the logarithms of own values, and kept where the hold-outs are better for it:
then seasons grow with the level. What is known ahead (prices, holidays, the calendar) may have an effect of its own, the same at
each step; it is taken off before and added after, where the hold-outs are better for an effect that they had no part in. Windows
weigh by the inverse of their variance, that with the effect: with it and without, errors are measured by one yardstick.

Legend: C context, H horizon, T targets, K features known ahead, s sequences (windows times targets).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key

Floats = NDArray[np.float64]
PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 7))
"""In mean squares of a lag."""
MOST_SEQUENCES = 30_000
"""Of more, every k-th window is left: neighbours say nearly the same."""
FOLDS = 5
GAIN = 0.01
"""Logarithms, and effects of what is known ahead, are used where they lower the error by this share."""
CALM = 0.1
"""Variance that is added to a window's before it is inverted, so that flat windows do not rule."""
FLAT = 1e-2
"""Added to the variance of a window that misses are divided by, and the least of what is missed."""
FEWEST = 10
"""Times that windows must begin at for hold-outs to say anything."""
TINY, LEAST_SHARE, LARGEST = 1e-6, 0.01, 20.0
"""Of logarithms: the least value they are taken of; the least share of the largest value of a window that all others must reach;
the largest logarithm that is answered."""
AT_ONCE = 512


@dataclass(frozen=True)
class Lags:
    """weight (C, H); effect (K, T), or None where there is none; growth: both are about logarithms of own values.

    spread (H,): root mean square of what the hold-outs missed at each step, in deviations of the window. note: what was chosen.
    """

    weight: NDArray[np.float32]
    effect: NDArray[np.float32] | None
    growth: bool
    spread: NDArray[np.float32]
    note: str


@dataclass(frozen=True)
class _Windows:
    """The windows of a fit: places `index` of the examples, as they are or as logarithms of own values."""

    examples: Examples
    index: IntArray
    key: Key
    growth: bool = False

    def chunks(self) -> Iterator[tuple[slice, Mapping[str, NDArray[Any]]]]:
        """Some windows at a time: where they stand in the index, and their arrays."""
        for start in range(0, len(self.index), AT_ONCE):
            part = slice(start, min(start + AT_ONCE, len(self.index)))
            arrays = self.examples.take(self.index[part], self.key).arrays
            yield part, logarithms(arrays) if self.growth else arrays

    @property
    def first(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of the first window."""
        return self.examples.take(self.index[:1], self.key).arrays


def fit(examples: Examples, season: int, key: Key, penalty: float | None = None) -> Lags:
    """The lag regression of training windows.

    examples: give past, past.seen (n, C, T), future, future.seen (n, H, T), origin (n,), future.factor, future.offset (n, T), and
    past.known, future.known where there are such features. season: steps, 0 for none. penalty: fixed, drawn towards repeating
    the last value and without effects or growth, as a plain linear model; None: all is chosen. Raises DataError without examples.
    """
    if not examples.count:
        raise DataError("a lag regression needs training windows; there are none")
    targets = examples.take(np.zeros(1, np.int64), key).arrays["past"].shape[2]
    index = np.arange(0, examples.count, -(-targets * examples.count // MOST_SEQUENCES))
    windows = _Windows(examples, index, key)
    groups = _groups(windows)
    context, horizon = (windows.first[name].shape[1] for name in ("past", "future"))
    starts = starting_points(context, horizon, season)
    plain = _moments(windows, groups, None)
    if penalty is not None:
        weight = _Ridge.of(plain.sum(0), context).weights(starts["repeat last"], penalty)
        return Lags(weight.astype(np.float32), None, False, np.ones(horizon, np.float32), f"ridge penalty {penalty:g}")
    apart = targets * np.count_nonzero(groups > 1) * (index[-1] // max(1, len(index) - 1)) / horizon
    near = 1 + 1 / max(1, apart)  # the fewer windows of the hold-outs do not overlap, the less they can tell apart
    chosen = _choose(plain, starts, near, plain)
    if chosen.folds and _positive(windows):
        growing = replace(windows, growth=True)
        grown = _moments(growing, groups, None)
        other = _choose(grown, starts, near, grown)
        if other.folds and _missed(growing, groups, other)[0] < (1 - GAIN) * _missed(windows, groups, chosen)[0]:
            windows, chosen, plain = growing, other, grown
    before = next(found for last in (0, 2, 4) if (found := groups <= last).any())
    effect, note = _effect(replace(windows, index=index[before])), chosen.note
    if effect is not None:
        if _choose(_moments(windows, groups, effect), starts, near, plain).error < (1 - GAIN) * chosen.error:
            effect = _effect(windows)
            chosen = _choose(_moments(windows, groups, effect), starts, near, plain)
            note = f"{chosen.note}, with effects of what is known ahead"
        else:
            effect = None
    spread = _missed(windows, groups, chosen, effect)[1].astype(np.float32)
    return Lags(chosen.weight.astype(np.float32), effect, windows.growth, spread, _said(note, windows.growth))


def _said(note: str, growth: bool) -> str:
    return f"{note}; of logarithms, for values grow by shares" if growth else note


def starting_points(context: int, horizon: int, season: int) -> dict[str, Floats]:
    """Simple forecasts as weights (C, H) whose columns sum to one, by name. Those of a season need a window of one at least."""
    ahead = np.arange(horizon)
    last = np.zeros((context, horizon))
    last[-1] = 1
    found = {"repeat last": last, "mean of the window": np.full((context, horizon), 1 / context)}
    if not 1 < season <= context:
        return found
    cycles = context // season
    naive, mean, since = (np.zeros((context, horizon)) for _ in range(3))
    place = context - season + ahead % season
    naive[place, ahead] = 1
    for cycle in range(cycles):
        mean[place - cycle * season, ahead] = 1 / cycles
    since[-1] += 1
    since[context - season - 1 if context > season else 0] -= 1
    found |= {"last season": naive, "mean of seasons": mean, "last season at the last level": naive + since}
    if cycles > 1:
        rise = np.zeros((context, 1))
        rise[-season:], rise[-2 * season : -season] = 1 / season, -1 / season
        found["last season with its rise"] = naive + rise * (1 + ahead // season)
    return found


def sequences(
    arrays: Mapping[str, NDArray[Any]], effect: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Past (s, C) and future (s, H) of a batch without gaps, and weights (s,): 0 where less than half of the future is seen.

    effect: of what is known ahead, taken off both; the weights are those of the past as it is.
    """
    import torch

    from deepwell.nn.layers.windows import deviation, filled

    past, seen = arrays["past"], arrays["past.seen"]
    if effect is not None:
        past = past - arrays["past.known"] @ effect
    both, there = past.astype(np.float32), seen.astype(np.float32)
    ahead, enough = np.zeros((len(past), 0, past.shape[2]), np.float32), np.ones((len(past), past.shape[2]))
    if "future" in arrays:
        ahead = arrays["future"] if effect is None else arrays["future"] - arrays["future.known"] @ effect
        enough = arrays["future.seen"].mean(1) >= 0.5
        both = np.concatenate([both, ahead], 1, dtype=np.float32)
        there = np.concatenate([there, arrays["future.seen"]], 1, dtype=np.float32)
    flat = [torch.from_numpy(np.ascontiguousarray(a.transpose(0, 2, 1)).reshape(-1, a.shape[1])) for a in (both, there)]
    whole = filled(*flat)
    context = past.shape[1]
    as_is = (
        whole[:, :context]
        if effect is None
        else torch.from_numpy(sequences({"past": arrays["past"], "past.seen": seen})[0])
    )
    spread = deviation(as_is, torch.ones_like(as_is)).numpy()[:, 0]
    return (
        whole[:, :context].numpy(),
        whole[:, context:].numpy(),
        (enough.reshape(-1) / (spread**2 + CALM)).astype(np.float32),
    )


def logarithms(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays with the logarithms of own values (in units of their factor) in place of past and future."""
    shift = (arrays["future.offset"] / arrays["future.factor"])[:, None]
    changed = {}
    for name in ("past", "future"):
        if name in arrays:
            own = np.where(arrays[f"{name}.seen"] > 0, arrays[name] + shift, 1.0)
            changed[name] = np.log(np.maximum(own, TINY)).astype(np.float32)
    return {**arrays, **changed}


def _positive(windows: _Windows) -> bool:
    """Whether all values are positive, none of them next to nothing beside the largest of its window."""
    for _, arrays in windows.chunks():
        shift = (arrays["future.offset"] / arrays["future.factor"])[:, None]
        for name in ("past", "future"):
            own, seen = arrays[name] + shift, arrays[f"{name}.seen"] > 0
            most = np.where(seen, own, 0).max(1, keepdims=True)
            if (seen & ((own <= LEAST_SHARE * most) | (own <= TINY))).any():
                return False
    return True


def _groups(windows: _Windows) -> IntArray:
    """(windows,): 0 before both hold-outs; 1 too near to the first; 2 in the first; 3 in the first, too near to the second; 4 in
    the second. The hold-outs are the last two fifths of the times; a window is too near where its future reaches into them.
    With too few times there are no hold-outs.
    """
    index = windows.index
    times, rank = np.unique(np.concatenate([arrays["origin"] for _, arrays in windows.chunks()]), return_inverse=True)
    if len(times) < FEWEST:
        return np.zeros(len(index), np.int64)
    horizon = windows.first["future"].shape[1]
    stride = int(index[1] - index[0]) if len(times) == len(index) else 1
    near = -(-horizon // stride)
    bounds = [len(times) * (FOLDS - 2) // FOLDS, len(times) * (FOLDS - 1) // FOLDS]
    edges = [bounds[0] - near, bounds[0], max(bounds[0], bounds[1] - near), bounds[1]]
    return np.searchsorted(edges, rank, side="right")


def _effect(windows: _Windows) -> NDArray[np.float32] | None:
    """(K, T): what features known ahead add to a value, within windows; None without such features."""
    products: list[Floats] = []
    for _, arrays in windows.chunks():
        if "past.known" not in arrays:
            return None
        seen = np.float64(arrays["past.seen"])  # (n, C, T)
        known = arrays["past.known"] - arrays["past.known"].mean(1, keepdims=True)
        middle = (arrays["past"] * seen).sum(1, keepdims=True) / np.maximum(seen.sum(1, keepdims=True), 1)
        apart = (arrays["past"] - middle) * seen
        weight = 1 / ((apart**2).mean(1) + CALM)  # (n, T)
        gram = np.einsum("nck,ncj,nct,nt->tkj", known, known, seen, weight, optimize=True)
        cross = np.einsum("nck,nct,nt->tk", known, apart, weight, optimize=True)
        found = np.concatenate([gram, cross[..., None]], 2)
        products = [found] if not products else [products[0] + found]
    gram, cross = products[0][..., :-1], products[0][..., -1]
    size = gram.shape[1]
    ridge = 1e-3 * np.trace(gram, axis1=1, axis2=2)[:, None, None] / size + 1e-9
    effect: Floats = np.linalg.solve(gram + ridge * np.eye(size), cross[..., None])[..., 0]
    return effect.T.astype(np.float32)


def _moments(windows: _Windows, groups: IntArray, effect: NDArray[np.float32] | None) -> Floats:
    """(groups, C + H, C + H): weighted sums of products of past and future, both relative to the mean of the past."""
    found: Floats | None = None
    for part, arrays in windows.chunks():
        past, future, weight = sequences(arrays, effect)
        both = np.concatenate([past, future], 1) - past.mean(1, keepdims=True)
        both *= np.sqrt(weight)[:, None]
        each = np.repeat(groups[part], arrays["past"].shape[2])
        if found is None:
            found = np.zeros((FOLDS, both.shape[1], both.shape[1]))
        for group in np.unique(each):
            some = both[each == group]
            found[group] += some.T @ some
    return np.zeros((FOLDS, 0, 0)) if found is None else found


@dataclass(frozen=True)
class _Choice:
    """What the hold-outs chose: weights (C, H) fitted on all, the error, what it is in words; and the weights of each fold."""

    weight: Floats
    error: float
    note: str
    folds: tuple[Floats, ...]


def _choose(moments: Floats, starts: Mapping[str, Floats], near: float, plain: Floats) -> _Choice:
    """The regression that errs least on the hold-outs, averaged with those that err at most `near` times as much.

    plain: moments without effects; each hold-out counts relative to how far its future lies from the mean of each window.
    """
    context = len(next(iter(starts.values())))
    wholes = [(moments[0], moments[2] + moments[3], plain[2] + plain[3]), (moments[:3].sum(0), moments[4], plain[4])]
    folds = [
        (fit, held / max(float(np.trace(yard[context:, context:])), 1e-12))
        for fit, held, yard in wholes
        if np.trace(fit[:context, :context]) > 0 and np.trace(held) > 0
    ]
    whole, fitted = moments.sum(0), [_Ridge.of(fit, context) for fit, _ in folds]
    proof = folds or [(whole, whole / max(float(np.trace(plain.sum(0)[context:, context:])), 1e-12))]
    errors: dict[tuple[str, float], float] = {}
    for name, start in starts.items():
        errors[name, np.inf] = sum(_error(held, start) for _, held in proof)
        for penalty in PENALTIES if folds else ():
            found = zip(fitted, folds, strict=True)
            errors[name, penalty] = sum(_error(held, ridge.weights(start, penalty)) for ridge, (_, held) in found)
    (best, penalty), least = min(errors.items(), key=lambda item: item[1])
    good = [choice for choice, error in errors.items() if error <= max(near * least, least + 1e-9)]
    final = _Ridge.of(whole, context)
    weight = np.mean([final.weights(starts[name], towards) for name, towards in good], axis=0)
    drawn = "unchanged" if penalty == np.inf else f"as a start, penalty {penalty:.3g}"
    others = f", averaged with {len(good) - 1} that are as good" if len(good) > 1 else ""
    each = tuple(ridge.weights(starts[best], penalty) for ridge in fitted) if len(folds) == FOLDS - 3 else ()
    return _Choice(weight, least, f"lags: {best}, {drawn}{others}", each)


def _missed(
    windows: _Windows, groups: IntArray, choice: _Choice, effect: NDArray[np.float32] | None = None
) -> tuple[float, Floats]:
    """The weighted squared error of the hold-outs, standardised, whether or not the regression is about logarithms; and (H,) the
    root mean square by step, in deviations of the window, smoothed over neighbours. Without hold-outs: of all windows.
    """
    folds = (
        list(zip(choice.folds, ((2, 3), (4,)), strict=True)) if choice.folds else [(choice.weight, tuple(range(FOLDS)))]
    )
    total, squares, count = 0.0, np.zeros(choice.weight.shape[1]), 0.0
    for part, arrays in replace(windows, growth=False).chunks():
        past, future, weight = sequences(arrays, None if windows.growth else effect)
        variance = (past if effect is None or windows.growth else sequences(arrays)[0]).var(1)
        each = np.repeat(groups[part], arrays["past"].shape[2])
        own = sequences(logarithms(arrays), effect)[0] if windows.growth else past
        shift = (arrays["future.offset"] / arrays["future.factor"]).reshape(-1, 1)
        added = _ahead(arrays, effect) if windows.growth else np.zeros_like(future)
        for fold, held in folds:
            rows = np.isin(each, held)
            answer = own[rows] @ fold
            if windows.growth:
                answer = np.exp(np.minimum(answer + added[rows], LARGEST)) - shift[rows]
            error = (answer - future[rows]) ** 2 * weight[rows, None]
            total += float(error.sum())
            squares += (error * ((variance[rows] + CALM) / (variance[rows] + FLAT))[:, None]).sum(0)
            count += float(np.count_nonzero(weight[rows]))
    wide = max(1, len(squares) // 6)
    around = np.convolve(
        np.pad(squares / max(count, 1), wide, mode="edge"), np.ones(2 * wide + 1) / (2 * wide + 1), "valid"
    )
    return total, np.sqrt(np.maximum(around, FLAT))


def _ahead(arrays: Mapping[str, NDArray[Any]], effect: NDArray[np.float32] | None) -> NDArray[Any]:
    """(s, H): the effect of what is known of the future; zeros without one."""
    n, steps, targets = arrays["future"].shape
    added: NDArray[Any] = np.zeros((n, steps, targets)) if effect is None else arrays["future.known"] @ effect
    return added.transpose(0, 2, 1).reshape(-1, steps)


@dataclass(frozen=True)
class _Ridge:
    """A ridge regression whose products are decomposed once for all penalties: gram = vectors diag(values) vectors'."""

    gram: Floats
    cross: Floats
    values: Floats
    vectors: Floats

    @staticmethod
    def of(moments: Floats, context: int) -> _Ridge:
        """From products (C + H, C + H) of past and future."""
        gram = moments[:context, :context]
        values, vectors = np.linalg.eigh(gram)
        return _Ridge(gram, moments[:context, context:], np.maximum(values, 0), vectors)

    def weights(self, start: Floats, penalty: float) -> Floats:
        """(C, H), see the top of this file; `start` itself for an infinite penalty."""
        if np.isinf(penalty):
            return start
        unit = max(float(self.values.mean()), 1e-12)
        short = self.vectors.T @ (self.cross - self.gram @ start)
        weight: Floats = start + self.vectors @ (short / (self.values + penalty * unit)[:, None])
        weight += (1 - weight.sum(0)) / len(start)  # pasts are relative to their mean: what is added says nothing
        return weight


def _error(moments: Floats, weight: Floats) -> float:
    """The weighted squared error of weights (C, H)."""
    context = len(weight)
    gram, cross, own = moments[:context, :context], moments[:context, context:], np.trace(moments[context:, context:])
    return float(own - 2 * (weight * cross).sum() + (weight * (gram @ weight)).sum())
