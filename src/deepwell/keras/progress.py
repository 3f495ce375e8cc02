"""The progress bar, as Keras draws it.

    Epoch 1/5
    938/938 ━━━━━━━━━━━━━━━━━━━━ 6s 6ms/step - accuracy: 0.9021 - loss: 0.3012 - val_accuracy: 0.9830 - val_loss: 0.0541

Unusual: values are read from the device only when the bar is drawn, ten times a second. Where the output is no terminal, each
epoch is one plain line, without a bar that is drawn again and again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepwell.keras.callback import Callback

WIDTH = 20
EVERY = 0.1
"""Seconds between two drawings."""
BOLD, GREEN, WHITE, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Bar:
    """One line of progress. total: steps, None where unknown. verbose: 1: a bar; 2: one line at the end."""

    def __init__(self, total: int | None, verbose: int) -> None:
        self._total, self._verbose = total, verbose
        self._terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        self._begun = self._drawn = time.monotonic()
        self._first: float | None = None
        self._width = 0

    @property
    def due(self) -> bool:
        """Whether it is time to draw."""
        return self._verbose == 1 and self._terminal and time.monotonic() - self._drawn >= EVERY

    def stepped(self) -> None:
        """A step is done; the first does not count in the time of a step, for it makes what later ones find ready."""
        if self._first is None:
            self._first = time.monotonic()

    def draw(self, done: int, values: Mapping[str, float], last: bool = False) -> None:
        """Draw what is known now."""
        self._drawn = time.monotonic()
        seconds = self._drawn - self._begun
        each = self._step_seconds(done)
        shown = "".join(f" - {name}: {_number(value)}" for name, value in values.items())
        if self._verbose == 2 or not self._terminal:
            if last:
                bar = "" if self._verbose == 2 else f"{'━' * WIDTH} "
                dash = " - " if self._verbose == 2 else " "
                sys.stdout.write(f"{done}/{self._total}{dash}{bar}{seconds:.0f}s{dash}{_duration(each)}{shown}\n")
                sys.stdout.flush()
            return
        total = self._total or done or 1
        left = f"{seconds:.0f}s" if last else _clock(each * (total - done))
        filled = int(WIDTH * done / total)
        count = f"{done:>{len(str(total))}}/{total}"
        plain = f"{count} {'━' * WIDTH} {left} {_duration(each)}{shown}"
        bar = f"{GREEN}{'━' * filled}{PLAIN}{WHITE}{'━' * (WIDTH - filled)}{PLAIN}"
        text = f"{BOLD}{count}{PLAIN} {bar} {BOLD}{left}{PLAIN} {_duration(each)}{shown}"
        sys.stdout.write("\r" + text + " " * max(0, self._width - len(plain)) + ("\n" if last else ""))
        sys.stdout.flush()
        self._width = len(plain)

    def _step_seconds(self, done: int) -> float:
        now = time.monotonic()
        if self._first is None or done < 2:
            return (now - self._begun) / max(done, 1)
        return (now - self._first) / (done - 1)


class ProgbarLogger(Callback):
    """Draws the bar of an epoch, an evaluation or a prediction."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Bar | None = None
        self._done = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        if self.params.get("epochs", 1) > 1:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}")
        self._begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Callback."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Callback."""
        self._end(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """See Callback; the evaluation of an epoch has no bar of its own."""
        if "epochs" not in self.params:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Callback."""
        if "epochs" not in self.params:
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """See Callback."""
        if "epochs" not in self.params:
            self._end(logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        """See Callback."""
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Callback."""
        self._step(batch, {})

    def on_predict_end(self, logs: Any = None) -> None:
        """See Callback."""
        self._end({})

    def _begin(self) -> None:
        self._bar, self._done = Bar(self.params.get("steps"), int(self.params.get("verbose", 1))), 0

    def _step(self, batch: int, logs: Any) -> None:
        self._done = batch + 1
        if self._bar is not None:
            self._bar.stepped()
            if self._bar.due:
                self._bar.draw(self._done, _sorted(logs))

    def _end(self, logs: Any) -> None:
        if self._bar is not None:
            self._bar.draw(self._done, _sorted(logs), last=True)
        self._bar = None


def verbosity(verbose: Any) -> int:
    """0, 1 or 2 for what was asked."""
    return 1 if verbose == "auto" or verbose is True else int(verbose)


def _sorted(logs: Any) -> dict[str, float]:
    """By name, as Keras has them."""
    values = dict(logs or {})
    return {name: values[name] for name in sorted(values)}


def _number(value: Any) -> str:
    value = float(np.mean(value))
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def _clock(seconds: float) -> str:
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}" if seconds > 60 else f"{int(seconds)}s"
