"""Stacking: encoded fields -> the few arrays that networks and baselines of the prediction family read (see prediction.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Encoded, EncodedColumn, IntArray
from deepwell.core.errors import DataError
from deepwell.core.fields import Schema
from deepwell.core.table import Table
from deepwell.data.fields.values import factorise, numbers


@dataclass(frozen=True)
class Stacking:
    """A data.pipeline.Reshape: numbers, positions and categories as one array each; everything else under its name."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @staticmethod
    def of(schema: Schema) -> Stacking:
        """For the inputs of a schema, in its order."""
        return Stacking(
            tuple(f.name for f in schema.of("input", "number")), tuple(f.name for f in schema.of("input", "category"))
        )

    def key(self) -> str:
        """See Reshape."""
        return repr(self)

    def __call__(self, columns: Mapping[str, EncodedColumn]) -> dict[str, EncodedColumn]:
        """See Reshape. Raises DataError for a column that is called like a stacked one."""
        rest: dict[str, Any] = dict(columns)
        values = [rest.pop(n) for n in self.numbers]
        absent = [rest.pop(f"{n}.missing") for n in self.numbers if f"{n}.missing" in rest]
        positions = [rest.pop(f"{n}.position") for n in self.numbers]
        levels = [rest.pop(n) for n in self.categories]
        stacked: dict[str, EncodedColumn] = {}
        if self.numbers:
            stacked["inputs.number"] = np.stack([*values, *absent], axis=1).astype(np.float32, copy=False)
            stacked["inputs.number.position"] = np.stack(positions, axis=1).astype(np.float32, copy=False)
        if self.categories:
            stacked["inputs.category"] = np.stack(levels, axis=1).astype(np.int32)
        clash = sorted(set(stacked) & set(rest))
        if clash:
            raise DataError(f"a column may not be called {clash[0]!r} here", repair="rename the column")
        return {**stacked, **rest}


def weights(schema: Schema, encoded: Encoded, table: Table, balanced: Mapping[str, int]) -> Encoded:
    """With `TARGET.weight` (n,) float32, mean 1, added where a column has the role weight or classes are balanced.

    balanced: target -> its number of classes. A class weighs the inverse of its share.
    Raises DataError for a sample weight that is missing, negative or infinite, or when all are 0.
    """
    sample = _sample_weights(schema, encoded, table)
    added: dict[str, EncodedColumn] = {}
    for target in schema.targets:
        weight = sample
        if target.name in balanced and len(encoded.rows):
            truth: Any = encoded.columns[target.name]
            mass = np.bincount(truth, weights=sample, minlength=balanced[target.name])
            by_class = np.divide(1.0, mass, out=np.zeros_like(mass, np.float64), where=mass > 0)
            weight = by_class[truth] * (1.0 if sample is None else sample)
        if weight is not None:
            added[f"{target.name}.weight"] = (weight / weight.mean()).astype(np.float32)
    return Encoded({**encoded.columns, **added}, encoded.rows, encoded.problems)


def _sample_weights(schema: Schema, encoded: Encoded, table: Table) -> NDArray[np.float64] | None:
    field = schema.only("weight")
    if field is None or not len(encoded.rows):
        return None
    values, _ = numbers(table[field.name])
    values = values[encoded.rows]
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        row = int(encoded.rows[bad[0]])
        raise DataError(
            f"a weight must be a number of at least 0; got {table[field.name][row]!r} in column {field.name!r}",
            where=table.where(row),
        )
    if not values.any():
        raise DataError(f"all weights in column {field.name!r} are 0")
    return values


def units(schema: Schema, encoded: Encoded, table: Table) -> IntArray | None:
    """(n,) which rows belong together, by the columns with the role group; None: each row is its own unit."""
    groups = [f.name for f in schema.of("group") if f.name in table]
    if not groups:
        return None
    codes = np.stack([factorise(table[name])[1][encoded.rows] for name in groups], axis=1)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
