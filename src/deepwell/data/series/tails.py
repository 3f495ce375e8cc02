"""Tails: the last rows of each series, as a table, and as finite arrays that a bundle can hold.

moment, series (rows,)          seconds, and the number of the series among those of training
value.N, seen.N (rows,)         the N-th column (targets, then inputs): its number or the level of its category; 0 or 1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import BundleError
from deepwell.core.table import Column, Part, Table
from deepwell.data.fields.kind import Kind
from deepwell.data.fields.time import COUNTED, FIRST, LAST, NEVER
from deepwell.data.fields.values import numbers
from deepwell.data.series.grid import GAP, Grid
from deepwell.data.series.reading import read

if TYPE_CHECKING:
    from deepwell.data.series.pipeline import SeriesPipeline


def last_rows(table: Table, grid: Grid, seen: NDArray[np.uint8], steps: int) -> Table:
    """The rows at the `steps` places of each series up to its last value, and those after it. seen: (total, targets)."""
    ends = grid.start[:-1].copy()
    known = np.flatnonzero(seen.any(axis=1))
    ends[grid.owner[known]] = known + 1
    rows = grid.rows[np.arange(len(grid.rows)) >= ends[grid.owner] - steps]
    return table.take(rows[rows != GAP])


def continued(question: Part, pipeline: SeriesPipeline) -> Part:
    """A question with the kept rows of those of its series of which it tells no value, as their history.

    Where a kept row after the last value is asked for anew (what is known ahead of it may have changed), the question counts.
    """
    tail = pipeline.tail_
    if tail is None or not len(question.rows):
        return question
    asked, kept = (read(Part("predict", t), pipeline.columns, pipeline.time_) for t in (question.rows, tail))
    told = np.zeros(len(asked.names), np.bool_)
    told[asked.owner[np.isfinite(asked.values).any(axis=1)]] = True
    number = {name: place for place, name in enumerate(asked.names) if not told[place]}
    of_asked = np.array([number.get(name, -1) for name in kept.names], np.int64)[kept.owner]
    used, known = of_asked >= 0, np.isfinite(kept.values).any(axis=1)
    if pipeline.columns.order:
        last = np.full(len(kept.names), NEVER)
        np.maximum.at(last, kept.owner[known], kept.seconds[known])
        again = set(zip(asked.owner.tolist(), asked.seconds.tolist(), strict=True))
        for row in np.flatnonzero(used & (kept.seconds > last[kept.owner])).tolist():
            used[row] = (int(of_asked[row]), int(kept.seconds[row])) not in again
    return replace(question, history=tail.take(np.flatnonzero(used)))


def packed(tail: Table, pipeline: SeriesPipeline) -> dict[str, NDArray[Any]]:
    """The rows of known series as arrays."""
    names = pipeline.columns.keys(tail)
    places = {name: number for number, name in enumerate(pipeline.names_)}
    series = np.array([places.get(name, -1) for name in names], np.int64)
    known = np.flatnonzero(series >= 0)
    moment = (
        np.arange(len(tail)) if pipeline.order is None else pipeline.time_.writing_.read(tail[pipeline.order.name])[0]
    )
    arrays: dict[str, NDArray[Any]] = {"moment": moment[known].astype(np.int64), "series": series[known]}
    for number, (name, kind) in enumerate(_columns(pipeline)):
        if kind is None:
            values, bad = numbers(tail[name])
            seen = np.isfinite(values) & ~bad
            arrays[f"value.{number}"] = np.where(seen, values, 0.0)[known]
        else:
            level = np.asarray(kind.encode(tail[name])[0][""])
            seen = level > 0
            arrays[f"value.{number}"] = level[known].astype(np.float64)
        arrays[f"seen.{number}"] = seen[known].astype(np.uint8)
    return arrays


def unpacked(arrays: Mapping[str, NDArray[Any]], pipeline: SeriesPipeline) -> Table:
    """The rows of what `packed` gave. Raises BundleError for anything else."""
    columns = _columns(pipeline)
    wanted: dict[str, type] = {"moment": np.int64, "series": np.int64}
    wanted |= {f"value.{n}": np.float64 for n in range(len(columns))} | {
        f"seen.{n}": np.uint8 for n in range(len(columns))
    }
    if set(arrays) != set(wanted):
        raise BundleError(f"the kept rows must be the arrays {sorted(wanted)}; got {sorted(arrays)}")
    rows = len(arrays["moment"])
    if any(arrays[n].shape != (rows,) or arrays[n].dtype != kind for n, kind in wanted.items()):
        raise BundleError("the kept rows have arrays of another shape or type than they must")
    series, moment = arrays["series"], arrays["moment"]
    plain = pipeline.order is None or pipeline.time_.writing_.pattern in COUNTED
    far = (moment < (-(2**53) if plain else FIRST)) | (moment > (2**53 if plain else LAST))
    if (far | (series < 0) | (series >= len(pipeline.names_))).any():
        raise BundleError("the kept rows name series or moments that there are not")
    found: dict[str, Column] = {}
    if pipeline.order is not None:
        found[pipeline.order.name] = pipeline.time_.decode(moment)
    for place, group in enumerate(pipeline.columns.groups):
        texts = np.empty(len(pipeline.names_), object)
        texts[:] = [name[place] for name in pipeline.names_]
        found[group] = texts[series]
    for number, (name, kind) in enumerate(columns):
        found[name] = _column(name, kind, arrays[f"value.{number}"], arrays[f"seen.{number}"] > 0)
    return Table(found)


def _column(name: str, kind: Kind | None, values: NDArray[np.float64], seen: NDArray[np.bool_]) -> Column:
    if kind is None:
        return np.where(seen, values, np.nan)
    levels = np.where(seen, values, 0).astype(np.int64)
    if (levels < 0).any() or (levels >= kind.sizes()[0]).any():
        raise BundleError(f"the kept rows have levels of {name!r} that there are not")
    return kind.decode(levels).astype(object)


def _columns(pipeline: SeriesPipeline) -> list[tuple[str, Kind | None]]:
    """Targets and inputs in order, each with its kind where it is a category."""
    kinds = pipeline.fields_.kinds_
    categories = {f.name for f in pipeline.inputs if f.kind == "category"}
    names = [*pipeline.columns.targets, *(f.name for f in pipeline.inputs)]
    return [(name, kinds[name] if name in categories else None) for name in names]
