"""Order: which examples stand behind each step, a pure function of (key, step). Nothing here has state to save.

Unusual: data that are larger than a window are shuffled in two stages, so that memory and disk are read nearly in order: the
blocks of neighbouring examples are permuted, then the examples within each window of blocks. A window is given in
examples and stands in the plan, so the order is the same whether the data lie in memory or on a disk, and for every number
of processes; data within one window are simply permuted. Only the window of the step that is asked for is ever made.

An epoch never leaves out more than an eighth of the data, and data smaller than one batch still trains. With few batches an
epoch is cut into nearly equal pieces instead of full batches and a short rest; with many, the rest waits for another epoch.
Where examples have costs (tokens, frames), batches have equal cost instead of equal size, and lie within one window.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.keys import Key, permutation

ENDLESS_EPOCH = 100
"""Steps that count as one epoch where the examples are endless."""
FULL_BATCHES = 8
"""With fewer full batches than this, nothing is left out of an epoch."""
SIMILAR = 64
"""Batches within which examples of similar cost are put together."""
LEAST_STEPS = 64
"""Steps that an epoch should have at least, where the batch size is chosen by rule."""
BLOCKS = 256
"""Blocks of a window. So many, that a window of data that are sorted by class still holds many classes."""
WINDOW_BYTES = 256 << 20
"""Encoded bytes of a window at the most; a block is then a megabyte, which disks read at full speed."""
WINDOW_EXAMPLES = 1 << 20
"""Examples of a window at the most, since their order is held in memory."""
WINDOW_BATCHES = 16
"""Batches of a window at the least, whatever the examples take."""


def chosen_batch_size(examples: int | None, convolutional: bool) -> tuple[int, str]:
    """A batch size by rule, with the reason: the largest power of two that leaves LEAST_STEPS steps an epoch.

    At least 16; at most 1024, or 256 for convolutional networks, whose time per example falls no further.
    """
    if examples is None:
        return 64, "endless examples"
    most = 256 if convolutional else 1024
    size = 2 ** int(math.log2(max(1, examples // LEAST_STEPS)))
    return min(most, max(16, size)), f"a power of two from 16 to {most} with about {LEAST_STEPS} steps an epoch"


def window_of(bytes_per_example: float, count: int | None, batch_size: int) -> int:
    """The window in examples, by rule: WINDOW_BYTES or WINDOW_EXAMPLES, at least WINDOW_BATCHES batches.

    0, which means all examples, where they fit into one window or are not slices of columns (bytes_per_example = 0).
    """
    if count is None or not bytes_per_example:
        return 0
    window = _whole(min(int(WINDOW_BYTES / bytes_per_example), WINDOW_EXAMPLES), batch_size)
    return 0 if window >= count else window


def share(index: IntArray, rank: int, world: int) -> IntArray:
    """What one of `world` processes takes of a batch: a contiguous cut; the cuts in order of rank are the batch."""
    return np.array_split(index, world)[rank]


@dataclass(frozen=True)
class Passes:
    """How an epoch goes through the examples.

    whole: every example once, in full batches and a last one with the rest, however small. shuffled: in another order each time.
    """

    whole: bool = False
    shuffled: bool = True


class Order:
    """The examples of each step.

    count: examples, None when endless. batch_size: examples of a batch (with costs: a batch costs at most what this many
    average examples cost). costs: (count,) or None. window: examples that are shuffled together, 0: all; rounded up to
    BLOCKS whole blocks and WINDOW_BATCHES batches. passes: how an epoch goes through the examples. Raises DataError when there
    are no examples.
    """

    def __init__(
        self,
        count: int | None,
        batch_size: int,
        key: Key,
        costs: NDArray[np.float64] | None = None,
        window: int = 0,
        passes: Passes = Passes(),
    ) -> None:
        if count is not None and count < 1:
            raise DataError("there are no examples to train on")
        self.count, self.batch_size, self.passes, self._key = count, batch_size, passes, key
        whole = _whole(window, batch_size)
        self.window = whole if window and count is not None and whole < count and passes.shuffled else 0
        self._batches = _ByNumber(self) if costs is None else _ByCost(self, np.asarray(costs, np.float64))
        self._windows: dict[tuple[int, int], IntArray] = {}
        self._keyed = (-1, key)
        self._block = self.window // BLOCKS
        self._blocks: dict[int, tuple[IntArray, int]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the first epoch; later ones differ only where costs make the batches."""
        return ENDLESS_EPOCH if self.count is None else self._batches.steps(0)

    @property
    def windows(self) -> int:
        """Windows of an epoch; 1 where all examples are shuffled together."""
        return math.ceil((self.count or 0) / self.window) if self.window else 1

    def index(self, step: int) -> IntArray:
        """The examples of a step (0-based): (size,) int64."""
        if self.count is None:
            return np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.int64)
        return self._batches.index(*self._batches.place(step))

    def epoch(self, step: int) -> int:
        """The epoch that a step belongs to, both 0-based."""
        return step // ENDLESS_EPOCH if self.count is None else self._batches.place(step)[0]

    def key(self, step: int) -> Key:
        """The key under which the examples of a step are taken: one per epoch; example i folds its own index in."""
        epoch = self.epoch(step)
        if self._keyed[0] != epoch:
            self._keyed = (epoch, self._key.fold("epoch", epoch))
        return self._keyed[1]

    def ahead(self, step: int) -> list[tuple[int, int]]:
        """Where a step is the first of a window: the (start, stop) of the blocks that the next window needs; else nothing.

        The window after an epoch's last is the first of the next epoch; step 0 names its own window too.
        """
        if not self.window:
            return []
        epoch, number = self._batches.place(step)
        now = self._batches.window(epoch, number)
        if number and self._batches.window(epoch, number - 1) == now:
            return []
        following = self._spans(epoch, now + 1) if now + 1 < self.windows else self._spans(epoch + 1, 0)
        return [*self._spans(epoch, now), *following] if step == 0 else following

    def window_key(self, epoch: int, *parts: str | int) -> Key:
        """The key of what is drawn for the order of an epoch."""
        return self._key.fold("order", epoch).fold(*parts) if parts else self._key.fold("order", epoch)

    def examples(self, epoch: int, window: int) -> IntArray:
        """All examples of a window, in order. The last two are kept, since a batch may lie in both."""
        found = self._windows.get((epoch, window))
        if found is None:
            if not self.passes.shuffled:
                found = np.arange(self.count or 0, dtype=np.int64)
            elif not self.window:
                found = permutation(self.count or 0, self.window_key(epoch))
            else:
                spans = self._spans(epoch, window)
                inside = np.concatenate([np.arange(start, stop) for start, stop in spans])
                found = inside[permutation(len(inside), self.window_key(epoch, "window", window))]
            while len(self._windows) > 1:
                del self._windows[next(iter(self._windows))]
            self._windows[epoch, window] = found
        return found

    def first(self, epoch: int, window: int) -> int:
        """How many examples of the epoch stand before a window."""
        if not window:
            return 0
        # One block may be shorter than the others, and the windows after it begin earlier.
        _, short = self._permuted(epoch)
        lacking = -(self.count or 0) % self._block if short < window * BLOCKS else 0
        return min(window * self.window - lacking, self.count or 0)

    def _permuted(self, epoch: int) -> tuple[IntArray, int]:
        """The blocks of an epoch in order, and the place of the last block of the data among them; two epochs are kept."""
        if epoch not in self._blocks:
            blocks = permutation(math.ceil((self.count or 0) / self._block), self.window_key(epoch))
            while len(self._blocks) > 1:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[epoch] = (blocks, int(np.argmax(blocks)))
        return self._blocks[epoch]

    def _spans(self, epoch: int, window: int) -> list[tuple[int, int]]:
        """(start, stop) of the blocks of a window, in the order of the data."""
        blocks, _ = self._permuted(epoch)
        chosen = np.sort(blocks[window * BLOCKS : (window + 1) * BLOCKS])
        return [(b * self._block, min((b + 1) * self._block, self.count or 0)) for b in chosen.tolist()]


