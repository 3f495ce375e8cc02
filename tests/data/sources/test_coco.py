"""COCO's JSON as users have it: with its folders, from Roboflow, one file; and what is wrong in it."""

import json

import pytest
from tests.data.sources.marked import coco, names, picture, reasons, text

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, form_of, read
from deepwell.data.sources import coco as source

TWO = {"a.jpg": [(1, [2, 3, 10, 20])], "b.jpg": []}


def test_boxes_are_edges_and_a_picture_without_objects_is_an_example(tmp_path):
    for name in TWO:
        picture(tmp_path / "images" / name)
    coco(tmp_path / "annotations.json", {**TWO, "a.jpg": [(1, [2, 3, 10, 20]), (2, [0, 0, 5.5, 5], 1)]})
    found = read(tmp_path)
    assert found.names == ["image", "objects"]
    assert names(found) == ["a.jpg", "b.jpg"]
    assert found["objects"].tolist() == [
        [{"label": "cat", "box": [2, 3, 12, 23]}, {"label": "dog", "box": [0, 0, 5.5, 5], "ignore": True}], [],
    ]  # fmt: skip
    assert not found.rejected
    assert form_of(tmp_path) == "coco"
    assert read(tmp_path / "annotations.json")["objects"].tolist() == found["objects"].tolist()


def test_coco_s_own_folders(tmp_path):
    for part, name in (("train2017", "000001.jpg"), ("train2017", "000002.jpg"), ("val2017", "000001.jpg")):
        picture(tmp_path / part / name)
    notes = tmp_path / "annotations"
    coco(notes / "instances_train2017.json", {"000001.jpg": [(1, [0, 0, 9, 9])], "000002.jpg": []})
    coco(notes / "instances_val2017.json", {"000001.jpg": [(2, [0, 0, 9, 9])]})
    coco(notes / "person_keypoints_train2017.json", {"000001.jpg": []})
    coco(notes / "captions_train2017.json", {"000001.jpg": []})
    found = read(tmp_path)
    assert list(found["split"]) == ["train", "train", "select"]
    assert [c[0]["label"] if c else "" for c in found["objects"]] == ["cat", "", "dog"]
    assert [str(p).split("/")[-2] for p in found["image"]] == ["train2017", "train2017", "val2017"]
    assert found.notes == ("not read: person_keypoints_train2017.json",)
    only = read(notes / "instances_val2017.json")
    assert "split" not in only
    assert len(only) == 1


def test_a_file_in_each_part_s_folder(tmp_path):
    for part in ("train", "valid", "test"):
        picture(tmp_path / part / f"{part}.jpg")
        coco(tmp_path / part / "_annotations.coco.json", {f"{part}.jpg": [(2, [1, 1, 4, 4])]}, ("none", "cell"))
    found = read(tmp_path)
    assert list(found["split"]) == ["train", "select", "test"]
    assert [c[0]["label"] for c in found["objects"]] == ["cell"] * 3


def test_names_with_folders(tmp_path):
    for name in ("north/a.jpg", "south/a.jpg"):
        picture(tmp_path / "images" / name)
    coco(tmp_path / "labels.json", {"north/a.jpg": [(1, [0, 0, 1, 1])], "south\\a.jpg": []})
    found = read(tmp_path)
    assert [len(cell) for cell in found["objects"]] == [1, 0]
    assert not found.rejected


def test_what_cannot_be_used_is_rejected_and_counted(tmp_path):
    images = {
        "good.jpg": [(1, [0, 0, 9, 9])], "flat.jpg": [(1, [0, 0, 9, 9]), (1, [4, 4, 0, 9])], "gone.jpg": [],
        "odd.jpg": [(9, [0, 0, 9, 9])], "short.jpg": [(1, [0, 0, 9])], "../outside.jpg": [], "far.jpg": [(2, [70, 0, 9, 9])],
    }  # fmt: skip
    for name in ("good.jpg", "flat.jpg", "odd.jpg", "short.jpg", "far.jpg", "unnamed.jpg"):
        picture(tmp_path / "images" / name)
    path = coco(tmp_path / "a.json", images)
    value = json.loads(path.read_text())
    value["annotations"].append({"id": 999, "image_id": 77, "category_id": 1, "bbox": [0, 0, 1, 1]})
    path.write_text(json.dumps(value))
    found = read(tmp_path)
    assert names(found) == ["good.jpg"]
    assert len(found.rejected) == 7
    why = reasons(found)
    assert "object 2 (cat) has no area: left 4, top 4, right 4, bottom 13" in why["flat.jpg"]
    assert "is of the category 9, which is not listed (in a.json, annotation 4)" in why["odd.jpg"]
    assert "needs a bbox [left, top, width, height]; got [0, 0, 9]" in why["short.jpg"]
    assert "(dog) lies outside the picture of 60 x 40" in why["far.jpg"]
    told = " ".join(r.reason for r in found.rejected)
    assert "'gone.jpg' is not in" in told
    assert "'../outside.jpg' would lie outside the folder" in told
    assert "there is no image with the id 77" in told
    assert found.notes == ("pictures beside these that no annotation file names were left out: 1",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [', "this is not JSON"),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": 7, "categories": []}',
            "'annotations' must be a list",
        ),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}], "categories": []}',
            "image 2 needs",
        ),
        ('{"images": [{"file_name": "a.jpg"}], "annotations": [], "categories": []}', "image 1 needs an id of its own"),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": " "}]}',
            "a category needs",
        ),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "bbox": [NaN, 0, 1, 1]}]}',
            "it holds NaN",
        ),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path, content, says):
    picture(tmp_path / "a.jpg")
    path = text(tmp_path / "a.json", content)
    with pytest.raises(DataError, match=says):
        source.read(path, ReadOptions())


