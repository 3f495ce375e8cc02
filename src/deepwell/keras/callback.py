"""Callback: the hooks, and Monitor: which of two values is better."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepwell.core.errors import ConfigError, nearest

HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2_score", "true_positives", "true_negatives", "top_k",
          "cosine_similarity", "sensitivity", "specificity")  # fmt: skip
"""What stands in the names of values that are better when they are higher."""


class Callback:
    """Hooks around training; subclass it and write those that you need.

    Attributes:
        model: the model in training. params: epochs, steps, verbose. told: the values that the logs will hold; None where it is
        not known, for a callback of a user's own may add to them.
    """

    told: Sequence[str] | None = None

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    @property
    def is_own(self) -> bool:
        """Whether it is code of a user's own, which may add to the logs what nobody else knows of."""
        return not type(self).__module__.startswith(__package__)

    def set_model(self, model: Any) -> None:
        """Told before the training."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told before the training."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before an epoch (from 0)."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch; logs: a dict of its values, those of validation as `val_...`."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a step (from 0 in each epoch)."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a step; logs: the means of the epoch so far, read when asked for."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The old name of on_train_batch_begin."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The old name of on_train_batch_end."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Any = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of a prediction."""


class Monitor:
    """A value that is watched. mode: "min", "max", or "auto": by its name. delta: what counts as better."""

    def __init__(self, name: str, mode: str, delta: float, asked_by: str) -> None:
        if mode not in ("min", "max", "auto"):
            raise ConfigError(f"the mode of {asked_by} must be 'min', 'max' or 'auto'; got {mode!r}")
        higher = mode == "max" or (mode == "auto" and any(part in name for part in HIGHER))
        self.name, self._sign, self._delta, self._asked_by = name, 1.0 if higher else -1.0, delta, asked_by

    def of(self, logs: Any) -> float | None:
        """The value in the logs; None with a warning where it is not there."""
        found: Mapping[str, float] = logs or {}
        if self.name not in found:
            text = f"{self._asked_by} watches {self.name!r}, which is not there{nearest(self.name, found)}"
            warnings.warn(text, stacklevel=3)
            return None
        value = found[self.name]
        if np.size(value) != 1:
            raise ConfigError(
                f"{self._asked_by} watches {self.name!r}, which is one number for each class",
                repair="a mean of them can be watched, such as F1Score(average='macro')",
            )
        return float(np.asarray(value).item())

    def better(self, value: float, than: float) -> bool:
        """Whether a value is better than another by more than delta; what is not a number never is."""
        return (value - than) * self._sign > self._delta
