"""Examples: what the loss averages over. A row, a window, a pair, an episode: the engine sees only an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import STRIDE, Batch, Encoded, IntArray, Ragged, collate
from deepwell.core.keys import Key
from deepwell.core.runner import Runner


class Examples(ABC):
    """The examples of one part.

    Attributes:
        count: how many there are; None: endless (self-made data).
        units: (count,) the unit of each example, as any integers: what intervals resample. None: each is its own.
        costs: (count,) cost of each (tokens, frames), which makes batches; None: all cost the same.
        columns: where an example is a slice of dense arrays, these arrays: the engine slices them on any device and
            never calls take. None otherwise.
        rows: (count,) the row of the part's Table each example was made from; None where there is no such row.
        problems: Table row -> why no example could be made of it.
        answered: (m,) the examples whose answers a run keeps, where those of all would repeat each other; None: all.
    """

    count: int | None = None
    units: IntArray | None = None
    costs: NDArray[np.float64] | None = None
    columns: Mapping[str, NDArray[Any]] | None = None
    rows: IntArray | None = None
    problems: Mapping[int, str] = MappingProxyType({})
    answered: IntArray | None = None

    @abstractmethod
    def take(self, index: IntArray, key: Key) -> Batch:
        """The examples at `index` (size,), collated. Pure: the draws of example i come from key.fold(int(i)) alone."""

    def advance(self, runner: Runner, step: int, key: Key) -> None:
        """Called before each step: self-made data grows here. Default: nothing."""
        return

    def state(self) -> dict[str, NDArray[Any]]:
        """What changed since the examples were made, as named arrays; empty when nothing does."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo everything since `state` was taken."""
        if state:
            raise ValueError(f"these examples have no state; got {sorted(state)}")

    def batches(self, size: int, key: Key) -> Iterator[Batch]:
        """All examples once, in order, in batches of at most `size`.

        Where examples have costs a batch also costs at most `size` average ones, padding included (examples times the
        dearest of them), so that measuring needs no more memory than training; a single dear example stands alone.
        """
        count = self.count or 0
        start = 0
        while start < count:
            end = min(start + size, count)
            if self.costs is not None:
                dearest = np.maximum.accumulate(self.costs[start:end])
                fitting = np.count_nonzero(dearest * np.arange(1, end - start + 1) <= size * float(self.costs.mean()))
                end = start + max(1, int(fitting))
            yield self.take(np.arange(start, end), key)
            start = end


class RowExamples(Examples):
    """One row, one example: slices of encoded columns. The default of Task.examples, and final.

    Where columns are padded, an example costs the values that its rows in them are padded to, and one. So batches are cut where
    a row would make them wider, and come in few shapes: each new shape makes kernels that stay in memory.
    """

    def __init__(self, encoded: Encoded, units: IntArray | None = None) -> None:
        self.count = len(encoded.rows)
        self.rows = encoded.rows
        self.problems = encoded.problems
        self.units = units
        self._columns = encoded.columns
        dense = {n: c for n, c in encoded.columns.items() if not isinstance(c, Ragged)}
        self.columns = dense if len(dense) == len(encoded.columns) else None
        lengths = [c.lengths for c in encoded.columns.values() if isinstance(c, Ragged) and c.padded]
        if lengths:
            self.costs = 1.0 + STRIDE * np.ceil(np.stack(lengths) / STRIDE).sum(axis=0)

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        return Batch(collate(self._columns, index), index)


class First(Examples):
    """The first examples of others, at most `most` of them. They do not advance: trials must not make data grow."""

    def __init__(self, examples: Examples, most: int) -> None:
        count = min(most, examples.count or 0)
        self._inner = examples
        self.count = count
        self.units = None if examples.units is None else examples.units[:count]
        self.costs = None if examples.costs is None else examples.costs[:count]
        columns = examples.columns
        self.columns = None if columns is None else {name: column[:count] for name, column in columns.items()}

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples."""
        return self._inner.take(index, key)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Nothing changes, so there is nothing to undo."""


class Picked(Examples):
    """Some examples of others, in the given order. Like First, they do not advance."""

    def __init__(self, examples: Examples, index: IntArray) -> None:
        self._inner, self._index = examples, index
        self.count = len(index)
        self.units = None if examples.units is None else examples.units[index]
        self.costs = None if examples.costs is None else examples.costs[index]
        self.rows = None if examples.rows is None else examples.rows[index]
        self.problems = examples.problems

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples. `examples` of the batch number these, not the others."""
        return Batch(self._inner.take(self._index[index], key).arrays, index)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Nothing changes, so there is nothing to undo."""


class Windows(Examples):
    """Windows of equal length over flat columns, such as a text of many tokens or a long series.

    Unusual: nothing is copied before it is asked for, and training windows may move. With `shift`, all windows of an epoch
    begin later by one draw from 0 to shift - 1, so that what stands at the end of a window in one epoch stands in the middle
    in another; the columns are read as rings, so that no value is lost.

    Attributes:
        flat: name -> (total, ...), the columns.
    """

    def __init__(
        self,
        flat: Mapping[str, NDArray[Any]],
        starts: IntArray,
        length: int,
        beside: Mapping[str, NDArray[Any]] = MappingProxyType({}),
        units: IntArray | None = None,
        shift: int = 1,
    ) -> None:
        """starts: (count,) where each window begins; length: of all. beside: name -> (count, ...), given with each window."""
        self.flat = flat
        self.count = len(starts)
        self.units = units
        self.length = length
        self._starts, self._beside, self._shift = starts, beside, shift
        self._total = len(next(iter(flat.values())))

    def take(self, index: IntArray, key: Key) -> Batch:
        """Arrays `name` (size, length, ...) and those beside. Pure: the shift comes from `key` alone, the same for all."""
        first = self._starts[index]
        if self._shift > 1:
            first = first + int(key.fold("shift").numpy().integers(self._shift))
        places = (first[:, None] + np.arange(self.length)) % self._total
        arrays = {name: column[places] for name, column in self.flat.items()}
        return Batch({**arrays, **{name: values[index] for name, values in self._beside.items()}}, index)


def spread(total: int, length: int, fresh: int) -> tuple[IntArray, IntArray, IntArray]:
    """Windows that cover the values 1 to total - 1 exactly once, each with as much before it as its window holds.

    A window of `length` values shows its first `length - 1` and asks for its last `length - 1`. Of those asked for, the
    first window counts all, each later one only the last `fresh` (from 1 to length - 1), for which the others are context.

    Returns:
        starts, and the range [from, to) that counts, in places of what is asked for (0 = the second value of the window);
        each (windows,) int64. Without a value to ask for: no windows.
    """
    asked = length - 1
    starts = np.arange(0, max(total - 1 - asked, 0) + fresh, fresh) if total > 1 else np.arange(0)
    since = np.where(starts > 0, asked - fresh, 0)
    until = np.minimum(asked, total - 1 - starts)
    real = until > since
    return starts[real], since[real], until[real]
