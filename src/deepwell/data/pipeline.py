"""FieldPipeline: each input and target field by its kind. The same object serves training and prediction.

Fields with another role, or of a kind that has no file in data/fields, are skipped; recognition has set such inputs aside
with the reason beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Encoded, EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Schema
from deepwell.core.table import Column, Table
from deepwell.data.fields.category import Category
from deepwell.data.fields.kind import Kind, checked, find, has_kind
from deepwell.data.fields.number import Number


class FieldPipeline:
    """A core.task.Pipeline.

    Args:
        schema: the fields.
        kinds: column -> an unfitted Kind with other options than the default, e.g. {"image": Image(size=64)}.
    Attributes:
        kinds_: column -> its Kind, in column order.
    """

    def __init__(self, schema: Schema, kinds: Mapping[str, Kind] | None = None) -> None:
        self.schema = schema
        given = kinds or {}
        used = [f for f in schema.fields if f.role in ("input", "target") and (f.name in given or has_kind(f.kind))]
        self.kinds_: dict[str, Kind] = {f.name: given[f.name] if f.name in given else find(f.kind)() for f in used}

    def fit(self, table: Table) -> FieldPipeline:
        """Learn every transform from the training rows; returns self."""
        for name, kind in self.kinds_.items():
            field = self.schema[name]
            kind.fit(table[name], field, is_target=field.role == "target")
        return self

    def encode(self, table: Table, *, targets: bool = True) -> Encoded:
        """Arrays of the usable rows, and why the others are not. Targets are left out for questions."""
        columns: dict[str, EncodedColumn] = {}
        problems: dict[int, str] = {}
        for name, kind in self.kinds_.items():
            if self.schema[name].role == "target" and not targets:
                continue
            parts, bad = kind.encode(table[name])
            for part, array in parts.items():
                full = f"{name}.{part}" if part else name
                if full in columns or (part and full in self.kinds_):
                    raise DataError(f"the columns {name!r} and {full!r} cannot stand side by side", repair="rename one")
                columns[full] = array
            for row, why in bad.items():
                problems.setdefault(row, f"column {name!r}: {why}")
        if not problems:
            return Encoded(columns, np.arange(len(table)))
        usable = np.ones(len(table), np.bool_)
        usable[list(problems)] = False
        rows = np.flatnonzero(usable)
        return Encoded({n: _only(a, rows) for n, a in columns.items()}, rows, dict(sorted(problems.items())))

    def decode(self, name: str, array: NDArray[Any]) -> Column:
        """Raw values of one field from its main array (for a category: from level or class indices)."""
        return self._kind(name).decode(array)

    def classes(self, name: str) -> list[str]:
        """The class names of a target category, in the order of its indices. Raises DataError for another field."""
        kind = self._kind(name)
        if not isinstance(kind, Category) or not kind.target_:
            raise DataError(f"the column {name!r} has no classes: it is not a category that is a target")
        return kind.classes_

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Field name -> sizes, as core.task.Sizes.fields says."""
        return {name: kind.sizes() for name, kind in self.kinds_.items()}

    def state(self) -> dict[str, Any]:
        """Column -> {kind, state}, as JSON values."""
        return {n: {"kind": type(k).__name__.lower(), "state": k.state()} for n, k in self.kinds_.items()}

    def restore(self, state: Mapping[str, Any]) -> FieldPipeline:
        """Take over what `state` gave; returns self. Raises BundleError for anything unexpected."""
        if not isinstance(state, Mapping) or set(state) != set(self.kinds_):
            raise BundleError(f"the stored transforms must be those of the columns {sorted(self.kinds_)}")
        for name, kind in self.kinds_.items():
            stored = checked(state[name], f"the transform of {name!r}", {"kind": str, "state": dict})
            if stored["kind"] != type(kind).__name__.lower():
                raise BundleError(
                    f"the column {name!r} is of kind {self.schema[name].kind}; stored is {stored['kind']!r}"
                )
            kind.restore(stored["state"])
            if isinstance(kind, Category | Number) and kind.target_ != (self.schema[name].role == "target"):
                raise BundleError(f"the stored transform of {name!r} does not fit its role {self.schema[name].role!r}")
        return self

    def _kind(self, name: str) -> Kind:
        if name not in self.kinds_:
            raise DataError(f"the column {name!r} is not encoded: it is neither an input nor a target")
        return self.kinds_[name]


def _only(array: EncodedColumn, rows: IntArray) -> EncodedColumn:
    """The given rows (ascending) of an encoded column; moved up in place where allowed, so that pictures are not doubled."""
    if isinstance(array, Ragged):
        return array.take(rows)
    if not array.flags.writeable:
        return array[rows]
    for start in range(0, len(rows), 4096):
        some = rows[start : start + 4096]
        array[start : start + len(some)] = array[some]
    return array[: len(rows)]
