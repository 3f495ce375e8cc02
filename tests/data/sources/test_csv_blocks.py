"""Large text tables, read in blocks: the same cells, types, lines and rejected rows as when they are read at once."""

import csv as writer
import gzip
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, csv, csv_blocks, read
from deepwell.store.arrays import ArrayCache
from deepwell.store.arrays import mapped as in_a_file


@pytest.fixture(autouse=True)
def blocks(tmp_path, monkeypatch):
    """Blocks of a few lines, and a cache of its own."""
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(csv_blocks, "BLOCK", 64)


def three_ways(path, **options):
    """The table read at once, in blocks into memory, in blocks into the cache, and from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "AT_ONCE", 1 << 40)
        whole = read(path, ReadOptions(**options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "AT_ONCE", 0)
        patch.setattr(csv, "decode", lambda *_: pytest.fail("the file was read at once"))
        in_memory = read(path, ReadOptions(**options))
        mapped = [read(path, ReadOptions(memory=0, **options)) for _ in range(2)]
    assert not in_memory.entry
    for other in (in_memory, *mapped):
        assert other.names == whole.names
        for name in whole.names:
            assert other[name].dtype == whole[name].dtype, name
            assert [str(c) for c in other[name].tolist()] == [str(c) for c in whole[name].tolist()], name
        assert [other.where(i) for i in range(len(other))] == [whole.where(i) for i in range(len(whole))]
        assert list(other.rejected) == list(whole.rejected)
    return whole, mapped[1]


def test_columns_whose_form_shows_late(tmp_path):
    path = tmp_path / "x.csv"
    rows = [[i, i / 4, f"{i:03d}" if i == 50 else i, "" if i == 60 else i, "?" if i < 70 else "word", "", 10**17 + i,
             f"{i}{'x' if i == 79 else ''}", f" {i} "] for i in range(80)]  # fmt: skip
    with path.open("w", newline="") as file:
        writer.writer(file).writerows([["whole", "real", "code", "gap", "word", "none", "long", "last", "wide"], *rows])
    whole, mapped = three_ways(path)
    assert [whole[n].dtype.kind for n in whole.names] == list("ifOfOOiOi")
    assert in_a_file(mapped["real"])
    assert mapped.entry
    assert mapped.where(3) == f"{path}, line 5"


def test_rows_that_cannot_be_used_keep_their_lines(tmp_path):
    path = tmp_path / "x.csv"
    lines = [f'{i},"a, ""b""\nc",{i}.5' for i in range(40)]
    lines[7], lines[20], lines[33] = "7,short", "20,nul\0,1.5", "\n"
    path.write_text("n,text,x\r\n" + "\r\n".join(lines) + "\n")
    whole, _ = three_ways(path)
    assert [(r.where.rpartition(" ")[2], r.reason) for r in whole.rejected] == [
        ("16", "has 2 cells where the other rows have 3"), ("41", "holds a NUL byte"),
    ]  # fmt: skip
    assert whole["text"][0] == 'a, "b"\nc'


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("\ufeffa;b\n" + "".join(f"{i},5;ü{i % 3}\n" for i in range(50)), {}),
        ("sep=;\na;b\n" + "".join(f"{i};x\n" for i in range(50)), {}),
        ("".join(f"{i}\t{i * 2}\n" for i in range(50)), {}),
        ("a,b,\n" + "".join(f"{i},{i},\n" for i in range(50)), {}),
        ("a,b\n" + "".join(f"{i},none\n" for i in range(50)), {"missing": ("none",)}),
        ("a|b\n" + "".join(f"{i}|5\" pipe\n" for i in range(50)), {"delimiter": "|"}),
        ("a\n" + "".join(f"word {i}\n" for i in range(50)), {}),
        ("\n\n" + "".join(f"{i},{i}\n" for i in range(50)), {"header": False}),
        ("a,b\n" + f"1,{'long ' * 60}\n" + "".join(f"{i},x\n" for i in range(9)), {}),
    ],
)  # fmt: skip
def test_dialects(tmp_path, content, options):
    path = tmp_path / "x.csv"
    path.write_text(content, encoding="utf-8", newline="")
    three_ways(path, **options)


def test_names_from_beside(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("".join(f"{i},{i % 2}\n" for i in range(60)))
    (tmp_path / "data.names").write_text("0, 1.\nage: continuous.\n")
    assert three_ways(path)[1].names == ["age", "target"]
    assert three_ways(path, target_name="label")[1].names == ["age", "label"]


CELLS = st.sampled_from(
    ["1", "-2", "3.5", "", "?", "NA", "007", " 8", "a b", 'q"q', "x,y", "l\nl", "ü", "1e3", "inf", "9" * 17]
)


@given(
    st.integers(1, 4).flatmap(lambda w: st.lists(st.lists(CELLS, min_size=w, max_size=w), min_size=3, max_size=25)),
    st.integers(1, 90),
)
@settings(deadline=None, max_examples=60)
def test_any_table(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer.writer(file, quoting=writer.QUOTE_ALL).writerows([[f"name {i}" for i in range(len(rows[0]))], *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK", size)
        patch.setattr(csv, "AT_ONCE", 0)
        found = csv.read(path, ReadOptions(header=True, delimiter=","))
        patch.setattr(csv, "AT_ONCE", 1 << 40)
        whole = csv.read(path, ReadOptions(header=True, delimiter=","))
    assert found.names == whole.names
    for name in whole.names:
        assert found[name].dtype == whole[name].dtype
        assert [str(c) for c in found[name].tolist()] == [str(c) for c in whole[name].tolist()]
    assert found.origin.line.tolist() == whole.origin.line.tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n" + b"1,\xe4\n" * 40,  # cp1252
        "a,b\n".encode("utf-16") + ("1,x\n" * 40).encode("utf-16-le"),
        gzip.compress(b"a,b\n" + b"1,x\n" * 40, mtime=0),
        b"a b\n" + b"1   x\n" * 40,
        b"a,b\r" + b"1,x\r" * 40,
        b"a\tb\n" + b'1\t"x"\n' * 40,
        b'a,b\n' + b'1,"x"y"\n' * 40,
        b'a,b\n' + b'1,2\n' * 40 + b'3,"4\n',
    ],
)  # fmt: skip
def test_what_cannot_be_read_in_blocks_is_read_at_once(tmp_path, monkeypatch, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    found = read(path, ReadOptions(memory=0))
    assert not found.entry
    monkeypatch.setattr(csv, "AT_ONCE", 1 << 40)
    whole = read(path)
    assert [c.tolist() for c in found.columns.values()] == [c.tolist() for c in whole.columns.values()]
    assert found.rejected == whole.rejected


def test_errors_are_those_of_small_files(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n" + "1,2\n" * 50)
    with pytest.raises(DataError, match="the header names 3 columns, but most rows have 2 cells"):
        read(path, ReadOptions(memory=0))
    rng = random.Random(0)
    path.write_text("a,b\n" + "".join("1" + ",2" * rng.randrange(1, 9) + "\n" for _ in range(99)))
    with pytest.raises(DataError, match="rows cannot be read; the first: line"):
        read(path, ReadOptions(memory=0, delimiter=","))


def test_another_content_is_another_entry(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 50)
    assert read(path, ReadOptions(memory=0))["a"].sum() == 50
    path.write_text("a,b\n" + "3,2\n" * 50)
    assert read(path, ReadOptions(memory=0))["a"].sum() == 150
    assert read(path, ReadOptions(memory=0, header=False)).names == ["column_1", "column_2"]
    assert len(ArrayCache(tmp_path / "cache").entries()) == 3
    assert read(path, ReadOptions(memory=1 << 20))["a"].sum() == 150
    assert isinstance(read(path)["a"], np.ndarray)


def test_how_large_a_file_becomes(tmp_path):
    plain, packed = tmp_path / "x.csv", tmp_path / "x.csv.gz"
    plain.write_bytes(b"a,b\n" * 100)
    packed.write_bytes(gzip.compress(b"a,b\n" * 100))
    assert csv.size(plain) == 400
    assert csv.size(packed) == 4 * packed.stat().st_size
