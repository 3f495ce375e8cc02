"""Pickles of published sets are read without running code: plain values, arrays, and what is damaged."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.keras.file_server import Evil, objects

from deepwell.core.errors import DataError
from deepwell.keras.datasets import (
    plain,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from([2, 3, 4, 5]))
def test_plain_values_are_read_as_they_were_written(value, protocol):
    assert plain.read(pickle.dumps(value, protocol)) == value


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(-300, 100_000), max_size=30), min_size=1, max_size=5), st.sampled_from([2, 3, 4, 5])
)
def test_arrays_of_lists_are_read(lists, protocol):
    lists = [[*one, i] for i, one in enumerate(lists)]  # of unequal contents, so that none is shared
    assert plain.read(pickle.dumps(objects(lists), protocol)) == lists


def test_arrays_of_lists_as_python_2_wrote_them():
    text = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K\x02\x85"
        b"cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]q\x06("
        b"]q\x07(K\x01M\x10'J\x70\x11\x01\x00\x8a\x02\x00\x01e]r\x00\x01\x00\x00K\x05aetb."
    )
    assert plain.read(text) == [[1, 10_000, 70_000, 256], [5]]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "f4", "b1"])
def test_arrays_of_numbers_are_read(dtype, protocol):
    array = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    for one in (array, np.asfortranarray(array), array[:0]):
        found = plain.read(pickle.dumps({"data": one}, protocol))["data"]
        np.testing.assert_array_equal(found, one)
        assert found.dtype == one.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_is_run(protocol, capsys):
    for value in (Evil(), [Evil()], objects([Evil()]), Path("x"), np.random.default_rng, {1, 2}):
        with pytest.raises(DataError, match=r"pickle (names|holds)"):
            plain.read(pickle.dumps(value, protocol))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damaged", [b"t.", b"]e.", b"(t(", b"}q\x00Nh\x00s."], ids=["mark", "list", "end", "itself"])
def test_pickles_that_end_too_early_or_hold_themselves_are_refused_in_words(damaged):
    with pytest.raises(DataError, match="damaged or of a form that is not read here"):
        plain.read(damaged)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_pickles_end_in_words_or_in_plain_values(data):
    whole = bytearray(pickle.dumps({"labels": [1, 300, 70_000], "data": np.arange(6, dtype="u1")}, 2))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    try:
        found = plain.read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except DataError:
        return
    assert isinstance(found, dict | list | tuple | int | float | str | bytes | np.ndarray | None)
