"""Callbacks that write models: the best, or that of each epoch."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.callback import Callback, Monitor


class ModelCheckpoint(Callback):
    """Save the model, or its weights, after epochs. The file is our sealed bundle, or safetensors, whatever its suffix.

    filepath: may hold {epoch} and the names of values, such as "m-{epoch:02d}-{val_loss:.2f}.keras", and {batch} where save_freq
    counts steps. save_freq: "epoch", or steps. Before the training ConfigError is raised for a model that cannot be sealed and
    for a path that names what there is none of.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__()
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ConfigError(f"save_freq must be 'epoch' or a number of steps; got {save_freq!r}")
        self._monitor = Monitor(monitor, mode, 0.0, "ModelCheckpoint")
        self.filepath, self.monitor, self.verbose, self.save_freq = str(filepath), monitor, verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.best = initial_value_threshold
        self._steps, self._epoch = 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        """See Callback."""
        from deepwell.keras.saving import check_sealable

        if not self.save_weights_only:
            check_sealable(self.model)
        if self.told is None:
            return
        whole = self.save_freq == "epoch"
        known = [n for n in self.told if whole or not n.startswith("val_")]
        known += ["epoch", "learning_rate" if whole else "batch"]
        for _, name, _, _ in Formatter().parse(self.filepath):
            word = re.split(r"[.\[]", name or "")[0]
            if word and word not in known:
                told = nearest(word, known) or f"; there are: {', '.join(known)}"
                raise ConfigError(f"the path {self.filepath!r} names {word!r}, which is not there{told}")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Callback."""
        self._steps += 1
        if self.save_freq != "epoch" and self._steps % self.save_freq == 0:
            self._save(self._epoch, dict(logs or {}), {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        if self.save_freq == "epoch":
            self._save(epoch, dict(logs or {}), {})

    def _save(self, epoch: int, logs: dict[str, float], place: dict[str, int]) -> None:
        path = self._path({"epoch": epoch + 1, **place, **logs})
        if self.save_best_only:
            current = self._monitor.of(logs)
            if current is None:
                return
            if self.best is not None and not self._monitor.better(current, self.best):
                self._tell(f"Epoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            before = "" if self.best is None else f" from {self.best:.5f}"
            self._tell(f"Epoch {epoch + 1}: {self.monitor} improved{before} to {current:.5f}, saving model to {path}")
            self.best = current
        else:
            self._tell(f"Epoch {epoch + 1}: saving model to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _path(self, values: dict[str, Any]) -> str:
        try:
            return self.filepath.format_map(values)
        except KeyError as error:
            known = ", ".join(values)
            raise ConfigError(f"the path {self.filepath!r} names {error.args[0]!r}; there are: {known}") from None

    def _tell(self, text: str) -> None:
        if self.verbose:
            print(f"\n{text}")


class BackupAndRestore(Callback):
    """Refused in words: `deepwell train` resumes bit for bit; a `fit` begins where its weights are."""

    def __init__(self, backup_dir: Any, save_freq: Any = "epoch", delete_checkpoint: bool = True) -> None:
        super().__init__()
        raise ConfigError(
            "BackupAndRestore is not known here",
            repair="ModelCheckpoint(path, save_weights_only=True), load_weights(path) and initial_epoch go on from an epoch",
        )
