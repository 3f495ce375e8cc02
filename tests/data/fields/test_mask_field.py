"""mask: whatever form masks come in, each pixel becomes the index of its class; what is no class is named, never guessed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow
from tests.data.fields.made_masks import fitted, indices, numbers, objects, png

from deepwell.core.errors import BundleError, ConfigError, DataError
from deepwell.core.table import Legend, MaskFile
from deepwell.data.fields import mask_pixels
from deepwell.data.fields.mask import Mask

ROAD, CAR, SKY = (128, 64, 128), (64, 0, 128), (128, 128, 128)


def test_numbers_are_classes_named_by_themselves_and_255_is_void():
    kind = fitted(numbers(0, 3, 7, 255))
    assert kind.classes_ == ["0", "3", "7"]
    assert indices(kind, numbers(7, 255, 0, 3))[0].tolist() == [[2, 255, 0, 1]]
    assert kind.sizes() == (3,)
    assert kind.shares_.tolist() == [1 / 3] * 3


@pytest.mark.parametrize("high", [1, 255])
def test_two_values_are_background_and_foreground(high):
    kind = fitted(numbers(0, high, 0), numbers(0, 0, 0))
    assert kind.classes_ == ["background", "foreground"]
    assert indices(kind, numbers(high, 0))[0].tolist() == [[1, 0]]


def test_a_mask_of_one_bit_and_a_grey_one_saved_as_rgb_are_numbers():
    bits = Pillow.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    grey = Pillow.fromarray(numbers(0, 255)).convert("RGB")
    for cell in (png(bits), png(grey)):
        kind = fitted(cell)
        assert kind.classes_ == ["background", "foreground"]
        assert indices(kind, cell)[0].tolist() == [[0, 1]]


def test_sixteen_bits_with_few_values_are_read():
    deep = Pillow.fromarray(np.array([[1000, 2000, 3000]], np.uint16))
    kind = fitted(png(deep))
    assert kind.classes_ == ["1000", "2000", "3000"]
    assert indices(kind, png(deep))[0].tolist() == [[0, 1, 2]]
    assert kind.decode(kind.encode(objects(png(deep)))[0][""])[0].tolist() == [[1000, 2000, 3000]]


def test_the_palette_of_voc_is_known():
    kind = fitted(voc_mask(np.array([[0, 15, 255]], np.uint8)))
    assert kind.classes_[:3] == ["background", "aeroplane", "bicycle"]
    assert len(kind.classes_) == 21
    assert kind.colours_[15] == "#c08080"  # person, as everybody who has seen these masks knows
    assert indices(kind, voc_mask(np.array([[255, 15]], np.uint8)))[0].tolist() == [[255, 15]]


def voc_mask(values):
    picture = Pillow.fromarray(values).convert("P")
    picture.putdata(values.ravel().tolist())
    colours = [mask_pixels.voc_colour(i) for i in range(256)]
    picture.putpalette([int(c[i : i + 2], 16) for c in colours for i in (1, 3, 5)])
    return png(picture)


def test_the_colours_of_voc_are_known_too():
    rgb = np.array([[(0, 0, 0), (192, 128, 128), (224, 224, 192), (128, 0, 0)]], np.uint8)
    kind = fitted(png(Pillow.fromarray(rgb)))
    assert kind.classes_ == ["background", "aeroplane", "person"]
    assert indices(kind, png(Pillow.fromarray(rgb)))[0].tolist() == [[0, 2, 255, 1]]


def coloured(tmp_path, pixels, name="x.png", legend=None):
    Pillow.fromarray(np.array([pixels], np.uint8)).save(tmp_path / name)
    return MaskFile(str(tmp_path / name), legend)


def test_a_legend_names_colours_and_void(tmp_path):
    legend = Legend({"#804080": "road", "#400080": "car"}, ("#808080",))
    cell = coloured(tmp_path, [ROAD, SKY, CAR], legend=legend)
    kind = fitted(cell)
    assert kind.classes_ == ["road", "car"]
    assert kind.colours_ == ["#804080", "#400080"]
    assert indices(kind, cell)[0].tolist() == [[0, 255, 1]]


def test_colours_of_one_name_are_one_class(tmp_path):
    legend = Legend({"#804080": "road", "#400080": "car", "#808080": "road"})
    cell = coloured(tmp_path, [ROAD, SKY, CAR], legend=legend)
    kind = fitted(cell)
    assert kind.classes_ == ["road", "car"]
    assert indices(kind, cell)[0].tolist() == [[0, 0, 1]]
    assert indices(Mask().restore(kind.state()), cell)[0].tolist() == [[0, 0, 1]]


def test_a_palette_is_read_by_its_colours_where_the_legend_names_colours(tmp_path):
    legend = Legend({"#804080": "road", "#400080": "car"})
    Pillow.fromarray(np.array([[ROAD, CAR]], np.uint8)).quantize(4).save(tmp_path / "p.png")
    cell = MaskFile(str(tmp_path / "p.png"), legend)
    assert indices(fitted(cell), cell)[0].tolist() == [[0, 1]]


def test_a_colour_that_is_no_class_is_named_with_count_and_nearest(tmp_path):
    legend = Legend({"#804080": "road", "#400080": "car"})
    kind = fitted(coloured(tmp_path, [ROAD, CAR], legend=legend))
    problems = kind.encode(objects(coloured(tmp_path, [ROAD, (66, 1, 128), (66, 1, 128)], "bad.png", legend)))[1]
    assert "bad.png" in problems[0]
    assert "#420180 (2 times) is no class; the nearest is #400080 (car)" in problems[0]


def test_many_colours_beside_the_real_ones_are_said_to_be_smoothing(tmp_path):
    legend = Legend({"#804080": "road", "#400080": "car"})
    kind = fitted(coloured(tmp_path, [ROAD, CAR], legend=legend))
    blurred = coloured(tmp_path, [(128 - i, 64, 128) for i in range(80)], "blurred.png", legend)
    assert "resized with smoothing" in kind.encode(objects(blurred))[1][0]


def test_masks_of_hundreds_of_colours_without_legend_are_refused():
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    with pytest.raises(DataError, match="more than 64 different colours"):
        fitted(png(Pillow.fromarray(noise)))


def test_what_is_no_mask_is_a_problem_with_words():
    kind = fitted(numbers(0, 1))
    clear = Pillow.new("RGBA", (4, 2), (0, 0, 0, 0))
    cells = (
        png(Pillow.new("L", (8, 8)), "JPEG"),
        png(clear),
        None,
        png(Pillow.new("CMYK", (2, 2)), "TIFF"),
        numbers(0, 9),
    )
    problems = kind.encode(objects(*cells))[1]
    for row, word in enumerate(("JPEG", "transparent", "missing", "'CMYK'", "the pixel 9 (1 times)")):
        assert word in problems[row]
    opaque = png(Pillow.fromarray(numbers(0, 1)).convert("RGBA"))
    assert indices(kind, opaque)[0].tolist() == [[0, 1]]


def test_the_user_says_void_by_number_name_and_colour(tmp_path):
    assert fitted(numbers(0, 1, 11), void="11").classes_ == ["background", "foreground"]
    legend = Legend({"#804080": "road", "#400080": "Car", "#808080": "sky"})
    cell = coloured(tmp_path, [ROAD, CAR, SKY], legend=legend)
    assert fitted(cell, void="car").classes_ == ["road", "sky"]
    assert fitted(cell, void="#400080").classes_ == ["road", "sky"]
    with pytest.raises(ConfigError, match=r"void='roads' is neither .*did you mean 'road'"):
        fitted(cell, void="roads")


def test_one_class_is_nothing_to_learn():
    with pytest.raises(DataError, match="one class only"):
        fitted(numbers(0, 0), numbers(0))


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 4, 9, 255])
    )
)
def test_decoding_gives_masks_back(mask):
    kind = fitted(numbers(0, 4, 9, 255))
    parts, problems = kind.encode(objects(mask, mask.T))
    assert not problems
    again = kind.decode(parts[""])
    assert np.array_equal(again[0], mask)
    assert np.array_equal(again[1], mask.T)


def test_the_state_comes_back_and_a_broken_one_is_refused():
    kind = fitted(numbers(0, 3, 7, 255))
    state = kind.state()
    again = Mask().restore(state)
    assert indices(again, numbers(7, 255))[0].tolist() == [[2, 255]]
    for broken in (
        {**state, "classes": ["a"]},
        {**state, "pixels": ["0", "3"]},
        {**state, "pixels": ["0", "3", "#000000"]},
        {**state, "void": ["7"]},
        {**state, "void": ["70000"]},
        {**state, "index": [0, 1, 1]},
        {**state, "index": [0, 1, True]},
        {**state, "colours": ["red", "#000000", "#000001"]},
        {**state, "more": []},
    ):
        with pytest.raises(BundleError):
            Mask().restore(broken)
