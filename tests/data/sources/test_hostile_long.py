"""Foreign bytes: whatever a file holds, the answer is a Table or a DataError, and no row is counted twice or lost."""

import gzip
import io
import json
import struct
import zipfile

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.data.sources import read
from deepwell.data.sources.dialect import encloses, sniff
from deepwell.data.sources.header import is_header
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.text import decode


def seeds():
    """One sound file of each form: name -> bytes."""
    arrays, frame = io.BytesIO(), io.BytesIO()
    np.savez(arrays, train_images=np.zeros((2, 2, 2), np.uint8), train_labels=np.arange(2))
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(frame)
    images = struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2) + bytes(8)
    return {
        "x.csv": b'age,name\n39,"a, b"\n50,\n7,"two\nlines"\n',
        "x.tsv": "ä\tb\n1\tü\n2\tö\n".encode(),
        "x.csv.gz": gzip.compress(b"a;b\n1;2\n3;4\n"),
        "x.jsonl": b'{"a": 1, "b": "x"}\n{"a": 2}\n',
        "x.json": json.dumps([{"a": 1}, {"a": 2}]).encode(),
        "x.npz": arrays.getvalue(),
        "x.parquet": frame.getvalue(),
        "x-images-idx3-ubyte": images,
        "x-images-idx3-ubyte.gz": gzip.compress(images),
    }


SEEDS = seeds()


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_the_seeds_are_sound(tmp_path, name):
    (tmp_path / name).write_bytes(SEEDS[name])
    assert len(read(tmp_path / name)) >= 2


CHANGES = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from("sidc")), min_size=1, max_size=3
)


@pytest.mark.parametrize("name", sorted(SEEDS))
@given(changes=CHANGES)
@settings(deadline=None, max_examples=3000)
def test_changed_bytes_give_a_table_or_a_data_error(tmp_path_factory, name, changes):
    content = bytearray(SEEDS[name])
    for at, byte, how in changes:
        at %= len(content) + 1
        if how == "i":
            content.insert(at, byte)
        elif how == "c":
            del content[at:]
        elif at < len(content):
            if how == "s":
                content[at] = byte
            else:
                del content[at]
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    try:
        found = read(path)
    except DataError as error:
        said = str(error)
    else:
        said = found.where(0)
        assert len(found) > 0
        assert all(name in r.where for r in found.rejected)
    assert name in said


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=5000)
def test_any_bytes_called_csv(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(content)
    try:
        found = read(path)
    except DataError:
        return
    assert len(found) >= len(found.rejected)


@given(st.text(max_size=80))
@settings(deadline=None, max_examples=100)
def test_utf8_text_is_decoded_as_it_is(content):
    if any(ord(c) < 32 for c in content) or content.startswith("\ufeff"):
        return
    text = decode(content.encode(), None, "x")
    assert text.sound
    assert text.data.decode() == content


@given(st.lists(st.lists(st.text("ab1,", max_size=3), max_size=4), max_size=6))
@settings(deadline=None, max_examples=100)
def test_any_rows_have_a_header_or_none(rows):
    assert is_header(rows) in (True, False)


def test_a_zip_whose_directory_lies_about_sizes(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + b"{'descr': '<f8', 'fortran_order': False, "
                         b"'shape': (1000000000000,), }".ljust(118))  # fmt: skip
    with pytest.raises(DataError, match="promises more than this machine can take"):
        read(path)


@pytest.mark.parametrize(
    ("data", "delimiter", "expected"),
    [
        (b'a,"b"\n', ",", True),
        (b'a,5"\n', ",", False),
        (b'a\t"b c"\n', "\t", True),
        (b'a\t"b\nc\td\ne\t"\n', "\t", False),
        (b"a,b\n", ",", False),
    ],
)
def test_quotes_that_enclose_and_quotes_that_are_letters(data, delimiter, expected):
    assert encloses(data, delimiter, '"') == expected


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        (b"a,b;c\n1,2;3\n4,5\n6,7\n8,9\n", ","),
        (b"1,5;2,5\n3,5;4,5\n", ";"),
        (b"a|b,c|d\n1|2|3\n", "|"),
        (b"title,genre\nHeat,Crime|Drama\nToy,Comedy|Kids\n", ","),
        (b"The cat sat.\nThe dog, too, sat down.\nAll were sitting there.\n", "\x1f"),
        (b"1\n2\n3,4\n" + b"5\n" * 60, ","),
        (b"7 0.3 a\n8   0.1 b\n", " "),
    ],
)
def test_the_delimiter_that_cuts_most_evenly(data, delimiter):
    assert sniff(data, ReadOptions()).delimiter == delimiter
