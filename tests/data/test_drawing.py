"""Drawn answers: nothing outside the picture is touched or needed, classes differ, masks keep their indices."""

import io
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepwell.data import drawing

coordinate = st.floats(-50, 90, allow_nan=False)
boxes = st.fixed_dictionaries(
    {"label": st.text(max_size=40), "box": st.tuples(*[coordinate] * 4)},
    optional={"score": st.floats(0, 1), "ignore": st.booleans()},
)


@given(st.integers(1, 70), st.integers(1, 70), st.lists(boxes, max_size=4), st.sampled_from([None, 64]))
@settings(max_examples=60, deadline=None)
def test_any_box_can_be_drawn(height: int, width: int, cell: list[dict[str, object]], longest: int | None) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    image = drawing.with_boxes(picture, cell, ["a"], longest)
    assert (
        image.width / width == image.height / height == max(1, min(8, (longest or 512) // max(height, width)))
        or longest
    )
    assert max(image.size) <= (longest or 512)


def test_boxes_end_at_their_edges_and_the_surest_lies_on_top() -> None:
    picture = np.zeros((600, 600, 3), np.uint8)
    cell = [
        {"label": "a", "box": [100, 100, 300, 300], "score": 0.9},
        {"label": "b", "box": [100, 100, 300, 300], "score": 0.2},
    ]
    pixels = np.asarray(drawing.with_boxes(picture, cell, ["a", "b"]))
    assert tuple(pixels[200, 299]) == drawing.colour(0)
    assert not pixels[200, 300:].any()
    assert not pixels[301:].any()


def test_classes_are_told_apart() -> None:
    """The first twelve colours are far from each other."""
    colours = [np.array(drawing.colour(place), float) for place in range(12)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(colours, 2)) >= 25
    assert len({drawing.colour(place) for place in range(40)}) == 40


def test_a_mask_file_holds_its_indices() -> None:
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.open(io.BytesIO(drawing.png(drawing.mask(mask, ["#102030", "#ff0000"]))))
    assert np.array_equal(np.asarray(image), mask)
    assert image.convert("RGB").getpixel((0, 0)) == (16, 32, 48)
    assert image.convert("RGB").getpixel((5, 5)) == (0, 0, 0)


def test_an_overlay_follows_the_size_of_the_picture() -> None:
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    over = np.asarray(drawing.overlay(np.zeros((10, 20, 3), np.uint8), mask, ["#000000", "#fe0000"]))
    assert over[:5, :10].max() == 0
    assert over[5:, :10, 0].tolist() == [[127] * 10] * 5
    assert over[:5, 10:, 0].min() == 127
