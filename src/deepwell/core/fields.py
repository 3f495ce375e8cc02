"""Field and Schema: what each column of a Table is, what it is for, and why we think so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deepwell.core.errors import DataError, nearest

KINDS = (
    "number category text image audio series time boxes mask points tags spans molecule music dialogue state vector id"
).split()
ROLES = "input target group slice weight split order ignore id".split()


@dataclass(frozen=True)
class Field:
    """One column's kind and role, with the reason why it was recognised.

    Attributes:
        name: the column's name.
        kind: one of KINDS.
        role: one of ROLES, or a role that a task adds (user, item, context, ...).
        reason: one sentence for the user: why this kind and role.
        facts: what else was found out and later floors need, as JSON values (e.g. {"levels": 9, "unit": "EUR"}).
    """

    name: str
    kind: str
    role: str = "input"
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The field as JSON values."""
        return {
            "name": self.name, "kind": self.kind, "role": self.role, "reason": self.reason, "facts": dict(self.facts),
        }  # fmt: skip

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Field:
        """The field that `to_json` wrote. Raises DataError for an unknown kind or a missing name."""
        known = {"name", "kind", "role", "reason", "facts"}
        unknown = sorted(set(value) - known)
        if unknown:
            raise DataError(f"a schema field has the unknown key {unknown[0]!r}{nearest(unknown[0], known)}")
        if not isinstance(value.get("name"), str) or value.get("kind") not in KINDS:
            raise DataError(f"a schema field needs a name and a kind out of {', '.join(KINDS)}; got {dict(value)!r}")
        return Field(
            value["name"], value["kind"], str(value.get("role", "input")), str(value.get("reason", "")),
            dict(value.get("facts", {})),
        )  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """The fields of a Table in column order. Names are unique."""

    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        doubled = sorted(name for name, count in Counter(f.name for f in self.fields).items() if count > 1)
        if doubled:
            raise DataError(f"two fields are called {doubled[0]!r}", repair="give each column its own name")

    def __contains__(self, name: str) -> bool:
        return any(f.name == name for f in self.fields)

    def __getitem__(self, name: str) -> Field:
        for f in self.fields:
            if f.name == name:
                return f
        raise DataError(f"there is no column {name!r}{nearest(name, self.names)}")

    @property
    def names(self) -> list[str]:
        """All column names in order."""
        return [f.name for f in self.fields]

    def of(self, role: str, *kinds: str) -> tuple[Field, ...]:
        """The fields of one role, in column order, of any of the given kinds (all kinds when none is given)."""
        return tuple(f for f in self.fields if f.role == role and (not kinds or f.kind in kinds))

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Fields that the network reads."""
        return self.of("input")

    @property
    def targets(self) -> tuple[Field, ...]:
        """Fields that the network learns to answer."""
        return self.of("target")

    def only(self, role: str) -> Field | None:
        """The single field of a role, None if there is none. Raises DataError if there are several."""
        found = self.of(role)
        if len(found) > 1:
            raise DataError(f"{len(found)} columns have the role {role!r}: {', '.join(f.name for f in found)}")
        return found[0] if found else None

    def edit(self, name: str, *, kind: str | None = None, role: str | None = None, reason: str = "") -> Schema:
        """A copy with one field's kind or role changed. Raises DataError for an unknown column or kind."""
        old = self[name]
        if kind is not None and kind not in KINDS:
            raise DataError(f"{kind!r} is not a kind of column{nearest(kind, KINDS)}")
        new = replace(old, kind=kind or old.kind, role=role or old.role, reason=reason or old.reason)
        return Schema(tuple(new if f.name == name else f for f in self.fields))

    def with_roles(self, roles: Mapping[str, str]) -> Schema:
        """A copy with the roles of several fields changed."""
        schema = self
        for name, role in roles.items():
            schema = schema.edit(name, role=role)
        return schema

    def to_json(self) -> list[dict[str, Any]]:
        """The schema as JSON values, one object per field."""
        return [f.to_json() for f in self.fields]

    @staticmethod
    def from_json(value: Iterable[Mapping[str, Any]]) -> Schema:
        """The schema that `to_json` wrote."""
        return Schema(tuple(Field.from_json(v) for v in value))
