"""The user's arrays as columns that training slices: numpy, torch, lists, data frames, anything with __array__ or DLPack.

Unusual: nothing is copied that need not be: an array of float32 or of integers is used as it lies there. Shapes are checked once,
here, against the model's inputs, and an error names the layer that would read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.batch import Batch, IntArray
from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.nn.blocks.base import shown
from deepwell.nn.graph import Graph

Array = NDArray[Any]
Columns = dict[str, Array]
IN, OUT, WEIGHT = "in/", "out/", "weight/"
"""What the columns of inputs, targets and weights begin with."""
WIDER = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64}
"""Types that torch does not compute with."""


class ArrayExamples(Examples):
    """Rows of dense columns of equal length."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.count = len(next(iter(columns.values()))) if columns else 0

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        return Batch({name: column[index] for name, column in (self.columns or {}).items()}, index)


def as_array(value: Any, what: str) -> Array:
    """The value as an array of numbers, without a copy where it can be. Raises DataError for what are no numbers."""
    if isinstance(value, Tensor):
        found = value.detach().cpu().float().numpy() if value.is_floating_point() else value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        found = np.asarray(value)
    elif hasattr(value, "__dlpack__"):
        found = np.from_dlpack(value)
    elif isinstance(value, list | tuple | range | int | float):
        found = _listed(value, what)
    else:
        raise DataError(
            f"{what} must be an array; got {type(value).__name__}",
            repair="give numpy arrays, torch tensors, lists, or anything with __array__ or DLPack; "
            "put the batches of a generator into one array first",
        )
    if found.dtype.kind not in "biuf":
        raise DataError(f"{what} must hold numbers; it holds {found.dtype}", repair=_numbers(found))
    if not found.dtype.isnative or any(step < 0 for step in found.strides):
        found = found.astype(found.dtype.newbyteorder("="), order="C")
    if found.dtype.kind == "f" and found.dtype != np.float32:
        found = found.astype(np.float32)
    return found.astype(WIDER[found.dtype.name]) if found.dtype.name in WIDER else found


def _numbers(found: Array) -> str:
    """How an array of another type becomes one of numbers."""
    parts = found.reshape(-1).tolist() if found.dtype == object else [""]
    if all(isinstance(part, int | float | np.number | np.bool_) for part in parts):
        return "its columns are of several types of numbers: x.astype('float32') makes one of them"
    return "turn texts into numbers first, or train on raw data with deepwell.train"


def _listed(value: Any, what: str) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise DataError(
            f"{what} is a list of rows of different lengths", repair="utils.pad_sequences makes them equally long"
        ) from None


def input_columns(graph: Graph, x: Any) -> Columns:
    """The inputs of a model by name. x: an array, a list in the order of the inputs, or a dict by their names.

    Raises DataError for inputs that are lacking or unknown, of different lengths or of the wrong shape.
    """
    names = [i.name for i in graph.inputs]
    given = named(x, names, "input")
    columns: Columns = {}
    for number, entry in enumerate(graph.inputs):
        array = as_array(given[entry.name], f"the input {entry.name!r}")
        reader = next((n.layer for n in graph.nodes if number in n.values), entry.name)
        columns[IN + entry.name] = _shaped(array, entry.shape, entry.name, reader)
    equally_long(columns)
    return columns


def named(value: Any, names: Sequence[str], what: str) -> dict[str, Any]:
    """Name -> value, from a single value, a list or a dict. Raises DataError where they do not match the names."""
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in names]
        lacking = [name for name in names if name not in value]
        if unknown or lacking:
            said = (
                f"there is no {what} {unknown[0]!r}{nearest(str(unknown[0]), names)}"
                if unknown
                else (f"the {what} {lacking[0]!r} is lacking")
            )
            raise DataError(said, repair=f"the model's {what}s are {', '.join(map(repr, names))}")
        return {name: value[name] for name in names}
    several = isinstance(value, list | tuple) and bool(value) and all(getattr(v, "ndim", 0) > 1 for v in value)
    # A list of one is a list of arrays where it holds an array, and a single row or number otherwise.
    alone = isinstance(value, list | tuple) and len(value) == 1 and not _is_array(value[0])
    if len(names) == 1 and not several and (alone or not (isinstance(value, list | tuple) and len(value) == 1)):
        return {names[0]: value}
    if not isinstance(value, list | tuple) or len(value) != len(names):
        got = f"{len(value)} values" if isinstance(value, list | tuple) else "one value"
        many = len(names) != 1
        raise DataError(
            f"the model has {len(names)} {what}{'s' if many else ''} ({', '.join(map(repr, names))}); got {got}",
            repair=f"give a list of {len(names)} arrays, or a dict by these names" if many else "give one array",
        )
    return dict(zip(names, value, strict=True))


def _is_array(value: Any) -> bool:
    known = any(hasattr(value, kind) for kind in ("ndim", "__array__", "__dlpack__"))
    return known and getattr(value, "ndim", 1) > 0


def equally_long(columns: Columns) -> None:
    """Raise DataError where columns differ in length."""
    lengths = {name: len(column) for name, column in columns.items() if column.ndim}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{_words(name)} has {length:,} rows" for name, length in lengths.items())
        raise DataError(f"the arrays are of different lengths: {told}", repair="row i of each must belong to example i")
    if not lengths or not next(iter(lengths.values())):
        raise DataError("there are no examples: the arrays are empty")


def _words(name: str) -> str:
    kind, _, rest = name.partition("/")
    return f"{ {'in': 'the input', 'out': 'the target', 'weight': 'the weight'}[kind] } {rest!r}".replace("  ", " ")


