"""Text files of boxes as YOLO's tools write them, and what is wrong in them."""

import pytest
from tests.data.sources.marked import names, picture, reasons, text

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, form_of, read
from deepwell.data.sources.yolo import named_in_yaml


def folder(root, images="images", labels="labels", ids="ab"):
    """Pictures of 60 x 40 with one box in the middle, half as wide and high."""
    for name in ids:
        picture(root / images / f"{name}.jpg")
        text(root / labels / f"{name}.txt", "1 0.5 0.5 0.5 0.5\n")
    return root


def test_shares_become_pixels_and_numbers_names(tmp_path):
    folder(tmp_path)
    text(tmp_path / "data.yaml", "train: images\nnc: 2\nnames: ['cat', \"big dog\"]  # two\n")
    text(tmp_path / "labels" / "b.txt", "")
    text(tmp_path / "labels" / "classes.txt", "x\ny\n")  # LabelImg leaves it there; data.yaml counts
    found = read(tmp_path)
    assert form_of(tmp_path) == "yolo"
    assert found["objects"].tolist() == [[{"label": "big dog", "box": [15, 10, 45, 30]}], []]
    assert "split" not in found
    assert not found.rejected


@pytest.mark.parametrize("years", ["", "2017"])
@pytest.mark.parametrize("inside", [True, False])
def test_parts_by_folders(tmp_path, inside, years):
    for part in (f"train{years}", f"val{years}"):
        if inside:
            folder(tmp_path, f"images/{part}", f"labels/{part}")
        else:
            folder(tmp_path / part)
    text(tmp_path / "data.yaml", "names:\n  0: cat\n  1: dog\n")
    found = read(tmp_path)
    assert list(found["split"]) == ["train"] * 2 + ["select"] * 2
    assert {cell[0]["label"] for cell in found["objects"]} == {"dog"}
    assert found.notes == (f"the names of the 2 classes are from {tmp_path}/data.yaml",)
    assert not found.rejected


def test_both_in_one_folder_and_outlines(tmp_path):
    folder(tmp_path, ".", ".")
    text(tmp_path / "a.txt", "0 0.1 0.1 0.9 0.1 0.5 0.9\n")
    text(tmp_path / "classes.txt", "cat\ndog\n")
    found = read(tmp_path)
    assert names(found) == ["a.jpg", "b.jpg"]
    assert found["objects"][0][0]["box"] == pytest.approx([6, 4, 54, 36])
    assert not found.rejected


def test_without_names_classes_are_called_by_their_numbers(tmp_path):
    found = read(folder(tmp_path))
    assert found["objects"][0][0]["label"] == "1"
    assert "no file names the classes" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("7 0.5 0.5 0.1 0.1", "b.txt, line 2 is of class 7, and 2 classes are named"),
        ("0 0.5 0.5 0.1", "has 3 numbers behind the class"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has 5 numbers behind the class"),
        ("cat 0.5 0.5 0.1 0.1", "b.txt, line 2 is not `class x y width height`"),
        ("0 0.5 0.5 0 0.1", "object 2 (cat) has no area"),
        ("0 1.5 0.5 0.1 0.1", "object 2 (cat) lies outside the picture of 60 x 40"),
        ("0 nan 0.5 0.1 0.1", "not a finite number"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, line, says):
    folder(tmp_path)
    text(tmp_path / "classes.txt", "cat\ndog\n")
    text(tmp_path / "labels" / "b.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    found = read(tmp_path)
    assert names(found) == ["a.jpg"]
    assert says in reasons(found)["b.jpg"]


def test_what_lacks_its_other_half(tmp_path):
    folder(tmp_path)
    picture(tmp_path / "images" / "lonely.jpg")
    text(tmp_path / "labels" / "gone.txt", "0 0.5 0.5 0.5 0.5\n")
    why = reasons(read(tmp_path))
    assert "give an empty file lonely.txt" in why["lonely.jpg"]
    assert why["gone.txt"] == "there is no picture of this name"


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("nc: 2\n", []),
        ("names: [a, b]", ["a", "b"]),
        ("names: [\n  'a b',\n  b\n]\nnc: 2", ["a b", "b"]),
        ("names:\n- a\n- b\nnc: 2\n", ["a", "b"]),
        ("names:\n  - a\n\n  # more\n  - b\n", ["a", "b"]),
        ("names:\n  1: b\n  0: a\nval: x\n", ["a", "b"]),
        ("names: {0: a, 1: b}\n", ["a", "b"]),
    ],
)
def test_names_in_yaml(yaml, expected):
    assert named_in_yaml(yaml, "data.yaml") == expected


@pytest.mark.parametrize("yaml", ["names: x\n", "names:\n  0: a\n  2: b\n", "names:\n", "names: []\n"])
def test_names_that_cannot_be_read(yaml):
    with pytest.raises(DataError, match="names of the classes cannot be read"):
        named_in_yaml(yaml, "data.yaml")


def test_other_texts_beside_pictures_are_no_boxes(tmp_path):
    picture(tmp_path / "a.jpg")
    text(tmp_path / "a.txt", "a picture of a cat\n")
    assert form_of(tmp_path) != "yolo"


def test_classes_named_beside_the_boxes(tmp_path):
    """As LabelImg leaves them."""
    folder(tmp_path)
    text(tmp_path / "labels" / "classes.txt", "cat\ndog\n")
    found = read(tmp_path)
    assert form_of(tmp_path) == "yolo"
    assert {cell[0]["label"] for cell in found["objects"]} == {"dog"}
    assert found.notes == (f"the names of the 2 classes are from {tmp_path}/labels/classes.txt",)
    assert not found.rejected


def test_names_one_folder_up_count_for_parts_only(tmp_path):
    text(tmp_path / "classes.txt", "x\ny\n")
    for name, label in (("birds", "1"), ("train", "y")):
        found = read(folder(tmp_path / name))
        assert found["objects"][0][0]["label"] == label


def test_a_question_needs_no_boxes(tmp_path):
    folder(tmp_path)
    picture(tmp_path / "images" / "bare.jpg")
    text(tmp_path / "labels" / "b.txt", "0 0.5 0.5 0 0.1\n")
    text(tmp_path / "labels" / "gone.txt", "0 0.5 0.5 0.5 0.5\n")
    found = read(tmp_path, ReadOptions(targets=False))
    assert names(found) == ["a.jpg", "b.jpg", "bare.jpg"]
    assert not found.rejected


def test_pictures_that_differ_in_suffix_only_are_not_clear(tmp_path):
    folder(tmp_path)
    picture(tmp_path / "images" / "a.png")
    found = read(tmp_path)
    assert names(found) == ["b.jpg"]
    assert "2 pictures are called a" in reasons(found)["a.png"]
