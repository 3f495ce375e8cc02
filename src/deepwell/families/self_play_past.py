"""PastSelves: the network as it was earlier in the run, to play against: what strength was gained since.

Unusual: nobody knows while a run goes on how long it will be, so weights are kept at steps that double, and only the latest few:
at the end these are of about a half, a quarter, an eighth of the way. They are part of the state of the examples (and so of a
resumed run), never of the bundle.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Floats
from deepwell.core.runner import CalibratedRunner, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepwell.nn.runner import TorchRunner

MOST, FIRST = 3, 64
"""How many are kept, and the first step at which one is."""


class PastSelves:
    """Weights at the latest steps FIRST * 2^k, one flat vector each; none where a runner is no torch network."""

    def __init__(self) -> None:
        self._kept: dict[int, Floats] = {}

    def meet(self, runner: Runner, step: int) -> None:
        """Keep the weights of now where it is time to. step: how many were taken before."""
        doubled = step >= FIRST and step % FIRST == 0 and (step // FIRST).bit_count() == 1
        found = _torch(runner) if doubled else None
        if found is None:
            return
        self._kept[step] = np.concatenate([t.detach().float().cpu().numpy().ravel() for t in _tensors(found.module)])
        while len(self._kept) > MOST:
            del self._kept[min(self._kept)]

    def runners(self, runner: Runner) -> dict[int, Runner]:
        """Step -> the network as it was then, the latest first; `runner`: the network of now, which is not changed."""
        import torch

        from deepwell.nn.runner import TorchRunner

        found = _torch(runner)
        if found is None:
            return {}
        then: dict[int, Runner] = {}
        for step in sorted(self._kept, reverse=True):
            module = copy.deepcopy(found.module)
            places = _tensors(module)
            values = np.split(self._kept[step], np.cumsum([place.numel() for place in places])[:-1])
            with torch.no_grad():
                for place, value in zip(places, values, strict=True):
                    place.copy_(torch.from_numpy(value.copy()).view(place.shape))
            then[step] = TorchRunner(module, found.device)
        return then

    def state(self) -> dict[str, NDArray[Any]]:
        """Steps and weights; nothing while there are none."""
        if not self._kept:
            return {}
        return {"past.steps": np.array(list(self._kept), np.int64), "past.weights": np.stack([*self._kept.values()])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave."""
        steps = state.get("past.steps", np.empty(0, np.int64))
        self._kept = {int(step): np.array(state["past.weights"][row]) for row, step in enumerate(steps)}


def _torch(runner: Runner) -> TorchRunner | None:
    """The runner of a torch network, also under a calibration."""
    from deepwell.nn.runner import TorchRunner

    while isinstance(runner, CalibratedRunner):
        runner = runner.runner
    return runner if isinstance(runner, TorchRunner) else None


def _tensors(module: nn.Module) -> list[Tensor]:
    """Weights and running statistics, always in the same order; counters are left out."""
    found = [*module.parameters(), *module.buffers()]
    return [tensor for tensor in found if tensor.is_floating_point()]
