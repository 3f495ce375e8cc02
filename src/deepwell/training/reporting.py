"""Reporter: progress events. Those of the record come at fixed shares of the steps, so a run writes the same ones whatever
the clock does; between them, twice a second, observers hear live ones, which no record keeps.
"""

from __future__ import annotations

from collections.abc import Callable

from deepwell.core.runner import Sink
from deepwell.training.budget import Timekeeper
from deepwell.training.meter import Meter
from deepwell.training.order import Order

SECONDS = 0.5
"""Time between two live events."""
SHARE = 0.02
"""Steps between two recorded ones, as a share of all."""


class Reporter:
    """Tells a sink how far a training is. order: says what an epoch is, and how many examples a step has."""

    def __init__(self, sink: Sink | None, order: Order) -> None:
        self._sink, self._order = sink, order
        self._told = 0.0
        self._live = False

    def due(self, step: int, of: int, seconds: float) -> bool:
        """Whether something is to be told after this step. seconds: since training began."""
        if step % max(1, round(SHARE * of)) == 0 or step >= of:
            self._live = False
            return True
        self._live = self._sink is not None and not 0.0 <= seconds - self._told < SECONDS
        return self._live

    def tell(self, step: int, of: int, meter: Meter, rate: Callable[[int], float], keeper: Timekeeper) -> None:
        """Tell it; call after `due` said so and the meter was read. rate: step -> learning rate."""
        last = step >= of
        losses = meter.means() if self._live else meter.report(last)
        if not losses or self._sink is None:
            return
        seconds = keeper.elapsed()
        self._told = seconds
        speed = keeper.rate or step / max(seconds, 1e-9)
        examples = self._order.count / self._order.steps_per_epoch if self._order.count else self._order.batch_size
        event = {
            "event": "progress",
            "step": step,
            "of": of,
            "epoch": round(step / self._order.steps_per_epoch, 2),
            "loss": next(iter(losses.values())),
            "losses": losses,
            "learning_rate": rate(step - 1),
            "wall": {"rate": speed * examples, "left": (of - step) / speed, "seconds": seconds},
        }
        self._sink.emit({**event, "live": True} if self._live else event)
