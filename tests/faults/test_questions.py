"""Bad questions to a good model, and bad models."""

import json
import zipfile
from pathlib import Path

import pytest
from tests.conftest import CommandLine, Said, columns_of, data_of, write_csv

from deepwell.bundle import archive
from deepwell.store import manifest


def asked(tmp_path: Path, leave: tuple[str, ...] = ("label",), **columns: object) -> Path:
    """A file of 20 rows without a target, some columns changed."""
    whole = {n: v for n, v in columns_of(20, 3).items() if n not in leave}
    return write_csv(tmp_path / "new.csv", {**whole, **columns})  # type: ignore[dict-item]


def refusal(said: Said) -> str:
    assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in said.err
    return said.err


def test_missing_columns_are_named(trained: Path, deepwell: CommandLine, tmp_path: Path) -> None:
    text = refusal(deepwell("predict", trained, asked(tmp_path, leave=("label", "weight"))))
    assert "the data lacks the column 'weight', which the model reads" in text
    assert "repair: give the columns the names they had in training: 'height', 'weight', 'colour'" in text
    renamed = asked(tmp_path, leave=("label", "height"), hight=[0.5] * 20)
    assert "lacks the column 'height', which the model reads; did you mean 'hight'?" in refusal(
        deepwell("predict", trained, renamed)
    )
    narrow = write_csv(tmp_path / "narrow.csv", {"a": [1.5] * 20}, header=False)
    assert "the data lacks 3 columns: 'height', 'weight', 'colour'" in refusal(deepwell("predict", trained, narrow))


def test_a_column_of_another_sort_is_refused_with_its_first_line(
    trained: Path, deepwell: CommandLine, tmp_path: Path
) -> None:
    path = asked(tmp_path, height=["tall"] * 20)
    text = refusal(deepwell("predict", trained, path))
    assert f"{path}, line 2: the column 'height' held numbers in training; here 20 of 20 cells are not" in text


def test_unseen_categories_and_missing_values_are_answered(
    trained: Path, deepwell: CommandLine, tmp_path: Path
) -> None:
    heights = columns_of(20, 3)["height"]
    path = asked(tmp_path, colour=["purple"] * 10 + [None] * 10, height=[None] * 5 + heights[5:])
    said = deepwell("predict", trained, path)
    lines = [line.split(",") for line in said.out.splitlines()[1:]]
    assert said.code == 0
    assert len(lines) == 20
    assert {line[0] for line in lines} <= {"yes", "no"}
    assert not any(line[-1] for line in lines)


def test_unusable_rows_get_empty_answers_in_their_places(trained: Path, deepwell: CommandLine, tmp_path: Path) -> None:
    """Both rows that cannot be encoded and rows that cannot even be read."""
    heights = columns_of(20, 3)["height"]
    path = asked(tmp_path, height=["tall", *heights[1:]])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5] + ",extra", *lines[6:], "1,2"]) + "\n")
    answers = tmp_path / "answers.csv"
    said = deepwell("predict", trained, path, "--out", answers)
    assert said.out == f"21 answers in {answers}, 3 of them empty (see the column problem)\n"
    given = [line.split(",") for line in answers.read_text().splitlines()[1:]]
    assert len(given) == 21
    assert {i: line[-1] for i, line in enumerate(given) if line[-1]} == {
        0: "column 'height': 'tall' is not a number",
        4: "has 4 cells where the other rows have 3",
        20: "has 2 cells where the other rows have 3",
    }
    assert [i for i, line in enumerate(given) if not line[0]] == [0, 4, 20]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nofile.csv"], "there is no file or folder 'nofile.csv'"),
        ([], "answers rows: name a file with them"),
        (["DATA", "--temperature", "3"], "there is no knob 'temperature'"),
        (["DATA", "--device", "cuda:99"], "the device 'cuda:99' cannot be used"),
        (["DATA", "--task", "image_classification"], "is of the task 'tabular', not of 'image_classification'"),
        (["DATA", "--temperature"], "the option '--temperature' needs a value"),
        (["DATA", "more.csv"], "'more.csv' is one argument too many"),
    ],
)
def test_wrong_questions(words: list[str], text: str, trained: Path, deepwell: CommandLine) -> None:
    words = [str(data_of(trained)) if word == "DATA" else word for word in words]
    assert text in refusal(deepwell("predict", trained, *words))


def test_a_run_that_is_not_there_is_named_with_the_nearest(trained: Path, deepwell: CommandLine) -> None:
    missing = trained.with_name("002")
    assert f"no run '{missing}'; did you mean '{trained}'?" in refusal(deepwell("predict", missing, data_of(trained)))


def test_labels_that_training_never_saw(trained: Path, deepwell: CommandLine, tmp_path: Path) -> None:
    labels = columns_of(20, 3)["label"]
    dotted = asked(tmp_path, label=[f"{v}." for v in labels])
    text = refusal(deepwell("evaluate", trained, dotted))
    assert f"{dotted}, line 2: no row can be used: column 'label': the label '{labels[0]}.' was never seen" in text
    assert "--map 'OLD -> NEW'" in text
    assert deepwell("evaluate", trained, dotted, "--map", "yes. -> yes", "--map", "no. -> no").code == 0
    assert "'yess'; did you mean 'yes.'?" in refusal(deepwell("evaluate", trained, dotted, "--map", "yess -> yes"))
    one = asked(tmp_path, label=["maybe", *labels[1:]])
    assert "1 of 20 rows could not be used; " in deepwell("evaluate", trained, one).out
    assert "lacks the column 'label'" in refusal(deepwell("evaluate", trained, asked(tmp_path)))


@pytest.mark.parametrize("where", [0.0, 0.01, 0.3, 0.5, 0.7, 0.99])
@pytest.mark.parametrize("verb", ["predict", "verify", "show"])
def test_one_flipped_bit_is_found(
    where: float, verb: str, trained: Path, deepwell: CommandLine, tmp_path: Path
) -> None:
    data = bytearray((trained / "model.well").read_bytes())
    data[int(where * len(data))] ^= 1
    model = tmp_path / "flipped.well"
    model.write_bytes(data)
    words = [model, data_of(trained)] if verb == "predict" else [model]
    assert "flipped.well" in refusal(deepwell(verb, *words))


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("format", "this deepwell reads formats up to 2\n  repair: pip install --upgrade deepwell"),
        ("task_version", "the bundle is of version 99 of the task 'tabular'"),
    ],
)
def test_a_newer_bundle_is_refused_with_the_repair(
    fact: str, text: str, trained: Path, deepwell: CommandLine, tmp_path: Path
) -> None:
    with zipfile.ZipFile(trained / "model.well") as packed:
        entries = {name: packed.read(name) for name in packed.namelist()}
    facts = {**json.loads(entries.pop(manifest.NAME))["facts"], fact: 99}
    newer = tmp_path / "newer.well"
    newer.write_bytes(b"".join(archive.pieces({manifest.NAME: manifest.write(entries, facts), **entries})))
    assert text in refusal(deepwell("predict", newer, data_of(trained)))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100)])
def test_something_else_is_no_model(content: bytes, deepwell: CommandLine, tmp_path: Path) -> None:
    model = tmp_path / "other.well"
    model.write_bytes(content)
    assert "other.well" in refusal(deepwell("verify", model))
