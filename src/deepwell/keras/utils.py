"""Keras's `utils`: one-hot targets, padded sequences, seeds. The name is Keras's; nothing of ours lives here."""

from __future__ import annotations

import random
from collections import abc
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import ops
from deepwell.keras.absent import finder
from deepwell.keras.backend import clear_session
from deepwell.keras.datasets.files import DataSet, Remote

__all__ = [
    "clear_session", "get_file", "normalize", "pad_sequences", "register_keras_serializable", "set_random_seed",
    "to_categorical",
]  # fmt: skip
__getattr__ = finder("utils", __all__)
T = TypeVar("T")


def to_categorical(x: Any, num_classes: int | None = None, dtype: str = "float32") -> Any:
    """Indices (n, ...) or (n, ..., 1) as one-hot vectors (n, ..., num_classes); an array, or a tensor of a tensor.

    num_classes: the highest index and one unless given. Raises DataError for what is no index below num_classes.
    """
    array = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)
    if array.size == 0 or array.dtype.kind not in "biuf":
        raise DataError(
            "to_categorical takes the indices of classes; got " + ("none" if array.size == 0 else str(array.dtype))
        )
    index = array.astype(np.int64)
    if index.ndim > 1 and index.shape[-1] == 1:
        index = index[..., 0]
    classes = num_classes or int(index.max()) + 1
    bad = (index < 0) | (index >= classes)
    if bad.any():
        place = np.argwhere(bad)[0]
        raise DataError(
            f"to_categorical takes indices from 0 to {classes - 1}; row {int(place[0])} holds {index[tuple(place)]}",
            repair="a larger num_classes, or classes that are numbered from 0",
        )
    if isinstance(x, Tensor):
        return ops.one_hot(torch.from_numpy(index).to(x.device), classes)
    hot = np.zeros((index.size, classes), dtype)
    hot[np.arange(index.size), index.reshape(-1)] = 1
    return hot.reshape(*index.shape, classes)


def pad_sequences(
    sequences: abc.Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Sequences of any lengths as one array (n, maxlen, ...): shorter ones filled up with `value`, longer ones cut.

    maxlen: the longest unless given. padding, truncating: at the beginning ("pre") or the end ("post"). Raises ConfigError for
    another word, DataError for what is no sequence, or whose steps differ in shape.
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ConfigError(f"{name} is 'pre' or 'post'; got {word!r}")
    for row, one in enumerate(sequences):
        if not hasattr(one, "__len__"):
            raise DataError(f"pad_sequences takes a list of sequences; row {row} is {one!r}")
    longest = max((len(one) for one in sequences), default=0)
    length = longest if maxlen is None else maxlen
    steps = next((np.asarray(one).shape[1:] for one in sequences if len(one)), ())
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ConfigError(f"value={value!r} does not fit dtype={dtype!r}", repair="dtype=object for texts")
    padded = np.full((len(sequences), length, *steps), value, dtype=dtype)
    for row, one in enumerate(sequences):
        kept = np.asarray((one[-length:] if truncating == "pre" else one[:length]) if length else one[:0], dtype=dtype)
        if not len(kept):
            continue
        if kept.shape[1:] != steps:
            raise DataError(f"row {row} has steps of shape {kept.shape[1:]}; those of the first are {steps}")
        place = slice(length - len(kept), None) if padding == "pre" else slice(0, len(kept))
        padded[row, place] = kept
    return padded


def normalize(x: Any, axis: int = -1, order: float = 2) -> Any:
    """Vectors along the axis divided by their norm; those of length 0 stay. An array, or a tensor of a tensor."""
    if isinstance(x, Tensor):
        return ops.normalize(x, axis=axis, order=order)
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)


def set_random_seed(seed: int) -> None:
    """Begin anew the draws of Python, numpy and torch, of which every fit takes its own. Raises ConfigError for no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) < 2**32:
        raise ConfigError(f"a seed is a whole number from 0 to {2**32 - 1}; got {seed!r}")
    random.seed(int(seed))
    np.random.seed(int(seed))  # which is what users' own code draws from
    torch.manual_seed(int(seed))


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    extract: bool = False,
) -> str:
    """The path of a file, downloaded from `origin` where it is not in the cache yet.

    file_hash: sha256 or md5; without one what arrives is taken as it is. Raises ConfigError for a file without an address and for
    `extract`, and as datasets/files.py does.
    """
    if extract:
        raise ConfigError(
            "get_file unpacks no archives", repair="shutil.unpack_archive(path, folder) after looking into it"
        )
    if not origin:
        raise ConfigError("get_file needs the address of the file: origin='https://...'")
    if not origin.startswith(("https://", "http://")):
        raise ConfigError(f"get_file downloads from http and https; got {origin!r}")
    name = fname or origin.rsplit("/", 1)[-1].split("?")[0]
    folder = PurePosixPath(cache_subdir)
    if not name or "/" in name or name.startswith("."):
        raise ConfigError(f"fname is the name of one file; got {name!r}")
    if folder.is_absolute() or ".." in folder.parts:
        raise ConfigError(f"cache_subdir is a folder inside the cache; got {cache_subdir!r}")
    return str(DataSet(f"files/{folder}").get(Remote(name, origin, file_hash or "")))


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> abc.Callable[[T], T]:
    """A decorator that changes nothing: code of one's own is never named in a file, and given again when one is loaded."""
    return lambda decorated: decorated