class _ByNumber:
    """Batches of equally many examples, cut from the windows one after another."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._full = (order.count or 0) // order.batch_size

    def steps(self, epoch: int) -> int:
        count, size = self._order.count or 0, self._order.batch_size
        return self._full if self._full >= FULL_BATCHES and not self._order.passes.whole else math.ceil(count / size)

    def place(self, step: int) -> tuple[int, int]:
        """The epoch and the number of a step within it."""
        return divmod(step, self.steps(0))

    def window(self, epoch: int, number: int) -> int:
        """The window that a batch begins in."""
        return self._window(epoch, number * self._order.batch_size)

    def index(self, epoch: int, number: int) -> IntArray:
        order = self._order
        if self._full < FULL_BATCHES and not order.passes.whole:
            return np.array_split(order.examples(epoch, 0), self.steps(epoch))[number]
        start, stop = number * order.batch_size, min((number + 1) * order.batch_size, order.count or 0)
        pieces = []
        for window in range(self._window(epoch, start), self._window(epoch, stop - 1) + 1):
            first = order.first(epoch, window)
            pieces.append(order.examples(epoch, window)[max(0, start - first) : stop - first])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _window(self, epoch: int, position: int) -> int:
        """The window of the example at a position in the epoch."""
        order = self._order
        if not order.window:
            return 0
        window = position // order.window  # or the next one, where a short block stands before
        return window + (window + 1 < order.windows and order.first(epoch, window + 1) <= position)


class _ByCost:
    """Batches of equal cost, cut within each window; of those of one epoch only the starts of windows are kept."""

    def __init__(self, order: Order, costs: NDArray[np.float64]) -> None:
        self._order, self._costs = order, costs
        self._limit = max(float(costs.mean()) * order.batch_size, 1e-12)
        self._epochs = [0]  # first step of each epoch known so far; grows as it is asked
        self._starts: tuple[int, list[int]] = (-1, [])
        self._cut: tuple[tuple[int, int], list[IntArray]] = ((-1, -1), [])

    def steps(self, epoch: int) -> int:
        return self._counted(epoch)[-1]

    def place(self, step: int) -> tuple[int, int]:
        """The epoch and the number of a step within it."""
        while self._epochs[-1] <= step:
            self._epochs.append(self._epochs[-1] + self.steps(len(self._epochs) - 1))
        epoch = bisect.bisect_right(self._epochs, step) - 1
        return epoch, step - self._epochs[epoch]

    def window(self, epoch: int, number: int) -> int:
        """The window that a batch lies in."""
        return bisect.bisect_right(self._counted(epoch), number) - 1

    def index(self, epoch: int, number: int) -> IntArray:
        window = self.window(epoch, number)
        return self._batches(epoch, window)[number - self._counted(epoch)[window]]

    def _counted(self, epoch: int) -> Sequence[int]:
        """The number of the first batch of each window, and how many there are in all."""
        if self._starts[0] != epoch:
            starts = [0]
            for window in range(self._order.windows):
                starts.append(starts[-1] + len(self._batches(epoch, window)))
            self._starts = (epoch, starts)
        return self._starts[1]

    def _batches(self, epoch: int, window: int) -> list[IntArray]:
        if self._cut[0] != (epoch, window):
            key = self._order.window_key(epoch, "batches", *([window] if self._order.window else []))
            examples = self._order.examples(epoch, window)
            self._cut = ((epoch, window), _by_cost(examples, self._costs, self._order.batch_size, self._limit, key))
        return self._cut[1]


def _whole(window: int, batch_size: int) -> int:
    """A window of BLOCKS whole blocks and at least WINDOW_BATCHES batches."""
    return math.ceil(max(window, WINDOW_BATCHES * batch_size) / BLOCKS) * BLOCKS


def _by_cost(order: IntArray, costs: NDArray[np.float64], batch_size: int, limit: float, key: Key) -> list[IntArray]:
    """Batches of at most `limit` (batch_size * mean cost), padding included (size * dearest example); none is left out.

    Examples are sorted by cost within stretches of the order, so that little is padded; the batches are then shuffled.
    """
    batches: list[IntArray] = []
    for stretch in np.array_split(order, math.ceil(len(order) / (SIMILAR * batch_size))):
        stretch = stretch[np.argsort(costs[stretch], kind="stable")]
        start = 0
        for end in range(1, len(stretch) + 1):
            if end == len(stretch) or (end + 1 - start) * costs[stretch[end]] > limit:
                batches.append(stretch[start:end])
                start = end
    return [batches[i] for i in permutation(len(batches), key)]
