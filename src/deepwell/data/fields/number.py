"""number: one float per row. Inputs are scaled robustly and clipped smoothly, targets standardised.

Inputs follow RealMLP (Holzmüller et al. 2024, arXiv 2407.04491, section 3): subtract the median, divide by the distance of
the quartiles, then x / sqrt(1 + (x / 3)^2), which keeps all values within -3 and 3 and their order. Two rules are added:
- log: where the 1% or 99% quantile lies more than 10 quartile distances from the median, x becomes
  sign(x) log(1 + |x| / unit) first; unit is the 10% quantile of |x| over values other than 0.
- spike: where one exact value holds more than a quarter of the rows (capital gains: mostly 0; half, among at most 4 values), that
  value becomes 0, and the distances d of the others are scaled among themselves: d / low up to `low` (their 10% quantile),
  1 + (d - low) / spread above.
Of more than FITTED_ROWS training rows (values.py) a sample tells median and quantiles of an input.
A missing value is 0 and, if training had missing values, 1 in the companion `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.values import numbers, sampled

CLIP = 3.0
HEAVY = 10.0
SPIKE = 0.25
LARGEST = 1e300
Floats = NDArray[np.float64]


class Number(Kind):
    """See the top of this file.

    Attributes:
        target_: whether the column is a target. missing_: whether training rows had missing values.
        log_unit_: unit of the signed logarithm; 0: none. spike_: whether `centre_` is one very frequent value.
        centre_, low_, spread_: see the top; for a target mean, 0 and standard deviation.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.target_ = self.missing_ = self.spike_ = False
        self.log_unit_ = self.centre_ = self.low_ = 0.0
        self.spread_ = 1.0

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        values, _ = numbers(column)
        absent = np.isnan(values)
        self._forget()
        self.target_, self.missing_ = is_target, bool(absent.any()) and not is_target
        values = values if is_target else sampled(values)
        values = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
        if not len(values):
            return self
        if is_target:
            largest = max(float(np.abs(values).max()), 1e-300)
            scaled = values / largest  # squares of values near 1e300 would overflow
            self.centre_, self.spread_ = float(scaled.mean()) * largest, float(scaled.std()) * largest or 1.0
            return self
        self._fit_input(values)
        return self

    def _fit_input(self, values: Floats) -> None:
        unique, counts = np.unique(values, return_counts=True)
        common = unique[counts.argmax()]
        share = SPIKE if len(unique) > 4 else 2 * SPIKE
        self.spike_ = len(unique) > 1 and bool(counts.max() > max(1, share * len(values)))
        rest = values[values != common] if self.spike_ else values
        low, q1, median, q3, high = np.quantile(rest, (0.01, 0.25, 0.5, 0.75, 0.99))
        if q3 > q1 and len(unique) > 20 and max(high - median, median - low) > HEAVY * (q3 - q1):
            self.log_unit_ = float(np.quantile(np.abs(rest[rest != 0]), 0.1))
            rest = self._log(rest)
            q1, median, q3 = np.quantile(rest, (0.25, 0.5, 0.75))
        if not self.spike_:
            self.centre_, self.spread_ = float(median), float(q3 - q1) or float(np.ptp(rest)) or 1.0
            return
        self.centre_ = float(self._log(np.array([common]))[0])
        distance = np.abs(rest - self.centre_)
        # A distance below the smallest normal number cannot be divided by.
        self.low_ = max(float(np.quantile(distance, 0.1)), float(np.finfo(np.float64).tiny))
        quartiles = np.quantile(distance, (0.25, 0.75))
        self.spread_ = float(quartiles[1] - quartiles[0]) or self.low_

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """float32 (rows,) under "", and float32 (rows,) 0 or 1 under "missing" if training had missing values."""
        values, bad = numbers(column)
        absent = np.isnan(values)
        problems = {int(row): f"{column[row]!r} is not a number" for row in np.flatnonzero(bad)}
        if self.target_:
            for row in np.flatnonzero(absent & ~bad):
                problems[int(row)] = "the value is missing"
            for row in np.flatnonzero(np.isinf(values)):
                problems[int(row)] = f"{values[row]} is not a finite number"
        parts: dict[str, EncodedColumn] = {"": self._forward(values)}
        if self.missing_:
            parts["missing"] = (absent & ~bad).astype(np.float32)
        return parts, dict(sorted(problems.items()))

    def _forward(self, values: Floats) -> NDArray[np.float32]:
        values = np.clip(values, -LARGEST, LARGEST)
        with np.errstate(over="ignore"):
            if self.target_:
                scaled = np.clip((values - self.centre_) / self.spread_, -1e30, 1e30)
            else:
                scaled = self._scale(self._log(values) - self.centre_)
                scaled = np.clip(scaled, -1e9, 1e9)
                scaled /= np.sqrt(1 + np.square(scaled / CLIP))
        scaled[np.isnan(scaled)] = 0
        return scaled.astype(np.float32)

    def _log(self, values: Floats) -> Floats:
        if not self.log_unit_:
            return values
        with np.errstate(over="ignore"):
            logged: Floats = np.sign(values) * np.log1p(np.minimum(np.abs(values) / self.log_unit_, LARGEST))
        return logged

    def _scale(self, values: Floats) -> Floats:
        if not self.spike_:
            return values / self.spread_
        distance = np.abs(values)
        above = np.maximum(distance - self.low_, 0) / self.spread_
        scaled: Floats = np.sign(values) * (np.minimum(distance / self.low_, 1) + above)
        return scaled

    def decode(self, array: EncodedColumn) -> Column:
        """float64 values in the column's own unit; exact to float32 except where values were clipped near 3."""
        if isinstance(array, Ragged):
            raise TypeError("numbers are never ragged")
        values = array.astype(np.float64)
        if self.target_:
            return values * self.spread_ + self.centre_
        values = np.clip(values, -CLIP + 1e-6, CLIP - 1e-6)
        values /= np.sqrt(1 - np.square(values / CLIP))
        if self.spike_:
            distance = np.abs(values)
            plain = np.minimum(distance, 1) * self.low_ + np.maximum(distance - 1, 0) * self.spread_
            values = np.sign(values) * plain
        else:
            values = values * self.spread_
        values = values + self.centre_
        if self.log_unit_:
            values = np.sign(values) * np.expm1(np.minimum(np.abs(values), 690.0)) * self.log_unit_
        return values

    def sizes(self) -> tuple[int, ...]:
        """(1,)."""
        return (1,)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "target": self.target_, "missing": self.missing_, "log_unit": self.log_unit_, "spike": self.spike_,
            "centre": self.centre_, "low": self.low_, "spread": self.spread_,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        flags, figures = ("target", "missing", "spike"), ("log_unit", "centre", "low", "spread")
        values = checked(state, "a number field", {**dict.fromkeys(flags, bool), **dict.fromkeys(figures, float)})
        if (
            values["spread"] <= 0
            or values["log_unit"] < 0
            or values["low"] < 0
            or (values["spike"] and not values["low"])
        ):
            raise BundleError(f"a number field has scales that cannot be: {values!r}")
        self.target_, self.missing_, self.spike_ = (values[name] for name in flags)
        self.log_unit_, self.centre_, self.low_, self.spread_ = (values[name] for name in figures)
        return self
