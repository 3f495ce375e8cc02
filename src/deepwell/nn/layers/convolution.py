"""Convolution over one or two axes, channels last, with an activation at its end.

Unusual: values are (n, length, channels) or (n, height, width, channels), and torch's kernels see the same memory as views
with the channels first: in the channels-last layout that is what they like best, and nothing is copied. A sequence is a
picture of height 1, since torch's one-dimensional kernels would copy. The kernel is stored the same way: one output's window
lies together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.nn.layers.activations import Activated
from deepwell.nn.layers.borders import edges, even, padded, reach
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class Sliding:
    """How windows slide, one number for each axis. padding: "valid", "same" or "causal"; see borders.py."""

    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"

    def spans(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """How many places a window of these sizes spans."""
        return tuple(reach(size, step) for size, step in zip(sizes, self.dilation, strict=True))


def stored(kernel: Tensor) -> Tensor:
    """A kernel (*window, inputs, outputs) as (outputs, inputs, *window) whose memory is (outputs, *window, inputs)."""
    back = (kernel.dim() - 1, *range(kernel.dim() - 2), kernel.dim() - 2)  # (outputs, *window, inputs)
    forward = (0, kernel.dim() - 1, *range(1, kernel.dim() - 1))
    return kernel.permute(back).contiguous().permute(forward)


def apart(kernel: Tensor) -> Tensor:
    """A depthwise kernel (*window, inputs, m) as (inputs, m, *window)."""
    return kernel.permute(kernel.dim() - 2, kernel.dim() - 1, *range(kernel.dim() - 2)).contiguous()


def outer(axes: int) -> tuple[int, ...]:
    """What turns a stored kernel back into (*window, inputs, outputs)."""
    return (*range(2, axes), 1, 0)


def first(x: Tensor) -> Tensor:
    """(n, *lengths, channels), of one or two lengths, as a view (n, channels, height, width)."""
    return (x if x.dim() == 4 else x.unsqueeze(1)).permute(0, 3, 1, 2)


def last(x: Tensor, axes: int) -> Tensor:
    """`first` undone, for values of so many axes."""
    found = x.permute(0, 2, 3, 1)
    return found if axes == 4 else found.squeeze(1)


def flat(sizes: tuple[int, ...], beside: int) -> tuple[int, int]:
    """A size for each of one or two axes as (height, width); beside: what stands for the height of a sequence."""
    return (beside, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, sliding: Sliding, groups: int = 1) -> Tensor:
    """x (n, *lengths, inputs) -> (n, *windows, outputs).

    kernel: (outputs, inputs / groups, *window). bias: (outputs,) or None.
    """
    spans = sliding.spans(tuple(kernel.shape[2:]))
    sides = edges(x.shape[1:-1], spans, sliding.strides, sliding.padding)
    within = even(sides)
    seen = first(x if within else padded(x, sides))
    found = functional.conv2d(
        seen,
        kernel if kernel.dim() == 4 else kernel.unsqueeze(2),
        bias,
        flat(sliding.strides, 1),
        flat(tuple(before for before, _ in sides), 0) if within else 0,
        flat(sliding.dilation, 1),
        groups,
    )
    return last(found, x.dim())


class Convolution(Activated):
    """(n, *lengths, inputs) -> (n, *windows, outputs): activation(sum over a window of x W + b) (LeCun et al. 1989).

    kernel: (*window, inputs / groups, outputs) as it is drawn. bias: (outputs,), or None. rules: the regularisers of both.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor | None,
        sliding: Sliding,
        groups: int = 1,
        activation: str = "linear",
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(activation)
        self.sliding, self.groups = sliding, groups
        hold(self, Weight("kernel", "weight", outer(kernel.dim())), stored(kernel), rules[0])
        hold(self, Weight("bias", "bias"), bias, rules[1])

    def linear(self, x: Tensor) -> Tensor:
        """All but the activation."""
        return convolve(x, self.weight, self.bias, self.sliding, self.groups)


