"""One column by itself: what its cells look like, and from that its kind, role and reason. Targets: recognition_targets.

The rules stand in `recognise_column` in the order in which they are tried. Each reason gives the figures it rests on, so
that a user who disagrees knows which edit to make.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.fields import Field
from deepwell.core.table import Column, Table
from deepwell.data import recognition_texts
from deepwell.data.fields import pictures
from deepwell.data.fields.boxes import boxes_in_words, mostly_boxes
from deepwell.data.fields.mask_pixels import is_masks, masks_in_words
from deepwell.data.fields.values import factorise, key, missing, numbers

PARSED = 0.95
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "learn"), "train"),
    **dict.fromkeys(("select", "valid", "validation", "val", "dev", "development"), "select"),
    **dict.fromkeys(("calibrate", "calibration", "cal"), "calibrate"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
}
SPLIT_NAMES = {"split", "part", "subset", "fold", "partition", "set"}
GROUP = ".group"
"""What ends the name of a column that says which rows share something of the column before the dot."""
ID_WORDS = {"id", "ids", "uid", "uuid", "guid", "index", "idx", "key", "rowid", "row", "unnamed", "nr", "no"}
CODE_WORDS = {"zip", "zipcode", "postcode", "postal", "plz", "code"}
# `Molecular Weight` is none: only these names, or a weight of samples.
WEIGHT_NAMES = re.compile(
    r"weights?|fnlwgt|pweight|wt|wgt|(sample|survey|case|row|instance|example)_?(weights?|wt|wgt)"
)
_TIME = r"([ T]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(am|pm|z|[+-]\d{2}:?\d{2})?)?"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(\d{{4}}-\d{{1,2}}(-\d{{1,2}})?{_TIME}|\d{{1,4}}[/.]\d{{1,2}}[/.]\d{{2,4}}{_TIME}|\d{{1,2}}:\d{{2}}(:\d{{2}})?"
    rf"|\d{{1,2}}[- ]{_MONTH}[- ,]+\d{{2,4}}{_TIME}|{_MONTH} \d{{1,2}},? \d{{4}}{_TIME})",
    re.IGNORECASE,
)


BLOCK = 1 << 16
"""Rows that are looked at at a time: temporary copies of a column of a hundred million rows would not fit into memory."""


def blocks(values: NDArray[Any], overlap: int = 0) -> Iterator[NDArray[Any]]:
    """An array in pieces; each begins with the last `overlap` rows of the one before."""
    for start in range(0, len(values), BLOCK):
        yield values[max(0, start - overlap) : start + BLOCK]


@dataclass(frozen=True)
class Look:
    """What was seen in a column.

    Attributes:
        form: number, bool, text, image, mask, boxes, points, time, vector, nested; for lists also dialogue, texts or tags.
        values: (rows,) float64 with NaN; for text what parses. parsed: share of present cells that are numbers.
        texts: for text the different present keys, how many rows have each, and (rows,) index into them (-1: missing).
        column: the cells, for numbers and truth values.
    """

    name: str
    form: str
    rows: int
    missing: int
    values: NDArray[np.float64]
    parsed: float
    texts: tuple[Sequence[str], IntArray, IntArray] | None = None
    column: Column | None = None

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        if self.column is None:
            return len(self.texts[0]) if self.texts else 0
        ordered = self.column[~np.isnan(self.values)]
        ordered.sort()
        return bool(len(ordered)) + sum(int((pair[1:] != pair[:-1]).sum()) for pair in blocks(ordered, 1))

    @cached_property
    def cells(self) -> tuple[Sequence[Any], IntArray]:
        """The different present values, and how many rows have each; none for other forms than number, bool and text.

        As large as the column where most of its numbers are different: ask `distinct` first.
        """
        if self.column is None:
            return self.texts[:2] if self.texts else ([], np.zeros(0, np.int64))
        found, counts = np.unique(self.column[~np.isnan(self.values)], return_counts=True)
        return found.tolist(), counts

    @property
    def counts(self) -> IntArray:
        """How many rows have each of the different values."""
        return self.cells[1]

    @cached_property
    def keys(self) -> list[str]:
        """The different values as text, in the order of `cells`. Slow for a million numbers: ask `distinct` for the count."""
        return [str(key(cell)) for cell in self.cells[0]]

    def first_row(self, index: int) -> int:
        """The first row that holds a value, by its place in `cells`."""
        found = self.texts[2] == index if self.texts else self.values == float(self.cells[0][index])
        return int(np.flatnonzero(found)[0])

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest finite value; None without any."""
        each = [(f.min(), f.max()) for f in (b[np.isfinite(b)] for b in blocks(self.values)) if len(f)]
        return (float(min(low for low, _ in each)), float(max(high for _, high in each))) if each else None

    @cached_property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        if self.parsed != 1 or self.bounds is None:
            return False
        return all(bool((f == np.round(f)).all()) for f in (b[np.isfinite(b)] for b in blocks(self.values)))

    @property
    def range(self) -> str:
        """`17 to 90`."""
        return f"{self.bounds[0]:g} to {self.bounds[1]:g}" if self.bounds else "none finite"

    def is_running(self) -> bool:
        """Whether each value is one more than the value before it, missing ones left out."""
        before = np.zeros(0)
        for block in blocks(self.values):
            joined = np.concatenate([before, block[~np.isnan(block)]])
            if not (np.diff(joined) == 1).all():
                return False
            before = joined[-1:]
        return True

    @property
    def gaps(self) -> str:
        """`; 12 missing (0.3%)`, or nothing."""
        return f"; {self.missing:,} missing ({self.missing / self.rows:.1%})" if self.missing else ""

    @property
    def facts(self) -> dict[str, Any]:
        """For Field.facts."""
        facts: dict[str, Any] = {"rows": self.rows, "missing": self.missing}
        return {**facts, "distinct": self.distinct} if self.form in ("number", "bool", "text") else facts


