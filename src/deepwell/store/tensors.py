"""Named arrays in one file: the safetensors format, read by our own strict parser and written in its exact bytes.

Unusual: the header is matched by one regular expression per tensor, in the one spelling that the safetensors library
itself writes (no white space, keys in fixed order, tensors in the order of their bytes). There is no JSON tree of hostile
shape, no duplicate key, no alias, no hole: each tensor begins where the last one ended and the last ends with the file.
What is accepted here the safetensors library accepts too, with the same values; the reverse is not so.

    8 bytes: length of the header, little-endian | header, padded with spaces to a multiple of 8 | the tensors' bytes
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import BundleError, RunError
from deepwell.core.text import quote

HEADER = 8 << 20
"""Most bytes of the header."""
TENSORS = 100_000
"""Most tensors in one file."""
RANK = 8
"""Most axes of one tensor."""
NUMBERS = 2**53
"""Most numbers in one tensor, axes of length 0 counted as 1."""

# In the order in which the library lays tensors out, last first: wide types come first, so each is aligned.
_DTYPES = {
    "BOOL": np.dtype("?"), "U8": np.dtype("u1"), "I8": np.dtype("i1"), "I16": np.dtype("<i2"), "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"), "I32": np.dtype("<i4"), "U32": np.dtype("<u4"), "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"), "I64": np.dtype("<i8"), "U64": np.dtype("<u8"),
}  # fmt: skip
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_ORDER = {dtype: place for place, dtype in enumerate(_CODES)}

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NUMBER = rb"(?:0|[1-9][0-9]{0,15})"
_ENTRY = re.compile(
    rb'"([A-Za-z0-9_.-]{1,256})":\{"dtype":"(' + "|".join(_DTYPES).encode() + rb')","shape":\[((?:'
    + _NUMBER + rb"(?:," + _NUMBER + rb"){0,%d})?)\]," % (RANK - 1)
    + rb'"data_offsets":\[(' + _NUMBER + rb"),(" + _NUMBER + rb")\]\}"
)  # fmt: skip


def read(data: bytes | memoryview, what: str) -> dict[str, NDArray[Any]]:
    """Name -> array: read-only views of `data`, nothing is copied. what: the file's name, for error texts.

    Raises BundleError for anything that `write` would not have written.
    """
    raw = np.frombuffer(data, np.uint8)
    raw.flags.writeable = False
    start = 8 + int.from_bytes(data[:8], "little")
    if len(raw) < 8 or start > len(raw) or start > 8 + HEADER or start % 8:
        raise BundleError(f"its header has an impossible length; the file has {len(raw):,} bytes", where=what)
    tensors: dict[str, NDArray[Any]] = {}
    end = start
    for name, code, shape, first, last in _entries(bytes(data[8:start]), what):
        numbers = int(np.prod([max(n, 1) for n in shape], dtype=object))
        count = 0 if 0 in shape else numbers
        dtype = _DTYPES[code]
        if name in tensors or name == "__metadata__" or numbers > NUMBERS:
            raise BundleError(f"the tensor {name} is there twice, reserved, or impossibly large", where=what)
        if start + first != end or last - first != count * dtype.itemsize or start + last > len(raw):
            raise BundleError(f"the bytes of the tensor {name} are not where they must be", where=what)
        end = start + last
        if code == "BOOL" and raw[start + first : end].max(initial=0) > 1:
            raise BundleError(f"the tensor {name} of truth values holds others than 0 and 1", where=what)
        tensors[name] = raw[start + first : end].view(dtype).reshape(shape)
    if end != len(raw):
        raise BundleError(f"{len(raw) - end:,} bytes follow the last tensor", where=what)
    return tensors


def _entries(header: bytes, what: str) -> Iterator[tuple[str, str, tuple[int, ...], int, int]]:
    """Name, dtype, shape, first byte and byte after the last of each tensor, in the order of the header."""
    end = 1
    if header[:1] == b"{" and header[1:2] != b"}":
        for _ in range(TENSORS):
            found = _ENTRY.match(header, end)
            if found is None:
                end -= 1  # Back to the brace or comma that promised a tensor.
                break
            name, code, shape, first, last = found.groups()
            sizes = tuple(int(n) for n in shape.split(b",")) if shape else ()
            yield name.decode(), code.decode(), sizes, int(first), int(last)
            end = found.end()
            if header[end : end + 1] != b",":
                break
            end += 1
    rest = header[end:]
    if header[:1] != b"{" or len(rest) > 8 or rest != b"}".ljust(len(rest)):
        raise BundleError(
            f"its header is not as Deepwell writes it (at byte {8 + end:,}: {quote(rest[:40].decode('latin-1'))})",
            where=what,
        )


def write(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The tensors as one file; the bytes are a function of names and values, not of the mapping's order.

    Raises RunError naming a tensor whose name, type or rank a file cannot hold.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, array in tensors.items():
        if not _NAME.fullmatch(name) or name == "__metadata__":
            raise RunError(f"a tensor cannot be called {quote(name)}: letters, digits, _ . - and at most 256 of them")
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _CODES or array.ndim > RANK:
            raise RunError(f"the tensor {name} is {array.dtype} with {array.ndim} axes; a file holds at most {RANK} "
                           f"axes of {', '.join(str(d) for d in _CODES)}")  # fmt: skip
        arrays[name] = np.asarray(array, dtype, order="C")
    order = sorted(arrays, key=lambda name: (-_ORDER[arrays[name].dtype], name))
    entries, end = [], 0
    for name in order:
        array = arrays[name]
        shape = ",".join(str(n) for n in array.shape)
        place = f"{end},{end + array.nbytes}"
        entries.append(f'"{name}":{{"dtype":"{_CODES[array.dtype]}","shape":[{shape}],"data_offsets":[{place}]}}')
        end += array.nbytes
    header = ("{" + ",".join(entries) + "}").encode()
    header = header.ljust(-(-len(header) // 8) * 8)
    if len(header) > HEADER or len(order) > TENSORS:
        raise RunError(f"{len(order):,} tensors are too many for one file; at most {TENSORS:,} with an 8 MiB header")
    return b"".join([len(header).to_bytes(8, "little"), header, *(arrays[name].data for name in order)])


def non_finite(tensors: Mapping[str, NDArray[Any]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity, None if all are finite. Allocates nothing."""
    for name, array in tensors.items():
        if array.dtype.kind == "f" and array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            return name
    return None
