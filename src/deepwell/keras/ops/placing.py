"""Where ops make new tensors: on the device of the layer that is running, else on the host.

Unusual: a layer of one's own says `ops.arange(5)` without a device, as in Keras; whoever runs the layer names the device around
its call. Torch's own `with torch.device(...)` would look at every torch function, which costs time at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_PLACE: ContextVar[torch.device | None] = ContextVar("place", default=None)


@contextmanager
def on(device: torch.device | None) -> Iterator[None]:
    """New tensors of ops and random are made on this device inside; None leaves it as it is outside."""
    if device is None:
        yield
        return
    token = _PLACE.set(device)
    try:
        yield
    finally:
        _PLACE.reset(token)


def place() -> torch.device | None:
    """The device of the running layer; None for torch's default."""
    return _PLACE.get()
