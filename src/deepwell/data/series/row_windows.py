"""RowWindows: for each row of a series the window that ends with it, drawn by index from flat series.

For tasks that judge rows by what came before them and ask for no future: a window holds the row itself at its last step, and
before it the past alone. Unusual: the memory is that of the rows (stretches.py). Rows at the beginning of a series are not left
out: what lies before it is missing in their windows, as a gap is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.data.series.stretches import stretches


@dataclass(frozen=True)
class FlatRows:
    """What windows are cut from: the places of a Grid.

    value (total, T) float32 standardised, 0 where not seen; seen (total, T) uint8; known (total, features) float32: calendar
    and other inputs. offset, factor (series, T); series (series,) number among those of training, -1: unknown;
    start (series + 1,) place where each begins.
    """

    value: NDArray[np.float32]
    seen: NDArray[np.uint8]
    known: NDArray[np.float32]
    offset: NDArray[np.float64]
    factor: NDArray[np.float64]
    series: IntArray
    start: IntArray


@dataclass(frozen=True)
class RowPlaces:
    """Where the rows are that windows end with. place, owner, row, unit: (count,) place in the flat arrays, series, row of the
    part's table, and block of rows whose windows overlap much. labels: target -> (count, ...), what is known of the rows.
    """

    place: IntArray
    owner: IntArray
    row: IntArray
    unit: IntArray
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class RowWindows(Examples):
    """See the top of this file. Example i belongs to the row `rows[i]`; they stand in the order of time within each series.

    Arrays (n windows, W steps, T numbers):
        window (n, W, T) float32 standardised, window.seen (n, W, T) uint8: 0 where missing, or before the series begins
        window.known (n, W, K) float32    calendar and other inputs of each step, where there are such
        offset, factor (n, T) float64     own unit = value * factor + offset
        series (n,) int64                 number among the series of training, -1: unknown
    and each label by the name of its target, as its kind encodes it.
    """

    def __init__(
        self, flat: FlatRows, places: RowPlaces, width: int, problems: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """width: W. problems: rows of the part's table that have no window, and why."""
        self.count = len(places.place)
        self.rows, self.units, self.problems = places.row, places.unit, problems
        self.flat, self.places, self.width = flat, places, width

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        flat, place, owner = self.flat, self.places.place[index], self.places.owner[index]
        begin, end = flat.start[owner], place + 1

        def window(column: NDArray[Any]) -> NDArray[Any]:
            return stretches(column, end - self.width, self.width, begin, end)

        arrays: dict[str, NDArray[Any]] = {"window": window(flat.value), "window.seen": window(flat.seen)}
        if flat.known.shape[1]:
            arrays["window.known"] = window(flat.known)
        arrays |= {"offset": flat.offset[owner], "factor": flat.factor[owner], "series": flat.series[owner]}
        arrays |= {name: label[index] for name, label in self.places.labels.items()}
        return Batch(arrays, index)
