"""Runner and Sink: the two narrow seams. A Runner answers named calls of a network; a Sink hears what happens in a run.

A network has named calls (forward; encode + step; generate + critic). Every call has one signature,
    call(arrays, state) -> (arrays, state)
with named arrays in and out and an opaque state (a cache) that stays where the network runs. Task.predict and
Task.measure see only a Runner, so the same code runs over torch, ONNX Runtime, a baseline or a fake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
State = Any
Emit = Callable[[Any], None]


class Runner(Protocol):
    """Answers named calls with numpy arrays."""

    def run(self, call: str, arrays: Arrays, state: State = None) -> tuple[dict[str, NDArray[Any]], State]:
        """The outputs of a named call and the new state. Inputs are not changed."""
        ...

    def pick(self, state: State, rows: NDArray[np.int64]) -> State:
        """The state with its rows (first axes) chosen and reordered, as beam search needs it."""
        ...


class Sink(Protocol):
    """Hears the events of a run. It must not change them."""

    def emit(self, event: Mapping[str, Any]) -> None:
        """One event, as a JSON object with the key `event`."""
        ...


Call = Callable[[Arrays, State], tuple[Mapping[str, NDArray[Any]], State]]


@dataclass(frozen=True)
class NumpyRunner:
    """A Runner made of numpy functions: for baselines, and as the fake that tests of predict and measure use.

    State is None or a dict of arrays whose first axis is the rows. notes: what a reader of its answers should know, as
    sentences (e.g. that a baseline was fitted on a sample of the rows).
    """

    calls: Mapping[str, Call]
    notes: tuple[str, ...] = ()

    def run(self, call: str, arrays: Arrays, state: State = None) -> tuple[dict[str, NDArray[Any]], State]:
        """See Runner."""
        outputs, state = self.calls[call](arrays, state)
        return dict(outputs), state

    def pick(self, state: State, rows: NDArray[np.int64]) -> State:
        """See Runner."""
        if state is None:
            return None
        if isinstance(state, Mapping):
            return {name: self.pick(part, rows) for name, part in state.items()}
        if isinstance(state, tuple | list):
            return type(state)(self.pick(part, rows) for part in state)
        return state[rows]


@dataclass(frozen=True)
class CalibratedRunner:
    """A Runner whose outputs are corrected by numbers fitted on the calibrate part.

    calibration: `OUTPUT.scale` multiplies that output (temperature: 1/T on logits); any other `OUTPUT.word` is given
    beside the outputs as a scalar array of that name (e.g. the half-width of an interval).
    """

    runner: Runner
    calibration: Mapping[str, float]

    def run(self, call: str, arrays: Arrays, state: State = None) -> tuple[dict[str, NDArray[Any]], State]:
        """See Runner."""
        outputs, state = self.runner.run(call, arrays, state)
        for name, number in self.calibration.items():
            output, _, what = name.rpartition(".")
            if output not in outputs:
                continue
            if what == "scale":
                outputs[output] = outputs[output] * np.float32(number)
            else:
                outputs[name] = np.full(1, number, np.float32)
        return outputs, state

    def pick(self, state: State, rows: NDArray[np.int64]) -> State:
        """See Runner."""
        return self.runner.pick(state, rows)
