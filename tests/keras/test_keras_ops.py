"""ops of the door against real Keras's, with the same arguments on the same drawn arrays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import ops

pytestmark = pytest.mark.filterwarnings("ignore:(Tensor.T is|The use of `x.T`):UserWarning")  # inside real Keras
keras = pytest.importorskip("keras", reason='real Keras is not installed: pip install "deepwell[dev]"')
A, B = (np.random.default_rng(s).normal(size=(3, 4)).astype("float32") for s in (0, 1))
P = np.abs(A) + np.float32(0.1)
V = np.arange(6, dtype="float32")
T = np.random.default_rng(2).normal(size=(2, 3, 4)).astype("float32")
N = np.array([[1, 3, 0], [2, 2, 1]])
L = A > 0

CALLS = [
    *((name, (A,), {}) for name in (
        "abs", "absolute", "negative", "sign", "exp", "expm1", "square", "reciprocal", "sin", "cos", "tan", "sinh", "cosh",
        "arctan", "floor", "ceil", "isnan", "isinf", "isfinite", "erf", "round", "relu", "relu6", "sigmoid", "hard_sigmoid",
        "tanh", "softmax", "log_softmax", "softplus", "softsign", "log_sigmoid", "silu", "gelu", "elu", "selu", "leaky_relu",
        "sum", "mean", "var", "std", "max", "min", "prod", "logsumexp", "any", "all", "argmax", "argmin", "sort", "argsort",
        "cumsum", "transpose", "flip", "ravel", "tril", "triu", "diag", "normalize", "count_nonzero", "zeros_like",
        "ones_like", "squeeze", "norm", "logical_not",
    )),
    *((name, (P,), {}) for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt")),
    *((name, (A, B), {}) for name in (
        "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "mod", "maximum", "minimum", "arctan2",
        "equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "isclose", "divide_no_nan",
    )),
    ("power", (P, B), {}), ("power", (A, 2), {}), ("add", (A, 2), {}), ("multiply", (3, N), {}), ("maximum", (A, 0.5), {}),
    ("divide", (N, 2), {}), ("subtract", (1.0, A), {}), ("add", (N, 0.5), {}), ("divide_no_nan", (A, np.zeros_like(A)), {}),
    ("logical_and", (L, ~L), {}), ("logical_or", (L, ~L), {}), ("clip", (A, -0.5, 0.5), {}), ("where", (L, A, B), {}),
    ("where", (L, A, 0.0), {}), ("round", (A,), {"decimals": 2}), ("sqrt", (N,), {}), ("mean", (N,), {}),
    *((name, (T,), {"axis": axis, "keepdims": keep}) for name in ("sum", "mean", "var", "std", "max", "min", "prod", "logsumexp")
      for axis, keep in ((1, False), ((0, -1), True))),
    ("argmax", (T,), {"axis": 1}), ("sort", (T,), {"axis": 0}), ("cumsum", (T,), {"axis": 2}), ("any", (L,), {"axis": 0}),
    ("norm", (T,), {"axis": -1, "ord": 1}), ("top_k", (A,), {"k": 2}), ("count_nonzero", (N,), {"axis": 1}),
    ("softmax", (T,), {"axis": 1}), ("gelu", (A,), {"approximate": False}), ("elu", (A,), {"alpha": 0.5}),
    ("leaky_relu", (A,), {"negative_slope": 0.3}), ("normalize", (A,), {"axis": 0, "order": 1}),
    ("one_hot", (N, 4), {}), ("one_hot", (N, 4), {"axis": 1, "dtype": "int32"}),
    ("matmul", (A, B.T), {}), ("matmul", (T, B.T), {}), ("dot", (A, B.T), {}),
    ("dot", (A, 2.0), {}), ("dot", (V, V), {}),
    ("tensordot", (T, A), {"axes": ((1, 2), (0, 1))}), ("tensordot", (A, B.T), {"axes": 1}),
    ("outer", (V, V), {}), ("einsum", ("bij,kj->bik", T, A), {}),
    ("reshape", (T, (4, -1)), {}), ("transpose", (T, (2, 0, 1)), {}), ("swapaxes", (T, 0, 2), {}), ("moveaxis", (T, 0, -1), {}),
    ("expand_dims", (A, 0), {}), ("expand_dims", (A, -1), {}), ("expand_dims", (A, (0, 3)), {}), ("squeeze", (A[None], 0), {}),
    ("concatenate", ([A, B],), {"axis": 1}), ("stack", ([A, B],), {"axis": -1}), ("unstack", (T,), {"axis": 1}),
    ("split", (V, 3), {}), ("split", (T, [1, 2]), {"axis": 2}), ("repeat", (A, 2), {"axis": 0}), ("repeat", (A, 2), {}),
    ("tile", (A, (2, 1)), {}), ("broadcast_to", (V, (2, 6)), {}),
    ("flip", (T,), {"axis": 1}), ("roll", (A, 1), {"axis": 1}),
    ("pad", (A, ((1, 0), (0, 2))), {"constant_values": 3.0}),
    ("pad", (A, ((1, 2), (2, 1))), {"mode": "reflect"}),
    ("take", (A, N), {"axis": 1}),
    ("take_along_axis", (A, N[:1, :2]), {"axis": 1}), ("diag", (V,), {"k": 1}), ("tril", (A,), {"k": -1}),
    ("arange", (5,), {}), ("arange", (1, 9, 2), {}), ("arange", (0.0, 1.0, 0.25), {}), ("linspace", (0.0, 1.0, 5), {}),
    ("linspace", (0.0, 1.0, 5), {"endpoint": False}), ("zeros", ((2, 3),), {}), ("ones", (3,), {"dtype": "int32"}),
    ("full", ((2,), 7.0), {}), ("full_like", (A, 2.0), {}), ("eye", (3,), {}), ("eye", (2, 4), {"k": 1}),
    ("cast", (A, "int32"), {}), ("cast", (N, "float32"), {}), ("cast", (L, "float32"), {}),
    ("slice", (T, (0, 1, 1), (2, 2, 3)), {}), ("slice_update", (T, (1, 0, 2), np.ones((1, 2, 2), "float32")), {}),
    ("median", (T,), {}), ("median", (T,), {"axis": 1}), ("median", (T,), {"axis": (0, -1), "keepdims": True}),
    ("hstack", ([A, B],), {}), ("vstack", ([A, B],), {}), ("hstack", ([V, V],), {}), ("vstack", ([V, V],), {}),
    ("scatter", (np.array([[0, 1], [2, 3], [0, 1]]), V[:3], (3, 4)), {}), ("scatter", (np.array([[1], [1]]), A[:2], (3, 4)), {}),
    ("scatter_update", (A, np.array([[0, 1], [2, 3]]), V[:2]), {}), ("scatter_update", (A, np.array([[2], [-3]]), B[:2]), {}),
    *(("scatter_update", (A, np.array([[0, 1], [2, 3], [0, 1]]), V[:3]), {"reduction": r}) for r in ("add", "max", "min", "mul")),
    ("segment_sum", (A, np.array([0, 2, 2])), {}), ("segment_sum", (A, np.array([0, 2, 5])), {"num_segments": 4}),
    ("categorical_crossentropy", (np.eye(4, dtype="float32")[:3], P / P.sum(-1, keepdims=True)), {}),
    ("categorical_crossentropy", (np.eye(4, dtype="float32")[:3], A), {"from_logits": True}),
    ("sparse_categorical_crossentropy", (np.array([1, 0, 3]), A), {"from_logits": True}),
    ("sparse_categorical_crossentropy", (np.array([1, 0, 3]), P / P.sum(-1, keepdims=True)), {}),
    ("binary_crossentropy", (L.astype("float32"), P / 9), {}),
    ("binary_crossentropy", (L.astype("float32"), A), {"from_logits": True}),
]  # fmt: skip


def shown(call):
    return f"{call[0]}-{call[2]}"


def flat(value):
    return list(value) if isinstance(value, tuple | list) else [value]


@pytest.mark.parametrize("call", CALLS, ids=shown)
def test_functions_are_those_of_keras(call):
    name, values, arguments = call
    mine = getattr(ops, name)(*values, **arguments)
    theirs = getattr(keras.ops, name)(
        *[torch.tensor(v) if isinstance(v, np.ndarray) else v for v in values], **arguments
    )
    for one, other in zip(flat(mine), flat(theirs), strict=True):
        other = other.detach().numpy()
        assert tuple(one.shape) == other.shape
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-6)
        assert one.is_floating_point() == (other.dtype.kind == "f")


@pytest.mark.parametrize(
    ("mine", "wanted"),
    [
        (ops.pad(A, 1), np.pad(A, 1)),
        (ops.pad(A, (1, 2)), np.pad(A, (1, 2))),
        (ops.pad(A, ((1, 2), (2, 1)), mode="symmetric"), np.pad(A, ((1, 2), (2, 1)), mode="symmetric")),
        (ops.take(A, np.array([-1, 0])), np.take(A, [-1, 0])),
        (ops.dot(A, T.transpose(0, 2, 1)), np.dot(A, T.transpose(0, 2, 1))),
        (ops.one_hot(np.array([-1, 9, 1]), 3), np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0]])),
    ],
)
def test_functions_are_those_of_numpy_where_keras_s_are_not(mine, wanted):
    np.testing.assert_allclose(mine.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_every_function_is_compared():
    compared = {name for name, _, _ in CALLS}
    assert set(ops.__all__) - compared == {
        "convert_to_numpy",
        "convert_to_tensor",
        "image",
        "is_tensor",
        "ndim",
        "shape",
        "size",
        "stop_gradient",
    }


PICTURES = np.random.default_rng(3).uniform(0, 255, (2, 5, 6, 3))


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (9, 12)])
@pytest.mark.parametrize(
    "pictures", [PICTURES.astype("float32"), PICTURES.astype("uint8"), PICTURES[0].astype("float32")]
)
def test_pictures_are_resized_as_by_keras(interpolation, antialias, size, pictures):
    mine = ops.image.resize(pictures, size, interpolation=interpolation, antialias=antialias)
    theirs = keras.ops.image.resize(torch.tensor(pictures), size, interpolation=interpolation, antialias=antialias)
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine.float().numpy(), theirs.float().numpy(), rtol=1e-4, atol=1e-2)


def test_sizes_are_numbers():
    from deepwell import keras as door

    assert (ops.ndim(A), ops.size(A), ops.ndim([[1.0]]), ops.size([[1.0, 2.0]])) == (2, 12, 2, 2)
    assert ops.ndim(door.Input((4,))) == 2
    with pytest.raises(ConfigError, match="known only with the data"):
        ops.size(door.Input((4,)))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from(["mean", "max", "sum"]), st.integers(-2, 1))
def test_shapes_of_any_size(rows, columns, name, axis):
    x = np.arange(rows * columns, dtype="float32").reshape(rows, columns)
    np.testing.assert_allclose(getattr(ops, name)(x, axis=axis).numpy(), getattr(np, name)(x, axis=axis))


@pytest.mark.parametrize(
    ("given_value", "dtype"),
    [
        ([1.0, 2.0], torch.float32),
        (np.zeros(2), torch.float32),
        (np.zeros(2, "float16"), torch.float16),
        ([1, 2], torch.int64),
        (3, torch.int32),
        (2.5, torch.float32),
        (True, torch.bool),
        (np.zeros(2, "uint16"), torch.int64),
        ([torch.tensor(1.0), 2.0], torch.float32),
        (np.arange(4.0)[::-1], torch.float32),
        (np.zeros(2, ">f4"), torch.float32),
    ],
    ids=str,
)
def test_tensors_of_anything(given_value, dtype):
    found = ops.convert_to_tensor(given_value)
    assert found.dtype == dtype
    assert found.tolist() == np.asarray(given_value).tolist() or isinstance(given_value, list)


def test_dlpack_and_array_protocols():
    class Other:
        def __array__(self, dtype=None, copy=None):
            return np.ones(3)

    class Lent:
        def __init__(self):
            self.tensor = torch.arange(3)

        def __dlpack__(self, **keywords):
            return self.tensor.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    assert ops.convert_to_tensor(Other()).tolist() == [1.0, 1.0, 1.0]
    assert ops.convert_to_tensor(Lent()).tolist() == [0, 1, 2]
    same = torch.ones(2, requires_grad=True)
    assert ops.convert_to_tensor(same) is same
    assert not ops.stop_gradient(same).requires_grad
    assert ops.convert_to_numpy(same).tolist() == [1.0, 1.0]
    assert ops.shape(np.zeros((2, 3))) == (2, 3)
    assert ops.is_tensor(same)
    assert not ops.is_tensor(np.ones(2))


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda: ops.convert_to_tensor([[1], [1, 2]]), DataError, "cannot be read as an array"),
        (lambda: ops.convert_to_tensor(["a"]), DataError, "turn texts and categories into numbers first"),
        (lambda: ops.convert_to_tensor(np.array([[1], [1, 2]], object)), DataError, "rows of unequal length"),
        (lambda: ops.cast(A, "float31"), ConfigError, "there is no dtype 'float31'; did you mean 'float32'?"),
        (lambda: ops.squeeze(A, 0), ConfigError, "axis 0 of shape (3, 4) is longer"),
        (lambda: ops.split(V, 4), ConfigError, "cannot be split into 4 equal parts"),
        (lambda: ops.unstack(A, num=2), ConfigError, "was to give 2 parts; the axis 0 has 3"),
        (lambda: ops.scatter_update(A, [[0]], A[:1], "sum"), ConfigError, "got 'sum'"),
        (lambda: ops.slice(A, (1, 0), (3, 4)), ConfigError, "(3, 4) that begins at (1, 0) reaches over (3, 4)"),
        (lambda: ops.slice(A, (0,), (4,)), ConfigError, "needs 2 starts and lengths"),
        (lambda: ops.image.resize(A, (2, 2)), ConfigError, "got (3, 4)"),
        (lambda: ops.image.resize(T, (2, 2), "lanczos3"), ConfigError, "there is no interpolation 'lanczos3'"),
        (lambda: ops.pad(A, 1, mode="wrap"), ConfigError, "'constant', 'reflect' and 'symmetric'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(ask, error, text):
    with pytest.raises(error) as caught:
        ask()
    assert text in str(caught.value)


def test_gradients_flow_through():
    x = torch.tensor(A, requires_grad=True)
    ops.sum(ops.square(ops.relu(ops.matmul(x, B.T)))).backward()
    y = torch.tensor(A, requires_grad=True)
    (y @ torch.tensor(B.T)).relu().square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_functions_of_symbolic_values_become_layers():
    """A functional model written with ops, in both libraries, with the same numbers."""

    def build(k):
        one, two = k.Input((4,)), k.Input((4,))
        both = k.ops.concatenate([k.ops.square(one), k.ops.relu(two)], axis=-1)
        wide = k.ops.expand_dims(both, 1) * k.ops.reshape(both, (-1, 8, 1))
        return k.Model([one, two], k.ops.softmax(k.ops.sum(wide, axis=1), axis=-1))

    from deepwell import keras as door

    mine, theirs = build(door), build(keras)
    found = mine.predict([A, B], verbose=0)
    np.testing.assert_allclose(found, theirs.predict([A, B], verbose=0), rtol=1e-5, atol=1e-6)
    assert ops.shape(door.Input((4,))) == (None, 4)


def test_within_a_layer_new_tensors_are_on_its_device():
    from deepwell.keras import random
    from deepwell.keras.ops.placing import on

    makers = (
        lambda: ops.zeros(3), lambda: ops.ones((2,)), lambda: ops.full(2, 1.0), lambda: ops.eye(2), lambda: ops.arange(3),
        lambda: ops.linspace(0.0, 1.0, 3), lambda: ops.one_hot([1, 0], 3), lambda: ops.convert_to_tensor([1.0]),
        lambda: ops.cast(np.ones(2), "int32"), lambda: ops.take(ops.arange(4), [0, 1]), lambda: ops.zeros_like(np.ones(2)),
        lambda: random.normal((2,)), lambda: random.normal((2,), seed=1), lambda: random.uniform((2,)),
        lambda: random.truncated_normal((2,)), lambda: random.randint((2,), 0, 3), lambda: random.uniform((2,), seed=2),
        lambda: random.shuffle(ops.arange(3)), lambda: random.dropout(ops.ones(3), 0.5), lambda: ops.add(1.0, ops.ones(2)),
        lambda: random.randint((2,), 0, 3, seed=random.SeedGenerator(1)), lambda: random.categorical(ops.ones((2, 3)), 2),
    )  # fmt: skip
    for make in makers:
        assert make().device.type == "cpu"
        with on(torch.device("meta")):
            assert make().device.type == "meta"
        assert make().device.type == "cpu"
    with on(torch.device("meta")), on(None):
        assert ops.ones(1).device.type == "meta"
