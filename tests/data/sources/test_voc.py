"""Pascal VOC folders as users have them, and what is wrong in them."""

import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from tests.data.sources.marked import names, picture, reasons, text, xml

from deepwell.core.errors import DataError
from deepwell.data.sources import ReadOptions, form_of, read, voc

DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))


def folder(root: Path, images: str = "JPEGImages", notes: str = "Annotations", ids: str = "abcd") -> Path:
    """Pictures a, b, ..., each with one cat at its own place."""
    for number, name in enumerate(ids):
        picture(root / images / f"{name}.jpg")
        xml(root / notes / f"{name}.xml", ("cat", number, 2, 30 + number, 20))
    return root


@pytest.mark.parametrize(
    ("images", "notes"),
    [("JPEGImages", "Annotations"), ("images", "annotations"), ("Images", "labels"), (".", "."), ("data", "data")],
)
def test_layouts(tmp_path, images, notes):
    found = read(folder(tmp_path / "cats", images, notes))
    assert found.names == ["image", "objects"]
    assert names(found) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert found["objects"][1] == [{"label": "cat", "box": [1.0, 2.0, 31.0, 20.0]}]
    assert not found.rejected
    assert not found.notes
    assert found.where(2).endswith("c.jpg")


def test_a_wrapped_folder_with_notes_and_masks_beside(tmp_path):
    root = folder(tmp_path / "VOCdevkit" / "VOC2012")
    text(tmp_path / "VOCdevkit" / "README.md", "x")
    for name in "ab":
        picture(root / "SegmentationClass" / f"{name}.png")
    text(root / "labels.csv", "filename,cell\na.jpg,cat\nb.jpg,cat\n")
    found = read(tmp_path / "VOCdevkit")
    assert names(found) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert form_of(tmp_path / "VOCdevkit") == "voc"
    assert not found.rejected


def test_lists_become_parts_and_what_no_list_names_is_left_out(tmp_path):
    root = folder(tmp_path)
    lists = root / "ImageSets" / "Main"
    text(lists / "train.txt", "a\n")
    text(lists / "val.txt", "b.jpg \n\n")
    text(lists / "trainval.txt", "a\nb\n")
    text(lists / "test.txt", "c\nz\n")
    text(lists / "cat_train.txt", "d 1\n")
    found = read(root)
    assert list(zip(names(found), found["split"], strict=True)) == [
        ("a.jpg", "train"), ("b.jpg", "select"), ("c.jpg", "test"),
    ]  # fmt: skip
    assert not found.rejected
    assert any(note.endswith("were left out: 1") for note in found.notes)
    assert any(note.endswith("that name no picture here: 1") for note in found.notes)
    text(lists / "test.txt", "a\n")
    with pytest.raises(DataError, match=r"a.jpg is in test.txt and in train.txt"):
        read(root)


def test_without_a_list_to_train_on_what_no_list_names_is_trained_on(tmp_path):
    """The author's test pictures are never trained on."""
    lists = folder(tmp_path) / "ImageSets" / "Main"
    text(lists / "test.txt", "a\nb\n")
    found = read(tmp_path)
    assert list(zip(names(found), found["split"], strict=True)) == [
        ("a.jpg", "test"), ("b.jpg", "test"), ("c.jpg", "train"), ("d.jpg", "train"),
    ]  # fmt: skip
    assert found.notes == (
        "there is no train.txt: the 2 pictures that are in none of the lists test.txt are to train on",
    )
    text(lists / "val.txt", "c\nd\n")
    with pytest.raises(DataError, match=r"the lists test.txt, val.txt leave no picture to train on"):
        read(tmp_path)
    text(lists / "val.txt", "c\n")
    text(lists / "train.txt", "y\n")
    with pytest.raises(DataError, match="leave no picture to train on"):
        read(tmp_path)


def test_lists_that_name_no_picture_here_are_not_used(tmp_path):
    root = folder(tmp_path)
    text(root / "ImageSets" / "Main" / "test.txt", "y\nz\n")
    found = read(root)
    assert len(found) == 4
    assert "split" not in found
    assert found.notes == ("the lists test.txt name no picture that is here: not used",)


def test_trainval_is_for_training_where_there_is_nothing_else(tmp_path):
    root = folder(tmp_path)
    text(root / "ImageSets" / "Main" / "trainval.txt", "a\nb\nc\n")
    text(root / "ImageSets" / "Main" / "test.txt", "d\n")
    assert list(read(root)["split"]) == ["train", "train", "train", "test"]