class Depthwise(Activated):
    """(n, *lengths, inputs) -> (n, *windows, inputs m): each channel by itself, through m windows of its own.

    kernel: (*window, inputs, m) as it is drawn. bias: (inputs m,), or None. rules: the regularisers of both.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor | None,
        sliding: Sliding,
        activation: str = "linear",
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(activation)
        self.sliding = sliding
        hold(self, Weight("kernel", "weight", (*range(2, kernel.dim()), 0, 1)), apart(kernel), rules[0])
        hold(self, Weight("bias", "bias"), bias, rules[1])

    def linear(self, x: Tensor) -> Tensor:
        """All but the activation."""
        return convolve(x, self.weight.flatten(0, 1).unsqueeze(1), self.bias, self.sliding, x.shape[-1])


class Separable(Activated):
    """(n, *lengths, inputs) -> (n, *windows, outputs): depthwise, then a dense map at each place.

    Chollet 2016, arXiv:1610.02357.
    depthwise: (*window, inputs, m), pointwise: (1, ..., inputs m, outputs) as they are drawn; one bias, at the end, or None.
    rules: the regularisers of depthwise, pointwise and bias.
    """

    depthwise: Tensor
    pointwise: Tensor
    bias: Tensor | None

    def __init__(
        self,
        depthwise: Tensor,
        pointwise: Tensor,
        bias: Tensor | None,
        sliding: Sliding,
        activation: str = "linear",
        rules: tuple[L1L2 | None, L1L2 | None, L1L2 | None] = (None, None, None),
    ) -> None:
        super().__init__(activation)
        self.sliding = sliding
        axes = depthwise.dim()
        hold(self, Weight("depthwise_kernel", "depthwise", (*range(2, axes), 0, 1)), apart(depthwise), rules[0])
        hold(self, Weight("pointwise_kernel", "pointwise", outer(axes)), stored(pointwise), rules[1])
        hold(self, Weight("bias", "bias"), bias, rules[2])

    def linear(self, x: Tensor) -> Tensor:
        """All but the activation."""
        kernel = self.depthwise.flatten(0, 1).unsqueeze(1)
        seen = convolve(x, kernel, None, self.sliding, x.shape[-1])
        return functional.linear(seen, self.pointwise.flatten(1), self.bias)


class Transposed(Activated):
    """(n, *lengths, inputs) -> (n, *longer, outputs): each place adds its window to what comes out (Zeiler et al. 2010).

    It is the gradient of a convolution by its input. kernel: (*window, outputs, inputs) as it is drawn. bias: (outputs,), or
    None. more: for each axis Keras's output_padding, or None: see `spread`. rules: the regularisers of kernel and bias.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor | None,
        sliding: Sliding,
        more: tuple[int | None, ...],
        activation: str = "linear",
        rules: tuple[L1L2 | None, L1L2 | None] = (None, None),
    ) -> None:
        super().__init__(activation)
        self.sliding, self.more = sliding, more
        # (inputs, outputs, *window): what comes in stands first, as torch has it
        hold(self, Weight("kernel", "weight", outer(kernel.dim())), stored(kernel), rules[0])
        hold(self, Weight("bias", "bias"), bias, rules[1])

    def linear(self, x: Tensor) -> Tensor:
        """All but the activation. The bias is added last: torch's own takes longer than all the rest on its way back."""
        spans, strides = self.sliding.spans(tuple(self.weight.shape[2:])), self.sliding.strides
        seen = functional.conv_transpose2d(
            first(x),
            self.weight if self.weight.dim() == 4 else self.weight.unsqueeze(2),
            None,
            flat(strides, 1),
            dilation=flat(self.sliding.dilation, 1),
        )
        found = last(seen, x.dim())
        sides = zip(x.shape[1:-1], spans, strides, self.more, strict=True)
        for axis, (length, span, stride, extra) in enumerate(sides, start=1):
            found = _cut(found, axis, *spread(length, span, stride, self.sliding.padding, extra))
        return found if self.bias is None else found + self.bias


def spread(length: int, span: int, stride: int, padding: str, more: int | None) -> tuple[int, int]:
    """(places cut off at the beginning, how long it becomes) of a transposed convolution over one axis, as Keras has it.

    Uncut it is (length - 1) stride + span long. more: Keras's output_padding; None: such that "same" gives length * stride.
    """
    if padding == "valid":
        extra = max(span, stride) - span if more is None else more
        return 0, (length - 1) * stride + span + extra
    total = stride + span - 2 if more is None else span + span % 2 - 2 + more
    before = min(total // 2 + total % 2, span - 1)  # of a convolution over the stretched input
    longer = length * stride if more is None else (length - 1) * stride + span % 2 + more
    return span - 1 - before, longer


def _cut(x: Tensor, axis: int, before: int, longer: int) -> Tensor:
    """`longer` places of an axis from `before` on; zeros where there are none."""
    there = x.narrow(axis, before, min(longer, x.shape[axis] - before))
    missing = longer - there.shape[axis]
    if not missing:
        return there
    shape = list(there.shape)
    shape[axis] = missing
    return torch.cat([there, there.new_zeros(shape)], dim=axis)
