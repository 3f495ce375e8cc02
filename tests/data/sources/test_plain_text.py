"""Plain text: documents, class folders of texts, one file for each class; encodings and what is refused with its offset."""

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.data.sources import ReadOptions, prose, read

PROSE = "It was a dark and stormy night.\n\nThe rain fell in torrents, except at times.\n"


def put(path: Path, content: str | bytes) -> Path:
    """A file with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sentences(count: int, seed: int = 0) -> str:
    """Lines of different length without blank ones."""
    draw = random.Random(seed)
    words = "a fine film that never ends and has no plot but many birds of every colour".split()
    return "".join(" ".join(draw.choices(words, k=draw.randint(3, 20))) + "\n" for _ in range(count))


def test_a_file_is_one_document_with_its_blanks_and_breaks(tmp_path):
    path = put(tmp_path / "book.txt", "  Title\n\n\tfirst line\nNA\n")
    found = read(path)
    assert (found.names, found["text"].tolist()) == (["text"], ["  Title\n\n\tfirst line\nNA\n"])
    assert found.where(0) == str(path)


@pytest.mark.parametrize("name", ["note.md", "story.text", "chapter", "play.shakespeare", "book.txt.gz"])
def test_files_of_any_name_that_hold_prose(tmp_path, name):
    content = gzip.compress(PROSE.encode()) if name.endswith(".gz") else PROSE
    assert read(put(tmp_path / name, content))["text"].tolist() == [PROSE]


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends_become_one(tmp_path, ends):
    path = put(tmp_path / "a.txt", PROSE.replace("\n", ends))
    assert read(path)["text"][0] == PROSE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"])
def test_encodings_are_found_out(tmp_path, encoding):
    german = "Der Bär läuft über die große Brücke.\nEr frißt Äpfel.\n"
    assert read(put(tmp_path / "a.txt", german.encode(encoding)))["text"][0] == german


def test_an_encoding_is_taken_as_told(tmp_path):
    path = put(tmp_path / "a.txt", "Привет, мир. Как дела?\n".encode("cp1251"))
    with pytest.raises(DataError, match=r"neither UTF-8 nor a western encoding.* 0xcf at offset 0") as caught:
        read(path)
    assert "--encoding" in caught.value.repair
    assert read(path, ReadOptions(encoding="cp1251"))["text"][0].startswith("Привет")


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1))
@settings(deadline=None, max_examples=100)
def test_any_utf8_text_comes_back(tmp_path_factory, content):
    if not content.strip() or content.startswith("\ufeff"):
        return
    path = put(tmp_path_factory.mktemp("any") / "a.txt", content)
    assert prose.read(path) == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b" \n\n", "nothing but blanks"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "there is a NUL byte at offset 8"),
        (PROSE.encode() + b"\0", f"there is a NUL byte at offset {len(PROSE)}"),
        ("größer\nkleiner\n".encode() + "größer\n".encode("cp1252"), "0xf6 at offset 19 (line 3) not"),
        (bytes(range(1, 32)) * 9, "holds bytes that no text has"),
        (b"a\xff\xfeb \xc3\xa4\n\xc3\xa4\n\xff", "mixed encodings"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(tmp_path, content, said):
    path = put(tmp_path / "a.txt", content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_of_documents_at_any_depth(tmp_path):
    for name in ("b.txt", "a.txt", "deep/er/c.txt"):
        put(tmp_path / name, PROSE + name)
    put(tmp_path / "README.md", "about")
    put(tmp_path / "LICENSE", "free")
    put(tmp_path / "bad.txt", b"abc\0def")
    found = read(tmp_path)
    assert [Path(found.where(row)).name for row in range(3)] == ["a.txt", "b.txt", "c.txt"]
    assert [(Path(r.where).name, "offset 3" in r.reason) for r in found.rejected] == [("bad.txt", True)]


def test_markdown_counts_where_there_is_nothing_else(tmp_path):
    put(tmp_path / "guide" / "one.md", PROSE)
    put(tmp_path / "api" / "two.md", PROSE)
    put(tmp_path / "README.md", "about")
    assert len(read(tmp_path)) == 2
    assert read(tmp_path).names == ["text"]
    put(tmp_path / "three.txt", PROSE)
    assert len(read(tmp_path)) == 1


def test_files_and_folders_of_parts(tmp_path):
    for part in ("train", "valid", "test"):
        put(tmp_path / "files" / f"wiki.{part}.txt", PROSE)
        put(tmp_path / "folders" / part / "a.txt", PROSE)
        put(tmp_path / "folders" / part / "b.txt", PROSE)
    assert read(tmp_path / "files")["split"].tolist() == ["train", "select", "test"]
    assert Counter(read(tmp_path / "folders")["split"].tolist()) == {"train": 2, "select": 2, "test": 2}


def test_tables_among_documents_are_not_read_as_text_in_silence(tmp_path):
    put(tmp_path / "essay.txt", PROSE)
    put(tmp_path / "grades.txt", "1\n2\n1\n")
    with pytest.raises(DataError, match=r"1 are tables by their look and no plain text: grades.txt"):
        read(tmp_path)
    assert len(read(tmp_path, ReadOptions(form="documents"))) == 2
    assert read(tmp_path / "grades.txt")["column_1"].tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("content", "table"),
    [
        ("sun\tsunlight\t50.0\nmoon\tnight\t9.0\n", True),
        ("a;b\n1;2\n", True),
        ("1.5\n2.5\n3\n", True),
        ("7 0.3 a\n8   0.1 b\n", True),
        ("name,age\nann,3\nbob,4\n", True),
        ("Dear Ann, hello.\nAs ever, Bob\n", False),
        ("Roses are red\nViolets are blue\n", False),
        ("Hello, world", False),
        (PROSE, False),
        ("", False),
    ],
)
def test_which_text_files_are_tables(tmp_path, content, table):
    assert prose.is_table(put(tmp_path / "a.txt", content)) == table


def reviews(root: Path, names: tuple[str, ...] = ("pos", "neg"), each: int = 3) -> Path:
    """Class folders with short texts."""
    for name in names:
        for i in range(each):
            put(root / name / f"{i}_8.txt", f"A {name} film, number {i}.")
    return root


def test_class_folders_of_texts_with_parts_as_aclimdb_has_them(tmp_path):
    for part in ("train", "test"):
        reviews(tmp_path / part, each=30)
        put(tmp_path / part / "urls_pos.txt", "http://a\nhttp://b\n")
        put(tmp_path / part / "README", "about")
    put(tmp_path / "train" / "unsup" / "0_0.txt", "Who knows?")
    found = read(tmp_path)
    assert found.names == ["text", "label", "split"]
    assert Counter(zip(found["label"], found["split"], strict=True)) == {
        ("pos", "train"): 30, ("neg", "train"): 30, (None, "train"): 1, ("pos", "test"): 30, ("neg", "test"): 30,
    }  # fmt: skip
    assert [r.reason for r in found.rejected] == ["the file lies outside the class folders, so it has no label"] * 2
    assert found["text"][0] == "A neg film, number 0."


def test_files_without_suffix_in_class_folders(tmp_path):
    for name in ("alt.atheism", "sci.space"):
        for number in (53068, 53257):
            put(tmp_path / name / str(number), f"From: someone\n\nAbout {name}.\n")
    assert read(tmp_path)["label"].tolist() == ["alt.atheism"] * 2 + ["sci.space"] * 2


@pytest.mark.parametrize(
    ("extra", "names"),
    [
        ((), ["text", "label"]),
        (("pos/deeper/x.txt",), ["text"]),
        (("x.txt",), ["text"]),
        (("guide.md",), ["text"]),
        (("empty class/.keep",), ["text", "label"]),
    ],
)
def test_class_folders_or_a_tree_of_documents(tmp_path, extra, names):
    reviews(tmp_path)
    for name in extra:
        put(tmp_path / name, PROSE)
    assert read(tmp_path).names == names
    assert read(tmp_path, ReadOptions(form="documents")).names == ["text"]


def test_one_folder_alone_is_no_class_but_beside_an_empty_one_it_is(tmp_path):
    reviews(tmp_path, ("pos",))
    assert read(tmp_path).names == ["text"]
    (tmp_path / "neg").mkdir()
    assert set(read(tmp_path)["label"]) == {"pos"}


@pytest.mark.parametrize(
    "files",
    [
        ("positive.txt", "negative.txt"),
        ("rt-polarity.pos", "rt-polarity.neg"),
        ("names of cats.txt", "names of dogs.txt"),
    ],
)
def test_one_file_for_each_class(tmp_path, files):
    for seed, name in enumerate(files):
        put(tmp_path / name, sentences(30, seed))
    put(tmp_path / "rt-polarity.README.1.0.txt", PROSE)
    found = read(tmp_path)
    expected = {"positive", "negative"} if files[0] == "positive.txt" else {n[-3:] for n in files}
    expected = {"cats", "dogs"} if files[0].startswith("names") else expected
    assert set(found["label"]) == expected
    assert len(found) == 60
    assert found.where(0).endswith("line 1")


def test_one_file_for_each_class_and_part(tmp_path):
    for seed, name in enumerate(("train.pos", "train.neg", "test.pos", "test.neg")):
        put(tmp_path / name, sentences(25, seed))
    found = read(tmp_path)
    assert Counter(zip(found["label"], found["split"], strict=True)) == {
        (label, part): 25 for label in ("pos", "neg") for part in ("train", "test")
    }


@pytest.mark.parametrize(
    "content",
    [
        sentences(19),
        sentences(15) + "\n" + sentences(15),
        "".join(f"{'x' * 700} {'y ' * i}\n" for i in range(30)),
        "".join(f"{'a word ' * 9} {'y ' * (i % 4)}\n" for i in range(30)),
    ],
    ids=["few lines", "blank lines", "long lines", "wrapped lines"],
)
def test_files_that_are_no_examples_line_by_line_stay_documents(tmp_path, content):
    put(tmp_path / "hamlet.txt", content)
    put(tmp_path / "macbeth.txt", sentences(30))
    assert read(tmp_path).names == ["text"]
    assert len(read(tmp_path, ReadOptions(form="text_lines"))) > 45


def test_a_single_file_can_be_read_line_by_line(tmp_path):
    path = put(tmp_path / "questions.txt", "One?\n\n Two? \n")
    found = read(path, ReadOptions(form="text_lines"))
    assert found["text"].tolist() == ["One?", "Two?"]
    assert found.where(1).endswith("line 3")


def test_an_unknown_form_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"no form of data 'document'; did you mean 'documents'\?"):
        read(put(tmp_path / "a.txt", PROSE), ReadOptions(form="document"))


def test_fifty_megabytes_in_one_document(tmp_path):
    path = put(tmp_path / "large.txt", (PROSE * 700_000)[: 50 << 20])
    assert len(read(path)["text"][0]) == 50 << 20
