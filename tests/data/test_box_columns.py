"""Columns of boxes in tables: recognised by their cells, the target by default, checked against their pictures."""

import json

import numpy as np
import pytest
from tests.data.sources.marked import coco, picture, text

from deepwell.core.errors import DataError
from deepwell.data.fields.boxes import Boxes
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.recognition import Edits, recognise
from deepwell.data.sources import ReadOptions, read
from deepwell.data.sources.columns import objects
from deepwell.runs.inspection import inspect
from deepwell.runs.options import SchemaAsked

CAT = {"label": "cat", "box": [1, 2, 8, 9]}
DOG = {"label": "dog", "box": [3, 3, 30, 9.5]}


def memory(*cells):
    """A table in memory: pictures as arrays, boxes as lists."""
    return read({"picture": np.zeros((len(cells), 40, 60, 3), np.uint8), "things": objects(cells)})


def test_lists_of_boxes_are_the_target():
    schema = recognise(memory([CAT], [], [CAT, DOG]))
    assert [(f.name, f.kind, f.role) for f in schema.fields] == [
        ("picture", "image", "input"), ("things", "boxes", "target"),
    ]  # fmt: skip
    assert schema["things"].reason == "3 boxes of 2 classes (cat 2, dog 1) in 3 rows"
    assert recognise(memory([CAT], [], [CAT]))["things"].reason.startswith("2 boxes of 1 class (cat 2)")


def test_one_odd_cell_does_not_hide_the_others_and_is_named():
    table = memory(*[[CAT]] * 30, "cat", [])
    schema = recognise(table)
    assert schema["things"].kind == "boxes"
    assert "30 boxes of 1 class" in schema["things"].reason
    encoded = FieldPipeline(schema).fit(table).encode(table)
    assert encoded.problems == {30: "column 'things': 'cat' is not a list of boxes"}


def test_lists_of_points_and_tags_stay_what_they_were():
    found = recognise(read({"a": objects([[[1, 2]], []] * 5), "b": objects([["x"], ["y", "x"]] * 5)}))
    assert found["a"].kind == "points"
    assert found["b"].kind == "tags"


def test_another_target_may_be_given():
    table = memory([CAT], [], [CAT], [DOG]).with_columns({"label": objects(["a", "b", "a", "b"])})
    schema = recognise(table, Edits(target=("label",)))
    assert (schema["label"].role, schema["things"].role) == ("target", "ignore")


def test_a_pipeline_encodes_decodes_and_names_classes():
    table = memory([CAT], [], [CAT, DOG])
    pipeline = FieldPipeline(recognise(table)).fit(table)
    assert pipeline.classes("things") == ["cat", "dog"]
    encoded = pipeline.encode(table)
    assert encoded.columns["things"].values.tolist() == [[1, 2, 8, 9], [1, 2, 8, 9], [3, 3, 30, 9.5]]
    again = FieldPipeline(pipeline.schema).restore(pipeline.state())
    assert again.encode(table).columns["things.label"].values.tolist() == [0, 0, 1]
    assert isinstance(again.kinds_["things"], Boxes)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_table_beside_pictures(tmp_path, form):
    cells = [
        [CAT],
        [],
        [{**CAT, "box": [-5, 2, 8, 9]}],
        [{**DOG, "box": [70, 2, 80, 9]}],
        [{**DOG, "box": [4, 4, 4, 9]}],
    ]
    for number in range(5):
        picture(tmp_path / "images" / f"{number}.png")
    if form == "csv":
        lines = [f'{n}.png,"{json.dumps(cell).replace(chr(34), chr(34) * 2)}"' for n, cell in enumerate(cells)]
        text(tmp_path / "metadata.csv", "\n".join(["file,things", *lines]) + "\n")
    else:
        lines = [json.dumps({"file": f"{n}.png", "things": cell}) for n, cell in enumerate(cells)]
        text(tmp_path / "metadata.jsonl", "\n".join(lines) + "\n")
    found = read(tmp_path)
    assert found["things"].tolist() == [[CAT], [], [{**CAT, "box": [0, 2, 8, 9]}]]
    assert [r.reason for r in found.rejected] == [
        "column 'things': object 1 (dog) lies outside the picture of 60 x 40: left 70, top 2, right 80, bottom 9",
        "column 'things': object 1 (dog) has no area: left 4, top 4, right 4, bottom 9",
    ]
    assert len(found.notes) == 1
    assert recognise(found)["things"].kind == "boxes"
    assert len(read(tmp_path, ReadOptions(targets=False))) == 5  # a question needs no boxes


def test_two_columns_of_boxes_are_looked_at_both(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    far = {**DOG, "box": [70, 2, 80, 9]}
    rows = [{"file": "0.png", "a": [far], "b": []}, {"file": "1.png", "a": [CAT], "b": [far]},
            {"file": "2.png", "a": [CAT], "b": [DOG]}]  # fmt: skip
    text(tmp_path / "metadata.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    found = read(tmp_path)
    assert (found["a"].tolist(), found["b"].tolist()) == ([[CAT]], [[DOG]])
    assert [r.where.rpartition(" ")[2] for r in found.rejected] == ["1", "2"]


def test_labels_in_two_spellings_are_refused(tmp_path):
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg")
    coco(tmp_path / "a.json", {"a.jpg": [(1, [0, 0, 4, 4])] * 2, "b.jpg": [(2, [0, 0, 4, 4])]}, ("WBC", "wbc"))
    table = read(tmp_path)
    with pytest.raises(DataError, match="differ in case or spaces only") as caught:
        FieldPipeline(recognise(table)).fit(table)
    assert "--map 'wbc -> WBC'" in caught.value.repair


def test_notes_of_parts_are_kept(tmp_path):
    for part in ("train", "test"):
        picture(tmp_path / part / "a.jpg")
        coco(tmp_path / part / "labels.json", {"a.jpg": [(1, [50, 0, 20, 4])]})
    found = read(tmp_path)
    assert len(found.notes) == 2
    assert found.select(["image"]).notes == found.with_columns({}).notes == found.notes


def test_data_without_any_object_say_so():
    schema = recognise(memory([], [], []))
    assert (schema["things"].kind, schema["things"].reason) == ("boxes", "no box in 3 rows")
    with pytest.raises(DataError, match=r"no usable box in any of 3 rows"):
        Boxes().fit(objects([[], [], []]), schema["things"])


def test_rare_classes_are_found_by_check():
    cells = [[{"label": "cat", "box": [0, 0, 4, 4]}] * (2 - (row == 7)) for row in range(30)]
    cells[7].append({"label": "unicorn", "box": [1, 1, 5, 5]})
    findings = inspect({name: memory(*cells)[name] for name in memory(*cells).names}, SchemaAsked()).findings
    assert any("classes with fewer than 20 boxes: 'unicorn' (1)" in one for one in findings)
