"""Functions of single numbers, element by element: Keras's names over torch. Two values are broadcast to one shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deepwell.keras.ops.conversion import convert_to_tensor, floating


def _pair(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors on one device; a plain number takes the other's type, a whole one beside floats too."""
    first, second = convert_to_tensor(x1), convert_to_tensor(x2)
    if isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        second = second.to(first.device)
        plain = isinstance(x2, int | float) and not isinstance(x2, bool)
        second = second.to(first.dtype) if plain and (first.is_floating_point() or isinstance(x2, int)) else second
    elif isinstance(x2, Tensor) and not isinstance(x1, Tensor):
        second, first = _pair(x2, x1)
    return first, second


def abs(x: Any) -> Tensor:
    """Absolute values."""
    return torch.abs(convert_to_tensor(x))


def absolute(x: Any) -> Tensor:
    """Absolute values."""
    return torch.absolute(convert_to_tensor(x))


def negative(x: Any) -> Tensor:
    """The numbers with the other sign."""
    return torch.negative(convert_to_tensor(x))


def sign(x: Any) -> Tensor:
    """-1, 0 or 1."""
    return torch.sign(convert_to_tensor(x))


def exp(x: Any) -> Tensor:
    """E to the power of x."""
    return torch.exp(floating(x))


def expm1(x: Any) -> Tensor:
    """E^x - 1, exact near 0."""
    return torch.expm1(floating(x))


def log(x: Any) -> Tensor:
    """Natural logarithms."""
    return torch.log(floating(x))


def log1p(x: Any) -> Tensor:
    """Ln(1 + x), exact near 0."""
    return torch.log1p(floating(x))


def log2(x: Any) -> Tensor:
    """Logarithms to base 2."""
    return torch.log2(floating(x))


def log10(x: Any) -> Tensor:
    """Logarithms to base 10."""
    return torch.log10(floating(x))


def sqrt(x: Any) -> Tensor:
    """Square roots."""
    return torch.sqrt(floating(x))


def rsqrt(x: Any) -> Tensor:
    """1 over square roots."""
    return torch.rsqrt(floating(x))


def square(x: Any) -> Tensor:
    """Squares."""
    return convert_to_tensor(x).square()


def reciprocal(x: Any) -> Tensor:
    """1 / x."""
    return torch.reciprocal(floating(x))


def sin(x: Any) -> Tensor:
    """Sines."""
    return torch.sin(floating(x))


def cos(x: Any) -> Tensor:
    """Cosines."""
    return torch.cos(floating(x))


def tan(x: Any) -> Tensor:
    """Tangents."""
    return torch.tan(floating(x))


def sinh(x: Any) -> Tensor:
    """Hyperbolic sines."""
    return torch.sinh(floating(x))


def cosh(x: Any) -> Tensor:
    """Hyperbolic cosines."""
    return torch.cosh(floating(x))


def arctan(x: Any) -> Tensor:
    """Arc tangents."""
    return torch.arctan(floating(x))


def floor(x: Any) -> Tensor:
    """The whole number below."""
    return torch.floor(convert_to_tensor(x))


def ceil(x: Any) -> Tensor:
    """The whole number above."""
    return torch.ceil(convert_to_tensor(x))


def isnan(x: Any) -> Tensor:
    """Where x is not a number."""
    return torch.isnan(convert_to_tensor(x))


def isinf(x: Any) -> Tensor:
    """Where x is infinite."""
    return torch.isinf(convert_to_tensor(x))


def isfinite(x: Any) -> Tensor:
    """Where x is finite."""
    return torch.isfinite(convert_to_tensor(x))


def logical_not(x: Any) -> Tensor:
    """Where x is false."""
    return torch.logical_not(convert_to_tensor(x))


def erf(x: Any) -> Tensor:
    """The error function."""
    return torch.erf(floating(x))


def add(x1: Any, x2: Any) -> Tensor:
    """X1 + x2."""
    return torch.add(*_pair(x1, x2))


def subtract(x1: Any, x2: Any) -> Tensor:
    """X1 - x2."""
    return torch.sub(*_pair(x1, x2))


def multiply(x1: Any, x2: Any) -> Tensor:
    """X1 * x2."""
    return torch.multiply(*_pair(x1, x2))


def divide(x1: Any, x2: Any) -> Tensor:
    """X1 / x2."""
    return torch.divide(*_pair(x1, x2))


def true_divide(x1: Any, x2: Any) -> Tensor:
    """X1 / x2."""
    return torch.true_divide(*_pair(x1, x2))


def floor_divide(x1: Any, x2: Any) -> Tensor:
    """X1 / x2, rounded down."""
    return torch.floor_divide(*_pair(x1, x2))


def power(x1: Any, x2: Any) -> Tensor:
    """X1 to the power of x2."""
    return torch.pow(*_pair(x1, x2))


def mod(x1: Any, x2: Any) -> Tensor:
    """What division leaves, with x2's sign."""
    return torch.remainder(*_pair(x1, x2))


def maximum(x1: Any, x2: Any) -> Tensor:
    """The larger of both."""
    return torch.maximum(*_pair(x1, x2))


def minimum(x1: Any, x2: Any) -> Tensor:
    """The smaller of both."""
    return torch.minimum(*_pair(x1, x2))


def arctan2(x1: Any, x2: Any) -> Tensor:
    """The angle of the point (x2, x1)."""
    return torch.arctan2(*_pair(x1, x2))


def equal(x1: Any, x2: Any) -> Tensor:
    """Where x1 = x2."""
    return torch.eq(*_pair(x1, x2))


def not_equal(x1: Any, x2: Any) -> Tensor:
    """Where they differ."""
    return torch.ne(*_pair(x1, x2))


def greater(x1: Any, x2: Any) -> Tensor:
    """Where x1 > x2."""
    return torch.gt(*_pair(x1, x2))


def greater_equal(x1: Any, x2: Any) -> Tensor:
    """Where x1 >= x2."""
    return torch.ge(*_pair(x1, x2))


def less(x1: Any, x2: Any) -> Tensor:
    """Where x1 < x2."""
    return torch.lt(*_pair(x1, x2))


def less_equal(x1: Any, x2: Any) -> Tensor:
    """Where x1 <= x2."""
    return torch.le(*_pair(x1, x2))


def logical_and(x1: Any, x2: Any) -> Tensor:
    """Where both are true."""
    return torch.logical_and(*_pair(x1, x2))


def logical_or(x1: Any, x2: Any) -> Tensor:
    """Where one is true."""
    return torch.logical_or(*_pair(x1, x2))


def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """x1 / x2, and 0 where x2 is 0."""
    first, second = _pair(x1, x2)
    return torch.where(second == 0, 0.0, first / torch.where(second == 0, 1, second))


def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """x, but no less than x_min and no more than x_max."""
    return minimum(maximum(x, x_min), x_max)


def where(condition: Any, x1: Any, x2: Any) -> Tensor:
    """x1 where the condition holds, else x2."""
    return torch.where(convert_to_tensor(condition).bool(), *_pair(x1, x2))


def round(x: Any, decimals: int = 0) -> Tensor:
    """x to so many decimals, halves to the even neighbour."""
    return torch.round(convert_to_tensor(x), decimals=decimals)


def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    """Where |x1 - x2| <= atol + rtol |x2|."""
    return torch.isclose(*_pair(x1, x2), rtol=rtol, atol=atol)
