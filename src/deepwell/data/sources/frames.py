"""polars frames -> columns. Cells of text files become numbers here; frames that have types keep them.

Unusual: `00123` stays text (a code, not a number), and so do whole numbers that float64 cannot hold exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def _text_column(series: pl.Series, missing: list[str], decimal_comma: bool) -> Column:
    """One text column, stripped, missing words out, as numbers where all are."""
    stripped = series.str.strip_chars()
    cells = stripped.set(stripped.is_in(missing), None)
    if cells.null_count() == len(cells):
        return objects([None] * len(cells))
    numbers = _numbers(cells)
    if numbers is None and decimal_comma and cells.drop_nulls().str.contains(COMMA_NUMBER).all():
        numbers = _numbers(cells.str.replace(",", ".", literal=True))
    return _shared(cells) if numbers is None else numbers


def _numbers(cells: pl.Series) -> Column | None:
    """Text as numbers; None where a cell is no number, a code with leading zeros, or too long to be exact."""
    nulls = cells.null_count()
    real = cells.cast(pl.Float64, strict=False)
    if real.null_count() > nulls or cells.str.contains(CODE).any():
        return None
    if not nulls:
        whole = cells.cast(pl.Int64, strict=False)
        if not whole.null_count():
            return whole.to_numpy().copy()
    if cells.str.contains(LONG).any():
        return None
    return real.fill_null(float("nan")).to_numpy().copy()


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