def _shaped(array: Array, shape: tuple[int | None, ...], name: str, reader: str) -> Array:
    """The array in the shape of an input; an axis of 1 at its end is added or left out, as Keras does."""
    if array.ndim == len(shape) and shape and shape[-1] == 1:
        array = array[..., None]
    elif array.ndim == len(shape) + 2 and array.shape[-1] == 1:
        array = array[..., 0]
    fits = array.ndim == len(shape) + 1 and all(s in (None, a) for s, a in zip(shape, array.shape[1:], strict=True))
    if not fits:
        raise DataError(
            f"the input {name!r} takes {shown(shape)}; the shape received is {array.shape}",
            where=f"the layer {reader!r}",
            repair=_repair(array, shape),
        )
    return array


def _repair(array: Array, shape: tuple[int | None, ...]) -> str:
    sides = tuple(array.shape[1:])
    if array.ndim == len(shape):
        return (
            "x[None] puts the axis of examples in front of a single one"
            if array.shape == shape
            else ("an axis is missing: reshape the array, or give the Input its shape")
        )
    if array.ndim == len(shape) + 1 and sorted(map(str, sides)) == sorted(map(str, shape)):
        return "the axes are in another order: channels are last, np.moveaxis puts them there"
    if None not in shape and int(np.prod(sides)) == int(np.prod([s or 0 for s in shape])):
        return f"x.reshape({(-1, *shape)})"
    return f"give the model input_shape={sides}, or the data the shape {shown(shape)}"


def class_weights(truth: Array, weights: Mapping[int, float], output: tuple[int | None, ...]) -> NDArray[np.float32]:
    """The weight of each example by its class: of labels (n,) or (n, 1), or of one-hot rows (n, classes).

    A class without a weight counts 1. output: the shape of an answer; its last axis are the classes, or one is yes or no. Raises
    ConfigError for targets that are no classes, for what is no dict of class and weight, for weights below 0 and for classes that
    there are none of.
    """
    if truth.ndim > 2 or (len(output) > 1 and truth.size > len(truth)):
        raise ConfigError(
            "class_weight needs one class for each example; the targets have more axes: use sample_weight"
        )
    classes = max(2, (output[-1] if output else 1) or 0)
    if not isinstance(weights, Mapping):
        balanced = (
            f"{{c: len(y) / ({classes} * n) for c, n in zip(*np.unique(y, return_counts=True))}} balances classes"
        )
        raise ConfigError(
            f"class_weight is a dict of class and weight; got {weights!r}",
            repair=balanced if isinstance(weights, str) else "dict(enumerate(weights)) makes a dict of a list",
        )
    labels = truth.argmax(axis=-1) if truth.ndim == 2 and truth.shape[1] > 1 else np.rint(truth.reshape(-1))
    found = np.ones(len(labels), np.float32)
    for label, weight in weights.items():
        _check_class(label, weight, labels, classes)
        found[labels == label] = weight
    return found


def _check_class(label: Any, weight: Any, labels: Array, classes: int) -> None:
    """Raise ConfigError for an entry of class_weight that could have no effect, or a wrong one."""
    if isinstance(label, bool) or not isinstance(label, int | float | np.number) or not float(label).is_integer():
        raise ConfigError(
            f"class_weight names classes by their numbers; got {label!r}", repair="class_weight={0: 1.0, 1: 5.0}"
        )
    if not isinstance(weight, int | float | np.number) or not np.isfinite(weight) or weight < 0:
        raise ConfigError(f"the class_weight of {label} must be a number of at least 0; got {weight!r}")
    if not 0 <= label < classes and not (labels == label).any():
        raise ConfigError(f"class_weight names the class {label}; the classes are 0 to {classes - 1}")


def check_weights(weights: Array, name: str, reduced: tuple[int | None, ...], whole: bool) -> None:
    """Raise DataError for sample weights that do not fit an output, before training finds it out.

    weights: (n, ...). reduced: the axes of a loss behind that of the examples. whole: whether those are known for sure.
    """
    if not weights.ndim:
        raise DataError(f"the sample_weight of {name!r} is a single number; there must be one for each example")
    if not np.isfinite(weights).all():
        row = int(np.argwhere(~np.isfinite(weights))[0][0])
        raise DataError(f"the sample_weight of {name!r} must be finite; row {row} holds {weights[row].tolist()!r}")
    sides = weights.shape[1:]
    if len(sides) == len(reduced) + 1 and sides[-1] == 1:
        sides = sides[:-1]
    fits = len(sides) <= len(reduced) and all(b in (None, a) or a == 1 for a, b in zip(sides, reduced, strict=False))
    if whole and not fits:
        taken = " or ".join(f"(n{''.join(f', {s or chr(63)}' for s in reduced[:k])})" for k in range(len(reduced) + 1))
        raise DataError(
            f"the sample_weight of {name!r} is of shape {weights.shape}; it weighs losses of shape {taken}",
            repair="give one weight for each example" + (", or for each place of it" if reduced else ""),
        )


def split(columns: Columns, share: float) -> tuple[Columns, Columns]:
    """The first part of all columns and the last `share` of them. Raises DataError where one would be empty."""
    count = len(next(iter(columns.values())))
    first = int(np.floor(count * (1.0 - share)))
    if first in (0, count):
        raise DataError(f"validation_split={share} leaves {first} of {count} examples for training: one part is empty")
    return {n: c[:first] for n, c in columns.items()}, {n: c[first:] for n, c in columns.items()}