def test_folders_of_parts_and_of_classes(tmp_path):
    for part in ("train", "valid", "test"):
        folder(tmp_path / "flat" / part, ".", ".", {"train": "ab", "valid": "c", "test": "d"}[part])
        for name in "xy":
            picture(tmp_path / "nested" / "images" / part / f"{name}.png")
            xml(tmp_path / "nested" / "annotations" / part / f"{name}.xml", ("cat", 1, 1, 9, 9))
    assert list(read(tmp_path / "flat")["split"]) == ["train", "train", "select", "test"]
    nested = read(tmp_path / "nested")
    assert Counter(nested["split"]) == {"train": 2, "select": 2, "test": 2}
    for kind in ("apple", "pear"):  # folders of classes say nothing: the annotation names the class
        folder(tmp_path / "fruit" / kind, ".", ".", "ab")
    fruit = read(tmp_path / "fruit")
    assert fruit.names == ["image", "objects"]
    assert len(fruit) == 4
    assert not fruit.rejected


def test_difficult_objects_are_ignored_and_no_object_is_an_answer(tmp_path):
    root = folder(tmp_path)
    xml(root / "Annotations" / "a.xml", ("cat", 1, 1, 9, 9, 1), ("dog", 2, 2, 8.5, 8))
    xml(root / "Annotations" / "b.xml")
    text(root / "Annotations" / "c.xml", "")
    found = read(root)
    assert found["objects"][0] == [
        {"label": "cat", "box": [1, 1, 9, 9], "ignore": True}, {"label": "dog", "box": [2, 2, 8.5, 8]},
    ]  # fmt: skip
    assert found["objects"][1] == found["objects"][2] == []


def test_pascal_s_own_files_number_pixels_from_one(tmp_path):
    root = folder(tmp_path)
    xml(root / "Annotations" / "a.xml", ("cat", 1, 1, 60, 40), database="The VOC2007 Database")
    assert read(root)["objects"][0][0]["box"] == [0, 0, 60, 40]


def test_what_lacks_its_other_half_is_rejected_and_counted(tmp_path):
    root = folder(tmp_path)
    picture(root / "JPEGImages" / "lonely.jpg")
    xml(root / "Annotations" / "gone.xml", ("cat", 1, 1, 9, 9))
    text(root / "JPEGImages" / "empty.jpg", "")
    xml(root / "Annotations" / "empty.xml", ("cat", 1, 1, 9, 9))
    text(root / "JPEGImages" / "broken.jpg", "no picture")
    xml(root / "Annotations" / "broken.xml", ("cat", 1, 1, 9, 9))
    found = read(root)
    assert len(found) == 4
    why = reasons(found)
    assert "no annotation of it; if it has no objects, give an empty file lonely.xml" in why["lonely.jpg"]
    assert why["gone.xml"] == "there is no picture of this name"
    assert "0 bytes" in why["empty.jpg"]
    assert "no picture in one of the formats" in why["broken.jpg"]


def test_the_name_inside_counts_where_files_are_called_otherwise(tmp_path):
    root = folder(tmp_path)
    picture(root / "JPEGImages" / "photo 7.png")
    xml(root / "Annotations" / "0007.xml", ("cat", 1, 1, 9, 9), name="C:\\data\\photo 7.png")
    assert "photo 7.png" in names(read(root))


@pytest.mark.parametrize(
    ("objects", "says"),
    [
        (
            [("cat", 1, 1, 9, 9), ("cat", 9, 1, 3, 9)],
            "object 2 (cat) has reversed edges: left 9, top 1, right 3, bottom 9",
        ),
        ([("cat", 5, 1, 5, 9)], "object 1 (cat) has no area: left 5, top 1, right 5, bottom 9"),
        ([("cat", 60, 1, 90, 9)], "object 1 (cat) lies outside the picture of 60 x 40: left 60, top 1"),
        ([("cat", "nan", 1, 9, 9)], "not a finite number"),
        ([("cat", "", 1, 9, 9)], "object 1 (cat) has no number as <xmin>: ''"),
        ([("", 1, 1, 9, 9)], "object 1 has no <name>"),
    ],
)
def test_a_picture_with_an_object_that_cannot_be_used_is_rejected(tmp_path, objects, says):
    root = folder(tmp_path)
    xml(root / "Annotations" / "b.xml", *objects)
    found = read(root)
    assert names(found) == ["a.jpg", "c.jpg", "d.jpg"]
    assert says in reasons(found)["b.jpg"]


def test_boxes_over_the_edge_are_cut_and_counted(tmp_path):
    root = folder(tmp_path)
    xml(root / "Annotations" / "a.xml", ("cat", -4, 1, 30, 45), ("dog", 50, 3, 60.5, 9))
    found = read(root)
    assert [o["box"] for o in found["objects"][0]] == [[0, 1, 30, 40], [50, 3, 60, 9]]
    assert found.notes == (
        f"boxes that reach over an edge of their picture were cut there: 1 (first: {root}/JPEGImages/a.jpg)",
    )


def test_the_picture_s_size_is_that_of_the_file(tmp_path):
    root = folder(tmp_path)
    xml(root / "Annotations" / "a.xml", ("cat", 1, 1, 9, 9), size=(600, 400))
    xml(root / "Annotations" / "b.xml", ("cat", 1, 1, 300, 200), size=(600, 400))
    xml(root / "Annotations" / "c.xml", ("cat", 1, 1, 9, 9), size=(0, 0))
    xml(root / "Annotations" / "d.xml", ("cat", 1, 1, 9, 9), size=None)
    found = read(root)
    assert names(found) == ["a.jpg", "c.jpg", "d.jpg"]
    assert "say another picture size than the file has, which counts: 1" in found.notes[0]
    assert "of a picture of 600 x 400, the file has 60 x 40, and 1 of its 1 boxes reach over" in reasons(found)["b.jpg"]


