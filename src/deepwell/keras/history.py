"""History: the values of all epochs."""

from __future__ import annotations

from typing import Any

from deepwell.keras.callback import Callback


class History(Callback):
    """What `fit` gives. epoch: their numbers. history: name -> values, one per epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """See Callback."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
