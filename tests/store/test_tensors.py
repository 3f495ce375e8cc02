"""Our safetensors reader and writer against the safetensors package, which is the independent oracle."""

import re
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from deepwell.core.errors import BundleError, RunError
from deepwell.store import tensors

DTYPES = ["?", "u1", "i1", "<i2", "<u2", "<f2", "<i4", "<u4", "<f4", "<f8", "<i8", "<u8"]
names = st.text("abcXYZ019_.-", min_size=1, max_size=12)
arrays = st.sampled_from(DTYPES).flatmap(
    lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)
sets = st.dictionaries(names, arrays, max_size=5)


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Equal in type, shape and every bit (NaN payloads too)."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(sets)
def test_round_trip_is_exact_and_the_bytes_are_those_of_the_safetensors_package(made: dict[str, NDArray[Any]]) -> None:
    data = tensors.write(made)
    assert data == safetensors.numpy.save(made)
    found = tensors.read(data, "x")
    assert found.keys() == made.keys()
    assert all(_same(found[name], made[name]) for name in made)


@given(sets, st.data())
def test_what_is_accepted_after_a_mutation_the_safetensors_package_reads_alike(
    made: dict[str, NDArray[Any]], draw: st.DataObject
) -> None:
    data = bytearray(tensors.write(made))
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(0, min(len(data) - 1, 400)))
        how = draw.draw(st.sampled_from(["flip", "digit", "cut", "insert", "double"]))
        if how == "flip":
            data[place] ^= 1 << draw.draw(st.integers(0, 7))
        elif how == "digit":
            data[place] = draw.draw(st.sampled_from(b'0123456789,[]{}" '))
        elif how == "cut":
            del data[place]
        elif how == "insert":
            data.insert(place, draw.draw(st.integers(0, 255)))
        else:
            data[place:place] = data[place : place + 8]
        if not data:
            return
    try:
        found = tensors.read(bytes(data), "x")
    except BundleError:
        return
    oracle = safetensors.numpy.load(bytes(data))
    assert found.keys() == oracle.keys()
    assert all(_same(found[name], oracle[name]) for name in found)


def test_order_of_the_mapping_does_not_change_the_bytes() -> None:
    a, b = np.ones(3, "f4"), np.zeros(2, "i8")
    assert tensors.write({"a": a, "b": b}) == tensors.write({"b": b, "a": a})


def test_reading_copies_nothing_and_cannot_be_written_to() -> None:
    data = bytearray(tensors.write({"w": np.arange(6, dtype="f4").reshape(2, 3), "zero": np.array(1.5)}))
    found = tensors.read(memoryview(data), "x")
    data[-24:-20] = np.float32(7).tobytes()
    assert found["w"][0, 0] == 7
    with pytest.raises(ValueError, match="read-only"):
        found["w"][0, 0] = 1
    assert found["zero"].shape == ()


def test_strided_swapped_and_fortran_arrays_are_written_as_their_values() -> None:
    base = np.arange(12, dtype="f4").reshape(3, 4)
    made = {"t": base.T, "s": base[::2, 1:3], "big": base.astype(">f4"), "f": np.asfortranarray(base)}
    found = tensors.read(tensors.write(made), "x")
    for name, array in made.items():
        np.testing.assert_array_equal(found[name], array)


