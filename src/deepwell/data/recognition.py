"""Recognition: Table -> Schema. Each column gets a kind, a role and the reason in words with figures; the user's edits win.

Columns by themselves: recognition_columns. Texts and dialogues: recognition_texts. The target: recognition_targets. This file
puts them together and applies edits.
Nothing is done in silence: what is not used is set aside with its reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError, nearest
from deepwell.core.fields import KINDS, ROLES, Field, Schema
from deepwell.core.table import Table
from deepwell.data.fields.kind import has_kind
from deepwell.data.fields.values import factorise
from deepwell.data.recognition_checks import compare, describe
from deepwell.data.recognition_columns import SPLIT_WORDS, Look, look, own_text, recognise_column
from deepwell.data.recognition_series import with_series
from deepwell.data.recognition_targets import check_target, default_target, target_field
from deepwell.data.recognition_texts import check_other_language, named_by_files, settled, target_text

__all__ = ["Edits", "compare", "describe", "recognise"]


@dataclass(frozen=True)
class Edits:
    """What the user said about columns.

    Attributes:
        target: the columns to predict; empty: found out.
        roles, kinds: column -> role or kind.
        schema: a saved schema that replaces recognition; the other edits are applied on top of it.
        task_roles: roles beyond core.fields.ROLES that the chosen task adds (user, item, ...).
        tested: whether a part of the rows will be kept to test on; if not, a class may have one row only.
        learnt: whether targets are to be learnt; if not, they only judge: nothing is asked of their values, and numbers that
            nobody named as targets are none.
    """

    target: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    schema: Schema | None = None
    task_roles: tuple[str, ...] = ("known_future",)
    tested: bool = True
    learnt: bool = True


def recognise(table: Table, edits: Edits | None = None) -> Schema:
    """What each column is, what it is for, and why.

    Raises DataError: edits for columns, kinds or roles that do not exist; a target that is missing, constant, nearly unique
    or has a class with one row only.
    """
    edits = edits or Edits()
    _check_edits(table, edits)
    found: dict[str, Field] = {}
    forms: dict[str, str] = {}
    own: dict[str, str] = {}
    for name in table.names:  # what was seen is not kept: it is as large as the column
        seen = look(name, table[name])
        found[name], forms[name] = _field(seen, table, edits), seen.form
        if said := own_text(seen):
            own[name] = said
    schema = Schema(tuple(found.values()))
    training = _Training(table, _training_rows(table, schema, edits))
    if edits.schema is None:
        schema = _with_target(schema, training, edits, own)
        schema = with_series(schema, table, edits.roles, edits.kinds, edits.learnt)
        schema = _arrays_apart(schema, {*edits.roles, *edits.kinds})
    schema = _with_edits(schema, edits)
    schema = Schema(tuple(_set_aside(f, forms[f.name], edits) for f in schema.fields))
    for target in schema.targets if edits.learnt else ():
        one = training.column(target.name)
        check_target(look(target.name, one[target.name]), target, one, edits.tested)
    check_other_language(table, schema)
    return schema


@dataclass(frozen=True)
class _Training:
    """A table and its training rows; None: all."""

    table: Table
    rows: NDArray[np.int64] | None

    def column(self, name: str) -> Table:
        """One column of the training rows; the others are not copied."""
        one = self.table.select([name])
        return one if self.rows is None else one.take(self.rows)


def _training_rows(table: Table, schema: Schema, edits: Edits) -> NDArray[np.int64] | None:
    """The rows by which targets are judged: where the author named parts, labels of other parts do not make classes."""
    split = next((f.name for f in schema.fields if edits.roles.get(f.name, f.role) == "split"), None)
    if split is None:
        return None
    parts, index = factorise(table[split])
    rows = np.flatnonzero(np.array([SPLIT_WORDS.get(str(part).lower()) == "train" for part in parts], np.bool_)[index])
    return rows if len(rows) else None


def _field(seen: Look, table: Table, edits: Edits) -> Field:
    if edits.schema is None:
        return recognise_column(seen, table)
    if seen.name in edits.schema:
        return edits.schema[seen.name]
    return replace(recognise_column(seen, table), role="ignore", reason="set aside: not in the given schema")


def _with_target(schema: Schema, training: _Training, edits: Edits, own: Mapping[str, str]) -> Schema:
    """The recognised schema with the targets' kinds found out as targets, not as inputs, and texts settled around them."""
    targets = list(edits.target) or [name for name, role in edits.roles.items() if role == "target"]
    asked = bool(targets)
    if not targets:
        found = default_target(schema)
        targets = [found] if found is not None and found not in edits.roles else []
    taken = {name for name, role in edits.roles.items() if role != "input"} | set(edits.kinds)
    schema = settled(schema, {name: said for name, said in own.items() if name not in taken}, targets)
    told = target_text(schema) if not targets else None
    if told and told[0] not in edits.roles:
        targets = [told[0]]
    beside = {f.kind for f in schema.inputs if f.name not in targets}

    def judged(f: Field) -> Field:
        if f.name not in targets:
            return f
        field = target_field(look(f.name, training.column(f.name)[f.name]), f, beside)
        if field.kind == "number" and not (asked or edits.learnt):
            return f
        if told:
            return replace(field, reason=f"{field.reason}; {told[1]}")
        files = named_by_files(training.table, f.name) if "text" in beside and field.kind == "category" else ""
        return replace(field, reason=f"{field.reason}; {files}") if files else field

    return Schema(tuple(judged(f) for f in schema.fields))


