"""Spoiling: examples with a copy of what is read in which some values are those of another example; always the same copy.

For measuring how well a denoising network cleans. Unusual: what stands in a value's place is decided by the number of the
example alone, and never by the batch that it stands in, so that batches of any size measure the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.examples import Examples
from deepwell.core.keys import Key

DRAWS = Key(0).fold("spoilt")
SPOILT = ".spoilt"
"""NAME.spoilt is the spoilt copy of NAME."""


def chances(key: Key, examples: IntArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(n, *shape) from 0 to 1, always the same for the number of an example."""
    return np.stack([key.fold(int(example)).numpy().random(shape, np.float32) for example in examples])


class Spoilt(Examples):
    """Examples with NAME.spoilt beside each of some arrays NAME; without, where there is no other example to take values of."""

    def __init__(self, inner: Examples, names: Sequence[str], share: float) -> None:
        """names: of the arrays; share: of the values of each that are replaced."""
        self._inner, self._names, self._share = inner, tuple(names), share
        self.count, self.rows, self.units, self.problems = inner.count, inner.rows, inner.units, inner.problems

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples. The draws are always the same."""
        batch = self._inner.take(index, key)
        if not self.count or self.count < 2 or not len(index):
            return batch
        others = self._inner.take(self._others(index), key).arrays
        spoilt = {}
        for name in self._names:
            values = batch.arrays[name]
            swapped = chances(DRAWS.fold(name), index, values.shape[1:]) < self._share
            spoilt[name + SPOILT] = np.where(swapped, others[name], values)
        return batch.replace(**spoilt)

    def _others(self, index: IntArray) -> IntArray:
        """(n,) the example that each takes values of: any but itself."""
        count = self.count or 0
        steps = [int(DRAWS.fold("other").fold(int(one)).numpy().integers(count - 1)) for one in index]
        return (index + 1 + np.array(steps, np.int64)) % count
