"""Bad tables: each is refused with file, row or column and a repair; what can be mended by reading well just works."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import columns_of, write_csv
from tests.faults.conftest import Refused, Train

ROWS = 200
LABEL = ("--target", "label")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "good.csv", columns_of(ROWS))


def changed(tmp_path: Path, **columns: object) -> Path:
    return write_csv(tmp_path / "changed.csv", {**columns_of(ROWS), **columns})  # type: ignore[dict-item]


def raw(tmp_path: Path, data: bytes, name: str = "raw.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_a_missing_file_is_named_with_the_nearest(good: Path, refused: Refused) -> None:
    assert f"'{good.parent}/goood.csv'; did you mean 'good.csv'?" in refused(good.parent / "goood.csv", *LABEL)
    assert "nor is the folder" in refused(good.parent / "nowhere" / "good.csv", *LABEL)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"\n\n  \n", "nothing but blanks"),
        (b"height,weight,label\n", "there is a header and no row below it"),
        (np.random.default_rng(0).bytes(4000), "this is no text: line 1 holds bytes that no text has"),
        (b"a,label\n" + b"\0" * 500, "this is no text: line 2 holds bytes that no text has (0x00)"),
    ],
)
def test_a_file_without_a_table_is_refused(data: bytes, text: str, tmp_path: Path, refused: Refused) -> None:
    said = refused(raw(tmp_path, data), *LABEL)
    assert text in said
    assert "raw.csv" in said
    assert "repair: " in said


def test_a_missing_column_is_refused_with_the_nearest(good: Path, refused: Refused) -> None:
    said = refused(good, "--target", "lable")
    assert f"{good}: there is no column 'lable' to predict; did you mean 'label'?" in said
    assert "repair: the columns are 'height', 'weight', 'colour', 'label'" in said


def test_no_target_at_all_is_refused_with_the_way_to_name_one(tmp_path: Path, refused: Refused) -> None:
    columns = columns_of(ROWS)
    path = write_csv(tmp_path / "data.csv", {"height": columns["height"], "weight": columns["weight"]})
    assert "--target column" in refused(path)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([None] * ROWS, f"the target column 'label' has no value in any of {ROWS} rows"),
        (["yes"] * ROWS, f"the target column 'label' has the same value 'yes' in all {ROWS} rows"),
        ([3.5] * ROWS, f"the target column 'label' has the same value '3.5' in all {ROWS} rows"),
        ([f"c{i}" for i in range(ROWS)], f"the target column 'label' has {ROWS} classes in {ROWS} rows"),
        ([f"c{i % 120}" for i in range(ROWS)], f"the target column 'label' has 120 classes in {ROWS} rows"),
    ],
)
def test_a_target_from_which_nothing_can_be_learned(
    values: list[object], text: str, tmp_path: Path, refused: Refused
) -> None:
    said = refused(changed(tmp_path, label=values), *LABEL)
    assert text in said
    assert "changed.csv" in said
    assert "repair: " in said


def test_a_class_with_one_row_is_named_with_its_line(tmp_path: Path, refused: Refused) -> None:
    labels = columns_of(ROWS)["label"]
    said = refused(changed(tmp_path, label=[*labels[:5], "maybe", *labels[6:]]), *LABEL)
    assert "the class 'maybe' of 'label' has one row only, in" in said
    assert "changed.csv, line 7;" in said


def test_doubled_column_names_are_refused_with_their_places(good: Path, refused: Refused) -> None:
    good.write_bytes(good.read_bytes().replace(b"weight", b"height", 1))
    assert f"{good}: two columns are called 'height': column 1 and column 2" in refused(good, *LABEL)


def test_few_rows_are_refused(tmp_path: Path, refused: Refused) -> None:
    assert "8 rows are too few" in refused(write_csv(tmp_path / "few.csv", columns_of(8)), *LABEL)


def spoil(path: Path, every: int, how: Callable[[str], str]) -> None:
    """Change every so-manieth row of a file (never the header)."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join(how(line) if i and i % every == 0 else line for i, line in enumerate(lines)))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda line: line + ",extra", "has 5 cells where the other rows have 4"),
        (lambda line: line.rpartition(",")[0], "has 3 cells where the other rows have 4"),
        (lambda line: line.replace(",", ",\0", 1), "holds a NUL byte"),
    ],
)
def test_many_unusable_rows_stop_the_training_with_reason_and_first_line(
    how: Callable[[str], str], reason: str, good: Path, refused: Refused
) -> None:
    spoil(good, 40, how)
    said = refused(good, *LABEL)
    assert f"5 of {ROWS} rows cannot be used (2.5%; allowed is 1.0%)" in said
    assert f"5 x {reason} (first: {good}, line 41)" in said
    assert "--max-rejected" in said


