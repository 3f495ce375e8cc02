"""Frequency: the regular grid that the moments of a series stand on, found out from them; and what a calendar says of it.

Unusual: a grid is not only a number of seconds. Months (also quarters and years, by their first day, any other day, their
last or their last business day; the 30th is the last of February) and business days are grids of their own, so that February
is no gap and a weekend no missing value. Holidays of business days are gaps like any other: which days are holidays depends
on the country, and nobody asked which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import BundleError, DataError
from deepwell.data.fields.kind import checked
from deepwell.data.fields.time import DAY, HOUR, NEVER, Seconds

Ints = NDArray[np.int64]
WEEK = 7 * DAY
MONTHS = ("month", "month end", "last business day")
UNITS = ("second", "business day", *MONTHS, "step")
_NAMES = {1: "second", 60: "minute", HOUR: "hour", DAY: "day", WEEK: "week"}
OFF_GRID = 0.02
"""Share of moments that may stand beside the grid; their rows are rejected."""
SPARSE = 20
"""A grid with more places than this times the rows is none."""
YEARS = 2.0
"""So many years of training must there be for the time of the year to be told: one year's seasons are seen once."""
FEWEST_DAYS = 28
"""Days that every month has."""
_MONDAY = 4 * DAY
"""1970-01-05 was a Monday."""