def _with_edits(schema: Schema, edits: Edits) -> Schema:
    for name, kind in edits.kinds.items():
        old = schema[name]
        readable = has_kind(kind) and kind != "time"  # times order rows, they are not read
        role = "input" if old.role in ("ignore", "id") and readable else old.role
        if kind != old.kind:
            schema = schema.edit(name, kind=kind, role=role, reason=f"kind {kind} as given (recognised: {old.reason})")
    for name, role in edits.roles.items():
        if role != schema[name].role:
            schema = schema.edit(name, role=role, reason=f"role {role} as given (recognised: {schema[name].reason})")
    if edits.target:
        for f in schema.targets:
            if f.name not in edits.target:
                schema = schema.edit(f.name, role="ignore", reason="set aside: another target was given")
        schema = schema.with_roles(dict.fromkeys(edits.target, "target"))
    return schema


def _arrays_apart(schema: Schema, asked: Collection[str]) -> Schema:
    """Arrays of numbers are read where all inputs are such; beside others they are set aside, unless the user spoke of them."""
    if all(f.kind == "vector" for f in schema.inputs):
        return schema
    apart = [f.name for f in schema.of("input", "vector") if f.name not in asked]
    return Schema(
        tuple(
            replace(f, role="ignore", reason=f"set aside beside other columns: {f.reason}") if f.name in apart else f
            for f in schema.fields
        )
    )


def _set_aside(field: Field, form: str, edits: Edits) -> Field:
    """Inputs of a kind that cannot be encoded are set aside, also where the user asked for them."""
    if field.role != "input":
        return field
    if field.kind == "id" and field.name not in edits.kinds:  # an id that the user wants to be read
        return replace(field, kind="number" if form == "number" else "category")
    if has_kind(field.kind) and field.kind != "time":
        return field
    return replace(field, role="ignore", reason=f"set aside: {field.kind} columns are not read yet ({field.reason})")


def _check_edits(table: Table, edits: Edits) -> None:
    for name in edits.target:
        if name not in table:
            raise DataError(
                f"there is no column {name!r} to predict{nearest(name, table.names)}",
                repair="the columns are " + ", ".join(repr(n) for n in table.names[:30]),
            )
    for option, given in (("--role", edits.roles), ("--kind", edits.kinds)):
        for name in given:
            if name not in table:
                raise DataError(f"{option} names the column {name!r}, which does not exist{nearest(name, table.names)}")
    known = [*ROLES, *edits.task_roles]
    for name, role in edits.roles.items():
        if role not in known:
            raise DataError(f"--role {name}={role}: {role!r} is not a role{nearest(role, known)}")
        if name in edits.target and role != "target":
            raise DataError(f"the column {name!r} was given as target and with the role {role!r}")
    for name, kind in edits.kinds.items():
        if kind not in KINDS:
            raise DataError(f"--kind {name}={kind}: {kind!r} is not a kind of column{nearest(kind, KINDS)}")
    for name in edits.schema.names if edits.schema is not None else ():
        if name not in table:
            raise DataError(
                f"the given schema has the column {name!r}, which the data lacks{nearest(name, table.names)}",
                repair="take it out of the schema file, or read data that has it",
            )
