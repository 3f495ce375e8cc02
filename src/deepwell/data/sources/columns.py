"""Raw values -> one column in the forms that core.table names. One rule for missing words, whatever the raw form was.

Unusual: text cells are stripped and the words of MISSING become None here for every source, so that a "?" means the same
in a CSV file at training and in a dictionary at prediction. Numbers written as text are numbers only in text files, where
everything is text (frames.py): in memory, text that the user typed as text stays text.
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Column

MISSING = (
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "null", "Null", "NULL", "None", "?",
)  # fmt: skip
EXACT_FLOAT = 2**53


def objects(values: Iterable[Any]) -> NDArray[Any]:
    """A one-dimensional object array, also where the values are arrays or lists of one length."""
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    for i, value in enumerate(listed):
        column[i] = value
    return column


def clean(text: str, missing: Sequence[str] | frozenset[str]) -> str | None:
    """A text cell: stripped; None where it is a word that means missing."""
    stripped = text.strip()
    return None if stripped in missing else stripped


def words(extra: Sequence[str]) -> frozenset[str]:
    """All words that mean missing: MISSING and the user's own, stripped as cells are."""
    return frozenset(MISSING) | {w.strip() for w in extra}


def unique_names(names: Sequence[str], where: str = "") -> list[str]:
    """Column names, stripped, empty ones called column_i (1-based).

    Raises DataError naming both positions of a name that stands twice.
    """
    found: dict[str, int] = {}
    for position, raw in enumerate(names, start=1):
        name = raw.strip() or f"column_{position}"
        if name in found:
            raise DataError(
                f"two columns are called {name!r}: column {found[name]} and column {position}",
                where=where, repair="give each column its own name",
            )  # fmt: skip
        found[name] = position
    return list(found)


def column(values: Any, missing: Sequence[str] | frozenset[str]) -> Column:
    """One column from any sequence or array.

    values: a numpy array (rows, ...), or any sequence of Python values. Numbers become float64, int64 (whole, none
    missing) or bool; text becomes object of str | None; moments become ISO text; numbers mixed with text become text;
    numbers of several dimensions stay as they are (uint8 of three or four are pictures); anything else as objects.
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return _typed(values, missing)
    return _values(list(values), missing)


def _typed(array: NDArray[Any], missing: Sequence[str] | frozenset[str]) -> Column:
    """A column from an array that has a type."""
    kind = array.dtype.kind
    if kind in "US":
        return _values([v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in array.tolist()], missing)
    if array.ndim > 1:
        return array if kind in "biuf" else objects(array)
    if kind == "b":
        return array
    if kind in "iu":
        small = array.itemsize < 8 or kind == "i" or not len(array) or int(array.max()) < 2**63
        return array.astype(np.int64 if small else np.float64)
    if kind == "f":
        return array.astype(np.float64)
    if kind == "M":
        texts = np.datetime_as_string(array, unit="D" if array.dtype == "datetime64[D]" else "s")
        return objects(None if t == "NaT" else t.replace("T", " ") for t in texts.tolist())
    if kind == "m":
        seconds = array / np.timedelta64(1, "s")
        return np.asarray(seconds, dtype=np.float64)
    raise DataError(f"a column of numpy type {array.dtype} cannot be used", repair="make it numbers or text")


def _absent(value: Any) -> bool:
    """Whether a Python value means missing: None, NaN, pandas' NA and NaT (which differ from themselves or from all)."""
    if value is None:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def _values(values: list[Any], missing: Sequence[str] | frozenset[str]) -> Column:
    """A column from Python values."""
    given = [None if _absent(v) else v for v in values]
    kinds = {_kind(v) for v in given if v is not None}
    gaps = any(v is None for v in given)
    if kinds == {"bool"} and not gaps:
        return np.array(given, dtype=bool)
    if kinds in ({"whole"}, {"real"}, {"whole", "real"}):
        return _numbers(given, gaps, kinds)
    if kinds <= {"text", "moment", "whole", "real", "bool"}:
        return objects(None if v is None else clean(_text(v), missing) for v in given)
    return objects(given)


def _numbers(given: list[Any], gaps: bool, kinds: set[str]) -> Column:
    """Whole and real numbers: int64 where all are whole, none is missing and all fit; else float64 with NaN."""
    if kinds == {"whole"}:
        present = [int(v) for v in given if v is not None]
        if not gaps and all(-(2**63) <= v < 2**63 for v in present):
            return np.array(present, dtype=np.int64)
        if any(abs(v) > EXACT_FLOAT for v in present):
            return objects(None if v is None else str(int(v)) for v in given)
    return np.array([np.nan if v is None else float(v) for v in given], dtype=np.float64)


def _kind(value: Any) -> str:
    """Which sort of value this is: bool, whole, real, text, moment, or other."""
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, numbers.Integral):
        return "whole"
    if isinstance(value, numbers.Real) or type(value).__name__ == "Decimal":
        return "real"
    return "moment" if isinstance(value, (datetime.date, datetime.time, np.datetime64)) else "other"


def _text(value: Any) -> str:
    """One value of a mixed column as text, as a text file would write it."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)


def as_text(values: Column) -> Column:
    """A column of numbers or truth values as text: 7 for 7.0 where all are whole, None where missing; text unchanged."""
    if values.dtype == object or values.ndim > 1:
        return values
    return objects(None if _absent(v) else _text(v) for v in values.tolist())
