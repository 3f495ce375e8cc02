"""Parallel text files: sides, parts, one test of several, and files whose lines do not belong together."""

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, read
from deepwell.data.sources.parting import where_they_part


def pair(folder: Path, stem: str, count: int, sides: tuple[str, str] = ("en", "de")) -> Path:
    """Two files of `count` lines; gives the stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for side in sides:
        lines = "".join(f"line {i} of {stem} in {side} {'so ' * (i % 3)}\n" for i in range(count))
        file = folder / f"{stem}.{side}"
        file.write_bytes(gzip.compress(lines.encode()) if side.endswith(".gz") else lines.encode())
    return folder / stem


@pytest.mark.parametrize(
    ("stem", "sides", "names"),
    [
        ("train", ("en", "de"), ["de", "en"]),
        ("train", ("en.gz", "de.gz"), ["de", "en"]),
        ("corpus.en-de", ("en", "de"), ["en", "de"]),
        ("europarl-v7.fr-en", ("fr", "en"), ["fr", "en"]),
        ("data", ("tgt", "src"), ["src", "tgt"]),
        ("data", ("target", "source"), ["source", "target"]),
        ("bible", ("en.txt", "de.txt"), ["de", "en"]),
        ("flores", ("eng_Latn", "zho_Hans"), ["eng_Latn", "zho_Hans"]),
        ("ted", ("pt_BR", "en"), ["en", "pt_BR"]),
    ],
)
def test_sides_become_columns(tmp_path, stem, sides, names):
    pair(tmp_path, stem, 3, sides)
    found = read(tmp_path)
    assert found.names == names
    assert [found[n][2].split()[1] for n in names] == ["2", "2"]
    assert found.where(2).endswith("line 3")


def test_files_called_by_their_language_alone(tmp_path):
    for name in ("en", "de"):
        (tmp_path / f"{name}.txt").write_text(f"one in {name}\ntwo in {name}\n")
    assert read(tmp_path).names == ["de", "en"]


def test_parts_and_one_test_of_two(tmp_path):
    for stem, count in (("train", 30), ("val", 5), ("test_2016_flickr", 7), ("test_2017_flickr", 9)):
        pair(tmp_path, stem, count)
    (tmp_path / "README.md").write_text("about")
    assert Counter(read(tmp_path)["split"].tolist()) == {"train": 30, "select": 5, "test": 16}
    found = read(tmp_path, ReadOptions(test=tmp_path / "test_2016_flickr"))
    assert Counter(found["split"].tolist()) == {"train": 30, "select": 5, "test": 7}
    assert "test_2016_flickr" in found["en"][-1]
    found = read(tmp_path / "train", ReadOptions(test=str(tmp_path / "val")))
    assert Counter(found["split"].tolist()) == {"train": 30, "test": 5}
    found = read(tmp_path, ReadOptions(test=tmp_path / "val"))
    assert Counter(found["split"].tolist()) == {"train": 30, "test": 5}


@pytest.mark.parametrize("relative", [False, True])
def test_rows_of_a_test_are_in_no_other_part_whichever_side_names_them(tmp_path, monkeypatch, relative):
    pair(tmp_path, "train.en-de", 30)  # the folder's columns are en, de; those of the stem below alone are de, en
    pair(tmp_path, "flickr", 10)
    monkeypatch.chdir(tmp_path)
    found = read("." if relative else tmp_path, ReadOptions(test=tmp_path / "flickr"))
    assert Counter(found["split"].tolist()) == {"train": 30, "test": 10}
    assert not [text for text in found["de"][found["split"] == "train"] if "flickr" in text]


def test_both_sides_are_files_of_the_table(tmp_path):
    pair(tmp_path, "train", 3)
    found = read(tmp_path / "train")
    assert sorted(Path(file).name for file in found.origin.files) == ["train.de", "train.en"]
    assert found.where(1).endswith("train.de, line 2")


@pytest.mark.parametrize("name", ["download.sh", "stats.pl", "setup.in"])
def test_a_helper_file_that_ends_in_a_language_or_role_is_no_side(tmp_path, name):
    for stem in ("train", "test"):
        pair(tmp_path, stem, 5)
    (tmp_path / name).write_text("echo hello\n")
    found = read(tmp_path)
    assert found.names == ["de", "en", "split"]
    assert [(Path(r.where).name, r.reason) for r in found.rejected] == [(name, "no other file here is a side to it")]


def test_sides_given_one_by_one_are_a_pair(tmp_path):
    for stem in ("train", "test"):
        pair(tmp_path, stem, 4)
    sides = [tmp_path / f"{stem}.{side}" for stem in ("train", "test") for side in ("en", "de")]
    assert read(sides[:2]).names == ["de", "en"]
    assert len(read(sides[:2])) == 4
    assert Counter(read(sides)["split"].tolist()) == {"train": 4, "test": 4}
    with pytest.raises(DataError, match=r"none of its columns \(en\)"):
        read([sides[1], sides[2]])


def test_one_test_of_two_also_in_a_folder_of_tables(tmp_path):
    for name, rows in (("train", 4), ("test_a", 2), ("test_b", 3)):
        (tmp_path / f"{name}.csv").write_text("x,y\n" + "1,2\n" * rows)
    assert Counter(read(tmp_path)["split"].tolist()) == {"train": 4, "test": 5}
    found = read(tmp_path, ReadOptions(test=tmp_path / "test_b.csv"))
    assert Counter(found["split"].tolist()) == {"train": 4, "test": 3}
    for name in ("test_a", "train"):
        (tmp_path / f"{name}.csv").unlink()
    with pytest.raises(DataError, match="all rows of the data come from the test"):
        read(tmp_path, ReadOptions(test=tmp_path / "test_b.csv"))


def test_a_side_alone_is_a_question(tmp_path):
    pair(tmp_path, "new", 3)
    assert read(tmp_path / "new.en").names == ["en"]
    assert len(read(tmp_path / "new.en")) == 3


def test_a_side_that_is_missing_is_named(tmp_path):
    pair(tmp_path, "train", 3)
    pair(tmp_path, "test", 3)
    (tmp_path / "test.de").unlink()
    with pytest.raises(DataError, match=r"there is test.en, but no 'de' side of 'test', which other files here have"):
        read(tmp_path)
    assert len(read(tmp_path / "train")) == 3


def test_blank_lines_keep_their_place(tmp_path):
    (tmp_path / "a.en").write_text("one\n\nthree\n\n")
    (tmp_path / "a.de").write_text("eins\n\n\n \n")
    found = read(tmp_path)
    assert found["en"].tolist() == ["one", "three"]
    assert found["de"].tolist() == ["eins", None]
    assert [found.where(row).rsplit(", ")[-1] for row in (0, 1)] == ["line 1", "line 3"]
    assert [r.where.rsplit(", ")[-1] for r in found.rejected] == ["line 2", "line 4"]


def test_binary_and_empty_sides_are_refused(tmp_path):
    pair(tmp_path, "train", 3)
    (tmp_path / "train.de").write_bytes(b"abc\0def\nx\ny\n")
    with pytest.raises(DataError, match=r"train.de: this is no text: there is a NUL byte at offset 3"):
        read(tmp_path)
    (tmp_path / "train.de").write_bytes(b"")
    with pytest.raises(DataError, match=r"train.de: the file is empty"):
        read(tmp_path)


def texts(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences and their translations: about as long, the same numbers in them."""
    draw = random.Random(seed)
    one = [
        f"{'word ' * draw.randint(2, 25)}{draw.randint(1, 999) if draw.random() < 0.3 else ''}" for _ in range(count)
    ]
    return one, [line.replace("word", "Wörter"[: draw.randint(4, 6)]) for line in one]


@given(st.integers(80, 200), st.floats(0, 1), st.integers(1, 3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_line_where_lines_are_missing_is_found(count, place, missing, turned):
    one, other = texts(count + missing, count)
    at = round(place * (count - 50))
    del other[at : at + missing]
    found = where_they_part(*((other, one) if turned else (one, other)))
    assert found is not None
    assert abs(found - at) <= 10  # lines beside it may be as long by chance


def test_a_text_that_is_cut_off_parts_at_its_end():
    one, other = texts(100)
    assert where_they_part(one, other[:80]) == 80


def test_texts_that_have_nothing_to_do_with_each_other_part_nowhere():
    assert where_they_part(["a"] * 10, ["a"] * 12) is None
    assert where_they_part([], ["a"]) is None
    assert where_they_part(["a"], ["a"]) is None


def test_unequal_files_are_refused_with_both_counts_and_the_line(tmp_path):
    one, other = texts(100)
    del other[41]
    (tmp_path / "train.en").write_text("\n".join(one) + "\n")
    (tmp_path / "train.de").write_text("\n".join(other) + "\n")
    with pytest.raises(
        DataError, match=r"train.de has 99 lines and train.en has 100.*; they seem to part at line 4\d: '"
    ):
        read(tmp_path)
