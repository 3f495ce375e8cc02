"""Muon: momentum made orthogonal, for the matrices inside a network; what surrounds them is moved by Adam.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. Unusual: the moves are sized as those of Adam are (Liu et al.
2025, arXiv:2502.16982), so step size and decay that suit AdamW suit Muon too, and one step size serves all parameters.
Matrices of one shape are made orthogonal together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from deepwell.nn.treatment import treatment
from deepwell.training.rules import Part, Rule, ready, unless

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
HEADS = ("head", "heads")
"""Parts of a parameter's name that say it belongs to an output layer."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's odd polynomial: five rounds of it bring every singular value from about 0.01 to 1 into about 0.7 to 1.2."""
ROUNDS = 5
ADAMS_SIZE = 0.2
"""The root mean square of a typical move of Adam, in step sizes."""


class Muon(Rule):
    """b = m b + (1 - m) g;  w = (1 - r d) w - 0.2 sqrt(max(I, O)) r orthogonal(b), or of m b + (1 - m) g with Nesterov.

    w is (O, I); a convolution's kernel (O, C, ...) counts as (O, C ...). Decay is apart from g.
    """

    keeps = ("momentum",)

    def __init__(self, momentum: float, nesterov: bool) -> None:
        self._momentum, self._nesterov = momentum, nesterov

    def alike(self, parameter: Tensor) -> tuple[int, ...]:
        """Their shape, so that they can be stacked."""
        return tuple(parameter.shape)

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, memory = ready(part, scale, found), part.memory["momentum"]
        torch._foreach_mul_(memory, unless(found, self._momentum, 1.0))
        torch._foreach_add_(memory, gradients, alpha=1.0 - self._momentum)
        moves = torch._foreach_lerp(gradients, memory, self._momentum) if self._nesterov else memory
        matrices = orthogonal(torch.stack([move.flatten(1) for move in moves]))  # (parameters, O, I)
        rate = unless(found, learning_rate, 0.0)
        if part.decay:
            torch._foreach_mul_(part.parameters, 1.0 - rate * part.decay)
        matrices = matrices * (rate * (ADAMS_SIZE * math.sqrt(max(matrices.shape[1:]))))
        shape = part.parameters[0].shape
        torch._foreach_sub_(part.parameters, [matrix.view(shape) for matrix in matrices.unbind()])


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, O, I) -> the same shape: U S' V^T for each U S V^T, with S' near 1 (Newton-Schulz iteration).

    In bfloat16 on CUDA, whose matrix units it was made for, in the type given elsewhere. A matrix of zeros stays one.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the smaller side first: its products are cheaper
    x = x.bfloat16() if x.is_cuda else x
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)  # no singular value is above 1
    for _ in range(ROUNDS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype).contiguous()


def hidden(network: nn.Module, names: Iterable[str], decaying: set[str]) -> set[str]:
    """Those of the parameters `names` that Muon is for: weight matrices and kernels of convolutions inside the network.

    A matrix is one that decays (so not of an embedding, see optimisers.matrices) and has two axes, or is the kernel of a
    convolution over all channels. Not inside is what belongs to a head: its treatment says so, or a part of its name is
    `head` or `heads`. Where nothing says so, the matrix that was built last is the head.
    """
    kernels = {
        f"{prefix}.weight" if prefix else "weight"
        for prefix, module in network.named_modules()
        if isinstance(module, CONVOLUTIONS) and module.groups == 1
    }
    parameters = dict(network.named_parameters())
    names = list(names)
    heads = {n for n in names if treatment(parameters[n]).head or not set(HEADS).isdisjoint(n.split("."))}
    found = [n for n in names if n in decaying and (parameters[n].ndim == 2 or n in kernels)]
    return set(found) - heads if heads else set(found[:-1])
