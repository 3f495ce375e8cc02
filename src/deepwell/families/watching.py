"""Watching: what a generator makes of the same codes as its training goes on, for the report.

Unusual: it is done by the training examples, since `advance` is where the contract lets examples meet the network, and what
they have seen is part of their state, so that a run that was interrupted has the whole strip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, IntArray
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays, Runner

STEPS = (0, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
"""The steps before which is looked: about three in each power of ten."""
NEVER = -1


class Watched(Examples):
    """RowExamples of pictures that look at what the network makes of fixed codes.

    codes: arrays of the call `forward`, the same number of lines each. size: (channels, height, width) of what it makes.
    Attributes: steps_ (len(STEPS),) the step of each look, NEVER where there was none; looks_ (len(STEPS), codes, c, h, w) uint8.
    """

    def __init__(self, encoded: Encoded, codes: Arrays, size: tuple[int, ...]) -> None:
        inner = RowExamples(encoded)
        self.count, self.rows, self.problems, self.columns = inner.count, inner.rows, inner.problems, inner.columns
        self._inner, self._codes = inner, dict(codes)
        self.steps_ = np.full(len(STEPS), NEVER, np.int64)
        self.looks_ = np.zeros((len(STEPS), len(next(iter(codes.values()))), *size), np.uint8)

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        return self._inner.take(index, key)

    def advance(self, runner: Runner, step: int, key: Key) -> None:
        """Look, where it is time to."""
        if step in STEPS:
            place = STEPS.index(step)
            made = runner.run("forward", self._codes)[0]["picture"]
            self.looks_[place] = np.clip(made.round(), 0, 255).astype(np.uint8)
            self.steps_[place] = step

    def state(self) -> dict[str, NDArray[Any]]:
        """See Examples."""
        return {"steps": self.steps_.copy(), "looks": self.looks_.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See Examples."""
        self.steps_, self.looks_ = np.array(state["steps"]), np.array(state["looks"])

    def strip(self) -> list[tuple[int, NDArray[np.uint8]]]:
        """(step, pictures (codes, c, h, w)) of each look so far."""
        return [(int(self.steps_[i]), self.looks_[i]) for i in range(len(STEPS)) if self.steps_[i] != NEVER]
