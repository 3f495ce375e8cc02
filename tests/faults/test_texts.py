"""Bad texts through the command line: exit code 2, words that name file and place, and no run."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import CommandLine
from tests.faults.conftest import Refused

WORDS = "the film never ends and has no plot but many birds of every colour sing in trees".split()


def lines(count: int, seed: int = 0) -> list[str]:
    """Sentences of unequal length."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(4, 20))) + f" {i}" for i in range(count)]


def write(path: Path, content: str | bytes) -> Path:
    """A file with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parallel(folder: Path, english: list[str], german: list[str]) -> Path:
    """train.en and train.de."""
    write(folder / "train.en", "\n".join(english) + "\n")
    write(folder / "train.de", "\n".join(german) + "\n")
    return folder


def test_parallel_files_of_different_lengths(tmp_path: Path, refused: Refused) -> None:
    english = lines(200)
    german = [text.replace("the", "der").replace("film", "Streifen") for text in english]
    said = refused(parallel(tmp_path / "data", english, german[:120] + german[121:]))
    assert "train.de has 199 lines and train.en has 200, so they are not line by line the same text" in said
    assert "they seem to part at line 12" in said


def test_the_same_language_twice(tmp_path: Path, refused: Refused) -> None:
    said = refused(parallel(tmp_path / "data", lines(100), lines(100)))
    assert "is the same text as the input 'de' in 100 of 100 rows: is it the same language twice?" in said


def test_a_language_without_its_partner(tmp_path: Path, refused: Refused) -> None:
    parallel(tmp_path / "data", lines(30), lines(30, 1))
    write(tmp_path / "data" / "test.en", "one\n")
    assert "there is test.en, but no 'de' side of 'test'" in refused(tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"\n \n\n"], ids=["no bytes", "blanks"])
def test_an_empty_corpus(content: bytes, tmp_path: Path, refused: Refused) -> None:
    said = refused(write(tmp_path / "corpus.txt", content))
    assert "corpus.txt: the file is empty (0 bytes)" in said or "corpus.txt: the file holds nothing but blanks" in said


def test_an_empty_folder_of_texts(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "data" / "a.txt", "")
    write(tmp_path / "data" / "b.txt", " ")
    assert "a.txt: the file is empty" in refused(tmp_path / "data")


def test_a_picture_called_text(tmp_path: Path, refused: Refused) -> None:
    said = refused(write(tmp_path / "photo.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20))
    assert "photo.txt: this is no text: there is a NUL byte at offset 8" in said


def test_two_encodings_in_one_file(tmp_path: Path, refused: Refused) -> None:
    text = "Der Bär läuft über die Brücke.\n" * 50
    path = write(tmp_path / "mixed.txt", text.encode() + text.encode("latin-1"))
    said = refused(path)
    assert f"the byte 0xe4 at offset {len(text.encode()) + 5:,} (line 51) not" in said
    assert "save the whole file as UTF-8" in said


def test_one_class_only(tmp_path: Path, refused: Refused) -> None:
    for i, line in enumerate(lines(40)):
        write(tmp_path / "data" / "pos" / f"{i}.txt", line)
    (tmp_path / "data" / "neg").mkdir()
    assert "the target column 'label' has the same value 'pos' in all 40 rows" in refused(tmp_path / "data")


def test_chats_that_are_none(tmp_path: Path, refused: Refused) -> None:
    said = refused(write(tmp_path / "chats.yml", "conversations:\n- one text\n- another\n"))
    assert "there is no usable dialogue: a dialogue is a list of turns" in said


def test_a_table_of_the_same_form_as_ever(tmp_path: Path, deepwell: CommandLine) -> None:
    """A .txt file that is cut into cells stays a table, whatever is read as text beside it."""
    path = write(
        tmp_path / "grades.txt", "name\tage\tgrade\n" + "".join(f"n{i}\t{i % 9}\t{i % 5}\n" for i in range(60))
    )
    said = deepwell("check", path, "--target", "grade")
    assert said.code == 0
    assert "3 columns" in said.out


def test_a_form_can_be_forced(tmp_path: Path, deepwell: CommandLine) -> None:
    for i, name in enumerate(("positive.txt", "negative.txt")):
        write(tmp_path / "data" / name, "\n".join(lines(40, i)) + "\n")
    assert "80 rows read" in deepwell("check", tmp_path / "data").out
    assert "2 rows read" in deepwell("check", tmp_path / "data", "--form", "documents").out
    said = deepwell("check", tmp_path / "data", "--form", "document")
    assert said.code == 2
    assert "there is no form of data 'document'; did you mean 'documents'?" in said.err
