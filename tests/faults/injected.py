"""Faults that are put into a life by replacing a function in it: memory or the disk fails, a number is not finite."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

FORWARD, BACKWARD = "forward", "backward"


def inject(fault: str) -> None:
    """Put in the fault `name:argument:...`; see the functions below."""
    name, *words = fault.split(":")
    FAULTS[name](*words)


def full_disk(what: str, first: str, last: str) -> None:
    """The writes of files below a directory called `what` from the `first` to the `last` one fail: no space left."""
    from deepwell.store import files

    write, passed = files._write_new, [0]

    def refuse(path: Any, pieces: Any) -> None:
        if what in str(path):
            passed[0] += 1
            if int(first) <= passed[0] <= int(last):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, pieces)

    files._write_new = refuse


def failing_call(name: str, code: str, first: str) -> None:
    """os.<name> fails with an error code, e.g. fsync:EIO, from the `first` call that the store makes on."""
    call, passed = getattr(os, name), [0]

    def refuse(*words: Any, **named: Any) -> Any:
        passed[0] += 1
        if passed[0] >= int(first):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
        return call(*words, **named)

    setattr(os, name, refuse)


Wrapper = Callable[[int, Any, Any, Any], Any]
"""(step counted from 1, network, batch, the loss that was taken) -> the loss that the loop sees."""


def _wrap_losses(wrapper: Wrapper) -> list[int]:
    """Have every training loss pass through `wrapper`; gives where the step stands."""
    from deepwell.training import loop

    fit, step, now = loop.fit, loop.Loop.step, [0]

    def counting(self: Any) -> None:
        now[0] = self._steps + 1
        step(self)

    def fitting(job: Any, start: Any = None) -> Any:
        def loss(network: Any, batch: Any, draw: Any) -> Any:
            return wrapper(now[0], network, batch, job.loss(network, batch, draw))

        return fit(replace(job, loss=loss), start)

    loop.fit, loop.Loop.step = fitting, counting  # type: ignore[method-assign]
    return now


def little_memory(most: str, first: str) -> None:
    """From step `first` on (counted from 1), a micro-batch of more than `most` examples does not fit."""
    import torch

    def refuse(step: int, network: Any, batch: Any, loss: Any) -> Any:
        if step >= int(first) and len(batch.examples) > int(most):
            raise torch.OutOfMemoryError("out of memory, injected")
        return loss

    _wrap_losses(refuse)


def not_finite(where: str, at: str) -> None:
    """At step `at` (counted from 1) the loss or a gradient is NaN; `judge`: what the judge says from then on."""
    from deepwell.core.task import Loss
    from deepwell.runs import fitting

    def spoil(step: int, network: Any, batch: Any, loss: Any) -> Any:
        if step != int(at) or where == "judge":
            return loss
        if where == "gradient":
            return Loss(loss.total + sum((p * 0).sum().sqrt() for p in network.parameters()), loss.units, loss.parts)
        return Loss(loss.total * math.nan, loss.units, loss.parts)

    now, losses = _wrap_losses(spoil), fitting.losses

    def judged(*words: Any) -> Any:
        found = losses(*words)
        return dict.fromkeys(found, math.nan) if where == "judge" and now[0] >= int(at) else found

    fitting.losses = judged


def jumping_clock(seconds: str) -> None:
    """The wall clock (not the monotonic one) jumps to and fro by so many seconds."""
    import time

    wall, asked = time.time, [0]

    def jump() -> float:
        asked[0] += 1
        return wall() + (float(seconds) if asked[0] % 2 else -float(seconds))

    time.time = jump


FAULTS: dict[str, Callable[..., None]] = {
    "full": full_disk,
    "call": failing_call,
    "memory": little_memory,
    "nan": not_finite,
    "clock": jumping_clock,
}
