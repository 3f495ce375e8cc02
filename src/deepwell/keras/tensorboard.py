"""TensorBoard: the values of each epoch (and of steps) as scalars, by the library `tensorboard` if it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepwell.core.errors import MissingExtra
from deepwell.keras.callback import Callback


class TensorBoard(Callback):
    """Write scalars to log_dir/train and log_dir/validation.

    update_freq: "epoch", "batch" (each step) or a number of steps. histogram_freq: epochs between histograms of all weights,
    0: none. write_graph, write_images, write_steps_per_second and profile_batch are accepted and change nothing.
    Raises MissingExtra without the library.
    """

    def __init__(
        self,
        log_dir: Any = "./logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
    ) -> None:
        super().__init__()
        self.log_dir, self.histogram_freq, self.update_freq = str(log_dir), histogram_freq, update_freq
        self._writers: dict[str, Any] = {}
        self._step = 0
        _writer_class()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Callback."""
        self._step += 1
        every = {"epoch": 0, "batch": 1}.get(self.update_freq, self.update_freq)
        if every and self._step % every == 0:
            for name, value in dict(logs or {}).items():
                self._write("train", f"batch_{name}", value, self._step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        for name, value in (logs or {}).items():
            part, label = ("validation", name[4:]) if name.startswith("val_") else ("train", name)
            self._write(part, f"epoch_{label}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for weight in self.model.weights:
                self._writer("train").add_histogram(weight.path, weight.numpy(), epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """See Callback."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write(self, part: str, name: str, value: float, step: int) -> None:
        self._writer(part).add_scalar(name, value, step)

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = _writer_class()(str(Path(self.log_dir) / part))
        return self._writers[part]


def _writer_class() -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", "track", "TensorBoard") from None
    return SummaryWriter
