"""Normalisation of each example by itself: over its layer, over groups of its channels, to a length."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2


class _Scaled(nn.Module):
    """Something that ends with gamma and beta, both of which may be missing."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self, gamma: Tensor | None, beta: Tensor | None, rules: tuple[L1L2 | None, L1L2 | None] = (None, None)
    ) -> None:
        super().__init__()
        hold(self, Weight("gamma", "weight"), gamma, rules[0])
        hold(self, Weight("beta", "bias"), beta, rules[1])


class LayerNorm(_Scaled):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta over `axes` of an example (Ba et al. 2016, arXiv:1607.06450).

    Any shape, the same shape. gamma, beta: of the lengths of these axes, or None.
    axes: counted with that of the examples, rising.
    """

    def __init__(
        self,
        gamma: Tensor | None,
        beta: Tensor | None,
        axes: tuple[int, ...],
        epsilon: float = 1e-3,
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(gamma, beta, rules)
        self.axes, self.epsilon = axes, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        end = tuple(range(x.dim() - len(self.axes), x.dim()))
        seen = x if self.axes == end else x.movedim(self.axes, end)
        lengths = list(seen.shape[-len(self.axes) :])
        found = functional.layer_norm(seen, lengths, self.weight, self.bias, self.epsilon)
        return found if self.axes == end else found.movedim(end, self.axes)


class RootMeanSquare(_Scaled):
    """gamma x / sqrt(mean of x^2 + epsilon) over `axes` of an example (Zhang and Sennrich 2019, arXiv:1910.07467).

    Any shape, the same shape. gamma: of the lengths of these axes. axes: as of LayerNorm.
    """

    def __init__(self, gamma: Tensor, axes: tuple[int, ...], epsilon: float = 1e-6) -> None:
        super().__init__(gamma, None)
        self.layout = (Weight("scale", "weight"),)
        self.axes, self.epsilon = axes, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        end = tuple(range(x.dim() - len(self.axes), x.dim()))
        seen = x if self.axes == end else x.movedim(self.axes, end)
        lengths = list(seen.shape[-len(self.axes) :])
        found = functional.rms_norm(seen, lengths, self.weight, self.epsilon)
        return found if self.axes == end else found.movedim(end, self.axes)


class GroupNorm(_Scaled):
    """(n, ..., channels): each group of neighbouring channels by its own mean and variance (Wu and He 2018, arXiv:1803.08494).

    gamma, beta: (channels,) or None. axis: of the channels, not that of the examples. groups: divides the channels.
    """

    def __init__(
        self,
        gamma: Tensor | None,
        beta: Tensor | None,
        groups: int,
        axis: int = -1,
        epsilon: float = 1e-3,
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(gamma, beta, rules)
        self.groups, self.axis, self.epsilon = groups, axis, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        found = functional.group_norm(x.movedim(self.axis, 1), self.groups, self.weight, self.bias, self.epsilon)
        return found.movedim(1, self.axis)


class UnitLength(nn.Module):
    """x / sqrt(sum of x^2), over `axes` of an example. Any shape, the same shape. axes: counted with that of the examples."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * x.square().sum(self.axes, keepdim=True).clamp(min=1e-12).rsqrt()
