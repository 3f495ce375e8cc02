"""Pictures with masks: every layout that people use is found out, parts and legends with it, and nothing is lost in silence."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepwell.core.errors import DataError
from deepwell.core.table import Legend
from deepwell.data import sources
from deepwell.data.cache import content_key
from deepwell.data.equal_rows import row_codes
from deepwell.data.sources.parts import stack

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
CAMVID = SHARED / "segmentation" / "camvid_subset"


def draw(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(path)


def pairs(table):
    return [(Path(i.path).name, Path(m.path).name) for i, m in zip(table["image"], table["mask"], strict=True)]


def test_camvid_as_segnet_has_it():
    if not CAMVID.is_dir():
        pytest.skip("the shared data are not here")
    table = sources.read(CAMVID)
    assert table.names == ["image", "mask", "split"]
    assert {p: int((table["split"] == p).sum()) for p in ("train", "select", "test")} == {
        "train": 30,
        "select": 6,
        "test": 12,
    }
    folders = [
        (Path(i.path).parent.name, Path(m.path).parent.name) for i, m in zip(table["image"], table["mask"], strict=True)
    ]
    assert all(f"{images}annot" == masks for images, masks in folders)
    assert not table.rejected


LAYOUTS = {
    "one folder beside the other": "images/a.jpg masks/a.png images/b.jpg masks/b.png",
    "images and labels": "images/a.png labels/a.png images/b.png labels/b.png",
    "imgs and gt, endings": "imgs/a.jpg gt/a_gt.png imgs/b.jpg gt/b_gt.png",
    "endings of masks and pictures": "images/a_img.jpg masks/a_mask.png images/b_img.jpg masks/b_mask.png",
    "camvid of kaggle": "train/a.png train_labels/a_L.png train/b.png train_labels/b_L.png",
    "in one folder": "a.jpg a_mask.png b.jpg b_mask.png",
    "in one folder, by suffix": "a.jpg a.png b.jpg b.png",
    "both with endings": "a_sat.jpg a_mask.png b_sat.jpg b_mask.png",
    "names before": "x/image_a.png x/mask_a.png x/image_b.png x/mask_b.png",
    "numbered alike": "images/img_a.png masks/img_a.png images/img_b.png masks/img_b.png",
    "cvc-clinicdb": "Original/a.png Ground\xa0Truth/a.png Original/b.png Ground\xa0Truth/b.png",
    "pets": "images/a.jpg annotations/trimaps/a.png images/b.jpg annotations/trimaps/b.png",
    "drive": "training/images/a_training.tif training/1st_manual/a_manual1.gif "
    "training/images/b_training.tif training/1st_manual/b_manual1.gif",
    "other pictures beside": "images/a.jpg masks/a.png images/b.jpg masks/b.png overlays/a.png overlays/b.png",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_found_out(layout, tmp_path):
    root = tmp_path / "data"
    names = [name.replace("\xa0", " ") for name in LAYOUTS[layout].split(" ")]
    draw(*(root / name for name in names))
    table = sources.read(root)
    assert sources.form_of(root) == "mask_folders"
    found = {(i.path, m.path) for i, m in zip(table["image"], table["mask"], strict=True)}
    assert found == {(str(root / names[0]), str(root / names[1])), (str(root / names[2]), str(root / names[3]))}
    assert not table.rejected


PARTED = {
    "parts inside": ["images/train/a.jpg", "images/val/b.jpg", "masks/train/a.png", "masks/val/b.png"],
    "parts outside": ["train/images/a.jpg", "val/images/b.jpg", "train/masks/a.png", "val/masks/b.png"],
    "cityscapes": [
        "leftImg8bit/train/ulm/a_leftImg8bit.png", "gtFine/train/ulm/a_gtFine_labelIds.png",
        "gtFine/train/ulm/a_gtFine_color.png", "gtFine/train/ulm/a_gtFine_instanceIds.png",
        "leftImg8bit/val/bonn/b_leftImg8bit.png", "gtFine/val/bonn/b_gtFine_labelIds.png",
    ],
}  # fmt: skip


@pytest.mark.parametrize("layout", PARTED)
def test_folders_say_parts(layout, tmp_path):
    draw(*(tmp_path / name for name in PARTED[layout]))
    table = sources.read(tmp_path)
    assert [(i[0], m[0]) for i, m in pairs(table)] == [("a", "a"), ("b", "b")]
    assert table["split"].tolist() == ["train", "select"]
    assert all("color" not in m for _, m in pairs(table))


def test_voc_says_parts_by_lists_and_pictures_without_mask_are_no_rows(tmp_path):
    draw(*(tmp_path / f"JPEGImages/{name}.jpg" for name in "abcd"))
    draw(*(tmp_path / f"SegmentationClass/{name}.png" for name in "ab"))
    draw(*(tmp_path / f"SegmentationObject/{name}.png" for name in "ab"))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc\n")
    (lists / "val.txt").write_text("b\n")
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    table = sources.read(tmp_path)
    assert pairs(table) == [("a.jpg", "a.png"), ("b.jpg", "b.png")]
    assert table["split"].tolist() == ["train", "select"]
    assert [(Path(r.where).name, "no mask" in r.reason) for r in table.rejected] == [("c.jpg", True)]


def test_pictures_and_masks_without_partner_are_rejected_with_reasons(tmp_path):
    draw(
        *(
            tmp_path / name
            for name in ("images/a.jpg", "images/b.jpg", "images/c.jpg", "masks/a.png", "masks/b.png", "masks/d.png")
        )
    )
    (tmp_path / "masks" / "b.png").write_bytes(b"")
    table = sources.read(tmp_path)
    assert pairs(table) == [("a.jpg", "a.png")]
    reasons = {Path(r.where).name: r.reason for r in table.rejected}
    assert reasons == {
        "c.jpg": "there is no mask for this picture: no mask is called like 'c'",
        "d.png": "there is no picture for this mask: no picture is called like 'd'",
        "b.png": "the file is empty (0 bytes)",
    }


def test_two_masks_of_one_picture_are_said(tmp_path):
    draw(
        *(
            tmp_path / name
            for name in ("images/a.jpg", "masks/a.png", "masks/a_mask.png", "images/b.jpg", "masks/b.png")
        )
    )
    assert "is about the same picture" in sources.read(tmp_path).rejected[0].reason


def test_two_folders_of_masks_of_the_same_pictures_are_refused_by_name(tmp_path):
    for name in ("21", "22"):
        folder = tmp_path / "drive" / "training"
        draw(
            folder / "images" / f"{name}_training.tif",
            folder / "1st_manual" / f"{name}_manual1.gif",
            folder / "mask" / f"{name}_training_mask.gif",
        )
    with pytest.raises(DataError, match=r"'1st_manual' and 'mask', both of 21_training.tif"):
        sources.read(tmp_path / "drive" / "training")


def test_a_copy_of_a_photograph_in_class_folders_is_no_mask(tmp_path):
    draw(*(tmp_path / name / f"{name}{i}.jpg" for name in ("rose", "tulip") for i in range(4)))
    draw(tmp_path / "rose" / "rose1.png", tmp_path / "tulip" / "tulip1_mask.png")
    assert sources.form_of(tmp_path) == "class_folders"
    draw(*(tmp_path / name / f"{name}{i}.png" for name in ("rose", "tulip") for i in range(2)))
    assert sources.form_of(tmp_path) == "mask_folders"


def test_a_legend_is_taken_from_inside_the_folder_only_and_named(tmp_path):
    draw(*(tmp_path / "data" / name for name in ("a.jpg", "a_mask.png", "b.jpg", "b_mask.png")))
    (tmp_path / "labels.txt").write_text("kitten\npuppy\n")
    table = sources.read(tmp_path / "data")
    assert table["mask"][0].legend is None
    assert table.notes == ()
    inside = tmp_path / "data" / "labels.txt"
    inside.write_text("ground\nlesion\n")
    table = sources.read(tmp_path / "data")
    assert table["mask"][0].legend == Legend({"0": "ground", "1": "lesion"})
    assert table.notes == (f"{inside} says what the pixels of masks mean",)


def test_class_folders_that_only_sound_alike_are_left_to_others(tmp_path):
    draw(*(tmp_path / name for name in ("mask/1.png", "mask/2.png", "no_mask/1.png", "no_mask/2.png")))
    assert sources.form_of(tmp_path) == "class_folders"
    draw(*(tmp_path / "stereo" / name for name in ("a_L.png", "a_R.png", "b_L.png", "b_R.png")))
    assert sources.form_of(tmp_path / "stereo") == "pictures"


def legend_of(tmp_path, name, text):
    draw(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    (tmp_path / name).write_text(text)
    return sources.read(tmp_path)["mask"][0].legend


PAVED = Legend({"0": "road, paved", "1": 'the "old" wall'})
ROAD_CAR = Legend({"#804080": "Road", "#400080": "Car"}, ("#000000",))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("class_dict.csv", "name,r,g,b\nRoad,128,64,128\nCar,64,0,128\nVoid,0,0,0\n", ROAD_CAR),
        ("label_colors.txt", "128 64 128\t\tRoad\n64 0 128\t\tCar\n0 0 0\t\tVoid\n", ROAD_CAR),
        ("classes.json", '{"Road": [128, 64, 128], "Car": [64, 0, 128], "Void": [0, 0, 0]}', ROAD_CAR),
        (
            "classes.json", '[{"name": "Road", "color": "#804080"}, {"name": "Car", "color": [64, 0, 128]}]',
            Legend({"#804080": "Road", "#400080": "Car"}),
        ),
        ("classes.txt", "sky\nunlabelled\nroad side\n", Legend({"0": "sky", "2": "road side"}, ("1",))),
        ("masks/labels.txt", "0: sky\n7: road\n", Legend({"0": "sky", "7": "road"})),
        ("classes.json", '{"0": "sky", "7": "road"}', Legend({"0": "sky", "7": "road"})),
        ("classes.json", '["sky", "road"]', Legend({"0": "sky", "1": "road"})),
        ("class_dict.csv", 'id,name\n0,"road, paved"\n\n1, "the ""old"" wall"\n', PAVED),
        ("class_dict.csv", "id,name\n0,sky\n255,ignore\n", Legend({"0": "sky"}, ("255",))),
    ],
)  # fmt: skip
def test_a_legend_is_read(name, text, expected, tmp_path):
    assert legend_of(tmp_path, name, text) == expected


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("class_dict.csv", "name,r,g,b\nroad,128,64\n", "class_dict.csv, line 2"),
        ("class_dict.csv", "r,g,b,name\n\n0,0,0\n", "class_dict.csv, line 3: this line has 3 cells, the first one 4"),
        ("class_dict.csv", "id,name\n7\n", "class_dict.csv, line 2: this line has 1 cells"),
        (
            "classes.json", '[{"name": "bg", "color": [0, 0, 0]}, {"name": "car"}]',
            "classes.json: this legend calls 'bg' by a colour (#000000) and 'car' by a number (1)",
        ),
        ("class_dict.csv", "name,r,g,b\nroad,1,1,300\n", "'1, 1, 300' is no pixel"),
        ("classes.txt", "7: road\n70000: car\n", "'70000' is no pixel"),
        ("class_dict.csv", "a,b\n1,2\n", "needs the columns name, r, g, b"),
        ("class_dict.csv", "name,r,g,b\nroad,1,1,1\ncar,1,1,1\n", "is called 'road' and 'car'"),
        ("classes.json", '{"0": 5.5}', "a legend has names"),
        ("classes.txt", "\n".join(f"class {i}" for i in range(300)), "300 classes"),
    ],
)  # fmt: skip
def test_a_broken_legend_is_refused_with_its_place(name, text, word, tmp_path):
    with pytest.raises(DataError) as error:
        legend_of(tmp_path, name, text)
    assert word in str(error.value)


def test_pairs_of_equal_bytes_are_equal_rows_and_keep_their_cache_key(tmp_path):
    for folder in ("one", "two"):
        draw(tmp_path / folder / "images" / "a.png", tmp_path / folder / "masks" / "a.png")
    first, second = (sources.read(tmp_path / folder) for folder in ("one", "two"))
    both = stack([("one", first), ("two", second)])
    codes = row_codes(both, ["image", "mask"])
    assert codes[0] == codes[1]
    Image.fromarray(np.full((4, 5), 1, np.uint8)).save(tmp_path / "two" / "masks" / "a.png")
    codes = row_codes(both, ["image", "mask"])
    assert codes[0] != codes[1]
    assert content_key([first["mask"]], "", []) == content_key([first["mask"]], "", [])
    assert content_key([first["mask"]], "", []) != content_key([second["mask"]], "", [])
