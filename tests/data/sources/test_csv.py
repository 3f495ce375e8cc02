"""Text tables: what is found out about them, and that no row is lost, invented or blamed on the wrong line."""

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.data.sources import ReadOptions, careful, read, records


def table(tmp_path, content, options=None, name="data.csv"):
    """The Table of a file with this content."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, options)


def cells(found):
    """The rows of a Table as lists, missing as None."""
    columns = [
        [None if v is None or v != v else v for v in (c.tolist() if c.dtype != object else list(c))]
        for c in found.columns.values()
    ]
    return [list(row) for row in zip(*columns, strict=True)]


BODY = "39, State-gov, 13\n50, Private, ?\n38, Private, 9\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("age,sex\n39,M\n50,F\n", [[39, "M"], [50, "F"]]),
        ("age;height\n39;1,80\n50;1,75\n", [[39, 1.80], [50, 1.75]]),
        ("sep=;\nage;sex\n39;M\n50;F\n", [[39, "M"], [50, "F"]]),
        ("age\tsex\n39\ta, b\n50\tc; d\n", [[39, "a, b"], [50, "c; d"]]),
        ("age|sex\n39|M\n50|F\n", [[39, "M"], [50, "F"]]),
        ("age  sex\n39    M\n 50  F \n", [[39, "M"], [50, "F"]]),
        ("age,sex\r\n39,M\r\n50,F\r\n", [[39, "M"], [50, "F"]]),
        ("age,sex\r39,M\r50,F\r", [[39, "M"], [50, "F"]]),
        ("age,sex\n\n39,M\n   \n50,F", [[39, "M"], [50, "F"]]),
        ("age,sex,\n39,M,\n50,F,\n", [[39, "M", None], [50, "F", None]]),
        ("age,sex\n39,M,\n50,F,\n", [[39, "M"], [50, "F"]]),
        ('age,note\n39,"a, b"\n50,"say ""hi"""\n', [[39, "a, b"], [50, 'say "hi"']]),
        ('age, note\n39, "a, b"\n50, c\n', [[39, "a, b"], [50, "c"]]),
        ('size,note\n39,5" pipe\n50,6" pipe\n', [[39, '5" pipe'], [50, '6" pipe']]),
        ("a,b\n1,'-1'\n2,'1'\n", [[1, -1], [2, 1]]),
        ("text\tlabel\n'tis good\t1\nit 's bad\t0\n", [["'tis good", 1], ["it 's bad", 0]]),
        ('he\tO\nsaid\tO\n"\tO\nyes\tO\n"\tO\n', [["he", "O"], ["said", "O"], ['"', "O"], ["yes", "O"], ['"', "O"]]),
        ('a\tb\n1\t"x\ty"\n2\t"two\nlines"\n', [[1, "x\ty"], [2, "two\nlines"]]),
        ('text\tlabel\n"quoted start and more\t1\nplain\t0\n', [['"quoted start and more', 1], ["plain", 0]]),
    ],
)
def test_the_dialect_is_found(tmp_path, content, expected):
    found = table(tmp_path, content)
    assert cells(found) == expected
    assert not found.rejected


@pytest.mark.parametrize(
    "content",
    ["name,city\nÄnne,Köln\nZoë,Orléans\n".encode(encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252")]
    + ["name,city\nÄnne,Köln\nZoë,Orléans\n".encode("utf-16-le")],
)
def test_the_encoding_is_found(tmp_path, content):
    found = table(tmp_path, content)
    assert found.names == ["name", "city"]
    assert cells(found) == [["Änne", "Köln"], ["Zoë", "Orléans"]]


def test_a_few_garbled_lines_among_sound_utf8_are_rejected_and_the_others_kept(tmp_path):
    lines = [f"{i},Köln".encode() for i in range(20)]
    lines[7] = b"7,K\xf6ln"
    lines[9] = b"9,a\0b"
    found = table(tmp_path, b"n,city\n" + b"\n".join(lines))
    assert len(found) == 18
    assert [r.where.rsplit(", ", 1)[1] for r in found.rejected] == ["line 9", "line 11"]
    assert "not UTF-8" in found.rejected[0].reason
    assert "NUL" in found.rejected[1].reason


def test_told_encoding_delimiter_header_and_missing_words_are_taken_as_told(tmp_path):
    options = ReadOptions(header=False, delimiter="tab", encoding="latin-1", missing=("-9",))
    found = table(tmp_path, "a,b\té\n-9\t2\n".encode("latin-1"), options)
    assert cells(found) == [["a,b", "é"], [None, "2"]]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("39,State-gov\n50,Private\n38,Private\n", ["column_1", "column_2"]),
        ("age,class\n39,Private\n50,Private\n", ["age", "class"]),
        ("city,country\nBonn,Germany\nKiel,Germany\nLyon,France\nNice,France\n", ["city", "country"]),
        ("Bonn,Germany\nKiel,Germany\nLyon,France\nNice,France\n", ["column_1", "column_2"]),
        ("en,de\nThe cat.,Die Katze.\nA dog.,Ein Hund.\n", ["en", "de"]),
        ("7,0.27,6\n6.3,0.3,6\n", ["column_1", "column_2", "column_3"]),
        (",x,y\n0,1,a\n1,2,b\n", ["column_1", "x", "y"]),
        ("passengers\n112\n118\n", ["passengers"]),
        ("1,2,3\n", ["column_1", "column_2", "column_3"]),
        ("id,when\na1,2020-01-01\na2,2020-01-02\n", ["id", "when"]),
        ("A11,6,A34\nA12,48,A32\nA11,12,A34\n", ["column_1", "column_2", "column_3"]),
        ("administrator\nartist\ndoctor\n", ["column_1"]),
        ("review\nIt was a long evening.\nI laughed all the way.\nNot worth the money, really.\n", ["review"]),
        ("Hello.\nIt was a long evening.\nI laughed all the way.\nNot worth the money, really.\n", ["column_1"]),
        ("hello\nIt was a long evening.\n", ["column_1"]),  # a header above one row looks no different
    ],
)
def test_header_or_none_is_found(tmp_path, content, names):
    assert table(tmp_path, content).names == names


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("text\nIt was a long evening.\n", ["text"]),
        ("text\nno\n", ["text"]),
        ('"text"\n"It was, well, a long evening."\n', ["text"]),
        ("title,text\nYes,It was a long evening.\n", ["title", "text"]),
        ("It was a long evening.\ntext\n", ["column_1"]),
        ("text,Was it a long evening?\nno,yes\n", ["column_1", "column_2"]),
    ],
)
def test_a_first_row_of_names_that_are_expected_is_a_header(tmp_path, content, names):
    assert table(tmp_path, content, ReadOptions(expected=("label", "text", "title"))).names == names
    assert table(tmp_path, content, ReadOptions(expected=("text", "title"), header=False)).names[0] == "column_1"


