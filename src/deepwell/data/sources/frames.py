"""polars frames -> columns. Cells of text files become numbers here; frames that have types keep them.

Unusual: `00123` stays text (a code, not a number), and so do whole numbers that float64 cannot hold exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepwell.core.table import Column
from deepwell.data.sources.columns import column, objects, unique_names

CODE = r"^[+-]?0\d"
LONG = r"^[+-]?\d{16,}$"
COMMA_NUMBER = r"^[+-]?\d+(,\d+)?$"


def from_text(
    frame: pl.DataFrame, names: Sequence[str], missing: frozenset[str], *, decimal_comma: bool
) -> dict[str, Column]:
    """Columns of a frame in which every cell is text.

    A column whose every non-missing cell is written as a number becomes int64 (whole, none missing) or float64 (missing =
    NaN); others become object of str | None. decimal_comma: 3,5 is a number.
    """
    words = sorted(missing)
    return {n: _text_column(frame[c], words, decimal_comma) for n, c in zip(names, frame.columns, strict=True)}


def stripped(series: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Text cells without blanks around them; null where they are words that mean missing."""
    cells = series.str.strip_chars()
    return cells.set(cells.is_in(list(missing)), None)


def _text_column(series: pl.Series, missing: list[str], decimal_comma: bool) -> Column:
    """One text column, stripped, missing words out, as numbers where all are."""
    cells = stripped(series, missing)
    written = Written(decimal_comma)
    written.add(cells)
    return written.column(cells)


@dataclass
class _Numbers:
    """Whether all cells so far are written as numbers, as whole ones, and what speaks against numbers."""

    real: bool = True
    whole: bool = True
    code: bool = False
    long: bool = False

    def add(self, cells: pl.Series) -> None:
        nulls = cells.null_count()
        self.real = self.real and cells.cast(pl.Float64, strict=False).null_count() == nulls
        if not self.real:
            return
        self.whole = self.whole and cells.cast(pl.Int64, strict=False).null_count() == nulls
        self.code = self.code or bool(cells.str.contains(CODE).any())
        self.long = self.long or bool(cells.str.contains(LONG).any())

    def form(self, gaps: bool) -> str | None:
        """int, float, or None: text, also for codes with leading zeros and for what is too long to be exact."""
        if not self.real or self.code:
            return None
        if self.whole and not gaps:
            return "int"
        return None if self.long else "float"


class Written:
    """How the cells of a text column are written, told block by block; then the cells in the form that suits all.

    decimal_comma: 3,5 is a number.
    """

    def __init__(self, decimal_comma: bool) -> None:
        self._present = self._gaps = False
        self._point, self._comma = _Numbers(), _Numbers(real=decimal_comma)

    def add(self, cells: pl.Series) -> None:
        """Look at some cells, as `stripped` gives them."""
        self._gaps = self._gaps or cells.null_count() > 0
        self._present = self._present or cells.null_count() < len(cells)
        self._point.add(cells)
        if self._comma.real:
            self._comma.real = bool(cells.drop_nulls().str.contains(COMMA_NUMBER).all())
            self._comma.add(_pointed(cells))

    @property
    def form(self) -> str:
        """int: whole numbers, none missing; float; or text."""
        return (self._point.form(self._gaps) or self._comma.form(self._gaps) or "text") if self._present else "text"

    def column(self, cells: pl.Series) -> Column:
        """Some of the cells in the form of all: int64, float64 (missing = NaN), or object of str | None."""
        if self.form == "text":
            return _shared(cells) if self._present else objects([None] * len(cells))
        numbers = cells if self._point.form(self._gaps) else _pointed(cells)
        if self.form == "int":
            return numbers.cast(pl.Int64).to_numpy().copy()
        return numbers.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()


def _pointed(cells: pl.Series) -> pl.Series:
    return cells.str.replace(",", ".", literal=True)


def _shared(cells: pl.Series) -> Column:
    """Text as an object column in which equal cells are one Python string, so that categories cost 8 bytes a row."""
    distinct = cells.drop_nulls().unique(maintain_order=True)
    if len(distinct) > len(cells) // 2:
        return objects(cells.to_list())
    codes = cells.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).fill_null(len(distinct))
    shared: Column = objects([*distinct.to_list(), None])[codes.to_numpy()]
    return shared


def from_typed(frame: pl.DataFrame, missing: frozenset[str], where: str = "") -> dict[str, Column]:
    """Columns of a frame that has types (Parquet, Arrow). Raises DataError for doubled names."""
    words = sorted(missing)
    names = unique_names(frame.columns, where)
    return {n: _typed_column(frame[c], words, missing) for n, c in zip(names, frame.columns, strict=True)}


def _typed_column(series: pl.Series, words: list[str], missing: frozenset[str]) -> Column:
    """One typed column."""
    kind = series.dtype
    if kind.is_numeric() and not kind.is_decimal() and series.null_count() and kind.is_float():
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    if kind.is_numeric() and not kind.is_decimal() and not series.null_count():
        return column(series.to_numpy(), missing)
    if kind == pl.Boolean and not series.null_count():
        return np.array(series.to_list(), dtype=bool)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        stripped = series.cast(pl.String).str.strip_chars()
        return _shared(stripped.set(stripped.is_in(words), None))
    if kind == pl.Datetime:
        return objects(series.dt.strftime("%Y-%m-%d %H:%M:%S").to_list())
    if kind == pl.Duration:
        return column([None if v is None else v.total_seconds() for v in series.to_list()], missing)
    return column(series.to_list(), missing)
