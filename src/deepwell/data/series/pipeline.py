"""SeriesPipeline: rows of one or many series -> windows of the past and the future, and back into rows with their times.

Unusual: it reads parts, not rows alone, because the past of a window may lie in an earlier part; `encode` of rows serves checks
and statistics. And it may keep the last rows of each series, so that a bundle can say what comes next without being given
anything: those rows are of the data itself, so the bundle says that it holds them, and `tail=False` leaves them out.
Targets are standardised by mean and deviation of each series' training rows; a series that training never saw by those of what
came before it is asked about. Inputs become features of steps: known ahead, known in the past only, or constant in each series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, IntArray
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Part, Rejected, Table
from deepwell.data.fields.category import Category
from deepwell.data.fields.kind import checked
from deepwell.data.fields.time import Time
from deepwell.data.fields.values import factorise, missing
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.series import inputs, scales, tails
from deepwell.data.series.frequency import Frequency, features, find, settled
from deepwell.data.series.grid import Grid
from deepwell.data.series.reading import Columns, Rows, read
from deepwell.data.series.windows import NAMES, Flat, HistoryWindows, Places, next_steps, rolling

MOST_NUMBERS = 100_000
"""Names and scales of series that a bundle's pipeline.json may hold. Of more series the longest are known, the others are treated
as new ones."""
ROLE_AHEAD = "known_future"
NEEDED = ("train", "select", "test")
"""Parts that must have windows."""
USES = ("ahead", "beside", "static")
LARGEST = 1e6
"""Deviations beyond which a value is cut off."""
STATE = {
    "fields": dict, "time": dict, "frequency": dict, "context": int, "horizon": int, "season": int, "calendar": list,
    "static": list, "series": list, "scales": list,
}  # fmt: skip
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What the user wants. horizon: steps to forecast; context: to look back on, and season; 0: found out. tail: see above."""

    horizon: int
    context: int = 0
    season: int = 0
    tail: bool = True


