"""time: moments as whole seconds since 1970, and back into the text that the data has.

Unusual: a column has one way of writing, found out from all its cells and kept, so that answers are written as the input was
(`1949-01`, `31.12.2024 18:00`, `2016-07-01T00:00:00Z`). Seconds are those of the clock that the cells show. Where all cells
have one offset from UTC, that clock is meant; where they have several (a country with summer time), moments are turned into
UTC and written with Z. Cells without an offset are taken as they stand: which hour a clock that was set back meant cannot be
known, so such an hour is a doubled moment, which readers of series refuse.
Numbers are seconds or milliseconds since 1970 by their size, or years; of kind number they are steps, whatever these are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.values import factorise, numbers

Seconds = NDArray[np.int64]
NEVER = int(np.iinfo(np.int64).min)
"""Stands for a moment that is missing or unreadable."""
FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999: the moments that can be written as text."""
HOUR, DAY = 3_600, 86_400
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y")
_CLOCKS = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", "T%H", " %H", " %I:%M:%S %p", " %I:%M %p")
SHORT, QUARTER = "month of a counted year", "quarter"
COUNTED = ("seconds", "milliseconds", "year", "step")
PATTERNS = (
    *(date + clock for date in _DATES for clock in _CLOCKS),
    *_DATES, "%Y-%m", "%Y/%m", "%d-%b-%Y", "%d %b %Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%b %Y", "%B %Y",
    "%Y%m%d", SHORT, QUARTER, *COUNTED,
)  # fmt: skip
"""Ways of writing, as datetime.strptime has them, and by name what it has not. Stored bundles name one of these."""
_ZONE = re.compile(r"(?<=[\d.])\s?(Z|z|[+-]\d{2}:?\d{2})$")
_FRACTION = re.compile(r"(:\d{2})[.,](\d+)$")
_EPOCH, _COUNTED_FROM = datetime(1970, 1, 1), 2000
SAMPLE = 60
"""Different cells by which the way of writing is chosen."""
READABLE = 0.5
"""Share of them that must be readable; what the others are is said of each."""


@dataclass(frozen=True)
class Writing:
    """How moments are written. pattern: one of PATTERNS. zone: what ends each cell (Z, +01:00); empty: local times.

    mixed: whether cells had several offsets, which were turned into that of `zone`.
    """

    pattern: str
    zone: str = ""
    mixed: bool = False

    def read(self, column: Column) -> tuple[Seconds, dict[int, str]]:
        """(rows,) seconds with NEVER where there is none, and row -> why it cannot be read (a missing one is none)."""
        if column.dtype.kind == "M":
            whole = column.astype("datetime64[s]").astype(np.int64)
            return np.where(np.isnat(column), NEVER, whole), {}
        if self.pattern in COUNTED:
            return self._counted(column)
        keys, inverse = factorise(column)
        found = [(NEVER, "") if key is None else self._moment(key.strip()) for key in keys]
        seconds = np.array([moment for moment, _ in found], np.int64)[inverse]
        bad = np.array([bool(why) for _, why in found], np.bool_)[inverse]
        return seconds, {int(row): found[inverse[row]][1] for row in np.flatnonzero(bad)}

    def _moment(self, text: str) -> tuple[int, str]:
        bare, offset = _apart(text)
        if (offset is not None) != bool(self.zone):
            lacks = (
                "has no offset from UTC, as other cells do" if self.zone else "has an offset from UTC, unlike others"
            )
            return NEVER, f"{text[:60]!r} {lacks}"
        moment = _read(bare, self.pattern)
        if moment is None:
            return NEVER, f"{text[:60]!r} is not a time written like {self.write(np.zeros(1, np.int64))[0]!r}"
        return moment - 60 * (offset or 0) + 60 * self.minutes, ""

    def _counted(self, column: Column) -> tuple[Seconds, dict[int, str]]:
        values, bad = numbers(column)
        broken = bad | (np.isfinite(values) & (values != np.round(values))) | (np.abs(np.nan_to_num(values)) > 2**52)
        whole = np.where(np.isfinite(values) & ~broken, values, 0).astype(np.int64)
        if self.pattern == "milliseconds":
            broken |= whole % 1000 != 0
            whole //= 1000
        elif self.pattern == "year":
            whole = (np.clip(whole, 1, 9999) - 1970).astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
        problems = {
            int(row): f"{column[row]!r} is not a whole number of {self.pattern}s" for row in np.flatnonzero(broken)
        }
        return np.where(broken | ~np.isfinite(values), NEVER, whole), problems

    @property
    def minutes(self) -> int:
        """How far the clock is ahead of UTC."""
        return _offset(self.zone) if self.zone else 0

    def write(self, seconds: Seconds) -> Column:
        """(n,) texts, or numbers where the column held numbers; NEVER, and what no calendar has, gives None."""
        if self.pattern in COUNTED:
            scale = {"milliseconds": 1000}.get(self.pattern, 1)
            if self.pattern == "year":
                return seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
            return seconds * scale
        moments, inverse = np.unique(seconds, return_inverse=True)
        texts = np.empty(len(moments), object)
        texts[:] = [self._text(int(one)) + self.zone if FIRST <= one <= LAST else None for one in moments]
        return texts[inverse]

    def _text(self, seconds: int) -> str:
        moment = _EPOCH + timedelta(seconds=seconds)
        if self.pattern == SHORT:
            return f"{moment.year - _COUNTED_FROM}-{moment.month:02}"
        if self.pattern == QUARTER:
            return f"{moment.year}Q{(moment.month + 2) // 3}"
        return moment.strftime(self.pattern.replace("%Y", f"{moment.year:04}"))


