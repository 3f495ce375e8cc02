"""Guard: the buffers that a forward pass moves (running statistics, counters) are put back where a step does not count.

Unusual: which buffers move is found out, not declared, so that a network without any pays next to nothing. The first step
keeps all of them and compares values, for kernels that move running statistics do not raise a tensor's version. From then
on a version that rises tells: where one buffer of a module moves (batch norm counts its batches), all of that module do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Guard:
    """Keeps the moving buffers of a network before an update, and puts them back after it where it must not count."""

    def __init__(self, network: nn.Module) -> None:
        self._guarded = [_Buffers(module) for module in network.modules() if module._buffers]
        self._watched: list[_Buffers] = []  # have not moved so far
        self._first = True

    def keep(self) -> None:
        """Remember the moving buffers as they are; before the first step, all buffers."""
        if self._guarded:
            with torch.no_grad():
                for buffers in self._guarded:
                    buffers.keep()

    def mend(self, found: Tensor, reads_flag: bool) -> None:
        """After the forward passes: put the buffers back where `found` (scalar) is 1.

        reads_flag: the host may ask for it (see Optimiser). Otherwise only the first step waits for the device.
        """
        if self._first:
            everything, self._first = self._guarded, False
            self._guarded = [buffers for buffers in everything if buffers.changed()]
            self._watched = [buffers for buffers in everything if buffers not in self._guarded]
            for buffers in self._watched:
                buffers.watch()
        if self._guarded and not reads_flag:
            self._put_back_where(found.bool())
        elif self._guarded and found.item():
            self.put_back()
        for buffers in [b for b in self._watched if b.risen()]:  # kept from the next step on
            self._watched.remove(buffers)
            self._guarded.append(buffers)

    def put_back(self) -> None:
        """Put the buffers back as they were at `keep`."""
        with torch.no_grad():
            for buffers in self._guarded:
                for now, kept in buffers.pairs():
                    now.copy_(kept)

    def _put_back_where(self, skipped: Tensor) -> None:
        with torch.no_grad():
            for buffers in self._guarded:
                for now, kept in buffers.pairs():
                    torch.where(skipped, kept, now, out=now)


class _Buffers:
    """The buffers of one module and a copy of them. They are asked anew each time, for a module may replace them."""

    def __init__(self, module: nn.Module) -> None:
        self._now = module._buffers
        self._kept: dict[str, Tensor] = {}
        self._versions: dict[str, tuple[Tensor, int]] = {}

    def keep(self) -> None:
        """Copy them, into the copies of last time where these fit."""
        for name, now in self._now.items():
            kept = self._kept.get(name)
            if now is None:
                self._kept.pop(name, None)
            elif kept is not None and _fits(now, kept):
                kept.copy_(now)
            else:
                self._kept[name] = now.clone()

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """(buffer, its copy). One that came, or changed its shape or type since, is a cache and no statistic: left out."""
        found = []
        for name, kept in self._kept.items():
            now = self._now.get(name)
            if now is not None and _fits(now, kept):
                found.append((now, kept))
        return found

    def changed(self) -> bool:
        """Whether a value differs from its copy (NaN counts); waits for the device."""
        return not all(torch.equal(now, kept) for now, kept in self.pairs())

    def watch(self) -> None:
        """Let the copies go; from here on only `risen` tells."""
        self._kept = {}
        self._versions = {name: (now, now._version) for name, now in self._now.items() if now is not None}

    def risen(self) -> bool:
        """Whether a buffer was written to or replaced since `watch`."""
        for name, now in self._now.items():
            seen = self._versions.get(name)
            if now is not None and (seen is None or now is not seen[0] or now._version != seen[1]):
                return True
        return False


def _fits(now: Tensor, kept: Tensor) -> bool:
    return now.dtype == kept.dtype and now.shape == kept.shape