def _file(header: str, payload: bytes = b"", pad: bool = True) -> bytes:
    text = header.encode()
    text = text.ljust(-(-len(text) // 8) * 8) if pad else text
    return len(text).to_bytes(8, "little") + text + payload


ONE = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
FOUR = bytes(4)
REFUSED = {
    "empty": b"",
    "seven bytes": bytes(7),
    "no header": bytes(8),
    "length beyond the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "length of 2^64 - 1": b"\xff" * 8 + b"{}",
    "header not a multiple of 8": _file("{}", pad=False),
    "too much padding": _file("{}" + " " * 14),
    "trailing bytes": _file("{}", b"\0"),
    "duplicate name": _file("{" + ONE + "," + ONE.replace("[0,4]", "[4,8]") + "}", bytes(8)),
    "overlap": _file("{" + ONE + "," + ONE.replace('"a"', '"b"') + "}", FOUR),
    "hole": _file("{" + ONE.replace("[0,4]", "[4,8]") + "}", bytes(8)),
    "hole between": _file("{" + ONE + "," + ONE.replace('"a"', '"b"').replace("[0,4]", "[8,12]") + "}", bytes(12)),
    "beyond the file": _file("{" + ONE.replace("[1]", "[2]").replace("[0,4]", "[0,8]") + "}", FOUR),
    "size against shape": _file("{" + ONE.replace("[1]", "[2]") + "}", FOUR),
    "offsets backwards": _file("{" + ONE.replace("[1]", "[0]").replace("[0,4]", "[0,-4]") + "}", FOUR),
    "metadata": _file('{"__metadata__":{"format":"pt"},' + ONE + "}", FOUR),
    "tensor called __metadata__": _file("{" + ONE.replace('"a"', '"__metadata__"') + "}", FOUR),
    "path as name": _file("{" + ONE.replace('"a"', '"../../etc/x"') + "}", FOUR),
    "long name": _file("{" + ONE.replace('"a"', '"' + "a" * 257 + '"') + "}", FOUR),
    "rank 9": _file("{" + ONE.replace("[1]", "[1,1,1,1,1,1,1,1,1]") + "}", FOUR),
    "rank 5000": _file("{" + ONE.replace("[1]", "[" + ",".join(["1"] * 5000) + "]") + "}", FOUR),
    "bfloat16": _file("{" + ONE.replace("F32", "BF16").replace("[1]", "[2]") + "}", FOUR),
    "huge axes with none": _file(
        "{" + ONE.replace("[1]", "[9007199254740992,9007199254740992,0]").replace("[0,4]", "[0,0]") + "}"
    ),
    "leading zero": _file("{" + ONE.replace("[1]", "[01]") + "}", FOUR),
    "unknown field": _file("{" + ONE.replace('"shape"', '"x":1,"shape"') + "}", FOUR),
    "spaces": _file("{ " + ONE + "}", FOUR),
    "trailing comma": _file("{" + ONE + ",}", FOUR),
    "truth value 2": _file("{" + ONE.replace("F32", "BOOL").replace("[0,4]", "[0,1]") + "}", b"\2"),
    "header of 8 MiB + 8": ((8 << 20) + 8).to_bytes(8, "little") + b"{}".ljust((8 << 20) + 8),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(BundleError) as found:
        tensors.read(REFUSED[name], "weights.safetensors")
    assert str(found.value).startswith("weights.safetensors: ")
    assert len(str(found.value)) < 200


def test_accepted_at_the_limits() -> None:
    tensors.read(_file("{" + ONE + "}", FOUR), "x")
    tensors.read(_file("{" + ONE.replace("[1]", "[1,1,1,1,1,1,1,1]") + "}", FOUR), "x")
    tensors.read(_file("{" + ONE.replace('"a"', '"' + "a" * 256 + '"') + "}", FOUR), "x")


def test_number_of_tensors_at_the_limit() -> None:
    def many(count: int) -> bytes:
        entry = '"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
        return _file("{" + ",".join(entry.format(i) for i in range(count)) + "}")

    assert len(tensors.read(many(tensors.TENSORS), "x")) == tensors.TENSORS
    with pytest.raises(BundleError):
        tensors.read(many(tensors.TENSORS + 1), "x")


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("hours per week", np.ones(1), "cannot be called 'hours per week'"),
        ("", np.ones(1), "cannot be called ''"),
        ("__metadata__", np.ones(1), "cannot be called"),
        ("a" * 257, np.ones(1), "at most 256"),
        ("w", np.ones(1, "c8"), "the tensor w is complex64"),
        ("w", np.array(["text"]), "the tensor w is <U4"),
        ("w", np.ones((1,) * 9), "9 axes"),
    ],
)
def test_write_names_the_tensor_that_a_file_cannot_hold(name: str, array: NDArray[Any], says: str) -> None:
    with pytest.raises(RunError, match=re.escape(says)):
        tensors.write({name: array})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_names_the_first(bad: float) -> None:
    half = np.array([[1, 2], [3, bad]], "f2")
    assert tensors.non_finite({"a": np.ones(3), "empty": np.ones(0), "int": np.ones(2, "i8"), "b": half}) == "b"
    assert tensors.non_finite({"a": np.ones(3), "empty": np.ones(0), "zero": np.array(1.0)}) is None
