"""Recognition: kinds and roles of real columns, reasons with figures, edits, and errors that name the repair."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from deepwell.core.errors import DataError
from deepwell.core.fields import Schema
from deepwell.core.table import ImageFile, Origin, Table
from deepwell.data.recognition import Edits, compare, describe, recognise

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex capital-gain "
    "capital-loss hours-per-week native-country income"
).split()


def objects(values):
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column


def read(path, names):
    """A Table of a headerless CSV: numbers where all cells are, '?' missing."""
    with open(path, newline="") as file:
        cells = list(zip(*filter(None, csv.reader(file, skipinitialspace=True)), strict=True))
    columns = {}
    for name, values in zip(names, cells, strict=True):
        column = objects([None if v == "?" else v for v in values])
        try:
            number = column.astype(np.float64)
            whole = not np.isnan(number).any() and (number == number.round()).all()
            columns[name] = number.astype(np.int64) if whole else number
        except ValueError:
            columns[name] = column
    return Table(columns)


def one(column, name="x", **edits):
    """The field of one column beside an ordinary one."""
    table = Table({name: column, "other": np.arange(len(column)) % 7 / 2})
    return recognise(table, Edits(**edits))[name]


@needs_data
def test_adult():
    schema = recognise(read(SHARED / "tabular/adult_census/adult-train.csv", ADULT), Edits(target=("income",)))
    numeric = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
    assert {f.name for f in schema.inputs if f.kind == "number"} == numeric
    assert {f.name for f in schema.inputs if f.kind == "category"} == set(ADULT) - numeric - {"income"}
    assert schema["income"].kind == "category"
    assert schema["age"].reason == "all values are whole numbers, 73 different, 17 to 90"
    assert schema["race"].reason == "text, 5 different values in 32,561 rows"
    assert "1,836 missing (5.6%)" in schema["workclass"].reason
    assert "--role fnlwgt=weight" in schema["fnlwgt"].reason


@needs_data
def test_wine_quality_is_a_number_that_can_be_forced_to_classes():
    table = read(SHARED / "tabular/wine_quality/winequality-white.csv", [*(f"c{i}" for i in range(11)), "quality"])
    field = recognise(table, Edits(target=("quality",)))["quality"]
    assert field.kind == "number"
    assert "--kind quality=category" in field.reason
    forced = recognise(table, Edits(target=("quality",), kinds={"quality": "category"}))["quality"]
    assert (forced.kind, forced.role) == ("category", "target")


@needs_data
def test_pima_class_is_two_classes():
    table = read(SHARED / "tabular/pima_diabetes/pima-indians-diabetes.csv", [*(f"c{i}" for i in range(8)), "outcome"])
    assert recognise(table, Edits(target=("outcome",)))["outcome"].kind == "category"


@pytest.mark.parametrize(
    ("name", "column", "kind", "role", "reason"),
    [
        ("x", np.linspace(0, 1, 100) + 0.1, "number", "input", "numbers with fractions, 100 different, 0.1 to 1.1"),
        ("PassengerId", np.arange(100) * 3, "id", "id", "its name says that it identifies rows"),
        ("n", np.arange(100) + 5, "id", "id", "a running number, 5 to 104"),
        ("n", np.random.default_rng(0).permutation(100), "id", "id", "a running number"),
        ("x", np.full(100, 3), "number", "ignore", "the same value '3' in all 100 rows"),
        ("x", np.full(100, np.nan), "category", "ignore", "all 100 values are missing"),
        ("x", objects(["yes", "no"] * 50), "category", "input", "text, 2 different values in 100 rows"),
        ("x", np.arange(100) % 3 == 0, "category", "input", "true or false"),
        ("x", np.arange(100) % 2 + 1, "category", "input", "two different values, 1 and 2"),
        ("zip_code", 10_000 + np.arange(100) % 40, "category", "input", "named like a code"),
        ("zip", objects([f"0{i % 30 + 1000}" for i in range(100)]), "category", "input", "leading zeros"),
        ("x", objects([f"w{i} went home at {i}" for i in range(100)]), "text", "ignore", "free text, 5.0 words"),
        ("x", objects([f"k{i:03}" for i in range(100)]), "id", "id", "another text in each of 100 rows"),
        ("x", objects([f"k{max(i, 4):03}" for i in range(100)]), "category", "ignore", "nearly every row has its own text"),
        ("day", objects([f"2024-01-{i % 28 + 1:02}" for i in range(100)]), "time", "ignore", "dates or times as text"),
        ("x", objects([str(i / 2) for i in range(100)]), "number", "input", "numbers written as text"),
        ("split", objects(["train", "test"] * 50), "category", "split", "train 50, test 50"),
        ("fold", objects(["a", "b"] * 50), "category", "input", "text, 2 different"),
        ("user_id", objects([f"u{i % 9}" for i in range(100)]), "category", "input", "--role user_id=group"),
        ("x", objects([[(1, 2)], []] * 50), "points", "input", "lists of (x, y)"),
        ("x", objects([[1, 2, 3], ["a"]] * 50), "series", "ignore", "cells of this form"),
        ("x", objects([ImageFile("a.jpg")] * 100), "image", "input", "pictures in 100 rows"),
        ("x", np.zeros((100, 8, 8), np.uint8), "image", "input", "pictures in 100 rows"),
        ("x", np.zeros((100, 8)), "vector", "ignore", "beside other columns: arrays of shape (8,)"),
    ],
)  # fmt: skip
def test_columns(name, column, kind, role, reason):
    field = one(column, name)
    assert (field.kind, field.role) == (kind, role), field.reason
    assert reason in field.reason
    json.dumps(field.to_json(), allow_nan=False)


def test_garbage_among_numbers_is_named_with_its_place():
    cells = objects([str(i % 50) for i in range(100)])
    cells[41] = "n/a?"
    table = Table({"x": cells}, Origin(("a.csv",), np.zeros(100, np.int32), np.arange(100) + 2))
    field = recognise(table)["x"]
    assert field.kind == "number"
    assert "1 of 100 cells are not numbers, the first is 'n/a?' in a.csv, line 43" in field.reason


@pytest.mark.parametrize(("name", "named"), [("sample_weight", True), ("weight", True), ("Molecular Weight", False)])
def test_weights_are_named_and_not_used(name, named):
    field = one(np.linspace(1, 2, 100) ** 2, name)
    assert field.role == "input"
    assert (f"--role {name}=weight" in field.reason) == named


def test_a_word_for_missing_is_pointed_out():
    cells = objects(["unknown" if i % 3 == 0 else str(i % 50 / 4) for i in range(100)])
    assert "most frequent other value is 'unknown'" in one(cells).reason


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("target", np.arange(150) % 3, "category"),
        ("species", np.arange(150) % 3, "category"),
        ("label", np.arange(150) % 30, "category"),
        ("quality", 3 + np.arange(150) % 5, "number"),
        ("children", np.minimum(np.random.default_rng(0).geometric(0.6, 150) - 1, 5), "number"),
        ("code", np.array([10, 20, 50])[np.arange(150) % 3], "category"),
        ("price", np.arange(150) * 7 % 101, "number"),
        ("y", np.arange(150) / 7, "number"),
        ("y", objects(["1", "2", "3"] * 50), "number"),
        ("y", np.array([0.0, 1.0, np.nan] * 50), "category"),
        ("y", objects([True, False] * 75), "category"),
    ],
)
def test_target_kinds(name, column, kind):
    field = one(column, name, target=(name,))
    assert (field.kind, field.role) == (kind, "target"), field.reason


def test_whole_numbers_beside_pictures_are_labels():
    pictures = np.zeros((100, 8, 8), np.uint8)
    schema = recognise(Table({"image": pictures, "label": np.arange(100) % 10}))
    assert [(f.kind, f.role) for f in schema.fields] == [("image", "input"), ("category", "target")]
    schema = recognise(Table({"image": pictures, "digit": 3 + np.arange(100) % 5}), Edits(target=("digit",)))
    assert schema["digit"].kind == "category"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([[]] * 9 + [None], "has no tag in any of 10 rows"),
        ([["b", "a"], ["a", "b"]] * 5, "has the same tags ['a', 'b'] in all 10 rows"),
        (["a|b", "b|a", "a|b"] * 5, "has the same tags ['a', 'b'] in all 15 rows"),
    ],
)
def test_tags_from_which_nothing_can_be_learnt_are_refused(cells, said):
    edits = Edits(target=("y",), kinds={"y": "tags"})
    with pytest.raises(DataError) as caught:
        recognise(text_table(x=["s", "t", "u", "v", "w"] * (len(cells) // 5), y=cells), edits)
    assert said in str(caught.value)
    more = [*cells[:-5], *[["a"], ["b"], [], ["a"], ["b"]]]
    assert recognise(text_table(x=["s", "t", "u", "v", "w"] * (len(cells) // 5), y=more), edits)["y"].kind == "tags"


def test_no_target_is_guessed_from_ordinary_names():
    assert recognise(Table({"a": np.arange(50) / 3, "b": np.arange(50) / 7})).targets == ()


def text_table(**columns):
    return Table({name: objects(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (Edits(target=("incom",)), "there is no column 'incom' to predict; did you mean 'income'?"),
        (Edits(target=("gone",)), "has no value in any of 100 rows"),
        (Edits(target=("same",)), "has the same value 'a' in all 100 rows"),
        (Edits(target=("unique",)), "has 100 classes in 100 rows: nearly every row is its own class"),
        (Edits(target=("lonely",)), "the class 'rare' of 'lonely' has one row only, in row 17"),
        (Edits(roles={"agee": "input"}), "--role names the column 'agee', which does not exist; did you mean 'age'?"),
        (Edits(roles={"age": "inptu"}), "'inptu' is not a role; did you mean 'input'?"),
        (Edits(kinds={"age": "numbr"}), "'numbr' is not a kind of column; did you mean 'number'?"),
        (
            Edits(schema=Schema.from_json([{"name": "ages", "kind": "number"}])),
            "has the column 'ages', which the data lacks",
        ),
    ],
)
def test_errors_teach(edits, text):
    table = text_table(
        age=[str(i % 9) for i in range(100)], income=["low", "high"] * 50, gone=[None] * 100, same=["a"] * 100,
        unique=[f"v{i}" for i in range(100)], lonely=["rare" if i == 17 else "ab"[i % 2] for i in range(100)],
    )  # fmt: skip
    with pytest.raises(DataError) as caught:
        recognise(table, edits)
    assert text in str(caught.value)


def test_edits_win_and_say_so():
    table = Table({"row_id": np.arange(60), "g": np.arange(60) % 4 / 2, "y": objects(["a", "b"] * 30)})
    schema = recognise(table, Edits(("y",), roles={"g": "group", "row_id": "input"}))
    assert schema["g"].role == "group"
    assert "as given" in schema["g"].reason
    assert (schema["row_id"].kind, schema["row_id"].role) == ("number", "input")
    assert recognise(table, Edits(("y",), kinds={"row_id": "number"}))["row_id"].role == "input"
    assert recognise(table, Edits(("y",), roles={"g": "user"}, task_roles=("user",)))["g"].role == "user"


def test_a_saved_schema_replaces_recognition():
    table = Table({"a": np.arange(60) % 4, "b": np.arange(60) / 7, "y": objects(["a", "b"] * 30)})
    saved = recognise(table, Edits(("y",), kinds={"a": "category"}))
    again = Schema.from_json(json.loads(json.dumps(saved.to_json())))
    assert recognise(table, Edits(schema=again)) == saved
    fewer = Schema(tuple(f for f in again.fields if f.name != "b"))
    assert recognise(table, Edits(schema=fewer))["b"].role == "ignore"
    assert recognise(table, Edits(("b",), schema=again))["y"].role == "ignore"


def test_labels_of_the_test_part_do_not_make_classes():
    label = objects(["a", "b"] * 30 + ["a.", "b."] * 20)
    table = Table({"x": np.arange(100) / 3, "y": label, "split": objects(["train"] * 60 + ["test"] * 40)})
    assert recognise(table, Edits(("y",)))["y"].reason == "text, 2 different labels in 60 rows"


def test_describe_gives_json_figures():
    table = Table({"x": np.array([0.0, 1, 2, np.nan, 1e6]), "c": objects(["a", "b", "a", None, "a"])})
    x, c = describe(table, recognise(table))
    assert x["missing"] == 1
    assert x["stats"]["median"] == 1.5
    assert sum(x["bins"]["counts"]) == 4
    assert len(x["bins"]["edges"]) == len(x["bins"]["counts"]) + 1
    assert c["top"] == [["a", 3], ["b", 1]]
    json.dumps([x, c], allow_nan=False)


def test_compare_names_what_differs():
    table = Table({"age": np.arange(60) / 7, "job": objects(["a", "b"] * 30), "y": objects(["p", "q"] * 30)})
    schema = recognise(table, Edits(("y",)))
    asked = table.select(["age", "job"])
    assert compare(schema, asked.with_columns({"new": np.zeros(60)})) == ("new",)
    with pytest.raises(DataError, match="lacks the column 'y'"):
        compare(schema, asked, targets=True)
    with pytest.raises(DataError, match=r"lacks the column 'age', which the model reads; did you mean 'Age'\?"):
        compare(schema, Table({"Age": asked["age"], "job": asked["job"]}))
    with pytest.raises(
        DataError, match=r"row 0: the column 'age' held numbers in training; here 60 of 60 .* first is 'a'"
    ):
        compare(schema, Table({"age": asked["job"], "job": asked["job"]}))
    few = asked["age"].astype(object)
    few[3] = "?"
    assert compare(schema, asked.with_columns({"age": few})) == ()
