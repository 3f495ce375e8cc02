"""Questions in batches, so that an answer does not depend on what is asked beside it.

Examples of one size go in batches of one fixed size; the last is padded by repeating its last example, so that every answer
comes out of the same shapes, bit for bit. Where examples have costs (tokens, frames) a batch is as wide as its dearest
example. Repeating would then be most of the work, so the examples are sorted by cost instead, dearest first, that little is
padded and that memory runs out at once or never; answers are alike but for float32 rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key

BATCH = 64
"""Most examples of a batch."""
MOST_COST = 1 << 15
"""Most that a batch of several examples costs, padding included: about 30 MB for each layer of width 256."""
KEY = Key(0).fold("predict")


def batches(examples: Examples) -> Iterator[tuple[Batch, int]]:
    """All examples once, with how many at the beginning of each batch are asked for; `Batch.examples` says which.

    Raises DataError for endless examples.
    """
    if examples.count is None:
        raise DataError("endless examples cannot be answered one by one")
    if examples.costs is not None:
        yield from _by_cost(examples, np.asarray(examples.costs, np.float64))
        return
    for start in range(0, examples.count, BATCH):
        size = min(BATCH, examples.count - start)
        index = np.minimum(np.arange(start, start + BATCH), examples.count - 1)
        yield examples.take(index, KEY), size


def _by_cost(examples: Examples, costs: NDArray[np.float64]) -> Iterator[tuple[Batch, int]]:
    order = np.argsort(-costs, kind="stable")
    start = 0
    while start < len(order):
        size = int(np.clip(MOST_COST / max(costs[order[start]], 1.0), 1, BATCH))
        index = order[start : start + size]
        yield examples.take(index, KEY), len(index)
        start += size
