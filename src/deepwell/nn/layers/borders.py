"""Borders: how far windows reach over the edges of what they slide over, as Keras and TensorFlow count it.

Unusual: where "same" adds an odd number of zeros, the one more comes last; torch's own kernels know only as many before as after.
See https://keras.io/api/ops/nn and "padding schemes" of https://www.tensorflow.org/api_docs/python/tf/nn.

    valid    floor((length - reach) / stride) + 1 windows
    same     ceil(length / stride) windows
    causal   as many as there are steps (over the stride), each ending at its own step
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

Edge = tuple[int, int]
"""How many zeros before and after."""


def reach(size: int, dilation: int) -> int:
    """How many places a window of `size` values spans that lie `dilation` apart."""
    return (size - 1) * dilation + 1


def windows(length: int, span: int, stride: int, padding: str) -> int:
    """How many windows there are; below 1 where a window does not fit."""
    return (length - span) // stride + 1 if padding == "valid" else -(-length // stride)


def reached(number: int, span: int, stride: int) -> int:
    """How many places the first so many windows need, where nothing is added at the edges."""
    return (number - 1) * stride + span


def edge(length: int, span: int, stride: int, padding: str) -> Edge:
    """What is added before and after a length."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return span - 1, 0
    total = max((windows(length, span, stride, padding) - 1) * stride + span - length, 0)
    return total // 2, total - total // 2


def edges(lengths: Sequence[int], spans: Sequence[int], strides: Sequence[int], padding: str) -> tuple[Edge, ...]:
    """`edge` for each of several axes."""
    return tuple(edge(*each, padding) for each in zip(lengths, spans, strides, strict=True))


def even(sides: Sequence[Edge]) -> bool:
    """Whether as much is added before as after, everywhere, so that kernels can do it themselves."""
    return all(before == after for before, after in sides)


def padded(x: Tensor, sides: Sequence[Edge], value: float = 0.0) -> Tensor:
    """x (n, *lengths, channels) with `value` added at its edges."""
    if not any(map(any, sides)):
        return x
    flat = [number for side in reversed(sides) for number in side]
    return functional.pad(x, (0, 0, *flat), value=value)
