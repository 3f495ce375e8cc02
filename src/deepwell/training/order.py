"""Order: which examples stand behind each step, a pure function of (key, step). Nothing here has state to save.

Unusual: an epoch never leaves out more than an eighth of the data, and data smaller than one batch still trains. With few
batches an epoch is cut into nearly equal pieces instead of full batches and a short rest; with many, the rest waits for
another epoch. Where examples have costs (tokens, frames), batches have equal cost instead of equal size.
"""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.keys import Key, permutation

ENDLESS_EPOCH = 100
"""Steps that count as one epoch where the examples are endless."""
FULL_BATCHES = 8
"""With fewer full batches than this, nothing is left out of an epoch."""
WINDOW = 64
"""Batches within which examples of similar cost are put together."""
LEAST_STEPS = 64
"""Steps that an epoch should have at least, where the batch size is chosen by rule."""


def chosen_batch_size(examples: int | None, convolutional: bool) -> tuple[int, str]:
    """A batch size by rule, with the reason: the largest power of two that leaves LEAST_STEPS steps an epoch.

    At least 16; at most 1024, or 256 for convolutional networks, whose time per example falls no further.
    """
    if examples is None:
        return 64, "endless examples"
    most = 256 if convolutional else 1024
    size = 2 ** int(math.log2(max(1, examples // LEAST_STEPS)))
    return min(most, max(16, size)), f"a power of two from 16 to {most} with about {LEAST_STEPS} steps an epoch"


class Order:
    """The examples of each step.

    count: examples, None when endless. batch_size: examples of a batch (with costs: a batch costs at most what this many
    average examples cost). costs: (count,) or None. Raises DataError when there are no examples.
    """

    def __init__(self, count: int | None, batch_size: int, key: Key, costs: NDArray[np.float64] | None = None) -> None:
        if count is not None and count < 1:
            raise DataError("there are no examples to train on")
        self.count, self.batch_size, self._key, self._costs = count, batch_size, key, costs
        self._starts = [0]  # first step of each epoch known so far; grows as it is asked
        self._cached: tuple[int, list[IntArray]] = (-1, [])

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the first epoch; later ones differ only where costs make the batches."""
        return ENDLESS_EPOCH if self.count is None else len(self._batches(0))

    def index(self, step: int) -> IntArray:
        """The examples of a step (0-based): (size,) int64."""
        if self.count is None:
            return np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.int64)
        epoch = self.epoch(step)
        return self._batches(epoch)[step - self._starts[epoch]]

    def epoch(self, step: int) -> int:
        """The epoch that a step belongs to, both 0-based."""
        if self.count is None:
            return step // ENDLESS_EPOCH
        while self._starts[-1] <= step:
            self._starts.append(self._starts[-1] + len(self._batches(len(self._starts) - 1)))
        return bisect.bisect_right(self._starts, step) - 1

    def key(self, step: int) -> Key:
        """The key under which the examples of a step are taken: one per epoch; example i folds its own index in."""
        return self._key.fold("epoch", self.epoch(step))

    def _batches(self, epoch: int) -> list[IntArray]:
        if self._cached[0] != epoch:
            self._cached = (epoch, self._cut(epoch))
        return self._cached[1]

    def _cut(self, epoch: int) -> list[IntArray]:
        count = self.count or 0
        key = self._key.fold("order", epoch)
        order = permutation(count, key)
        if self._costs is not None:
            return _by_cost(order, np.asarray(self._costs, np.float64), self.batch_size, key.fold("batches"))
        full = count // self.batch_size
        if full >= FULL_BATCHES:
            return np.split(order[: full * self.batch_size], full)
        return np.array_split(order, math.ceil(count / self.batch_size))


def _by_cost(order: IntArray, costs: NDArray[np.float64], batch_size: int, key: Key) -> list[IntArray]:
    """Batches of at most batch_size * mean cost, padding included (size * dearest example); nothing is left out.

    Examples are sorted by cost within windows of the order, so that little is padded; the batches are then shuffled.
    """
    limit = max(float(costs.mean()) * batch_size, 1e-12)
    batches: list[IntArray] = []
    for window in np.array_split(order, math.ceil(len(order) / (WINDOW * batch_size))):
        window = window[np.argsort(costs[window], kind="stable")]
        start = 0
        for end in range(1, len(window) + 1):
            if end == len(window) or (end + 1 - start) * costs[window[end]] > limit:
                batches.append(window[start:end])
                start = end
    return [batches[i] for i in permutation(len(batches), key)]
