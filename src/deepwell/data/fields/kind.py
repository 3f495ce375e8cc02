"""Kind: how one column becomes arrays and back. One final class per file, found by the file's name (number.py -> Number).

A kind stores its options, learns in `fit`, and is saved as JSON values. The same object encodes training rows and questions,
so a rule for unknown, missing or broken values is written once.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from deepwell.core.batch import EncodedColumn
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import KINDS, Field
from deepwell.core.table import Column

Parts = Mapping[str, EncodedColumn]
Problems = Mapping[int, str]


class Kind(ABC):
    """The transform of one column."""

    @abstractmethod
    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """Learn from the training rows of the column; returns self. Cells that cannot be used are skipped."""

    @abstractmethod
    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Arrays by part name ("" is the main one) with one entry for EACH row, and row -> why it cannot be used.

        What stands in the arrays at such rows has no meaning. An array is fresh, or it is marked read-only.
        Row by row: what a row gives does not depend on the rows beside it, so columns may be encoded in pieces.
        """

    fits_again: ClassVar[bool] = False
    """Whether what `begin` gives has still to be fitted."""

    def begin(self, fitted: Self) -> Self:
        """What a training uses that begins from the weights of a network which read `fitted`.

        Default: `fitted` itself, for what such weights mean depends on all that was learnt (a vocabulary, levels, a scale).
        """
        return fitted

    def said(self) -> Sequence[str]:
        """What `fit` found out that a user should know, as sentences without the column's name. Default: nothing."""
        return ()

    def seconds(self, column: Column) -> float:
        """What encoding the column takes, roughly; 0 where it is not worth keeping the result for another run."""
        return 0.0

    @abstractmethod
    def decode(self, array: EncodedColumn) -> Column:
        """Raw values from the main array."""

    def whole(self, parts: Parts) -> Column:
        """Raw values from all that `encode` gave. Default: the main array says everything."""
        return self.decode(parts[""])

    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """What a network needs to know; see core.task.Sizes."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was learned, as JSON values."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take over what `state` gave; returns self. Raises BundleError for anything unexpected."""


def has_kind(name: str) -> bool:
    """Whether columns of this kind can be encoded, that is, whether the kind has a file here."""
    return name in KINDS and Path(__file__).with_name(f"{name}.py").is_file()


def find(name: str) -> type[Kind]:
    """The class of a kind. Raises DataError if there is none; `name` is only ever looked up in the closed list KINDS."""
    if not has_kind(name):
        known = [k for k in KINDS if has_kind(k)]
        raise DataError(f"columns of kind {name!r} cannot be encoded; only {', '.join(known)} can")
    found: type[Kind] = getattr(importlib.import_module(f"deepwell.data.fields.{name}"), name.capitalize())
    return found


def checked(state: Any, what: str, types: Mapping[str, type]) -> dict[str, Any]:
    """`state` as a dict with exactly these keys and types; numbers are finite. Raises BundleError.

    `float` takes whole numbers too; `bool` is never taken for a number.
    """
    if not isinstance(state, Mapping) or set(state) != set(types):
        got = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
        raise BundleError(f"{what} must have exactly the entries {sorted(types)}; got {got}")
    values: dict[str, Any] = {}
    for name, kind in types.items():
        value: Any = state[name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
            value = float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise BundleError(f"{what}: {name} must be a finite {kind.__name__}; got {value!r}")
        values[name] = value
    return values
