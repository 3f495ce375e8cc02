"""Functions of networks: products of matrices, activations, one-hot vectors. Keras's names and defaults over torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.keras.ops.conversion import Dtype, convert_to_tensor, floating, torch_dtype
from deepwell.losses.named import NAMED
from deepwell.losses.similarity import directions


def matmul(x1: Any, x2: Any) -> Tensor:
    """Products of the matrices on the last two axes."""
    return torch.matmul(convert_to_tensor(x1), convert_to_tensor(x2))


def dot(x1: Any, x2: Any) -> Tensor:
    """The last axis of x1 with the last but one of x2 (or its only one); a product where one of them is a number."""
    first, second = convert_to_tensor(x1), convert_to_tensor(x2)
    if first.ndim == 0 or second.ndim == 0:
        return first * second
    product: Tensor = torch.tensordot(first, second, dims=([-1], [max(second.ndim - 2, 0)]))
    return product


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """Sums of products over the last `axes` axes of x1 and the first of x2, or over two lists of axes."""
    dims = axes if isinstance(axes, int) else tuple([a] if isinstance(a, int) else list(a) for a in axes)
    product: Tensor = torch.tensordot(convert_to_tensor(x1), convert_to_tensor(x2), dims=dims)
    return product


def outer(x1: Any, x2: Any) -> Tensor:
    """Every number of x1 times every one of x2."""
    return torch.outer(convert_to_tensor(x1).reshape(-1), convert_to_tensor(x2).reshape(-1))


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Einstein's sum: `"bij,bjk->bik"`."""
    return torch.einsum(subscripts, *[convert_to_tensor(o) for o in operands])


def relu(x: Any) -> Tensor:
    """max(0, x)."""
    return functional.relu(floating(x))


def relu6(x: Any) -> Tensor:
    """min(6, max(0, x))."""
    return functional.relu6(floating(x))


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e^-x)."""
    return torch.sigmoid(floating(x))


def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6."""
    return functional.hardsigmoid(floating(x))


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangents."""
    return torch.tanh(floating(x))


def softmax(x: Any, axis: int = -1) -> Tensor:
    """e^x, divided by its sum along the axis."""
    return functional.softmax(floating(x), dim=axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """ln of softmax, exact where that is nearly 0."""
    return functional.log_softmax(floating(x), dim=axis)


def softplus(x: Any) -> Tensor:
    """ln(1 + e^x)."""
    return functional.softplus(floating(x))


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|)."""
    return functional.softsign(floating(x))


def log_sigmoid(x: Any) -> Tensor:
    """ln of sigmoid."""
    return functional.logsigmoid(floating(x))


def silu(x: Any) -> Tensor:
    """x sigmoid(x)."""
    return functional.silu(floating(x))


def gelu(x: Any, approximate: bool = True) -> Tensor:
    """x times the normal distribution function of x; by its tanh formula unless approximate is False."""
    return functional.gelu(floating(x), approximate="tanh" if approximate else "none")


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha (e^x - 1) below."""
    return functional.elu(floating(x), alpha)


def selu(x: Any) -> Tensor:
    """The scaled elu of Klambauer et al. 2017, arXiv:1706.02515."""
    return functional.selu(floating(x))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x above 0, negative_slope x below."""
    return functional.leaky_relu(floating(x), negative_slope)


def normalize(x: Any, axis: int = -1, order: float = 2, epsilon: float = 1e-12) -> Tensor:
    """The vectors along the axis, divided by their norm of an order; those shorter than epsilon by epsilon."""
    if order == 2:
        return directions(floating(x), axis, least=epsilon)
    return functional.normalize(floating(x), p=order, dim=axis, eps=epsilon)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-sum of target ln output over the axis, not reduced further; target: distributions, such as one-hot."""
    settings = {"from_logits": from_logits, "axis": axis}
    return NAMED["categorical_crossentropy"].values(floating(target), floating(output), settings=settings)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-ln of the output at the index that target is, not reduced."""
    settings = {"from_logits": from_logits, "axis": axis}
    truth = convert_to_tensor(target)
    return NAMED["sparse_categorical_crossentropy"].values(truth, floating(output), settings=settings)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """-target ln output - (1 - target) ln(1 - output) of each element."""
    truth, answer = floating(target).unsqueeze(-1), floating(output).unsqueeze(-1)
    return NAMED["binary_crossentropy"].values(truth, answer, settings={"from_logits": from_logits})


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Dtype = None) -> Tensor:
    """1 at the place that x names and 0 elsewhere, on a new axis; zeros alone for a place that is not there."""
    index = convert_to_tensor(x).long().unsqueeze(-1)
    hot = index == torch.arange(num_classes, device=index.device)
    return hot.movedim(-1, axis).to(torch_dtype(dtype) or torch.float32)
