"""Weights as Keras's users see them: name, shape, numpy(), assign(); and the parameters that a layer of one's own adds.

Unusual: a Variable is only a view. The numbers lie in the module's own parameter, perhaps with axes in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.keras.symbolic import mapped
from deepwell.nn.layout import Weight


class Variable:
    """One weight of a layer. shape and numbers are Keras's; path: `layer/weight`. trainable: whether it learns now.

    Operators and torch functions compute with its numbers as a tensor.
    """

    def __init__(self, weight: Weight, tensor: Tensor, path: str, trainable: bool) -> None:
        self._weight, self.tensor, self.path, self.trainable = weight, tensor, path, trainable

    @property
    def name(self) -> str:
        """Its name within the layer, such as `kernel`."""
        return self._weight.name

    @property
    def value(self) -> Tensor:
        """The numbers, on their device, in Keras's order of axes; no copy."""
        return self.tensor.permute(self._weight.axes) if self._weight.axes else self.tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in Keras's order of axes."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> str:
        """The name of its type, such as `float32`."""
        return str(self.tensor.dtype).removeprefix("torch.")

    def numpy(self) -> NDArray[np.float32]:
        """A copy as an array."""
        return self._weight.read(self.tensor)

    def assign(self, value: Any) -> None:
        """Put other numbers in its place. Raises ConfigError for another shape, naming the weight."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        if array.shape != self.shape:
            raise ConfigError(f"the weight {self.path!r} has the shape {self.shape}; got {array.shape}")
        self._weight.write(self.tensor, array)

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Torch functions and operators compute with the numbers."""
        plain = mapped([list(args), dict(kwargs or {})], (Variable,), lambda v: v.value)
        return function(*plain[0], **plain[1])

    def __getattr__(self, name: str) -> Any:
        """What else a tensor has, such as sum()."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.value, name)

    def __getitem__(self, key: Any) -> Tensor:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, trainable={self.trainable}>"


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Variable, *others: Any) -> Any:
        plain = [torch.as_tensor(v, device=self.tensor.device) if isinstance(v, np.ndarray) else v for v in others]
        return getattr(self.value, name)(*(v.value if isinstance(v, Variable) else v for v in plain))

    return operate


for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "mod", "pow", "rpow", "matmul", "rmatmul",
    "neg", "abs", "gt", "ge", "lt", "le",
):  # fmt: skip
    setattr(Variable, f"__{_name}__", _operator(f"__{_name}__"))


class Parameter(nn.Parameter):
    """What `add_weight` gives: a tensor to compute with, which can also be assigned to."""

    @property
    def value(self) -> Tensor:
        """The numbers, without gradients."""
        return self.detach()

    def assign(self, value: Any) -> Parameter:
        """Put other numbers of the same shape in its place."""
        with torch.no_grad():
            self.copy_(torch.as_tensor(value, dtype=self.dtype, device=self.device))
        return self

    def assign_add(self, value: Any) -> Parameter:
        """Add numbers to it."""
        return self.assign(self.detach() + torch.as_tensor(value, dtype=self.dtype, device=self.device))

    def assign_sub(self, value: Any) -> Parameter:
        """Take numbers away from it."""
        return self.assign(self.detach() - torch.as_tensor(value, dtype=self.dtype, device=self.device))
