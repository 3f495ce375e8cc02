"""The two building blocks of picture networks: convolution with batch normalisation, and a residual pair of them.

Unusual: a residual pair starts as the identity, because the scale of its last normalisation starts at zero (Goyal et al.
2017, arXiv:1706.02677), so a deeper network is as easy to start as a shallow one.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ConvNorm(nn.Module):
    """Convolution without bias, then batch normalisation, which has one: (n, c, h, w) -> (n, outputs, h / stride, w / stride).

    gamma (W * x - mean) / deviation + beta, mean and deviation of each channel over a batch (Ioffe and Szegedy 2015,
    arXiv:1502.03167).
    kernel: odd; the border is padded with zeros so that sides shrink by the stride alone, rounded up.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        normalised: Tensor = self.norm(self.conv(x))
        return normalised


class Residual(nn.Module):
    """x -> relu(x + f(x)), f = two 3 x 3 ConvNorms with a ReLU between (He et al. 2015, arXiv:1512.03385): same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(channels, channels), ConvNorm(channels, channels)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))
