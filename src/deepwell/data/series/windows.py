"""HistoryWindows: examples of a past that is seen and a future that is asked for, drawn by index from flat series.

Unusual: the memory is that of the rows. A window is a place; its arrays are copied when it is taken (stretches.py). What lies
before the first step of a series, or after the last that a part may ask for, is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.data.series.grid import Grid
from deepwell.data.series.stretches import stretches

Floats = NDArray[np.float64]
NAMES = "series.names"
MOST_ANSWERS = 20_000
"""Steps: of more, a run keeps the answers of one window for each block, so that each step is forecast once."""


@dataclass(frozen=True)
class Flat:
    """What windows are cut from: the places of a Grid.

    value (total, T) float32 standardised, 0 where not seen; seen (total, T) uint8; truth (total, T) uint8: seen, and of the part
    itself, not of its history: what a window may ask for. known, beside: (total, features) float32;
    static (series, features) float32. offset, factor: (series, T). series: (series,) number among those of training,
    -1: unknown. first: (series,) index of the frequency at place start (series + 1,).
    """

    value: NDArray[np.float32]
    seen: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    known: NDArray[np.float32]
    beside: NDArray[np.float32]
    static: NDArray[np.float32]
    offset: Floats
    factor: Floats
    series: IntArray
    start: IntArray
    first: IntArray


@dataclass(frozen=True)
class Places:
    """Where windows are. origin: (count,) place of the first step that is asked for; owner: (count,) its series; until:
    (count,) place from which on nothing is asked; unit: (count,) blocks of windows that hardly overlap.
    """

    origin: IntArray
    owner: IntArray
    until: IntArray
    unit: IntArray

    def take(self, which: NDArray[Any]) -> Places:
        """Some of them."""
        return Places(self.origin[which], self.owner[which], self.until[which], self.unit[which])


class HistoryWindows(Examples):
    """See the top of this file. asked: windows of a question, which have no future to compare with.

    Arrays (n windows, C context, H horizon, T targets): past (n, C, T) float32, past.seen uint8; past.known, future.known,
    past.beside, static where there are such features; future, future.seen (n, H, T) unless asked; future.offset,
    future.factor (n, T) float64; series (n,); origin (n,) the index of the frequency of the first step that is asked for;
    series.names (n, groups) texts, for answers alone.
    """

    def __init__(
        self,
        flat: Flat,
        places: Places,
        context: int,
        horizon: int,
        names: NDArray[np.str_] | None = None,
        asked: bool = False,
        problems: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """names: (series, groups) what names each series, where windows are to tell it. The rest: see the class."""
        self.count = len(places.origin)
        self.units = places.unit
        self.problems = problems
        self.flat, self.places = flat, places
        if self.count * horizon > MOST_ANSWERS and not asked:
            self.answered = np.unique(places.unit, return_index=True)[1]
        self.context, self.horizon, self._names, self._asked = context, horizon, names, asked

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        flat, places = self.flat, self.places
        origin, owner = places.origin[index], places.owner[index]
        start, end = flat.start[owner], flat.start[owner + 1]

        def past(column: NDArray[Any]) -> NDArray[Any]:
            return stretches(column, origin - self.context, self.context, start, end)

        def future(column: NDArray[Any], until: IntArray) -> NDArray[Any]:
            return stretches(column, origin, self.horizon, start, until)

        arrays: dict[str, NDArray[Any]] = {"past": past(flat.value), "past.seen": past(flat.seen)}
        if flat.known.shape[1]:
            arrays |= {"past.known": past(flat.known), "future.known": future(flat.known, end)}
        if flat.beside.shape[1]:
            arrays["past.beside"] = past(flat.beside)
        if flat.static.shape[1]:
            arrays["static"] = flat.static[owner]
        if not self._asked:
            until = places.until[index]
            arrays |= {"future": future(flat.value, until), "future.seen": future(flat.truth, until)}
            if flat.truth is not flat.seen:  # what others own is not shown
                arrays["future"] *= arrays["future.seen"]
        arrays |= {"future.offset": flat.offset[owner], "future.factor": flat.factor[owner]}
        arrays |= {"series": flat.series[owner], "origin": origin - start + flat.first[owner]}
        if self._names is not None:
            arrays[NAMES] = self._names[owner]
        return Batch(arrays, index)


def rolling(
    grid: Grid, seen: NDArray[np.uint8], own: NDArray[np.bool_], context: int, horizon: int, train: bool
) -> tuple[Places, IntArray]:
    """All windows, at stride 1, whose future lies within the own rows of a part, and (series,) those too short for any.

    Where rows came before (history), the past may reach into them, and is short where they are few; else a whole context must
    come first. A part with fewer own steps than the horizon has one window, whose other steps are not asked; training has none.
    Windows without a value in the past, or one of an own row in the future, are left out. own: (rows,); seen: (total, T).
    """
    low, high = grid.ranges(own)
    begin, has = grid.start[:-1], high > low
    earliest = np.where(low > begin, low, begin + context)
    last = high - horizon
    count = np.where(has, np.maximum(last - earliest + 1, 0), 0)
    if not train:
        count = np.where(has & (count == 0) & (earliest < high), 1, count)
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    origin = earliest[owner] + within
    block = within // horizon
    unit = owner * (int(block.max(initial=0)) + 1) + block
    until = np.minimum(origin + horizon, high[owner])
    mine = np.append(own, False)[grid.rows]  # a gap is nobody's
    values, truths = (np.concatenate([[0], np.cumsum(s)]) for s in (seen.any(axis=1), seen.any(axis=1) & mine))
    some = truths[until] > truths[origin]
    some &= values[origin] > values[np.maximum(origin - context, begin[owner])]
    return Places(origin, owner, until, unit).take(some), np.flatnonzero(has & (count == 0))


def next_steps(grid: Grid, seen: NDArray[np.uint8], horizon: int) -> Places:
    """One window for each series that has a value: the steps after its last one."""
    known = seen.any(axis=1)
    last = np.full(len(grid.first), -1)
    last[grid.owner[known]] = np.flatnonzero(known)
    owner = np.flatnonzero(last >= 0)
    origin = last[owner] + 1
    return Places(origin, owner, origin + horizon, owner)
