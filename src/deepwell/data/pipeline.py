"""FieldPipeline: each input and target field by its kind. The same object serves training and prediction.

Fields with another role, or of a kind that has no file in data/fields, are skipped; recognition has set such inputs aside
with the reason beforehand. Where a pipeline has a Storage, columns that take more memory than it allows are encoded in
chunks of rows into mapped files (see cache.py); what is in them is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Encoded, EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Schema
from deepwell.core.table import Column, Table
from deepwell.core.task import Pipeline
from deepwell.data.cache import CHUNK_BYTES, SAMPLE, Columns, Encoding, Storage, content_key, fresh_bytes
from deepwell.data.fields.boxes import Boxes
from deepwell.data.fields.category import Category
from deepwell.data.fields.kind import Kind, checked, find, has_kind
from deepwell.data.fields.mask import Mask
from deepwell.data.fields.number import Number
from deepwell.data.fields.tags import Tags
from deepwell.store import json

Some = tuple[Columns, dict[int, str]]
"""The columns of some rows, and row (counted from the first of them) -> why it cannot be used."""


class Reshape(Protocol):
    """What a family makes of encoded columns, such as stacking them: row by row, and a pure function of them."""

    def __call__(self, columns: Columns) -> Columns:
        """The arrays that networks read. Raises DataError where the columns do not suit."""
        ...

    def key(self) -> str:
        """What the result depends on beside the columns and the code, as text."""
        ...


def encode(pipeline: Pipeline, table: Table, reshape: Reshape, *, targets: bool = True) -> Encoded:
    """`pipeline.encode`, then `reshape`; a FieldPipeline does both in one pass, so that nothing is stored twice."""
    if isinstance(pipeline, FieldPipeline):
        return pipeline.encode(table, targets=targets, reshape=reshape)
    encoded = pipeline.encode(table, targets=targets)
    return Encoded(reshape(encoded.columns), encoded.rows, encoded.problems)


class FieldPipeline:
    """A core.task.Pipeline.

    Args:
        schema: the fields.
        kinds: column -> an unfitted Kind with other options than the default, e.g. {"image": Image(size=64)}.
    Attributes:
        kinds_: column -> its Kind, in column order.
        storage: where encoded columns go; None: always into memory, as for questions. Not part of the state.
        begun: the columns whose transforms go on from those of another model. Not part of the state.
    """

    def __init__(self, schema: Schema, kinds: Mapping[str, Kind] | None = None) -> None:
        self.schema = schema
        self.storage: Storage | None = None
        self.begun: set[str] = set()
        given = kinds or {}
        used = [f for f in schema.fields if f.role in ("input", "target") and (f.name in given or has_kind(f.kind))]
        self.kinds_: dict[str, Kind] = {f.name: given[f.name] if f.name in given else find(f.kind)() for f in used}

    def begin(self, start: FieldPipeline) -> None:
        """Take over what the weights of another network, which read the arrays of `start`, depend on; `fit` leaves it.

        That is what inputs of the same name and kind have learnt. Targets are learnt anew.
        """
        for name, kind in self.kinds_.items():
            if name not in start.kinds_:
                continue
            fitted, mine, theirs = start.kinds_[name], self.schema[name], start.schema[name]
            alike = mine.kind == theirs.kind if kind.fits_again else type(fitted) is type(kind)
            if alike and mine.role == theirs.role == "input":
                self.kinds_[name] = kind.begin(fitted)
                self.begun |= {name}

    def fit(self, table: Table) -> FieldPipeline:
        """Learn every transform from the training rows; returns self."""
        for name, kind in self.kinds_.items():
            if name in self.begun and not kind.fits_again:
                continue
            field = self.schema[name]
            kind.fit(table[name], field, is_target=field.role == "target")
        return self

    def encode(self, table: Table, *, targets: bool = True, reshape: Reshape | None = None) -> Encoded:
        """Arrays of the usable rows, and why the others are not. Targets are left out for questions.

        reshape: applied to the arrays. Raises RunError where they need more memory than the storage allows and its cache
        cannot be written.
        """
        names = [n for n in self.kinds_ if targets or self.schema[n].role != "target"]
        whole = None
        if self.storage is not None and len(table):
            sample = self._columns(table, names, 0, min(SAMPLE, len(table)))
            stored = self.storage.mapped(self._encoding(table, names, reshape, sample))
            if stored is not None:
                return stored
            whole = sample if len(table) <= SAMPLE else None  # a few rows may be very long
        columns, problems = whole or self._columns(table, names, 0, len(table))
        rows = np.arange(len(table))
        if problems:
            rows = np.delete(rows, list(problems))
            columns = {n: _only(a, rows) for n, a in columns.items()}
        return Encoded(reshape(columns) if reshape else columns, rows, dict(sorted(problems.items())))

    def _columns(self, table: Table, names: Sequence[str], start: int, stop: int) -> Some:
        """Arrays with one entry for each row from start to stop, and row (counted from start) -> why it is unusable."""
        columns: dict[str, EncodedColumn] = {}
        problems: dict[int, str] = {}
        for name in names:
            parts, bad = self.kinds_[name].encode(table[name][start:stop])
            for part, array in parts.items():
                full = f"{name}.{part}" if part else name
                if full in columns or (part and full in self.kinds_):
                    raise DataError(f"the columns {name!r} and {full!r} cannot stand side by side", repair="rename one")
                columns[full] = array
            for row, why in bad.items():
                problems.setdefault(row, f"column {name!r}: {why}")
        return columns, problems

    def _encoding(self, table: Table, names: Sequence[str], reshape: Reshape | None, sample: Some) -> Encoding:
        """What the storage must know to decide where the columns go, and to make them. sample: the first rows, encoded."""
        first = min(SAMPLE, len(table))

        def chunk(start: int, stop: int) -> tuple[Columns, Mapping[int, str]]:
            columns, problems = sample if (start, stop) == (0, first) else self._columns(table, names, start, stop)
            return (reshape(columns) if reshape else columns), problems

        return Encoding(
            rows=len(table),
            chunk=chunk,
            row_bytes=fresh_bytes(sample[0], reshape(sample[0]) if reshape else {}) / first,
            seconds=sum(self.kinds_[name].seconds(table[name]) for name in names),
            key=functools.partial(self._key, table, names, reshape),
            what=f"{len(table):,} rows of {', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}",
        )

    def _key(self, table: Table, names: Sequence[str], reshape: Reshape | None) -> str:
        """The hash of all that the encoded columns depend on: see cache.py."""
        state = self.state()
        transforms = json.write({name: state[name] for name in names}).decode()
        code = {type(self.kinds_[name]).__module__ for name in names}
        if reshape is not None:
            code.add(type(reshape).__module__)
            transforms += f"{type(reshape).__qualname__} {reshape.key()}"
        return content_key([table[name] for name in names], transforms, code)

    def decode(self, name: str, array: NDArray[Any]) -> Column:
        """Raw values of one field from its main array (for a category: from level or class indices)."""
        return self._kind(name).decode(array)

    def classes(self, name: str) -> list[str]:
        """The class names of a target of categories, boxes or masks, or the tags of a target, in the order of their indices.

        Raises DataError for another field.
        """
        kind = self._kind(name)
        if not isinstance(kind, Boxes | Category | Mask | Tags) or not kind.target_:
            raise DataError(f"the column {name!r} has no classes: it is no target of categories, boxes, masks or tags")
        return kind.classes_

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Field name -> sizes, as core.task.Sizes.fields says."""
        return {name: kind.sizes() for name, kind in self.kinds_.items()}

    def state(self) -> dict[str, Any]:
        """Column -> {kind, state}, as JSON values."""
        return {n: {"kind": type(k).__name__.lower(), "state": k.state()} for n, k in self.kinds_.items()}

    def said(self) -> Sequence[str]:
        """What each kind found out, and what became of the storage."""
        found = [f"{name}: {text}" for name, kind in self.kinds_.items() for text in kind.said()]
        return [*found, *(self.storage.notes if self.storage is not None else ())]

    def kept(self) -> Mapping[str, NDArray[Any]]:
        """Nothing: no row of the data goes into a bundle."""
        return {}

    def restore_kept(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See Pipeline."""
        if arrays:
            raise BundleError(f"the bundle keeps data that these fields do not read: {sorted(arrays)[0]!r}")

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
            if isinstance(kind, Boxes | Category | Number | Tags) and kind.target_ != (
                self.schema[name].role == "target"
            ):
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
    step = max(1, CHUNK_BYTES * len(array) // max(array.nbytes, 1))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        array[start : start + len(some)] = array[some]
    return array[: len(rows)]
