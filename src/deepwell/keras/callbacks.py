"""Callbacks: Keras's hooks around epochs and batches, and the callbacks that Keras brings.

Unusual: the logs of a batch are a mapping that reads from the device only when it is asked for a value, so that a callback which
does not look costs nothing. What a callback changes (`model.stop_training`, `model.optimizer.learning_rate`) counts from the next
step on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.callback import Callback, Monitor
from deepwell.keras.history import History
from deepwell.keras.keeping import BackupAndRestore, ModelCheckpoint
from deepwell.keras.progress import ProgbarLogger
from deepwell.keras.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "Logs", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "TensorBoard",
    "TerminateOnNaN",
]  # fmt: skip
__getattr__ = finder("callbacks", __all__)

Values = Mapping[str, float]


class Logs(Mapping[str, float]):
    """Values that are read when they are asked for. read: gives all of them."""

    def __init__(self, names: Sequence[str], read: Callable[[], Values]) -> None:
        self._names, self._read = names, read

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise KeyError(name)
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def copy(self) -> dict[str, float]:
        """All values, read now."""
        return dict(self._read())

    def __repr__(self) -> str:
        return repr(self.copy())


class EarlyStopping(Callback):
    """Stop when a value no longer becomes better.

    monitor: History's name of it. patience: epochs without gain. min_delta: what counts as gain. baseline: a value that must be
    reached. start_from_epoch: before it nothing is looked at. restore_best_weights: take the best epoch's weights in the end.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self._monitor = Monitor(monitor, mode, abs(min_delta), "EarlyStopping")
        self.monitor, self.patience, self.verbose, self.baseline = monitor, patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best: float | None = None
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """See Callback."""
        self.wait, self.stopped_epoch, self.best, self.best_epoch, self.best_weights = 0, 0, None, 0, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        current = self._monitor.of(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.best is None or self._monitor.better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._monitor.better(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """See Callback."""
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Callback):
    """Multiply the learning rate by `factor` when a value no longer becomes better.

    patience: epochs without gain; cooldown: epochs after a change in which nothing is counted; min_lr: never below it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ConfigError(f"the factor of ReduceLROnPlateau must be below 1; got {factor}")
        self._monitor = Monitor(monitor, mode, min_delta, "ReduceLROnPlateau")
        self.monitor, self.factor, self.patience, self.verbose = monitor, factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait, self.cooldown_counter = 0, 0
        self.best: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """See Callback."""
        self.wait, self.cooldown_counter, self.best = 0, 0, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        rate = float(self.model.optimizer.learning_rate)
        if isinstance(logs, dict):
            logs["learning_rate"] = rate
        current = self._monitor.of(logs)
        if current is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.wait = self.cooldown_counter - 1, 0
        if self.best is None or self._monitor.better(current, self.best):
            self.best, self.wait = current, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                lower = max(rate * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = lower
                if self.verbose:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {lower}.")
                self.cooldown_counter, self.wait = self.cooldown, 0


class LearningRateScheduler(Callback):
    """The learning rate of each epoch: schedule(epoch, rate now) or schedule(epoch)."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See Callback. Raises ConfigError where the schedule gives no number."""
        import inspect

        now = float(self.model.optimizer.learning_rate)
        takes = len(inspect.signature(self.schedule).parameters)
        rate = self.schedule(epoch, now) if takes > 1 else self.schedule(epoch)
        if not isinstance(rate, float | int | np.floating):
            raise ConfigError(f"the schedule of LearningRateScheduler must give a number; it gave {rate!r}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        if isinstance(logs, dict):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CSVLogger(Callback):
    """One line per epoch in a file. append: go on with a file that is there."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = str(filename), separator, append
        self._file: TextIO | None = None
        self._keys: list[str] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """See Callback."""
        self._keys = None
        if self.append:
            try:
                with open(self.filename, newline="") as before:
                    first = before.readline().strip()
                self._keys = first.split(self.separator)[1:] if first else None
            except FileNotFoundError:
                pass
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115 (closed in on_train_end)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        if self._file is None:
            return
        writer = csv.writer(self._file, delimiter=self.separator)
        values = dict(logs or {})
        if self._keys is None:
            self._keys = sorted(values)
            if not any(key.startswith("val_") for key in self._keys):  # as in Keras: later epochs may be validated
                self._keys += [f"val_{key}" for key in self._keys]
            writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *[_cell(values.get(key, "NA")) for key in self._keys]])
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """See Callback."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value: Any) -> Any:
    """A value as one cell: several numbers as a list of them, as Keras writes it."""
    array = np.asarray(value)
    return f'"[{", ".join(map(str, array.tolist()))}]"' if array.ndim == 1 else value


class TerminateOnNaN(Callback):
    """End the training, without an error, at a loss or gradient that is not finite. The step itself has changed nothing."""

    ends_quietly = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Nothing to look at: the loop itself notices, and `fit` asks whether this callback is there."""


class LambdaCallback(Callback):
    """Functions as hooks, such as on_epoch_end=lambda epoch, logs: ..."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }  # fmt: skip
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)

    @property
    def is_own(self) -> bool:
        """See Callback: its functions are."""
        return True


class CallbackList:
    """Several callbacks, called one after the other. Batch hooks reach only those that have them."""

    def __init__(
        self, callbacks: Any, model: Any, params: Mapping[str, Any], told: Sequence[str] | None = None
    ) -> None:
        given = listed(callbacks)
        for callback in given:
            if not isinstance(callback, Callback):
                names = [n for n in __all__ if n not in ("Callback", "CallbackList", "Logs")]
                word = callback.__name__ if isinstance(callback, type) else callback
                known = isinstance(word, str) and word in names
                raise ConfigError(
                    f"callbacks are objects of Callback; got {callback!r}"
                    + (nearest(word, names) if isinstance(word, str) and not known else ""),
                    repair=f"make an object of it: callbacks=[{word}()]" if known else "make an object of its class",
                )
            callback.set_model(model)
            callback.set_params(dict(params))
            callback.told = None if any(getattr(c, "is_own", True) for c in given) else told
        self.callbacks = given

    def hears_batches(self, hook: str) -> list[Callback]:
        """The callbacks that have a hook of their own for batches."""
        return [c for c in self.callbacks if getattr(getattr(c, hook), "__func__", None) is not getattr(Callback, hook)]

    def __call__(self, hook: str, *args: Any) -> None:
        """Call a hook of all."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)


def listed(callbacks: Any) -> list[Any]:
    """None, one callback or several of them as a list."""
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def quiet(callbacks: Sequence[Callback]) -> bool:
    """Whether a loss that is not finite ends the training without an error."""
    return any(getattr(c, "ends_quietly", False) for c in callbacks)
