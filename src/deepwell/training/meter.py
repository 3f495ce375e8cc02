"""Meter: the figures of past steps, read from the device now and then, so that no step waits for it.

Unusual: nothing is computed per step. Scalars are kept as they are and brought over together every READ_EVERY steps; that
is also when a non-finite loss or gradient, whose step the device has already skipped, is noticed and named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deepwell.core.errors import RunError
from deepwell.training.updates import Sums

READ_EVERY = 16


class Meter:
    """Sums of losses since the last report."""

    def __init__(self) -> None:
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
        """Bring the waiting figures over; this waits for the device.

        Raises RunError naming the first step whose loss or gradient was not finite.
        """
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
            _check(step, update, total, norm)
            self._add(update, total, units)
            for name, value in parts.items():
                self._add(f"{update}.{name}", value, units)

    def _add(self, name: str, total: float, units: float) -> None:
        entry = self._totals.setdefault(name, [0.0, 0.0])
        entry[0] += total
        entry[1] += units

    def report(self, last: bool = False) -> dict[str, float]:
        """Mean losses since the last report: `UPDATE` and `UPDATE.PART` -> value; empty if nothing was read since.

        last: this report ends the run; the steps of the report before count once more, for it may follow close upon that.
        """
        if last:
            for name, entry in self._before.items():
                self._add(name, *entry)
        means = {name: total / units for name, (total, units) in self._totals.items() if units}
        self._before, self._totals = self._totals, {}
        return means

    def state(self) -> dict[str, Any]:
        """The sums as JSON values. Call `read` before."""
        return {name: list(entry) for name, entry in self._totals.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._waiting, self._before = [], {}
        self._totals = {name: list(entry) for name, entry in state.items()}


def _check(step: int, update: str, total: float, norm: float) -> None:
    if math.isfinite(total) and math.isfinite(norm):
        return
    what = f"loss became {total}" if not math.isfinite(total) else f"gradient became {norm}"
    raise RunError(
        f"the {what} at step {step} (update {update!r}); that step and those after it that failed alike changed nothing",
        repair="a smaller step size (--set learning_rate=...) helps most often; look for extreme values in the data "
        "with `deepwell check`",
    )
