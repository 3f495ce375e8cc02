"""Averaged weights: an exponential moving average (EMA) whose memory is a share of the run.

Unusual: time is measured in progress, not steps. Over a stretch dp of progress the average keeps exp(-dp / memory), so
the cost can be cut by updating every few steps, a horizon that moves needs no correction, and cooling down shortens the
memory by itself. Early on the memory is at most a quarter of the way so far, so the first weights are soon forgotten
(the warm-up of Polyak-Ruppert averaging; compare Karras et al. 2024, arXiv:2312.02696, power-function EMA).
Running statistics of normalisation are averaged as well: they belong to the averaged weights, and it needs no pass over
the data, as re-estimating them would.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

EARLY = 0.25
"""The memory is at most this share of the progress so far."""


class Average:
    """An EMA of a network's floating-point parameters and buffers; other buffers (counters) are copied.

    network: what is averaged; a copy of it, `module`, holds the average. memory: share of the run, above 0.
    """

    def __init__(self, network: nn.Module, memory: float) -> None:
        self._network, self._memory = network, memory
        self._progress = 0.0
        self.module = copy.deepcopy(network).requires_grad_(False)
        self._places = [*zip(_places(network), _places(self.module), strict=True)]

    def update(self, progress: float) -> None:
        """Move towards the network's weights of now. progress: share of the run in [0, 1], never falling."""
        passed, self._progress = progress - self._progress, progress
        memory = min(self._memory, EARLY * progress)
        if passed <= 0.0 or memory <= 0.0:
            return
        # Places, not tensors: a module may replace its buffers.
        pairs = [(mine[name], live[name]) for (live, name), (mine, _) in self._places]
        smooth = [(mine, live) for mine, live in pairs if live.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_(
                [mine for mine, _ in smooth], [live for _, live in smooth], -math.expm1(-passed / memory)
            )
            for mine, live in pairs:
                if not live.is_floating_point():
                    mine.copy_(live)

    def state(self) -> tuple[dict[str, Tensor], float]:
        """The averaged tensors by name, copies, and the progress of the last update."""
        return {name: tensor.detach().clone() for name, tensor in tensors(self.module).items()}, self._progress

    def restore(self, state: Mapping[str, Tensor], progress: float) -> None:
        """Take over what `state` gave."""
        assign(self.module, state)
        self._progress = progress


def _places(module: nn.Module) -> list[tuple[dict[str, Any], str]]:
    """Where each parameter and buffer is kept: (the dictionary of its module, its name there), each tensor once."""
    found, seen = [], set()
    for owner in module.modules():
        for kept in (owner._parameters, owner._buffers):
            for name, tensor in kept.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    found.append((kept, name))
    return found


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name, buffers that are not saved in bundles included."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def assign(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copy values into the module's parameters and buffers of the same names, in place."""
    with torch.no_grad():
        for name, tensor in tensors(module).items():
            tensor.copy_(values[name])
