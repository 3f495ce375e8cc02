"""Which form reads a path: the user's word, what other files had, and forms that find nothing they could read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, find, form_of, read, text

LINES = "".join(f"a film of {'many ' * (i % 7)}birds number {i}\n" for i in range(30))
FORMS = [form.__name__.rpartition(".")[2] for form in find.forms()]


def put(path: Path, content: str) -> Path:
    """A file with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_finds_nothing_says_so(tmp_path, form):
    (tmp_path / "empty").mkdir()
    put(tmp_path / "strange" / "a.xyz", "\1\2\3")
    put(tmp_path / "nested" / "one" / "a.csv", "x,y\n1,2\n")
    put(tmp_path / "plain" / "notes.log", "Hello there.\n")
    put(tmp_path / "table.csv", "x,y\n1,2\n")
    for path in (*sorted(tmp_path.iterdir()), tmp_path / "plain" / "notes.log"):
        refused = None
        try:
            assert len(read(path, ReadOptions(form=form)))
        except DataError as error:
            refused = error
        assert refused is None or (str(tmp_path) in refused.where and "permissions" not in refused.repair)


@pytest.mark.parametrize("form", ["dialogues", "parallel", "table_folder", "metadata_folder"])
def test_a_folder_without_files_of_the_form(tmp_path, form):
    put(tmp_path / "a.xyz", "Hello.\n")
    with pytest.raises(DataError, match=f"there is no usable row where it is read as '{form}'"):
        read(tmp_path, ReadOptions(form=form))


def test_files_and_folders_are_not_taken_for_each_other(tmp_path):
    file = put(tmp_path / "a.txt", LINES)
    for path, form, repair in ((file, "text_folders", "give a folder"), (tmp_path, "csv", "give a file")):
        with pytest.raises(DataError) as caught:
            read(path, ReadOptions(form=form))
        assert caught.value.repair.startswith(repair)


def reviews(folder: Path) -> Path:
    """One file for each class, one example a line."""
    put(folder / "pos.txt", LINES)
    return put(folder / "neg.txt", LINES.replace("film", "bore")).parent


def test_the_form_of_a_path_is_that_of_its_files(tmp_path):
    reviews(tmp_path / "flat")
    for part in ("train", "test"):
        reviews(tmp_path / "parts" / part)
        for side in ("en", "de"):
            put(tmp_path / "pairs" / f"{part}.{side}", LINES)
    put(tmp_path / "wrapped" / "data" / "a.csv", "x,y\n1,2\n")
    assert form_of(tmp_path / "flat") == form_of(str(tmp_path / "parts")) == "text_lines"
    assert form_of([tmp_path / "flat" / "pos.txt"]) == "documents"
    assert form_of(tmp_path / "pairs") == form_of(tmp_path / "pairs" / "train") == "parallel"
    assert form_of(tmp_path / "wrapped") == "table_folder"
    assert form_of({"x": [1]}) is None
    (tmp_path / "empty").mkdir()
    assert form_of(tmp_path / "empty") is None


def test_where_a_name_says_little_a_file_is_read_as_those_of_training_were(tmp_path):
    lines = ReadOptions(usual="text_lines")
    new = put(tmp_path / "q" / "new.txt", "One is good.\nTwo is not.\n\nThree\n")
    assert len(read(new)) == 1
    assert read(new, lines)["text"].tolist() == ["One is good.", "Two is not.", "Three"]
    assert len(read(new.parent, lines)) == 3
    assert read(put(tmp_path / "new.pos", "One.\nTwo.\n"), lines)["text"].tolist() == ["One.", "Two."]
    assert len(read(new, ReadOptions(usual="text_lines", form="documents"))) == 1
    for other in ("text_folders", "csv", "jsonlines", "documents", "no form at all"):
        assert len(read(new, ReadOptions(usual=other))) == 1
    cut = put(tmp_path / "cut.txt", "1;2\n3;4\n")
    assert read(cut).names == read(cut, ReadOptions(usual="text_folders")).names == ["column_1", "column_2"]
    assert read(cut, ReadOptions(usual="documents"))["text"].tolist() == ["1;2\n3;4\n"]


@pytest.mark.parametrize("usual", FORMS)
def test_a_file_whose_form_is_sure_is_read_in_it(tmp_path, usual):
    squad = {"data": [{"paragraphs": [{"context": "A", "qas": [{"question": "B?", "answers": [{"text": "C"}]}]}]}]}
    for name, content, names in (
        ("a.csv", "text,n\ngood,1\nbad,2\n", ["text", "n"]),
        ("a.jsonl", '{"text": "good"}\n', ["text"]),
        ("a.json", json.dumps(squad), ["context", "question", "answer", "context.group"]),
        ("b.txt", "Hi . __eou__ Ho ! __eou__\n", ["dialogue"]),
    ):
        assert read(put(tmp_path / name, content), ReadOptions(usual=usual)).names == names


@given(st.binary(min_size=1, max_size=60), st.sampled_from(sorted(text.ENCODINGS)))
def test_bytes_in_any_encoding_are_text_or_refused(raw, encoding):
    said = ""
    try:
        text.decode(raw, encoding, "a.txt").data.decode("utf-8")
    except DataError as error:
        said = error.what
    assert not said or "the bytes in line" in said


@pytest.mark.parametrize(
    "name", ["undefined", "unicode_escape", "idna", "punycode", "rot13", "hex", "utf-9", "", "mbcs"]
)
def test_codecs_that_are_no_encodings_of_text_are_refused(tmp_path, name):
    path = put(tmp_path / "a.txt", LINES)
    with pytest.raises(DataError, match=f"there is no encoding '{name}'"):
        read(path, ReadOptions(encoding=name))


@pytest.mark.parametrize(
    "name", ["UTF8", "utf-8-sig", "Latin-1", "iso-8859-15", "windows-1252", "SJIS", "gbk", "cp037"]
)
def test_encodings_have_many_names(name):
    assert text.is_encoding(name)
