"""Meter: the figures of past steps, read from the device now and then, so that no step waits for it.

Unusual: nothing is computed per step. Scalars are kept as they are and brought over together every READ_EVERY steps; that
is also when a non-finite loss or gradient, whose step the device has already skipped, is noticed. Skipped steps do not
count in the means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepwell.training.updates import Sums

READ_EVERY = 16


@dataclass(frozen=True)
class Skipped:
    """A step (counted from 1) that changed nothing because its loss or its gradient's norm was not finite."""

    step: int
    update: str
    loss: float
    norm: float

    @property
    def what(self) -> str:
        """`loss became nan`."""
        return f"gradient became {self.norm}" if math.isfinite(self.loss) else f"loss became {self.loss}"


class Meter:
    """Sums of losses since the last report. skipped: the steps that changed nothing and that nobody has dealt with yet."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self._waiting: list[tuple[int, str, Sums]] = []
        self._totals: dict[str, list[float]] = {}  # name -> [sum, units]
        self._before: dict[str, list[float]] = {}  # those of the last report

    def add(self, step: int, update: str, sums: Sums) -> None:
        """Remember one update of step `step` (counted from 1)."""
        self._waiting.append((step, update, sums))

    @property
    def full(self) -> bool:
        """Whether it is time to read."""
        return len(self._waiting) >= READ_EVERY

    def read(self) -> None:
        """Bring the waiting figures over; this waits for the device."""
        scalars: list[Tensor] = []
        for _, _, sums in self._waiting:
            device = sums.total.device
            for value in (sums.total, sums.units, sums.norm, *sums.parts.values()):
                tensor = value if isinstance(value, Tensor) else torch.tensor(value or 0.0, device=device)
                scalars.append(tensor.reshape(()).float())
        numbers = iter(torch.stack(scalars).tolist() if scalars else [])
        waiting, self._waiting = self._waiting, []
        for step, update, sums in waiting:
            total, units, norm = next(numbers), next(numbers), next(numbers)
            parts = {name: next(numbers) for name in sums.parts}
            if not (math.isfinite(total) and math.isfinite(norm)):
                self.skipped.append(Skipped(step, update, total, norm))
                continue
            self._add(update, total, units)
            for name, value in parts.items():
                self._add(f"{update}.{name}", value, units)

    def _add(self, name: str, total: float, units: float) -> None:
        entry = self._totals.setdefault(name, [0.0, 0.0])
        entry[0] += total
        entry[1] += units

    def means(self) -> dict[str, float]:
        """Mean losses since the last report: `UPDATE` and `UPDATE.PART` -> value; empty if nothing was read since."""
        return {name: total / units for name, (total, units) in self._totals.items() if units}

    def report(self, last: bool = False) -> dict[str, float]:
        """`means`, and begin anew.

        last: this report ends the run; the steps of the report before count once more, for it may follow close upon that.
        """
        if last:
            for name, entry in self._before.items():
                self._add(name, *entry)
        means = self.means()
        self._before, self._totals = self._totals, {}
        return means

    def state(self) -> dict[str, Any]:
        """The sums as JSON values. Call `read` before."""
        return {"totals": _lists(self._totals), "before": _lists(self._before)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._waiting, self.skipped = [], []
        self._totals, self._before = _lists(state["totals"]), _lists(state["before"])


def _lists(sums: Mapping[str, list[float]]) -> dict[str, list[float]]:
    return {name: list(entry) for name, entry in sums.items()}
