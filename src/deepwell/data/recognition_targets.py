"""The target column: which one it is if the user did not say, whether it is classes or a number, and what rules it out."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Column, Table
from deepwell.data.fields.tags import Tags
from deepwell.data.fields.values import is_missing
from deepwell.data.recognition_columns import Look, words

FEW = 20
TEXT_SHARE = 0.1
TARGET_NAMES = ("label", "target", "class", "y")
LABEL_WORDS = {"label", "labels", "class", "classes", "category"}


def default_target(schema: Schema) -> str | None:
    """The column that is most likely meant: beside pictures `label`, else one called label, target, class or y."""
    by_name = {f.name.lower(): f.name for f in reversed(schema.fields) if f.role not in ("group", "split")}
    return next((by_name[name] for name in TARGET_NAMES if name in by_name), None)


def target_field(seen: Look, recognised: Field, beside: Collection[str]) -> Field:
    """Kind and reason of a target. beside: the kinds of the inputs."""
    kind, reason = _target_kind(seen, recognised, beside)
    return Field(seen.name, kind, "target", reason, seen.facts)


def _target_kind(seen: Look, recognised: Field, beside: Collection[str]) -> tuple[str, str]:
    name, count = seen.name, f"{seen.distinct:,} different"
    if seen.form not in ("number", "bool", "text"):
        return recognised.kind, recognised.reason
    as_number = f"; --kind {name}=number predicts a number instead"
    as_classes = f"; --kind {name}=category makes classes of them"
    if recognised.kind == "time":
        return "time", recognised.reason
    if seen.form == "bool":
        return "category", f"two classes, true and false{seen.gaps}"
    if seen.form == "text" and recognised.kind != "number" and "text" in beside and _own_text(seen, recognised):
        return "text", f"text to be written, {count} in {seen.present:,} rows{seen.gaps}{as_classes}"
    if seen.form == "text" and recognised.kind != "number":
        return "category", f"text, {count} labels in {seen.present:,} rows{seen.gaps}"
    if not seen.whole:
        return "number", f"{recognised.reason}{as_classes if seen.distinct <= FEW else ''}"
    whole = f"whole numbers, {count}, {seen.range}{seen.gaps}"
    if seen.distinct <= 2:
        return "category", f"{whole}: two classes{as_number}"
    labelled = bool(LABEL_WORDS & set(words(name)))
    if labelled and seen.distinct <= seen.present / 2:
        return "category", f"{whole}; its name says that they are labels{as_number}"
    if seen.distinct > FEW:
        return "number", f"{whole}: more than {FEW} different, so a number is predicted{as_classes}"
    if "image" in beside:
        return "category", f"{whole} beside pictures: labels{as_number}"
    smallest, largest = int(seen.counts.min()), int(seen.counts.max())
    low, high = float(np.nanmin(seen.values)), float(np.nanmax(seen.values))
    dense = high - low + 1 == seen.distinct
    if dense and low == 0 and smallest >= 5 and (name.lower() in TARGET_NAMES or smallest >= 0.1 * largest):
        return "category", f"{whole}, numbered from 0 without gaps: labels{as_number}"
    if not dense and smallest >= 5:
        return "category", f"{whole}, not one after the other: labels{as_number}"
    return "number", f"{whole}, read as grades or counts, whose order matters{as_classes}"


def _own_text(seen: Look, recognised: Field) -> bool:
    """Whether a target of text has so many different values that they are texts and no classes."""
    return seen.distinct > seen.present * (TEXT_SHARE if recognised.kind == "text" else 0.5)


def check_target(seen: Look, field: Field, table: Table, tested: bool = True) -> None:
    """Raises DataError for a target from which nothing can be learned. `seen` and `table` are of the training rows.

    tested: see Edits.
    """
    name = field.name
    if seen.missing == seen.rows:
        raise DataError(
            f"the target column {name!r} has no value in any of {seen.rows:,} rows", repair="choose another --target"
        )
    if field.kind == "tags":
        _check_tags(field, table[name])
    if field.kind == "tags" or not seen.distinct:
        return
    if seen.distinct == 1:
        raise DataError(
            f"the target column {name!r} has the same value {seen.keys[0]!r} in all {seen.present:,} rows, "
            "so there is nothing to learn",
            repair="choose another --target, or read the files that hold the other values too; "
            f"where none is needed, as to make more pictures, --role {name}=ignore",
        )
    if field.kind != "category":
        return
    if seen.distinct > seen.present / 2:
        raise DataError(
            f"the target column {name!r} has {seen.distinct:,} classes in {seen.present:,} rows: "
            "nearly every row is its own class",
            repair=f"--kind {name}=number if it is a quantity, or choose another --target",
        )
    if tested and seen.distinct <= FEW:
        _check_single_rows(seen, table)


def _check_tags(field: Field, column: Column) -> None:
    """Raises DataError where there are no tags, or the same in all rows."""
    kind = Tags().fit(column, field, is_target=True)
    different = {frozenset(kind.split(cell)) for cell in column.tolist() if not is_missing(cell)}
    if len(different) == 1:
        raise DataError(
            f"the target column {field.name!r} has the same tags {sorted(different.pop())} in all {len(column):,} rows, "
            "so there is nothing to learn",
            repair="choose another --target, or read the files that hold other tags too",
        )


def _check_single_rows(seen: Look, table: Table) -> None:
    alone = np.flatnonzero(seen.counts == 1)
    if len(alone):
        label = seen.keys[alone[0]]
        row = seen.first_row(int(alone[0]))
        more = f" ({len(alone)} classes are like this)" if len(alone) > 1 else ""
        raise DataError(
            f"the class {label!r} of {seen.name!r} has one row only, in {table.where(row)}{more}; "
            "it cannot be learned and tested both",
            repair="add rows of that class, take the row out, or give it the label of another class (--map)",
        )