def test_parts_must_be_told_apart(tmp_path):
    for name in TWO:
        picture(tmp_path / "images" / name)
    coco(tmp_path / "annotations" / "first.json", TWO)
    coco(tmp_path / "annotations" / "second.json", TWO)
    with pytest.raises(DataError, match=r"do not say which part each is: first.json, second.json"):
        read(tmp_path)
    (tmp_path / "annotations" / "first.json").rename(tmp_path / "annotations" / "train.json")
    (tmp_path / "annotations" / "second.json").rename(tmp_path / "annotations" / "val.json")
    with pytest.raises(DataError, match=r"2 of the pictures stand in several of the files train.json, val.json"):
        read(tmp_path)


def test_outlines_are_not_read_but_texts_that_look_like_them_are(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    path = coco(
        tmp_path / "a.json", {"a.jpg": [(1, [0, 0, 9, 9])]}, ('say "segmentation": [1, 2]', "dog"),
        info={"counts": [3, 4], "segmentation": {"counts": [1, 2, 3], "size": [4, 5]}},
    )  # fmt: skip
    assert read(path)["objects"][0][0]["label"] == 'say "segmentation": [1, 2]'
    assert b"3.5" in path.read_bytes()
    assert "3.5" not in str(source._parsed(path))


def test_other_json_is_left_to_others(tmp_path):
    assert form_of(text(tmp_path / "a.json", '[{"images": 1, "file_name": "x"}]')) == "jsonlines"
    assert form_of(text(tmp_path / "b.jsonl", '{"image": "a", "label": "b"}\n')) == "jsonlines"


def test_a_question_needs_no_annotations(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "images" / name)
    coco(tmp_path / "a.json", {"a.jpg": [(1, [4, 4, 0, 9])], "b.jpg": [(9, [0, 0, 9, 9])], "gone.jpg": []})
    found = read(tmp_path, ReadOptions(targets=False))
    assert found.names == ["image"]
    assert names(found) == ["a.jpg", "b.jpg"]
    assert list(reasons(found)) == ["gone.jpg"]


def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path):
    """Without it the folders of the parts would be taken for classes."""
    for part in ("train2017", "val2017"):
        picture(tmp_path / part / f"{part}.jpg")
        file = coco(tmp_path / "annotations" / f"instances_{part}.json", {f"{part}.jpg": [(1, [0, 0, 9, 9])]})
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found = read(tmp_path)
    assert form_of(tmp_path) == "coco"
    assert list(found["split"]) == ["train", "select"]


def test_a_picture_twice_in_one_file_is_said_so(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    path = coco(tmp_path / "train.json", {"a.jpg": [], "./a.jpg": []})
    with pytest.raises(DataError, match=r"1 of the pictures are listed more than once in train.json"):
        read(path)
    picture(tmp_path / "images" / "b.jpg")
    coco(tmp_path / "val.json", {"b.jpg": []})
    with pytest.raises(DataError, match=r"1 of the pictures are listed more than once in train.json"):
        read(tmp_path)


def test_pictures_of_a_part_that_are_not_there(tmp_path):
    picture(tmp_path / "val2017" / "b.jpg")
    coco(tmp_path / "annotations" / "instances_train2017.json", {"a.jpg": [(1, [0, 0, 9, 9])]})
    coco(tmp_path / "annotations" / "instances_val2017.json", {"b.jpg": [(1, [0, 0, 9, 9])]})
    with pytest.raises(DataError, match=r"none of the 1 pictures that instances_train2017.json names is there"):
        read(tmp_path)


def test_categories_of_one_name_are_one_class(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    coco(tmp_path / "a.json", {"a.jpg": [(1, [0, 0, 9, 9]), (2, [0, 0, 5, 5])]}, ("cat", " cat"))
    assert [one["label"] for one in read(tmp_path)["objects"][0]] == ["cat", "cat"]