@dataclass(frozen=True)
class Frequency:
    """Every `step` units. phase: which units (modulo step) are on the grid. inside: seconds into each business day or month.

    index(moment) is a whole number that grows by one from each step to the next; it is the same for all series of a table.
    """

    unit: str
    step: int
    phase: int = 0
    inside: int = 0

    def index(self, seconds: Seconds) -> tuple[Ints, NDArray[np.bool_]]:
        """(n,) places on the grid, and which moments stand beside it (their places have no meaning)."""
        there = np.where(seconds == NEVER, 0, seconds)
        index = (_units(there, self.unit)[0] - self.phase) // self.step
        return index, (self.moment(index) != there) | (seconds == NEVER)

    def moment(self, index: Ints) -> Seconds:
        """(n,) seconds of places on the grid: the inverse of `index`."""
        units = index * self.step + self.phase
        if self.unit == "business day":
            return (units // 5 * 7 + units % 5) * DAY + _MONDAY + self.inside
        if self.unit in MONTHS:
            first, last = (_day(units + ahead) - ahead * DAY for ahead in (0, 1))
            if self.unit == "month":
                return np.minimum(first + self.inside, last + self.inside % DAY)
            return (last if self.unit == "month end" else _weekday(last)) + self.inside
        return units.astype(np.int64)

    @property
    def words(self) -> str:
        """`hourly`, `every 15 minutes`, `monthly (last days)`."""
        if self.unit == "step":
            return "by steps" if self.step == 1 else f"by steps of {self.step:,}"
        if self.unit == "business day":
            return "on business days"
        if self.unit in MONTHS:
            name = {1: "monthly", 3: "quarterly", 12: "yearly"}.get(self.step, f"every {self.step} months")
            return name + {"month": "", "month end": " (last days)"}.get(self.unit, " (last business days)")
        if self.step in (HOUR, DAY, WEEK):
            return {HOUR: "hourly", DAY: "daily", WEEK: "weekly"}[self.step]
        size = next(size for size in sorted(_NAMES, reverse=True) if self.step % size == 0)
        return f"every {self.step // size:,} {_NAMES[size]}s" if self.step > size else f"every {_NAMES[size]}"

    @property
    def season(self) -> int:
        """Steps of the season that is usual: a day of hours, a week of days, a year of months; 1: none."""
        return self._usual()[0]

    @property
    def horizon(self) -> int:
        """Steps that are usually asked for."""
        return self._usual()[1]

    @property
    def longer(self) -> int:
        """Steps of the next longer season (of hours a week, of the others a year); at least `season`."""
        return self._usual()[2]

    def _usual(self) -> tuple[int, int, int]:
        """(season, horizon, longer season)."""
        if self.unit == "step":
            return 1, 12, 1
        if self.unit == "business day":
            return 5, 10, 261
        if self.unit in MONTHS:
            year = max(1, 12 // self.step) if 12 % self.step == 0 else 1
            return year, {12: 12, 4: 8}.get(year, 6), year
        if self.step >= 28 * DAY:
            return 1, 6, 1
        if self.step >= WEEK:
            year = round(365.25 * DAY / self.step)
            return year, 8, year
        if self.step >= DAY:
            return (7, 14, 365) if self.step == DAY else (1, 14, 1)
        day = DAY // self.step if DAY % self.step == 0 else 1
        return (day, day, 7 * day) if day <= 288 else (HOUR // self.step or 1, 60, day)

    def years(self, steps: int) -> float:
        """How many years so many steps are; 0 where steps are no time."""
        each = {"second": self.step, "business day": 7 / 5 * DAY, "step": 0}.get(self.unit, self.step * 30.44 * DAY)
        return steps * each / (365.25 * DAY)

    def calendar(self, steps: int) -> tuple[str, ...]:
        """What a calendar tells that can repeat within a step's season, for series of so many training steps."""
        if self.unit == "step":
            return ()
        names = []
        if self.unit == "second" and self.step < DAY:
            names.append("hour of the day")
        if self.unit == "business day" or (self.unit == "second" and self.step < WEEK):
            names.append("day of the week")
        if self.years(1) < 0.9 and self.years(steps) >= YEARS:
            names.append("time of the year")
        return tuple(names)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"unit": self.unit, "step": self.step, "phase": self.phase, "inside": self.inside}

    @staticmethod
    def from_json(value: Any) -> Frequency:
        """What `to_json` wrote. Raises BundleError for anything else."""
        values = checked(value, "a frequency", {"unit": str, "step": int, "phase": int, "inside": int})
        found = Frequency(**values)
        if found.unit not in UNITS or not 0 < found.step < 2**40 or not 0 <= found.phase < found.step:
            raise BundleError(f"a frequency is none that can be: {values!r}")
        if not 0 <= found.inside < 31 * DAY:
            raise BundleError(f"a frequency is none that can be: {values!r}")
        return found


def features(names: tuple[str, ...], seconds: Seconds) -> NDArray[np.float32]:
    """(n, 2 a name) float32: sine and cosine of where each moment stands in the day, the week (beside the day) or the year."""
    columns = []
    days = seconds.astype("datetime64[s]").astype("datetime64[D]")
    for name in names:
        if name == "hour of the day":
            share = seconds % DAY / DAY
        elif name == "day of the week":
            share = (seconds - _MONDAY) // DAY % 7 / 7
        else:
            share = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) / 365.25
        columns += [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(seconds), 0), np.float32)


def find(seconds: Seconds, series: Ints, counted: bool = False) -> Frequency:
    """The frequency of moments (n,) that belong to series (n,), in any order. counted: moments are steps, not times.

    Raises DataError: fewer than two moments in every series; no frequency that nearly all moments have.
    """
    there = seconds != NEVER
    moments, order = seconds[there], np.lexsort((seconds[there], series[there]))
    moments, owner = moments[order], series[there][order]
    gaps = np.diff(moments)[np.diff(owner) == 0]
    gaps = gaps[gaps > 0]
    if not len(gaps):
        raise DataError("no series has two moments, so there is no frequency")
    common = _mode(gaps)
    for frequency in _candidates(moments, gaps, common, counted):
        off = frequency.index(moments)[1]
        if off.mean() <= OFF_GRID:
            return frequency
    shown = _span(common) if not counted else f"{common:,} steps"
    raise DataError(
        f"the times are not regular: most follow the one before after {shown}, but many stand beside such a grid",
        repair="bring the rows to one step of time first (round the times, or average over each hour, day or month)",
    )


