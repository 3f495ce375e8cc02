"""`keras.ops` over torch: the functions that layers, losses and metrics of users' own are written with.

Unusual: tensors are torch's, so every torch function may be mixed in; these only bring Keras's names and arguments. Nothing here
is a layer's own mathematics, which stands in nn/layers.
"""

from __future__ import annotations

# ruff: noqa: I001  (names in lines, not one a line)
from deepwell.keras.ops.conversion import (
    arange, cast, convert_to_numpy, convert_to_tensor, eye, full, full_like, is_tensor, linspace, ones,
    ones_like, shape, stop_gradient, zeros, zeros_like,
)  # fmt: skip
from deepwell.keras.ops.elementwise import (
    abs, absolute, add, arctan, arctan2, ceil, clip, cos, cosh, divide, divide_no_nan, equal, erf, exp, expm1,
    floor, floor_divide, greater, greater_equal, isclose, isfinite, isinf, isnan, less, less_equal, log, log10,
    log1p, log2, logical_and, logical_not, logical_or, maximum, minimum, mod, multiply, negative, not_equal,
    power, reciprocal, round, rsqrt, sign, sin, sinh, sqrt, square, subtract, tan, true_divide, where,
)  # fmt: skip
from deepwell.keras.ops.networks import (
    binary_crossentropy, categorical_crossentropy, dot, einsum, elu, gelu, hard_sigmoid, leaky_relu, log_sigmoid,
    log_softmax, matmul, normalize, one_hot, outer, relu, relu6, selu, sigmoid, silu, softmax, softplus, softsign,
    sparse_categorical_crossentropy, tanh, tensordot,
)  # fmt: skip
from deepwell.keras.ops.reductions import (
    all, any, argmax, argmin, argsort, count_nonzero, cumsum, logsumexp, max, mean, median, min, norm, prod, sort, std,
    sum, top_k, var,
)  # fmt: skip
from deepwell.keras.ops.shapes import (
    broadcast_to, concatenate, diag, expand_dims, flip, moveaxis, pad, ravel, repeat, reshape, roll, split,
    squeeze, stack, swapaxes, take, take_along_axis, tile, transpose, tril, triu, unstack, hstack, vstack,
)  # fmt: skip
from deepwell.keras.absent import finder
from deepwell.keras.ops import image
from deepwell.keras.ops.places import ndim, scatter, scatter_update, segment_sum, size, slice, slice_update
from deepwell.keras.ops.whole import whole

__all__ = [
    "abs", "absolute", "add", "all", "any", "arange", "arctan", "arctan2", "argmax", "argmin", "argsort",
    "binary_crossentropy", "broadcast_to", "cast", "categorical_crossentropy", "ceil", "clip", "concatenate",
    "convert_to_numpy", "convert_to_tensor", "cos", "cosh", "count_nonzero", "cumsum", "diag", "divide",
    "divide_no_nan", "dot", "einsum", "elu", "equal", "erf", "exp", "expand_dims", "expm1", "eye", "flip", "floor",
    "floor_divide", "full", "full_like", "gelu", "greater", "greater_equal", "hard_sigmoid", "hstack", "image",
    "is_tensor", "isclose", "isfinite", "isinf", "isnan", "leaky_relu", "less", "less_equal", "linspace", "log",
    "log1p", "log2", "log10", "log_sigmoid", "log_softmax", "logical_and", "logical_not", "logical_or", "logsumexp",
    "matmul", "max", "maximum", "mean", "median", "min", "minimum", "mod", "moveaxis", "multiply", "ndim",
    "negative", "norm", "normalize", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "power", "prod",
    "ravel", "reciprocal", "relu", "relu6", "repeat", "reshape", "roll", "round", "rsqrt", "scatter",
    "scatter_update", "segment_sum", "selu", "shape", "sigmoid", "sign", "silu", "sin", "sinh", "size", "slice",
    "slice_update", "softmax", "softplus", "softsign", "sort", "sparse_categorical_crossentropy", "split", "sqrt",
    "square", "squeeze", "stack", "std", "stop_gradient", "subtract", "sum", "swapaxes", "take", "take_along_axis",
    "tan", "tanh", "tensordot", "tile", "top_k", "transpose", "tril", "triu", "true_divide", "unstack", "var",
    "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip

__getattr__ = finder("ops", __all__, beside="torch")
_LOOKING = ("convert_to_tensor", "convert_to_numpy", "image", "is_tensor", "ndim", "shape", "size")
for _name in __all__:
    if _name not in _LOOKING:
        globals()[_name] = whole(globals()[_name])
