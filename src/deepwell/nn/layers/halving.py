"""Max pooling by two: the larger of each two neighbours along one axis, then along the other.

Unusual: on a processor this takes about half the time of torch's own kernel, which writes an index of eight bytes for each
window and scatters by it. Here the way back compares instead: what came out went in, so the first of two neighbours that is
equal to it, bit for bit, gets the gradient, and the second the rest. Bits are compared and masked as whole numbers, which
processors do fastest where they are short: with float32 only the way there gains. The order (along the last length first) is
that of reading, so ties go where torch and TensorFlow let them go, but for 0 and -0, which are told apart.
`python -m benchmarks.places pooling` measures it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

HALF = (torch.bfloat16, torch.float16)
LEAST_CHANNELS, LEAST_VALUES = 8, 1 << 16
"""For less, what it costs to begin so many operations is more than they gain."""


def halved(x: Tensor, ceil: bool = False) -> Tensor:
    """(n, *lengths, channels) -> (n, *halves, channels): the largest value of each 2 (one length) or 2 by 2 (two lengths).

    ceil: an odd length is rounded up, and its last place stands alone; else that place is left out. Gradients of gradients are
    offered for small or float32 values only.
    """
    worth = x.device.type == "cpu" and x.shape[-1] >= LEAST_CHANNELS and x.numel() >= LEAST_VALUES
    learns = torch.is_grad_enabled() and x.requires_grad
    if worth and x.is_floating_point() and not torch.compiler.is_compiling():
        if not learns:
            return _stages(x, ceil)[-1]
        if x.dtype in HALF:
            found: Tensor = _Halved.apply(x, ceil)  # type: ignore[no-untyped-call]
            return found
    seen = (x if x.dim() == 4 else x.unsqueeze(1)).permute(0, 3, 1, 2)
    found = functional.max_pool2d(seen, 2 if x.dim() == 4 else (1, 2), ceil_mode=ceil).permute(0, 2, 3, 1)
    return found if x.dim() == 4 else found.squeeze(1)


class _Halved(torch.autograd.Function):
    """Each stage keeps what went into it; what came out is what went into the next."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ceil: bool) -> Tensor:
        """See `halved`."""
        stages = _stages(x, ceil)
        ctx.save_for_backward(*stages)
        return stages[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient goes to the first place, in reading order, that holds the largest value."""
        stages: tuple[Tensor, ...] = ctx.saved_tensors
        for axis, (into, out) in enumerate(zip(stages[-2::-1], stages[:0:-1], strict=True), start=1):
            gradient = _given_back(gradient, into, out, axis)
        return gradient, None


def _stages(x: Tensor, ceil: bool) -> list[Tensor]:
    """x, and what is left of it after each axis, the last length first."""
    found = [x]
    for axis in range(x.dim() - 2, 0, -1):
        found.append(_larger(found[-1], axis, ceil))
    return found


def _larger(x: Tensor, axis: int, ceil: bool) -> Tensor:
    """The larger of each two neighbours along an axis."""
    first, second = _pairs(x, axis)
    if x.shape[axis] % 2 == 0 or not ceil:
        return torch.maximum(first, second)
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    return torch.cat([torch.maximum(first, second), last], axis)


def _given_back(gradient: Tensor, into: Tensor, out: Tensor, axis: int) -> Tensor:
    """The gradient of `_larger`: of what came out -> of what went in."""
    found, pairs = torch.empty_like(into), into.shape[axis] // 2
    whole, largest = (t.view(torch.int16).narrow(axis, 0, pairs) for t in (gradient, out))
    first, second = _pairs(found.view(torch.int16), axis)
    torch.eq(_pairs(into.view(torch.int16), axis)[0], largest, out=first)
    first.mul_(whole)
    torch.sub(whole, first, out=second)
    if into.shape[axis] % 2:
        last = found.narrow(axis, 2 * pairs, 1)
        if gradient.shape[axis] > pairs:
            last.copy_(gradient.narrow(axis, pairs, 1))
        else:
            last.zero_()
    return found


def _pairs(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Views of the first and of the second of each two neighbours along an axis."""
    before, end = (slice(None),) * axis, x.shape[axis] // 2 * 2
    return x[(*before, slice(0, end, 2))], x[(*before, slice(1, end, 2))]