def test_column_types(tmp_path):
    content = "whole,gaps,real,code,long,mixed,text\n1,,1,007,12345678901234567890,1,None\n2,3,1.5,12,1,b,a\n"
    found = table(tmp_path, content).columns
    assert [found[n].dtype for n in ("whole", "gaps", "real")] == [np.int64, np.float64, np.float64]
    assert list(found["code"]) == ["007", "12"]
    assert list(found["long"]) == ["12345678901234567890", "1"]
    assert list(found["mixed"]) == ["1", "b"]
    assert list(found["text"]) == [None, "a"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
@settings(deadline=None, max_examples=50)
def test_floats_come_back_bit_for_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("floats") / "x.csv"
    path.write_text("x,y\n" + "".join(f"{v!r},a\n" for v in values))
    assert read(path)["x"].astype(float).tolist() == values


def test_ragged_rows_are_rejected_with_their_physical_line(tmp_path):
    content = 'a,b,note\n1,2,"two\nlines"\n3,4\n5,6,x\n\n7,8,y,z\n9,10,"w\n\nw"\n11,12,v\n'
    found = table(tmp_path, content)
    path = tmp_path / "data.csv"
    assert [(r.where, r.reason) for r in found.rejected] == [
        (f"{path}, line 4", "has 2 cells where the other rows have 3"),
        (f"{path}, line 7", "has 4 cells where the other rows have 3"),
    ]
    assert cells(found) == [[1, 2, "two\nlines"], [5, 6, "x"], [9, 10, "w\n\nw"], [11, 12, "v"]]
    assert [found.where(i) for i in range(4)] == [f"{path}, line {n}" for n in (2, 5, 8, 11)]


def test_an_open_quote_costs_its_own_line_only(tmp_path):
    content = 'a,b\n1,"open\n2,fine\n3,"also fine"\n4,x\n'
    found = table(tmp_path, content)
    assert cells(found) == [[2, "fine"], [3, "also fine"], [4, "x"]]
    assert "line 2" in found.rejected[0].where
    assert "never properly closed" in found.rejected[0].reason


CELL = st.text(st.sampled_from('ab1 ,;"\n\tä'), max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=12),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
@example([["", "\n"]], "\t", csv.QUOTE_MINIMAL, "\n")
@settings(deadline=None, max_examples=150)
def test_what_the_standard_library_writes_is_read_back(tmp_path_factory, rows, delimiter, quoting, end):
    """Independent source: Python's csv module writes; a number column fixes the header and keeps rows from being blank."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([["n", "p", "q"], *([i, *row] for i, row in enumerate(rows))])
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(out.getvalue().encode())
    found = read(path, ReadOptions(delimiter=delimiter, header=True))
    assert not found.rejected
    assert len(found) == len(rows)
    for position, name in enumerate(("p", "q")):
        stripped = [row[position].strip() or None for row in rows]
        got = found[name]
        if got.dtype == object:
            assert list(got) == stripped
        else:  # every cell was written as a number
            assert got.tolist() == pytest.approx(
                [np.nan if c is None else float(c.replace(",", ".")) for c in stripped], nan_ok=True
            )


@given(st.lists(st.sampled_from(["1,2", "3,x", "4", "5,6,7", "", '"a\nb",8', '9,"c,d"']), max_size=40))
@settings(deadline=None, max_examples=100)
def test_rows_read_are_rows_used_and_rows_rejected(tmp_path_factory, lines):
    lines = ["k,v"] + ["0,0"] * (2 * len(lines) + 1) + lines
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_text("\n".join(lines))
    found = read(path)
    assert len(found) + len(found.rejected) == sum(bool(line) for line in lines) - 1
    text = path.read_text().split("\n")
    for i in range(len(found)):
        line = int(found.where(i).rsplit(" ", 1)[1])
        assert text[line - 1].strip('"').startswith(str(found["k"][i]).split("\n")[0])


@given(st.text(st.sampled_from('a,"\n'), max_size=60), st.integers(1, 9))
@settings(deadline=None, max_examples=300)
def test_the_fast_and_the_careful_reader_agree_where_quotes_are_well_formed(text, block):
    """Also when a record spans the blocks that the fast one works in."""
    before, records.BLOCK = records.BLOCK, block
    try:
        found = records.scan(text.encode(), ",", '"')
    finally:
        records.BLOCK = before
    if found is None:
        return
    blank = records.blank(text.encode(), found, 2)
    fast = [(int(n), int(f)) for n, f, b in zip(found.line, found.fields, blank, strict=True) if not b]
    assert fast == [(n, len(c)) for n, c in careful.rows(text, ",", '"')]


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"", DataError, "the file is empty (0 bytes)"),
        (b" \n\n", DataError, "nothing but blanks"),
        (b"age,sex\n", DataError, "there is a header and no row below it"),
        (b"a,b,a\n1,2,3\n4,5,6\n", DataError, "two columns are called 'a': column 1 and column 3"),
        (b"a,b\n1,2,3\n4,5,6\n", DataError, "the header names 2 columns, but most rows have 3 cells"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x01\x02\x03\x04" * 20, DataError, "this is no text: line"),
        (
            b"a,b\n" + b"1,2\n" * 9 + b"1\n2,3,4\n" * 9,
            DataError,
            "18 of 27 rows cannot be read; the first: line 11 has 1",
        ),
    ],
)
def test_unreadable_files_say_what_where_and_how_to_mend_it(tmp_path, content, error, said):
    with pytest.raises(error) as caught:
        table(tmp_path, content, ReadOptions(delimiter=","))
    assert said in str(caught.value)
    assert "data.csv" in str(caught.value)
    assert caught.value.repair


def test_options_that_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="delimiter must be one ASCII character"):
        table(tmp_path, "a,b\n1,2\n", ReadOptions(delimiter="::"))
    with pytest.raises(DataError, match="there is no encoding 'utf-99'"):
        table(tmp_path, "a,b\n1,2\n", ReadOptions(encoding="utf-99"))
    with pytest.raises(DataError, match="the bytes in line 2 are not ascii"):
        table(tmp_path, "a,b\n1,ä\n", ReadOptions(encoding="ascii"))


C45 = "| comment: no\n>50K, <=50K.\n\nage: continuous.\nworkclass: Private, State-gov.\n"


def test_names_from_a_names_file_beside_and_the_last_column_is_the_target(tmp_path):
    (tmp_path / "adult.names").write_text(C45)
    found = table(tmp_path, BODY, name="adult-train.csv")
    assert found.names == ["age", "workclass", "target"]
    assert np.isnan(found["target"][1])
    assert table(tmp_path, BODY, ReadOptions(target_name="income"), "adult.csv").names[-1] == "income"


def test_prose_in_a_names_file_beside_is_left_alone(tmp_path):
    (tmp_path / "data.names").write_text("1. Title: Pima\n\n2. Sources:\n   (a) Original owners: a, b\n")
    assert table(tmp_path, BODY).names == ["column_1", "column_2", "column_3"]


def test_names_given(tmp_path):
    names = tmp_path / "columns.txt"
    names.write_text("age\njob\nyears\n")
    assert table(tmp_path, BODY, ReadOptions(names=names)).names == ["age", "job", "years"]
    assert table(tmp_path, "AGE,job,years\n1,a,2\n", ReadOptions(names=names)).names == ["AGE", "job", "years"]
    assert len(table(tmp_path, "x,a,b\ny,c,d\n", ReadOptions(names=names))) == 2
    names.write_text("age\n")
    with pytest.raises(DataError, match=r"columns.txt names 1 columns, but the rows have 3 cells"):
        table(tmp_path, BODY, ReadOptions(names=names))


def test_gzip_whatever_its_name_and_a_cut_one(tmp_path):
    packed = gzip.compress(b"age,sex\n39,M\n50,F\n")
    assert cells(table(tmp_path, packed, name="data.csv.gz")) == [[39, "M"], [50, "F"]]
    assert len(table(tmp_path, packed, name="renamed.csv")) == 2
    with pytest.raises(DataError, match="damaged or cut off"):
        table(tmp_path, packed[:-9], name="cut.csv.gz")