BOMB = '<!DOCTYPE a [<!ENTITY x "ha">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (BOMB, "document type declaration"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "document type declaration"),
        ("<annotation><object></annotation>", "mismatched tag"),
        ("<annotation>&x;</annotation>", "undefined entity"),
        ("<annotation>" + "<a>" * 40 + "</a>" * 40 + "</annotation>", "nested deeper than 32"),
        ("<dataset/>", "this is no annotation of a picture: its outermost element is <dataset>"),
        (
            "<annotation><object><name>cat</name><polygon/></object></annotation>",
            "object 1 (cat) has no <bndbox>: only upright boxes",
        ),
    ],
)
def test_annotations_that_cannot_be_read(tmp_path, content, says):
    root = folder(tmp_path)
    text(root / "Annotations" / "b.xml", content)
    found = read(root)
    assert names(found) == ["a.jpg", "c.jpg", "d.jpg"]
    assert any(says in r.reason for r in found.rejected)


def test_a_large_annotation_is_refused(monkeypatch):
    monkeypatch.setattr(voc, "LARGEST", 20)
    with pytest.raises(ValueError, match="more than 20 bytes"):
        voc.parsed(b"<annotation></annotation>")


def test_nothing_usable_is_said_with_the_first_reason(tmp_path):
    root = folder(tmp_path, ids="a")
    xml(root / "Annotations" / "a.xml", ("cat", 9, 9, 9, 9))
    with pytest.raises(
        DataError, match=r"no usable picture with marked objects \(1 cannot be used; the first: .*no area"
    ):
        read(root)


def test_a_question_needs_no_annotations(tmp_path):
    """Every picture that can be read is answered, whatever is marked in it, and nothing else."""
    root = folder(tmp_path)
    picture(root / "JPEGImages" / "bare.jpg")
    xml(root / "Annotations" / "b.xml", ("cat", 9, 1, 3, 9))
    xml(root / "Annotations" / "gone.xml", ("cat", 1, 1, 9, 9))
    text(root / "JPEGImages" / "empty.jpg", "")
    found = read(root, ReadOptions(targets=False))
    assert names(found) == ["a.jpg", "b.jpg", "bare.jpg", "c.jpg", "d.jpg"]
    assert found.names == ["image"]
    assert list(reasons(found)) == ["empty.jpg"]


def test_files_in_utf_16(tmp_path):
    root = folder(tmp_path)
    for file in (root / "Annotations").iterdir():
        file.write_bytes(file.read_text().encode("utf-16"))
    assert form_of(root) == "voc"
    assert len(read(root)) == 4


def test_of_pictures_that_differ_in_suffix_the_annotated_one_counts(tmp_path):
    """As where drawn answers lie beside the pictures that they were made of."""
    root = folder(tmp_path)
    for name in "abc":
        picture(root / "JPEGImages" / f"{name}.png", 480, 320)
    xml(root / "Annotations" / "a.xml", ("cat", 1, 1, 9, 9), name="a.jpg")
    xml(root / "Annotations" / "b.xml", ("cat", 1, 1, 9, 9), name="b.png")
    found = read(root)
    assert names(found) == ["a.jpg", "b.png", "d.jpg"]
    assert "several pictures have this name (c.jpg, c.png)" in reasons(found)["c.xml"]


def test_objects_that_are_marked_in_pixels_as_stored_are_not_taken_for_those_shown(tmp_path):
    root = folder(tmp_path)
    turn = Image.Exif()
    turn[0x112] = 6
    for name in "ab":
        Image.new("RGB", (60, 40)).save(root / "JPEGImages" / f"{name}.jpg", exif=turn)
    xml(root / "Annotations" / "a.xml", ("cat", 1, 1, 9, 9), size=(60, 40))
    xml(root / "Annotations" / "b.xml", ("cat", 1, 1, 9, 9), size=(40, 60))
    found = read(root)
    assert names(found) == ["b.jpg", "c.jpg", "d.jpg"]
    assert (
        "in the pixels as they are stored (60 x 40), and its EXIF mark turns them to 40 x 60" in reasons(found)["a.jpg"]
    )


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data sets are not at {DATA} (set DEEPWELL_DATA)")
def test_blood_cells():
    """Figures from the data set's README."""
    found = read(DATA / "object-detection" / "bccd_blood_cells")
    assert Counter(found["split"]) == {"train": 120, "select": 40, "test": 40}
    counts = Counter(o["label"] for cell in found["objects"] for o in cell)
    assert counts == {"RBC": 2380, "Platelets": 214, "WBC": 207}
    assert not found.rejected
    assert not found.notes