def words(name: str) -> list[str]:
    """The words of a column name in lower case: `PassengerId` -> passenger, id."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", spaced.lower()) if word]


def look(name: str, column: Column) -> Look:
    """What a column looks like."""
    form = _form(name, column)
    if form not in ("number", "bool", "text"):
        cells = column.tolist() if column.dtype == object else []
        gaps = int(missing(column).sum()) if column.dtype != object else sum(cell is None for cell in cells)
        return Look(name, form, len(column), gaps, np.zeros(0), 0.0)
    if form == "text":
        return _look_at_text(name, column)
    values = column.astype(np.float64, copy=False)
    gaps = sum(int(np.isnan(block).sum()) for block in blocks(values))
    return Look(name, form, len(column), gaps, values, 1.0, column=column)


def _look_at_text(name: str, column: Column) -> Look:
    keys, inverse = factorise(column)
    counts = np.bincount(inverse, minlength=len(keys))
    if None in keys:
        gap = keys.index(None)
        inverse = np.where(inverse == gap, -1, inverse - (inverse > gap))
        counts = np.delete(counts, gap)
    present = [key for key in keys if key is not None]
    rows = int(counts.sum())
    parsed, bad = numbers(np.array([*present, None], object))
    share = float(counts[~bad[:-1]].sum() / rows) if rows else 0.0
    return Look(name, "text", len(column), len(column) - rows, parsed[inverse], share, texts=(present, counts, inverse))


def _form(name: str, column: Column) -> str:
    if column.dtype == np.uint8 and column.ndim >= 3:
        return "mask" if is_masks(name, list(column[:100])) else "image"
    if column.ndim > 1:
        return "vector"
    if column.dtype.kind != "O":
        return {"b": "bool", "i": "number", "u": "number", "f": "number", "M": "time", "m": "time"}.get(
            column.dtype.kind, "text"
        )
    cells = [cell for cell in column.tolist() if cell is not None]
    types = {type(cell) for cell in cells}
    if cells and is_masks(name, cells[:100]):
        return "mask"
    if cells and all(pictures.is_picture(cell) for cell in cells[:100]):
        return "image"
    if mostly_boxes(cells, PARSED) or (cells and all(isinstance(cell, list) and not cell for cell in cells)):
        return "boxes"
    if any(issubclass(t, (list, tuple, dict, np.ndarray)) for t in types):
        return "points" if all(_pairs(cell) for cell in cells[:100]) else recognition_texts.list_form(name, cells)
    return "text"


def _pairs(cell: Any) -> bool:
    try:
        array = np.asarray(cell, np.float64)
    except (ValueError, TypeError):
        return False
    return array.size == 0 or (array.ndim == 2 and array.shape[1] == 2)


def recognise_column(seen: Look, table: Table) -> Field:
    """Kind, role and reason of one column that is not a target."""

    def field(kind: str, role: str, reason: str) -> Field:
        return Field(seen.name, kind, role, reason, seen.facts)

    if seen.rows == 0:
        return field("category", "ignore", "the table has no rows")
    if seen.missing == seen.rows:
        return field("category", "ignore", f"set aside: all {seen.rows:,} values are missing")
    if seen.form == "image":
        return field("image", "input", f"pictures in {seen.present:,} rows{seen.gaps}")
    if seen.form == "mask":
        return field("mask", "target", f"masks, whose pixels are classes{masks_in_words(table[seen.name])}{seen.gaps}")
    if seen.form == "boxes":
        return field("boxes", "target", f"{boxes_in_words(table[seen.name])} in {seen.present:,} rows{seen.gaps}")
    if seen.form == "points":
        return field("points", "input", f"lists of (x, y) in {seen.present:,} rows{seen.gaps}")
    if seen.form in ("dialogue", "texts", "tags"):
        cells = [cell for cell in table[seen.name].tolist() if cell is not None]
        return recognition_texts.list_field(seen.name, seen.form, cells, seen.gaps, seen.facts)
    if seen.form == "vector":
        shape = table[seen.name].shape[1:]
        return field("vector", "input", f"arrays of shape {shape} in {seen.present:,} rows{seen.gaps}")
    if seen.form in ("nested", "time"):
        kind = {"nested": "series", "time": "time"}[seen.form]
        return field(kind, "ignore", f"set aside: cells of this form ({seen.form}) are not read as inputs")
    if _is_split(seen):
        found = ", ".join(f"{seen.keys[i]} {seen.counts[i]:,}" for i in range(seen.distinct))
        return field("category", "split", f"names the author's parts: {found}")
    if seen.form == "text" and seen.parsed < PARSED and recognition_texts.is_long(seen.keys):
        long = f"{sum(map(len, seen.keys)) / seen.distinct:,.0f} characters on average"
        return field(
            "text", "input", f"documents of {long}; {seen.distinct:,} different in {seen.present:,} rows{seen.gaps}"
        )
    if seen.distinct == 1 and not seen.missing:
        return field(
            _plain_kind(seen),
            "ignore",
            f"set aside: the same value {seen.keys[0]!r} in all {seen.rows:,} rows",
        )
    if seen.name.endswith(GROUP) and (beside := seen.name.removesuffix(GROUP)) in table:
        return field(
            "category", "group", f"rows of one {beside!r} stay in one part: {seen.distinct:,} groups{seen.gaps}"
        )
    if why := _identifies(seen):
        return field("id", "id", f"set aside: {why}")
    if seen.form == "number":
        return _number_field(seen)
    if seen.form == "bool":
        return field("category", "input", f"true or false{seen.gaps}")
    return _text_field(seen, table)


def _plain_kind(seen: Look) -> str:
    return "number" if seen.form == "number" else "category"


def _is_split(seen: Look) -> bool:
    named = seen.name.lower() in SPLIT_NAMES
    return named and not seen.missing and seen.form == "text" and {k.lower() for k in seen.keys} <= set(SPLIT_WORDS)


def _identifies(seen: Look) -> str:
    """Why a column names rows instead of telling something about them; empty if it does not."""
    named = bool(ID_WORDS & set(words(seen.name))) or not seen.name
    share = seen.distinct / seen.present
    if seen.present < 5 or (seen.form == "number" and not seen.whole):
        return ""
    different = f"{seen.distinct:,} different values in {seen.present:,} rows"
    if named and share > 0.5:
        return f"{different}, and its name says that it identifies rows"
    if seen.form == "number" and share == 1 and seen.present >= 20:
        low, high = seen.bounds or (0.0, 0.0)
        if seen.is_running() or (seen.present >= 100 and not seen.missing and high - low == seen.rows - 1):
            return f"a running number, {seen.range}, another one in each row"
    single = seen.form == "text" and seen.parsed < PARSED and recognition_texts.words_each(seen.keys) < 1.5
    if single and seen.distinct > 20 and share == 1 and not _dates(seen):
        return f"another text in each of {seen.present:,} rows"
    return ""


def _number_field(seen: Look) -> Field:
    name_words = set(words(seen.name))
    if seen.whole and seen.distinct == 2:
        reason = f"whole numbers with only two different values, {seen.keys[0]} and {seen.keys[1]}{seen.gaps}"
        return Field(seen.name, "category", "input", reason, seen.facts)
    if seen.whole and CODE_WORDS & name_words and seen.distinct > 2:
        reason = f"whole numbers named like a code, where order means nothing; {seen.distinct:,} different{seen.gaps}"
        return Field(seen.name, "category", "input", reason, seen.facts)
    sort = "all values are whole numbers" if seen.whole else "numbers with fractions"
    reason = f"{sort}, {seen.distinct:,} different, {seen.range}{seen.gaps}"
    if WEIGHT_NAMES.fullmatch("_".join(words(seen.name))) and seen.bounds and seen.bounds[0] > 0:
        reason += (
            "; named like a sample weight, but it stays an input: "
            f"weights are used only if asked for (--role {seen.name}=weight)"
        )
    return Field(seen.name, "number", "input", reason, seen.facts)


def _text_field(seen: Look, table: Table) -> Field:
    def field(kind: str, role: str, reason: str) -> Field:
        return Field(seen.name, kind, role, reason, seen.facts)

    different = f"{seen.distinct:,} different values in {seen.present:,} rows{seen.gaps}"
    if seen.parsed >= PARSED:
        if any(re.fullmatch(r"0\d+", key) for key in seen.keys):
            return field("category", "input", f"codes of digits with leading zeros, {different}")
        return field("number", "input", _numbers_as_text(seen, table))
    if _dates(seen):
        example = seen.keys[0]
        series = f"read only as the regular times of series (--role {seen.name}=order)"
        return field("time", "ignore", f"set aside: dates or times as text, such as {example!r}; {series}")
    share = seen.distinct / seen.present
    if recognition_texts.is_language(seen.keys, seen.present):
        return field("text", "input", f"free text, {_texts(seen)}")
    if seen.distinct > 20 and share > 0.9:
        return field("category", "ignore", f"set aside: nearly every row has its own text: {different}")
    reason = f"text, {different}"
    if seen.parsed >= 0.5:
        other = max((int(c), k) for k, c in zip(seen.keys, seen.counts, strict=True) if _not_a_number(k))[1]
        reason += (
            f"; {seen.parsed:.0%} of the cells are numbers and the most frequent other value is {other!r}: "
            "if that means missing, say so (--missing) and this becomes a number column"
        )
    if ID_WORDS & set(words(seen.name)):
        reason += f"; --role {seen.name}=group keeps rows with the same value in one part"
    return field("category", "input", reason)


def _numbers_as_text(seen: Look, table: Table) -> str:
    reason = f"numbers written as text, {seen.distinct:,} different, {seen.range}{seen.gaps}"
    inverse = seen.texts[2] if seen.texts else np.zeros(0, np.int64)
    bad = np.flatnonzero(np.isnan(seen.values) & (inverse >= 0))
    if len(bad):
        first = seen.keys[inverse[bad[0]]]
        reason += (
            f"; {len(bad):,} of {seen.present:,} cells are not numbers, the first is {first[:60]!r} in "
            f"{table.where(int(bad[0]))}: rows like it are rejected"
        )
    return reason


def _not_a_number(text: str) -> bool:
    return bool(numbers(np.array([text], object))[1][0])


def _dates(seen: Look) -> bool:
    sample = seen.keys[:500]
    return sum(bool(_DATE.fullmatch(key.strip())) for key in sample) >= PARSED * len(sample) > 0


def _texts(seen: Look) -> str:
    """Length and number of texts, in words."""
    words, different = recognition_texts.words_each(seen.keys), f"{seen.distinct:,} different values"
    return f"{words:,.1f} words a value, {different} in {seen.present:,} rows{seen.gaps}"


def own_text(seen: Look) -> str:
    """That nearly every row has a short text of its own, in words; empty for columns of which this is not true."""
    if seen.form != "text" or seen.parsed >= PARSED or ID_WORDS & set(words(seen.name)) or not seen.present:
        return ""
    short = recognition_texts.words_each(seen.keys) < recognition_texts.SHORT_WORDS
    if not short or seen.distinct <= 0.9 * seen.present or _dates(seen):
        return ""
    return f"another one in nearly every row ({seen.distinct:,} in {seen.present:,})"
