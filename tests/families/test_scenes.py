"""Scenes: the working size by hand, boxes that travel with their picture, and which objects may be mirrored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Ragged
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.families import scenes
from deepwell.families.scenes import LEAST, MOST, Scenes, Working, crops, mirrors, working_side

SCHEMA = Schema((Field("image", "image"), Field("objects", "boxes", "target")))


def one(label, left, top, side):
    return {"label": label, "box": [left, top, left + side, top + side]}


def table(cells, height=200, width=400, grey=False):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = np.repeat(picture[..., :1], 3, -1) if grey else picture
    column, pictures = np.empty(len(cells), object), np.empty(len(cells), object)
    column[:], pictures[:] = cells, [picture] * len(cells)
    return Table({"image": pictures, "objects": column})


def test_the_smallest_kind_of_object_decides_the_working_size():
    large = [one("bus", 10, 10, 100)] * 40
    small = [one("ball", 200, 50, 40)] * 5  # a tenth of the longer side: 20 pixels at 200, which is 7 steps
    assert working_side(table([large, small]), "image", "objects") == 224
    assert working_side(table([large, small[:4]]), "image", "objects") == LEAST  # too few to have a say
    assert working_side(table([[one("dot", 5, 5, 2)] * 9]), "image", "objects") == MOST


def test_without_a_usable_object_nothing_is_known():
    assert working_side(table([[], None, [{"label": "x", "box": [3, 3, 1, 1]}]]), "image", "objects") == MOST


def test_pictures_are_never_enlarged_and_a_side_can_be_asked_for():
    rows = table([[one("dot", 5, 5, 2)] * 9] * 3)
    assert Scenes(SCHEMA, "image", "objects").fit(rows).sizes() == {"image": (3, 200, 400), "objects": (1,)}
    assert Scenes(SCHEMA, "image", "objects", side=100).fit(rows).sizes()["image"] == (3, 50, 100)


def test_the_state_brings_the_working_size_back():
    rows = table([[one("bus", 10, 10, 100)] * 9])
    fitted = Scenes(SCHEMA, "image", "objects").fit(rows)
    again = Scenes(SCHEMA, "image", "objects").restore(fitted.state())
    assert again.sizes() == fitted.sizes() == {"image": (3, LEAST // 2, LEAST), "objects": (1,)}
    assert again.encode(rows).columns["image.size"].tolist() == [[200, 400]]


def test_a_training_that_goes_on_from_a_bundle_keeps_its_colours():
    cells = [[one("bus", 10, 10, 100)] * 9]
    start = Scenes(SCHEMA, "image", "objects").fit(table(cells))
    assert Scenes(SCHEMA, "image", "objects").fit(table(cells, grey=True)).sizes()["image"][0] == 1
    assert Scenes(SCHEMA, "image", "objects", start=start).fit(table(cells, grey=True)).sizes()["image"][0] == 3


def test_boxes_are_brought_to_the_working_size_by_the_picture_they_are_in():
    boxes = Ragged(np.array([[10, 20, 30, 40], [100, 50, 400, 200]], np.float32), np.array([0, 1, 1, 2]))
    columns = {"objects": boxes, "image.size": np.array([[100, 200], [7, 7], [200, 400]], np.int32)}
    moved = Working("image", "objects", 50, 50)(columns)["objects"]
    assert moved.values.tolist() == [[2.5, 10.0, 7.5, 20.0], [12.5, 12.5, 50.0, 50.0]]
    assert moved.offsets.tolist() == [0, 1, 1, 2]
    question = {"image.size": columns["image.size"]}
    assert Working("image", "objects", 50, 50)(question) == question


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1, max_size=5), st.integers(8, 640))
def test_boxes_come_back_to_where_they_were(sizes, side):
    found = np.array(sizes, np.int32)
    boxes = np.concatenate([np.zeros((len(found), 2)), found[:, ::-1]], 1).astype(np.float32)  # the whole picture
    working = Working("image", "objects", side, 2 * side)
    columns = {"objects": Ragged(boxes, np.arange(len(found) + 1)), "image.size": found}
    moved = working(columns)["objects"].values
    np.testing.assert_allclose(moved, np.tile([0, 0, 2 * side, side], (len(found), 1)), rtol=1e-5)
    np.testing.assert_allclose(moved * working.factors(found), boxes, rtol=1e-5)


def test_a_box_outside_its_picture_is_a_problem_and_one_over_the_edge_is_cut():
    """Also in tables, where no reader has seen pictures and boxes together."""
    cells = [[one("bus", 10, 10, 90)], [one("bus", 0, 0, 9), one("bus", 400, 20, 30)], [one("bus", -30, 150, 90)], None]
    rows = table(cells)
    pipeline = Scenes(SCHEMA, "image", "objects").fit(rows)
    found = pipeline.encode(rows)
    assert found.rows.tolist() == [0, 2]
    assert found.columns["objects"].values.tolist() == [[10, 10, 100, 100], [0, 150, 60, 200]]
    assert found.problems[1] == ("column 'objects': object 2 lies outside the picture of 400 x 200: [400, 20, 430, 50]")
    assert "missing" in found.problems[3]
    assert pipeline.said() == ["objects: boxes that reach over an edge of their picture were cut there"]
    assert pipeline.encode(rows, targets=False).rows.tolist() == [0, 1, 2, 3]


def test_crops_are_the_pixels_of_the_box():
    pictures = np.arange(2 * 40 * 60).reshape(2, 1, 40, 60).astype(np.uint8)
    found = crops(pictures, np.array([[8, 3, 24, 19], [0, 0, 32, 32]], np.float32), np.array([1, 0]))
    assert found.shape == (2, 1, scenes.CROP, scenes.CROP)
    assert np.array_equal(found[0], pictures[1, :, 3:19, 8:24])
    assert np.array_equal(found[1], pictures[0, :, 1:32:2, 1:32:2])


def drawn(shapes, labels):
    """Pictures 40 x 40 in noise, each with one shape (16, 16) in the middle, as arrays of a batch."""
    draw = np.random.default_rng(1)
    pictures = draw.normal(100, 12, (len(shapes), 1, 40, 40))
    pictures[:, 0, 12:28, 12:28] += 90 * np.stack(shapes)
    return {
        "image": pictures.clip(0, 255).astype(np.uint8),
        "o": np.tile(np.array([12, 12, 28, 28], np.float32), (len(shapes), 1)),
        "o.row": np.arange(len(shapes)), "o.label": np.array(labels), "o.ignore": np.zeros(len(shapes), np.uint8),
    }  # fmt: skip


ROW, COLUMN = np.mgrid[:16, :16] - 7.5
DISC, SQUARE = np.hypot(ROW, COLUMN) < 7, np.maximum(abs(ROW), abs(COLUMN)) < 5
UP, RIGHT = abs(COLUMN) < (ROW + 8) / 2, abs(ROW) < (COLUMN + 8) / 2


@pytest.mark.parametrize(
    ("shapes", "sides", "upside_down"),
    [
        ((DISC, SQUARE), True, True),
        ((UP, SQUARE), True, False),  # a tent has an upper side
        ((RIGHT, RIGHT[:, ::-1]), False, True),  # arrows of two classes by where they point
    ],
)
def test_objects_say_how_pictures_may_be_mirrored(shapes, sides, upside_down):
    arrays = drawn([shapes[i % 2] for i in range(120)], [i % 2 for i in range(120)])
    order = np.random.default_rng(2).permutation(120)
    arrays = {n: a if n == "o.row" else a[order] for n, a in arrays.items()}
    found = mirrors(arrays, "image", "o")
    assert {axis: bool(so) for axis, (so, _) in found.items()} == {"left to right": sides, "upside down": upside_down}


def test_without_objects_nothing_is_mirrored():
    arrays = drawn([DISC], [0]) | {"o.ignore": np.ones(1, np.uint8)}
    assert mirrors(arrays, "image", "o")["left to right"] == (False, "there is no object to ask")
