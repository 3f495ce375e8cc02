"""Decisions: what a run chose by measuring or by the clock, and the only way in which it may.

Unusual: between decisions a run is a pure function of data, configuration and seed. So a run that is taken up again, or
replayed, takes the recorded decisions at their steps, asks no clock while later ones are recorded, and decides anew only
after the last. A new decision is recorded before it takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import RunError

Proposal = tuple[Any, str]
"""A value (never None, of JSON types) and the reason why."""


@dataclass(frozen=True)
class Decision:
    """One decision: at which step, about what, the value, and why. Step 0: before training."""

    step: int
    what: str
    value: Any
    why: str = ""


class Decisions:
    """Where every open choice of a run is made.

    write(step, what, value, why): records a decision; it is safe when this returns. recorded: decisions of the run that is
    resumed or replayed, in order. replay: nothing is decided anew, also after the last recorded decision, and those taken are
    written as well (a replay has a record of its own).
    """

    def __init__(
        self,
        write: Callable[[int, str, Any, str], object] | None = None,
        recorded: Sequence[Decision] = (),
        replay: bool = False,
    ) -> None:
        self._write, self._replay = write, replay
        # A decision of a life that was cut short may stand before one of an earlier step that a later life made.
        ordered = sorted(recorded, key=lambda d: d.step)
        self._first = [d for d in ordered if d.step == 0]
        self._recorded = [d for d in ordered if d.step > 0]

    @property
    def left(self) -> int:
        """How many recorded decisions of steps have not been taken yet."""
        return len(self._recorded)

    def choose(self, step: int, what: str, propose: Callable[[], Proposal | None]) -> Any | None:
        """What is decided here, or None to leave things as they are.

        The recorded decision where there is one for (step, what); None while others are still to come; else what propose()
        says. Raises RunError where a recorded decision was passed by: the record belongs to other data or another version.
        """
        found = self._take(step, what)
        if found is not None or self._replay or self._recorded or (step == 0 and self._first):
            return found
        proposal = propose()
        return None if proposal is None else self.record(step, what, *proposal)

    def settle(self, step: int, what: str, propose: Callable[[], Proposal]) -> Any:
        """As `choose`, for what must have a value here. Raises RunError where the record has later decisions only."""
        value = self.choose(step, what, propose)
        if value is None:
            raise RunError(
                f"the record has no decision {what!r} at step {step}, but later ones", repair="start a new run"
            )
        return value

    def record(self, step: int, what: str, value: Any, why: str) -> Any:
        """Write down a decision that was made elsewhere (a user asked to stop); gives its value."""
        if self._write is not None:
            self._write(step, what, value, why)
        return value

    def skip(self, step: int) -> None:
        """Leave out the recorded decisions of steps up to this one: a restored state holds what they did."""
        self._recorded = [d for d in self._recorded if d.step > step]

    def _take(self, step: int, what: str) -> Any | None:
        waiting = self._recorded if step else self._first
        if waiting and waiting[0].step < step:
            raise RunError(
                f"the run does not repeat itself: step {step} is reached, and the recorded decision "
                f"{waiting[0].what!r} of step {waiting[0].step} was never asked for",
                repair="the data, the machine or a version differ; start a new run",
            )
        for place, decision in enumerate(waiting):
            if (decision.step, decision.what) == (step, what):
                del waiting[place]
                if self._replay:
                    self.record(decision.step, what, decision.value, decision.why)
                return decision.value
        return None