class SeriesPipeline:
    """A core.task.Pipeline. See the top of this file.

    Attributes:
        time_, frequency_: how moments are written, and the grid they stand on. context_, season_: steps.
        calendar_: what the calendar tells of each step. static_: inputs that are constant in each series.
        names_: the training series, each by its keys in the group columns. offset_, factor_, naive_: (series, targets) mean,
            deviation, and mean absolute error of the seasonal naive forecast in deviations; NaN: not known.
        tail_: the last rows of each series, or None. forgotten_: series that are too many to be known.
            training_: the training windows, in the process that made them.
    """

    def __init__(self, schema: Schema, wanted: Wanted) -> None:
        self.schema, self.wanted, self.horizon_ = schema, wanted, wanted.horizon
        order = schema.of("order")
        self.order: Field | None = order[0] if order else None
        groups, targets = (tuple(f.name for f in schema.of(role)) for role in ("group", "target"))
        self.columns = Columns(groups, self.order.name if self.order else "", targets)
        self.inputs = [f for f in schema.fields if f.role in ("input", ROLE_AHEAD) and f.kind in ("number", "category")]
        read = [*schema.targets, *(replace(f, role="input") for f in self.inputs)]
        levels = {f.name: Category(inputs.MOST_LEVELS) for f in self.inputs if f.kind == "category"}
        self.fields_ = FieldPipeline(Schema(tuple(read)), levels)
        self.time_ = Time()
        self.frequency_ = Frequency("step", 1)
        self.context_, self.season_ = max(1, wanted.context), max(1, wanted.season)
        self.calendar_: tuple[str, ...] = ()
        self.static_: list[str] = []
        self.names_: list[tuple[str, ...]] = []
        self.offset_ = self.factor_ = self.naive_ = np.zeros((0, len(self.columns.targets)))
        self.tail_: Table | None = None
        self.training_: HistoryWindows | None = None
        self.forgotten_ = 0
        self._fitted_here = False

    # learning --------------------------------------------------------------------------------------------------------
    def fit(self, table: Table) -> SeriesPipeline:
        """Learn from the training rows; returns self. Raises DataError for doubled moments and times without a frequency."""
        self.fields_.fit(table)
        if self.order is not None:
            self.time_.fit(table[self.order.name], self.order)
        rows = read(Part("train", table), self.columns, self.time_)
        counted = self.order is None or self.order.kind != "time"
        found = settled(self.order.facts) if self.order else Frequency("step", 1)
        self.frequency_ = found or find(rows.seconds, rows.owner, counted)
        grid = rows.grid(self.frequency_, self.time_)
        values = grid.spread(rows.values)
        self.season_ = self.wanted.season or scales.season(grid, values, self.frequency_)
        self.context_ = self.wanted.context or scales.context(
            grid.lengths, self.horizon_, self.season_, self.frequency_
        )
        self.calendar_ = self.frequency_.calendar(int(grid.lengths.max(initial=0)))
        self.static_ = [f.name for f in self.inputs if f.role == "input" and _constant(table[f.name], rows)]
        known = np.sort(np.argsort(-grid.lengths, kind="stable")[: self.most])
        self.forgotten_ = len(grid.lengths) - len(known)
        self.names_ = [rows.names[one] for one in known]
        all_ = scales.scales(grid, values, self.season_)
        self.offset_, self.factor_, self.naive_ = all_.offset[known], all_.factor[known], all_.naive[known]
        self._fitted_here = True
        return self

    # windows ---------------------------------------------------------------------------------------------------------
    def windows(self, part: Part) -> HistoryWindows:
        """The windows of a part; of the part `predict` one for each series, of what comes after its last known value.

        Raises DataError: no series is long enough; a question gives values of what is not known ahead.
        """
        asked = part.name == "predict"
        rows = read(tails.continued(part, self) if asked else part, self.columns, self.time_)
        grid = rows.grid(self.frequency_, self.time_, self.horizon_ if asked else 0)
        values = grid.spread(rows.values)
        seen = np.isfinite(values).astype(np.uint8)
        own = part.name in ("train", "predict")
        flat = self._flat(rows, grid, values, values if own else scales.earlier(grid, values, rows.own, self.context_))
        if asked:
            places = next_steps(grid, seen, self.horizon_)
            self._no_value(rows, places)
            self._no_leak(rows, grid, places)
            places = places.take(self._given(rows, grid, places))
        else:
            places, short = rolling(grid, seen, rows.own, self.context_, self.horizon_, part.name == "train")
            self._too_short(rows, grid, short)
            if self._fitted_here and self.wanted.tail:
                self.tail_ = tails.last_rows(rows.table, grid, seen, self.context_)
        if part.name in NEEDED and not len(places.origin):
            what = (
                "no series can be trained on"
                if part.name == "train"
                else f"nothing can be asked in the part {part.name}"
            )
            first = next(iter(rows.problems.values()), "no step has a value, and values before it")
            raise DataError(
                f"{what}: {first}", repair="give longer series, or train with a smaller --horizon or context"
            )
        problems = {row - rows.before: why for row, why in sorted(rows.problems.items()) if row >= rows.before}
        keys = (len(rows.names), len(self.columns.groups))
        told = np.array(rows.names, np.str_).reshape(keys) if part.name in ("test", "predict") else None
        windows = HistoryWindows(flat, places, self.context_, self.horizon_, told, asked, problems)
        self.training_ = windows if part.name == "train" else self.training_
        return windows

    def _flat(self, rows: Rows, grid: Grid, values: Floats, earlier: Floats) -> Flat:
        numbers_of = {name: number for number, name in enumerate(self.names_)}
        series = np.array([numbers_of.get(name, -1) for name in rows.names], np.int64)
        offset, factor = self._scales(series, grid, earlier)
        seen = np.isfinite(values).astype(np.uint8)
        known = features(self.calendar_, self.frequency_.moment(grid.index))
        used = {use: [f for f in self.inputs if self.use(f) == use] for use in USES}
        ahead, beside, static = (inputs.features(rows, used[use], self.fields_) for use in USES)
        scaled = (np.nan_to_num(values) - offset[grid.owner]) / factor[grid.owner]
        first_row = np.zeros(len(rows.names), np.int64)
        first_row[rows.owner[::-1]] = np.arange(len(rows.table))[::-1]
        return Flat(
            value=np.where(seen > 0, np.clip(scaled, -LARGEST, LARGEST), 0).astype(np.float32),
            seen=seen,
            truth=seen if rows.own.all() else seen * np.append(rows.own, False)[grid.rows][:, None],
            known=np.concatenate([known, grid.laid(ahead)], axis=1),
            beside=grid.laid(beside),
            static=static[first_row],
            offset=offset,
            factor=factor,
            series=series,
            start=grid.start,
            first=grid.first,
        )

    def _scales(self, series: IntArray, grid: Grid, earlier: Floats) -> tuple[Floats, Floats]:
        """(series, T) offset and factor: of training where known, else of earlier values, else what is usual in training."""
        own = scales.scales(grid, earlier, self.season_)
        found: list[Floats] = []
        for stored, fresh, default in ((self.offset_, own.offset, 0.0), (self.factor_, own.factor, 1.0)):
            usual = [float(np.median(c[~np.isnan(c)])) if not np.isnan(c).all() else default for c in stored.T]
            known = np.where((series >= 0)[:, None], stored[series] if len(stored) else np.nan, np.nan)
            known = np.where(np.isnan(known), fresh, known)
            found.append(np.where(np.isnan(known), np.array(usual), known))
        return found[0], found[1]

    @property
    def most(self) -> int:
        """Series that can be known."""
        return MOST_NUMBERS // (1 + len(self.columns.groups) + 3 * (1 + len(self.columns.targets)))

    @property
    def question(self) -> Table | None:
        """The last rows of each series that is known; where some may be lacking, this is said."""
        if self.tail_ is None or len(self.names_) < self.most:
            return self.tail_
        return replace(self.tail_, rejected=(*self.tail_.rejected, Rejected("the model", f"it {self._limit()}")))

    def _limit(self) -> str:
        return (
            f"knows {len(self.names_):,} series by name, the longest, and keeps rows of no more: others are answered where "
            "their last rows are given"
        )

    def use(self, field: Field) -> str:
        """What an input is used as: ahead, beside (the past alone) or static."""
        if field.role == ROLE_AHEAD:
            return "ahead"
        return "static" if field.name in self.static_ else "beside"

    # what is refused -------------------------------------------------------------------------------------------------
    def _too_short(self, rows: Rows, grid: Grid, short: IntArray) -> None:
        """Say of each row of a series that gives no window why that is so."""
        for row in np.flatnonzero(rows.own & np.isin(rows.owner, short)).tolist():
            one = int(rows.owner[row])
            rows.problems.setdefault(
                row,
                f"{rows.name(one)} has {int(grid.lengths[one]):,} steps; {self.context_ + self.horizon_:,} are needed: "
                f"{self.context_:,} to look back on and {self.horizon_:,} to forecast",
            )

    def _no_value(self, rows: Rows, places: Places) -> None:
        """Say of each series of a question that there is nothing to go on from."""
        last = rows.last
        for one in np.setdiff1d(np.arange(len(rows.names)), places.owner).tolist():
            what = f"no value is known of {rows.name(one)}"
            rows.problems.setdefault(int(last[one]), f"{what}: give its last {self.columns.targets[0]!r}")

    def _no_leak(self, rows: Rows, grid: Grid, places: Places) -> None:
        """Raise DataError where a question has a future value of a column that training did not know ahead."""
        since = np.full(len(rows.names), np.iinfo(np.int64).max)
        since[places.owner] = places.origin
        later = grid.place >= since[rows.owner]
        for field in self.inputs:
            if self.use(field) != "beside":
                continue
            found = np.flatnonzero(later & ~missing(rows.table[field.name]))
            if len(found):
                raise DataError(
                    f"the column {field.name!r} has a value after the last known {self.columns.targets[0]!r} of "
                    f"{rows.name(int(rows.owner[found[0]]))}, but the model was not trained to know it ahead",
                    where=rows.where(int(found[0])),
                    repair=f"leave it empty there, or train with --role {field.name}={ROLE_AHEAD}",
                )

    def _given(self, rows: Rows, grid: Grid, places: Places) -> NDArray[np.bool_]:
        """(windows,): whether all that is known ahead is given for all steps; the others become problems."""
        good, last = np.ones(len(places.origin), np.bool_), rows.last
        for field in self.inputs:
            if self.use(field) != "ahead":
                continue
            present = np.append(~missing(rows.table[field.name]), False)[grid.rows]  # a gap has no value
            steps = present[places.origin[:, None] + np.arange(self.horizon_)]
            for one in np.flatnonzero(good & ~steps.all(axis=1)).tolist():
                good[one], series = False, int(places.owner[one])
                rows.problems[int(last[series])] = (
                    f"{rows.name(series)}: the column {field.name!r} is known ahead, so its values are needed for the "
                    f"{self.horizon_:,} steps after the last known {self.columns.targets[0]!r}; {int(steps[one].sum()):,} "
                    "are given"
                )
        return good

    # Pipeline --------------------------------------------------------------------------------------------------------
    def times(self, index: IntArray) -> Column:
        """Indices of the frequency as moments, written as the data writes them."""
        return self.time_.decode(self.frequency_.moment(index))

    def names_of(self, batch: Batch) -> NDArray[Any]:
        """(windows, groups) what names the series of each window; empty texts where nobody told."""
        told = batch.arrays.get(NAMES)
        if told is None:
            nobody = ("",) * len(self.columns.groups)
            told = np.array([*self.names_, nobody], np.str_).reshape(len(self.names_) + 1, -1)[batch.arrays["series"]]
        found: NDArray[Any] = told.astype(object)
        return found

    def encode(self, table: Table, *, targets: bool = True) -> Encoded:
        """Each usable row by itself: targets standardised over all series, inputs as their kinds have them."""
        return self.fields_.encode(table, targets=targets)

    def decode(self, name: str, array: NDArray[Any]) -> Column:
        """See Pipeline."""
        return self.fields_.decode(name, array)

    def classes(self, name: str) -> list[str]:
        """See Pipeline; no target of series has classes."""
        return self.fields_.classes(name)

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """The widths of the arrays of windows: past and future (steps, targets), and features of a step or series."""
        count = {"ahead": 2 * len(self.calendar_), "beside": 0, "static": 0}
        for field in self.inputs:
            count[self.use(field)] += inputs.width(field, self.fields_)
        targets = len(self.columns.targets)
        widths = {"known": (count["ahead"],), "beside": (count["beside"],), "static": (count["static"],)}
        return {
            "past": (self.context_, targets),
            "future": (self.horizon_, targets),
            **widths,
            "series": (len(self.names_),),
        }

    def state(self) -> dict[str, Any]:
        """See Pipeline. A scale that is not known is null."""
        arrays = (self.offset_, self.factor_, self.naive_)
        lists = [[[None if v != v else v for v in row] for row in array.tolist()] for array in arrays]
        return {
            "fields": self.fields_.state(), "time": self.time_.state(), "frequency": self.frequency_.to_json(),
            "context": self.context_, "horizon": self.horizon_, "season": self.season_, "calendar": list(self.calendar_),
            "static": list(self.static_), "series": [list(name) for name in self.names_], "scales": lists,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> SeriesPipeline:
        """See Pipeline."""
        values = checked(state, "the transforms of series", STATE)
        for name in ("context", "horizon", "season"):
            if not 0 < values[name] < 2**20:
                raise BundleError(f"the transforms of series have the {name} {values[name]!r}")
        self.fields_.restore(values["fields"])
        self.time_.restore(values["time"])
        self.frequency_ = Frequency.from_json(values["frequency"])
        self.context_, self.horizon_, self.season_ = values["context"], values["horizon"], values["season"]
        self.calendar_, self.static_ = tuple(values["calendar"]), values["static"]
        named = [f.name for f in self.inputs]
        if any(name not in named for name in self.static_) or list(self.calendar_) != _known(self.calendar_):
            raise BundleError("the transforms of series name columns or parts of the calendar that there are not")
        names = values["series"]
        keyed = all(
            type(n) is list and len(n) == len(self.columns.groups) and all(type(k) is str for k in n) for n in names
        )
        if not keyed:
            raise BundleError(f"each of the series must have a text for each of {list(self.columns.groups)}")
        self.names_ = [tuple(name) for name in names]
        self.offset_, self.factor_, self.naive_ = scales.from_lists(
            values["scales"], (len(names), len(self.columns.targets))
        )
        self._fitted_here = False
        return self

    def said(self) -> Sequence[str]:
        """How far is looked back, and which season was found."""
        season = f"; a season of {self.season_:,} steps" if self.season_ > 1 else ""
        found = [f"{self.horizon_:,} steps are forecast from the {self.context_:,} before them{season}"]
        return [*found, *([f"the model {self._limit()}; {self.forgotten_:,} are too many"] if self.forgotten_ else [])]

    def kept(self) -> Mapping[str, NDArray[Any]]:
        """The last rows of each series, where the user lets them be kept."""
        return {} if self.tail_ is None else tails.packed(self.tail_, self)

    def restore_kept(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See Pipeline."""
        self.tail_ = tails.unpacked(arrays, self) if arrays else None


def _known(calendar: Sequence[Any]) -> list[str]:
    return [name for name in ("hour of the day", "day of the week", "time of the year") if name in calendar]


def _constant(column: Column, rows: Rows) -> bool:
    """Whether an input says something of each of several series, and nothing about time."""
    keys = factorise(column)[1]
    pairs = np.unique(rows.owner * (int(keys.max(initial=0)) + 1) + keys)
    return len(rows.names) > 1 and len(pairs) == len(rows.names)
