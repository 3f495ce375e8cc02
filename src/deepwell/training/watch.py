"""Watch: says when the threads of a long run should be measured again. It changes nothing and reads no clock.

Two reasons: throughput fell below half of what was measured and stayed there (another process came), or the run goes on
fewer threads than the machine has and enough time has passed (the other process may be gone). Measuring again never takes
more than a hundredth of the time: the wait is a hundred times what it took last.
"""

from __future__ import annotations

COLLAPSED = 0.5
"""Throughput below this share of what was measured is a collapse."""
SUSTAINED, LOOKS = 5.0, 2
"""A collapse must last so many seconds and be seen at so many looks."""
BETWEEN = 1.0
"""Seconds of training between two looks; asking more often costs nothing."""
PATIENCE, MOST_PATIENCE = 30.0, 600.0
"""Seconds on fewer threads than there are before asking again; doubled, up to the most, each time that nothing changed."""
WAIT = 100.0


class Watch:
    """Looks at the speed of a run.

    promised: steps/s that were measured; 0.0 where nothing was, then the first SUSTAINED seconds are the promise. threads:
    that the run uses; most: that the plan's rule would use. cost: seconds that measuring took.
    """

    def __init__(self, promised: float, threads: int, most: int, cost: float = 0.0) -> None:
        self._promised, self._threads, self._most = promised, threads, most
        self._patience = PATIENCE
        self._mark: tuple[int, float] | None = None  # step and seconds of the last look
        self._slow, self._looks = 0.0, 0
        self._rest, self._since = WAIT * cost, 0.0

    def look(self, step: int, seconds: float) -> str | None:
        """Why threads should be measured again now, or None.

        seconds: of training so far. Call it after any step; what interrupts the steps is told to `pause`.
        """
        if self._mark is None:
            self._mark, self._since = (step, seconds), seconds
            return None
        passed, steps = seconds - self._mark[1], step - self._mark[0]
        if passed < (BETWEEN if self._promised else SUSTAINED) or steps < 1:
            return None
        self._mark = (step, seconds)
        rate = steps / passed
        if not self._promised:
            self._promised = rate
        slow = rate < COLLAPSED * self._promised
        self._slow, self._looks = (self._slow + passed, self._looks + 1) if slow else (0.0, 0)
        if self._most < 2 or seconds - self._since < self._rest:
            return None
        if self._slow >= SUSTAINED and self._looks >= LOOKS:
            return f"{rate:.3g} steps/s, and {self._promised:.3g} were measured"
        if self._threads < self._most and seconds - self._since >= self._patience:
            return f"{seconds - self._since:.0f} s on {self._threads} of {self._most} threads"
        return None

    def pause(self, seconds: float) -> None:
        """A check, saving or measuring took so long: it does not count against the speed of steps."""
        if self._mark is not None:
            self._mark = (self._mark[0], self._mark[1] + seconds)

    def uses(self, threads: int) -> None:
        """So many threads are in use, by a decision that was recorded or has been made."""
        self._threads = threads

    def settled(self, step: int, seconds: float, threads: int, promised: float, cost: float) -> None:
        """Threads were measured again. promised: steps/s seen then, 0.0 to take those of the next seconds; cost: seconds."""
        same = threads == self._threads
        self._patience = min(MOST_PATIENCE, 2 * self._patience) if same else PATIENCE
        self._threads, self._promised = threads, promised
        self._mark, self._since, self._rest = (step, seconds), seconds, WAIT * cost
        self._slow, self._looks = 0.0, 0
