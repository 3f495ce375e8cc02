"""TorchRunner: a network's named calls with numpy arrays in and out, as prediction, measuring and baselines see them.

Unusual: the state (a cache) never leaves the device. It is None or any nesting of dicts, tuples and lists of tensors whose
first axis is the rows. Outputs are always float32, whatever the precision of training was; integers and booleans stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest
from deepwell.core.runner import Arrays, State

NetworkCall = Callable[..., tuple[Mapping[str, Tensor], State]]


class TorchRunner:
    """A core.runner.Runner over a torch module.

    module: has `forward` and, where it has more calls, an attribute `calls` with their names, e.g. ("encode", "step").
    device: where it runs; the module is moved there. precision: of the arithmetic inside, for examples that make themselves.
    """

    def __init__(
        self, module: nn.Module, device: str | torch.device = "cpu", precision: torch.dtype = torch.float32
    ) -> None:
        self.module = module.to(device)
        self.device = torch.device(device)
        self._precision = precision

    def run(self, call: str, arrays: Arrays, state: State = None) -> tuple[dict[str, NDArray[Any]], State]:
        """The outputs of a named call, computed in evaluation mode without gradients, and the new state.

        arrays: name -> array, copied to the device, so they are never changed. Raises ConfigError for an unknown call.
        """
        function = self._find(call)
        tensors = {name: to_tensor(array, self.device) for name, array in arrays.items()}
        mixed = self._precision != torch.float32
        precision = torch.autocast(self.device.type, dtype=self._precision) if mixed else nullcontext()
        with torch.inference_mode(), evaluating(self.module), precision:
            outputs, state = function(tensors, state)
            return {name: _to_numpy(tensor) for name, tensor in outputs.items()}, state

    def pick(self, state: State, rows: NDArray[np.int64]) -> State:
        """The state with its rows (first axes) chosen and reordered; rows: (n,) int64."""
        index = torch.as_tensor(np.ascontiguousarray(rows), dtype=torch.int64).to(self.device)
        with torch.inference_mode():
            return _pick(state, index)

    def _find(self, call: str) -> NetworkCall:
        """The module's call of that name; only names that the module's class declares are calls."""
        names = tuple(getattr(self.module, "calls", ("forward",)))
        if call not in names or call.startswith("_") or not callable(getattr(type(self.module), call, None)):
            raise ConfigError(f"{type(self.module).__name__} has no call {call!r}{nearest(call, names)}")
        function: NetworkCall = self.module if call == "forward" else getattr(self.module, call)
        return function


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, the mode of every submodule as before afterwards."""
    training = [m for m in module.modules() if m.training]
    for m in training:
        m.training = False
    try:
        yield
    finally:
        for m in training:
            m.training = True


def to_tensor(array: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """A copy of an array on a device. float16 and float64 become float32; integers and booleans keep their type."""
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return torch.tensor(array).to(device)


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    array: NDArray[Any] = tensor.contiguous().cpu().numpy()
    # An output may be a view of a cache that the next call changes in place.
    return array.copy() if tensor.device.type == "cpu" else array


def _pick(state: State, index: Tensor) -> State:
    if isinstance(state, Tensor):
        return state.index_select(0, index)
    if isinstance(state, Mapping):
        return {name: _pick(value, index) for name, value in state.items()}
    if isinstance(state, tuple):
        return tuple(_pick(value, index) for value in state)
    if isinstance(state, list):
        return [_pick(value, index) for value in state]
    return state