def _candidates(moments: Seconds, gaps: Ints, common: int, counted: bool) -> list[Frequency]:
    found = []
    if not counted and common >= 28 * DAY:
        late = _mode(_units(moments, "month")[1]) >= FEWEST_DAYS * DAY
        for unit in ("month end", "month", "last business day") if late else MONTHS:
            units, inside = _units(moments, unit)
            steps = np.diff(np.unique(units))
            step = _mode(steps.astype(np.int64)) if len(steps) else 1
            found.append(Frequency(unit, step, _mode(units % step), _mode(inside)))
    weekdays = (moments - _MONDAY) // DAY % 7
    if not counted and common == DAY and len(moments) >= 10 and (weekdays < 5).all() and (gaps > DAY).any():
        found.append(Frequency("business day", 1, 0, _mode(moments % DAY)))
    return [*found, Frequency("step" if counted else "second", common, _mode(moments % common))]


def _units(seconds: Seconds, unit: str) -> tuple[Ints, Ints]:
    """(n,) number of the unit that each moment falls into, and how far into it, in seconds; weekends are in no business day."""
    if unit == "business day":
        day, inside = np.divmod(seconds - _MONDAY, DAY)
        weekday = day % 7
        return day // 7 * 5 + np.minimum(weekday, 4), np.where(weekday < 5, inside, -1)
    if unit in MONTHS:
        months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        last = _day(months + 1) - DAY
        first = {"month": _day(months), "month end": last}.get(unit)
        return months, seconds - (_weekday(last) if first is None else first)
    return seconds, np.zeros(len(seconds), np.int64)


def _day(months: Ints) -> Seconds:
    """(n,) when each month begins, in seconds; months since 1970."""
    return months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)


def _weekday(days: Seconds) -> Seconds:
    """(n,) the beginnings of days, those of a weekend moved back to the Friday before."""
    found: Seconds = days - DAY * np.maximum((days - _MONDAY) // DAY % 7 - 4, 0)
    return found


def _mode(values: Ints) -> int:
    different, counts = np.unique(values, return_counts=True)
    return int(different[counts.argmax()])


def _span(seconds: int) -> str:
    size = next(size for size in sorted(_NAMES, reverse=True) if seconds % size == 0)
    count = seconds // size
    return f"{count:,} {_NAMES[size]}{'' if count == 1 else 's'}"


def season_of(values: NDArray[np.float64], usual: int, longer: int = 0) -> int:
    """The season of a series (n,) without gaps, in steps: the usual one, or another that its autocorrelation shows clearly.

    What counts is how far a peak of the autocorrelation rises above the lowest value before it; near neighbours are alike
    in most series, so the value alone says nothing. Another season is taken where it rises 0.2 further than the usual one,
    and further than chance does. longer: a season of the calendar that one found within 5% of it is taken for.
    """
    n = len(values)
    if n < 16:
        return usual
    place = np.linspace(-1, 1, n)
    rest = values - values.mean()
    rest = rest - place * (rest @ place) / (place @ place)
    power = np.abs(np.fft.rfft(rest, 2 * n)) ** 2
    alike = np.fft.irfft(power)[: n // 3 + 1]
    if alike[0] <= 0:
        return usual
    alike /= alike[0]
    lowest = np.minimum.accumulate(alike)
    peak = np.zeros(len(alike), np.bool_)
    peak[2:-1] = (alike[2:-1] >= alike[1:-2]) & (alike[2:-1] >= alike[3:])
    rise = np.where(peak & (alike > 0.1), alike - lowest, 0.0)
    around = rise[max(usual - 1, 2) : usual + 2] if 1 < usual < len(rise) else np.zeros(1)
    best = int(rise.argmax())
    if rise[best] <= max(0.3, 4 / n**0.5, around.max(initial=0.0) + 0.2):
        return usual
    return longer if abs(best - longer) < 0.05 * longer else best


def settled(facts: Mapping[str, Any]) -> Frequency | None:
    """The frequency in the facts of a schema's field of moments; None where recognition found none."""
    stored = facts.get("frequency")
    return None if stored is None else Frequency.from_json(stored)
