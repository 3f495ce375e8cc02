"""Dense: activation(x W + b) over the last axis."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from deepwell.nn.layers.activations import Activated
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2


class Dense(Activated):
    """(n, ..., inputs) -> (n, ..., units): activation(x W + b).

    kernel: (inputs, units) as it is drawn, kept transposed as torch's linear kernels read it. bias: (units,), or None.
    rules: the regularisers of kernel and bias.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor | None,
        activation: str = "linear",
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(activation)
        hold(self, Weight("kernel", "weight", (1, 0)), kernel.T.contiguous(), rules[0])
        hold(self, Weight("bias", "bias"), bias, rules[1])

    def linear(self, x: Tensor) -> Tensor:
        """x W + b."""
        return functional.linear(x, self.weight, self.bias)