def test_unusable_rows_among_good_ones_are_counted_listed_and_reported(
    good: Path, train: Train, run_directory: Path
) -> None:
    spoil(good, 40, lambda line: line + ",extra")
    assert train(good, *LABEL, "--max-rejected", "0.05").code == 0
    rejected = [json.loads(line) for line in (run_directory / "rejected.jsonl").read_text().splitlines()]
    reason = "has 5 cells where the other rows have 4"
    assert rejected == [{"where": f"{good}, line {n}", "reason": reason} for n in (41, 81, 121, 161, 201)]
    events = [json.loads(line) for line in (run_directory / "events.jsonl").read_text().splitlines()]
    counted = next(e for e in events if e["event"] == "rejected")
    assert (counted["read"], counted["used"], counted["count"]) == (ROWS, ROWS - 5, 5)
    parts = next(e for e in events if e["event"] == "parts")
    assert sum(parts["counts"].values()) == ROWS - 5
    assert reason in (run_directory / "report.html").read_text()


def test_text_among_numbers_is_rejected_by_line_and_column(tmp_path: Path, refused: Refused) -> None:
    heights = columns_of(ROWS)["height"]
    path = changed(tmp_path, height=["tall" if i % 60 == 7 else v for i, v in enumerate(heights)])
    said = refused(path, *LABEL)
    assert f"4 x column 'height': 'tall' is not a number (first: {path}, line 9)" in said


def test_a_missing_target_is_a_rejected_row(tmp_path: Path, refused: Refused) -> None:
    labels = columns_of(ROWS)["label"]
    path = changed(tmp_path, label=[None if i % 20 == 3 else v for i, v in enumerate(labels)])
    assert f"10 x the target is missing (first: {path}, line 5)" in refused(path, *LABEL)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_just_work(encoding: str, tmp_path: Path, train: Train, run_directory: Path) -> None:
    columns = columns_of(ROWS)
    columns["größe é"] = columns.pop("height")
    path = write_csv(tmp_path / "data.csv", columns)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert train(path, *LABEL).code == 0
    schema = json.loads((run_directory / "schema.json").read_text())
    assert [f["name"] for f in schema] == ["weight", "colour", "label", "größe é"]


def test_unicode_and_spaces_in_names_just_work(tmp_path: Path, train: Train) -> None:
    folder = tmp_path / "größe mit 空白"
    folder.mkdir()
    columns = {("das ziel ✓" if n == "label" else f"{n} ü"): v for n, v in columns_of(ROWS).items()}
    path = write_csv(folder / "daten ä (1).csv", columns)
    assert train(path, "--target", "das ziel ✓").code == 0


@pytest.mark.parametrize(
    ("name", "data", "repair"),
    [
        ("book.xlsx", b"PK\3\4aaaa", "save the sheet as CSV"),
        ("all.zip", b"PK\3\4aaaa", "unpack it and give the folder"),
        ("table.pkl", b"\x80\4aa", "pickled files can run code and are never opened"),
        ("model.pt", b"PK\3\4aaaa", "pickled files can run code and are never opened"),
        ("x.bin", b"\0\1\2", "convert it"),
        ("x.parquet", b"PAR1aaaaaaPAR1", "write it again"),
        ("x.npz", b"PK\3\4aaaa", "save plain arrays"),
        ("x.csv.gz", b"\x1f\x8b\x08aaaa", "copy or download the file again"),
        ("x-ubyte", b"\0\0\x08\3aa", "copy or download the file again"),
        ("x.json", b"[1,2", "write a list of records"),
    ],
)
def test_other_kinds_of_files_are_refused_with_the_way_out(
    name: str, data: bytes, repair: str, tmp_path: Path, refused: Refused
) -> None:
    said = refused(raw(tmp_path, data, name), *LABEL)
    assert name in said
    assert f"repair: {repair}" in said


def test_a_folder_called_like_a_table_is_read_as_a_folder(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "data.csv").mkdir()
    assert "there is nothing in this folder that can be read (it is empty)" in refused(tmp_path / "data.csv", *LABEL)


def test_a_test_file_with_other_columns_is_refused(good: Path, tmp_path: Path, refused: Refused) -> None:
    columns = columns_of(40, 1)
    extra = write_csv(tmp_path / "extra.csv", {**columns, "more": [1] * 40})
    assert f"{extra}: there is a column 'more', which {good} has not" in refused(good, *LABEL, "--test", extra)
    del columns["colour"]
    less = write_csv(tmp_path / "less.csv", columns)
    assert f"{less}: there is no column 'colour', which {good} has" in refused(good, *LABEL, "--test", less)


def test_labels_that_training_never_saw_are_refused_and_mended_by_map(
    good: Path, tmp_path: Path, refused: Refused, train: Train
) -> None:
    columns = columns_of(40, 1)
    dotted = write_csv(tmp_path / "dotted.csv", {**columns, "label": [f"{v}." for v in columns["label"]]})
    said = refused(good, *LABEL, "--test", dotted)
    first = columns["label"][0]
    assert f"{dotted}, line 2: the label '{first}.' of column 'label' never occurs in training" in said
    assert f"did you mean '{first}'?" in said
    assert f"repair: rename it: --map '{first}. -> {first}'" in said
    assert train(good, *LABEL, "--test", dotted, "--map", "yes. -> yes", "--map", "no. -> no").code == 0