def find(column: Column, kind: str = "time") -> Writing | None:
    """How the moments of a column are written; None where no way is known. kind: time, or number for steps."""
    if column.dtype.kind == "M":
        whole = column[~np.isnat(column)].astype("datetime64[s]").astype(np.int64)
        return Writing("%Y-%m-%d" if not (whole % DAY).any() else "%Y-%m-%d %H:%M:%S")
    if column.dtype.kind in "iuf" or _all_numbers(column):
        return _of_numbers(column, kind)
    keys = factorise(column)[0]
    texts = [key.strip() for key in keys if key is not None]
    if not texts:
        return None
    pieces = [_apart(text) for text in texts]
    sample = [bare for bare, _ in pieces][:: max(1, len(pieces) // SAMPLE)]
    shares = {pattern: _share(sample, pattern) for pattern in PATTERNS if pattern not in COUNTED}
    most = max(shares.values())
    if most < READABLE:
        return None
    suited = [pattern for pattern, share in shares.items() if share == most]
    offsets = {offset for _, offset in pieces if offset is not None}
    ending = _ZONE.search(texts[0])
    zone = "Z" if len(offsets) > 1 or not ending else ending.group(1)
    ways = [Writing(pattern, zone if offsets else "", len(offsets) > 1) for pattern in suited]
    return ways[0] if len(ways) == 1 else min(ways, key=lambda way: _strangeness(way, column))


def _all_numbers(column: Column) -> bool:
    values, bad = numbers(column)
    present = ~np.isnan(values)
    days = bool(present.any()) and all(re.fullmatch(r"(19|20)\d{6}", str(c)) for c in column[present][:SAMPLE].tolist())
    return column.dtype.kind == "O" and bool(present.any()) and not bad.any() and not days


def _of_numbers(column: Column, kind: str) -> Writing | None:
    values = numbers(column)[0]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    if kind != "time":
        return Writing("step")
    low = float(np.abs(finite).min())
    if finite.min() >= 1 and finite.max() < 10_000:
        return Writing("year")
    return Writing("milliseconds" if low >= 1e11 else "seconds")


def _strangeness(way: Writing, column: Column) -> tuple[int, int]:
    """How often a later row holds an earlier moment, or one that is unreadable, and how many different gaps there are between
    moments, where whole months are as long as each other: 3/4/2020 is read as what rises, and then as what is regular."""
    seconds = way.read(column)[0]
    there = np.unique(seconds[seconds != NEVER]).astype("datetime64[s]")
    months = there.astype("datetime64[M]")
    into = np.diff((there - months).astype(np.int64))
    gaps = np.where(into == 0, -np.diff(months.astype(np.int64)), np.diff(there.astype(np.int64)))
    falls = int((np.diff(seconds) < 0).sum() + (seconds == NEVER).sum())
    return falls, len(np.unique(gaps))


def _share(texts: Sequence[str], pattern: str) -> float:
    return sum(_read(text, pattern) is not None for text in texts) / len(texts)


def _apart(text: str) -> tuple[str, int | None]:
    """The cell without its offset from UTC, and that in minutes. Only what has a clock has an offset: 2020-01 has none."""
    found = _ZONE.search(text) if ":" in text else None
    return (text, None) if found is None else (text[: found.start()], _offset(found.group(1)))


def _offset(zone: str) -> int:
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    return (-1 if zone[0] == "-" else 1) * (60 * int(digits[:2]) + int(digits[2:]))


def _read(text: str, pattern: str) -> int | None:
    """Seconds of a text without an offset; None where it is not of the pattern. Fractions of a second other than 0 are not."""
    fraction = _FRACTION.search(text)
    if fraction is not None:
        if int(fraction.group(2)):
            return None
        text = text[: fraction.start(2) - 1]
    try:
        if pattern == SHORT:
            year, _, month = text.partition("-")
            short = year.isdecimal() and len(year) <= 3 and month.isdecimal() and len(month) == 2
            moment = datetime(_COUNTED_FROM + int(year), int(month), 1) if short else None
        elif pattern == QUARTER:
            found = re.fullmatch(r"(\d{4})[- ]?[Qq]([1-4])", text)
            moment = datetime(int(found.group(1)), 3 * int(found.group(2)) - 2, 1) if found else None
        elif pattern.startswith("%Y-%m-%d") and len(text) in (10, 16, 19) and text[4] == text[7] == "-":
            full = len(text) == {"%Y-%m-%d": 10}.get(pattern, 19 if "%S" in pattern else 16)
            same = full and text[10:11] == pattern[8:9] and "%p" not in pattern
            moment = datetime.fromisoformat(text) if same else None
        else:
            moment = datetime.strptime(text, pattern)
    except ValueError:
        return None
    return None if moment is None else (moment - _EPOCH) // timedelta(seconds=1)


class Time(Kind):
    """See the top of this file. writing_: how the training rows were written."""

    def __init__(self) -> None:
        self.writing_ = Writing("%Y-%m-%d %H:%M:%S")

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. A column that nothing can be read from keeps the ISO form."""
        self.writing_ = find(column, field.kind) or self.writing_
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """int64 (rows,) seconds."""
        seconds, problems = self.writing_.read(column)
        problems |= {int(row): "the time is missing" for row in np.flatnonzero(seconds == NEVER) if row not in problems}
        return {"": seconds}, dict(sorted(problems.items()))

    def decode(self, array: EncodedColumn) -> Column:
        """Moments as the data writes them."""
        if isinstance(array, Ragged):
            raise TypeError("times are never ragged")
        return self.writing_.write(array)

    def sizes(self) -> tuple[int, ...]:
        """(1,)."""
        return (1,)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"pattern": self.writing_.pattern, "zone": self.writing_.zone, "mixed": self.writing_.mixed}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a time field", {"pattern": str, "zone": str, "mixed": bool})
        if values["pattern"] not in PATTERNS or not re.fullmatch(r"|Z|z|[+-]\d{2}:?\d{2}", values["zone"]):
            raise BundleError(f"a time field is written in no way that is known: {values!r}")
        self.writing_ = Writing(**values)
        return self
