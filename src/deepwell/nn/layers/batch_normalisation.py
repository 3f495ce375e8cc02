"""Batch normalisation as Keras has it.

Unusual beside torch's own: the running variance follows the plain variance of a batch (torch's the one divided by one example
less), padded steps do not count, and what does not learn does not follow the batches either (nn/freezing.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2

FAINT = 1e-7
"""Added to counts, so that nothing at all divides by something."""


class BatchNorm(nn.Module):
    """(n, ..., channels): gamma (x - mean) / sqrt(variance + epsilon) + beta (Ioffe and Szegedy 2015, arXiv:1502.03167).

    Mean and variance of each channel: in training over the batch, else the running ones, which move by 1 - momentum a batch.
    weights: gamma, beta (or None), running mean and variance, (channels,) each. axis: of the channels. rules: of gamma, beta.

    Attributes:
        frozen: the running statistics are used and kept in training too.
    """

    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        weights: tuple[Tensor | None, Tensor | None, Tensor, Tensor],
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__()
        gamma, beta, mean, variance = weights
        self.axis, self.momentum, self.epsilon, self.frozen = axis, momentum, epsilon, False
        self.layout: tuple[Weight, ...] = ()
        hold(self, Weight("gamma", "weight"), gamma, rules[0])
        hold(self, Weight("beta", "bias"), beta, rules[1])
        self.register_buffer("mean", mean)
        self.register_buffer("variance", variance)
        running = (("moving_mean", "mean"), ("moving_variance", "variance"))
        self.layout += tuple(Weight(name, own, trainable=False) for name, own in running)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See the class. mask: (n, length), True where a step counts; only for (n, length, channels)."""
        seen = x.movedim(self.axis, -1)
        view = seen.reshape(-1, seen.shape[-1])
        if not self.training or self.frozen:
            found = functional.batch_norm(view, self.mean, self.variance, self.weight, self.bias, eps=self.epsilon)
        elif mask is None:
            found, mean, inverse = torch.native_batch_norm(
                view, self.weight, self.bias, None, None, True, 0.0, self.epsilon
            )
            self._follow(mean.detach(), (inverse.detach().square().reciprocal() - self.epsilon).clamp(min=0))
        else:
            found = self._masked(seen, mask)
            return found.movedim(-1, self.axis)
        return found.view(seen.shape).movedim(-1, self.axis)

    def _masked(self, seen: Tensor, mask: Tensor) -> Tensor:
        """seen (n, length, channels) by the statistics of the steps that count."""
        counts = mask.unsqueeze(-1).to(seen.dtype)
        number = counts.sum() + FAINT
        mean = (seen * counts).sum((0, 1)) / number
        variance = ((seen - mean).square() * counts).sum((0, 1)) / number
        self._follow(mean.detach(), variance.detach())
        found = (seen - mean) * (variance + self.epsilon).rsqrt()
        found = found if self.weight is None else found * self.weight
        return found if self.bias is None else found + self.bias

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        self.mean.lerp_(mean.to(self.mean.dtype), 1.0 - self.momentum)
        self.variance.lerp_(variance.to(self.variance.dtype), 1.0 - self.momentum)
