"""Layout: how a parameter looks from outside, where networks of other makers have another order of axes.

Unusual: a module keeps its parameters as torch's kernels like them and says beside them, in `layout`, under which name and in
which order of axes they are read and written: that of Keras (https://keras.io/api/layers), which is also that of the papers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class Weight:
    """One parameter or buffer of a module as it looks from outside.

    name: from outside, such as "kernel". parameter: the module's own name of it. axes: the outer array is
    `parameter.permute(axes)`; (): as it is. trainable: False for running statistics.
    """

    name: str
    parameter: str
    axes: tuple[int, ...] = ()
    trainable: bool = True

    def read(self, tensor: Tensor) -> NDArray[np.float32]:
        """The tensor of the module as the outer array, a copy."""
        outer = tensor.detach().permute(self.axes) if self.axes else tensor.detach()
        return np.array(outer.float().cpu().numpy(), order="C")

    def write(self, tensor: Tensor, array: NDArray[np.generic]) -> None:
        """Put an outer array into the tensor. Raises ConfigError for another shape."""
        import torch

        outer = tensor.detach().permute(self.axes) if self.axes else tensor.detach()
        if tuple(outer.shape) != array.shape:
            raise ConfigError(f"the weight {self.name!r} has the shape {tuple(outer.shape)}; got {array.shape}")
        outer.copy_(torch.from_numpy(np.array(array, order="C")))


def hold(module: nn.Module, weight: Weight, tensor: Tensor | None, rule: L1L2 | None = None) -> None:
    """Make a tensor a parameter of a module, with its layout and its regulariser; None: a weight that the module has not."""
    if tensor is None:
        module.register_parameter(weight.parameter, None)
        return
    module.register_parameter(weight.parameter, nn.Parameter(tensor))
    module.layout = (*getattr(module, "layout", ()), weight)  # type: ignore[assignment]
    if rule is not None:
        module.regularised = (*getattr(module, "regularised", ()), (weight.parameter, rule))  # type: ignore[assignment]


def weights(module: nn.Module) -> Iterator[tuple[Weight, Tensor]]:
    """All weights of a module that say their layout: its own first, then those of its children, in the order they were made."""
    for weight in getattr(module, "layout", ()):
        yield weight, _found(module, weight.parameter)
    for child in module.children():
        yield from weights(child)


def _found(module: nn.Module, name: str) -> Tensor:
    found = getattr(module, name)
    if not isinstance(found, Tensor):
        raise TypeError(f"{type(module).__name__}.{name} is no tensor")
    return found
