"""What the pixels of masks mean where no legend says it: classes, shades of a smoothed border, colours, or nothing (void)."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.data.fields.made_masks import fitted, indices, numbers, objects, png

from deepwell.core.errors import DataError
from deepwell.core.table import Legend, MaskFile
from deepwell.data.fields import mask_meaning
from deepwell.data.fields.mask import Mask

ROAD, CAR = (128, 64, 128), (64, 0, 128)


def shaped(share, shades):
    """A black and white mask (100, 100) with these shades, the same number of pixels each, in this share of its pixels."""
    mask = np.zeros(10_000, np.uint8)
    mask[5_000:] = 255
    some = round(share * 10_000)
    mask[:some] = np.resize(np.array(shades, np.uint8), some)
    return mask.reshape(100, 100)


def test_black_and_white_masks_that_were_smoothed_are_refused():
    sharp = np.kron(np.random.default_rng(0).integers(0, 2, (6, 6)), np.ones((8, 8))).astype(np.uint8) * 255
    smooth = png(Pillow.fromarray(sharp).resize((72, 72), Pillow.Resampling.BILINEAR))
    assert 2 < len(np.unique(np.asarray(Pillow.open(io.BytesIO(smooth))))) < 16  # few shades, in a fifth of the pixels
    for cells in (
        [smooth],
        [png(Pillow.open(io.BytesIO(smooth)).convert("RGB"))],
        [png(Pillow.fromarray(sharp)), smooth],
        [shaped(0.01, [1, 2, 253, 254])],
        [shaped(0.3, range(5, 250, 8))],
    ):
        with pytest.raises(DataError, match="resized with smoothing") as error:
            fitted(*cells)
        assert "without smoothing (nearest)" in error.value.repair


def test_few_grey_levels_of_any_share_are_classes_where_nothing_speaks_of_smoothing():
    assert fitted(shaped(0.002, [128])).classes_ == ["0", "128", "255"]
    assert fitted(shaped(0.3, [85, 170])).classes_ == ["0", "85", "170", "255"]
    y, x = np.mgrid[:60, :60]
    rings = np.array([255, 170, 85, 0], np.uint8)[np.minimum(np.hypot(y - 30, x - 30) // 8, 3).astype(int)]
    assert fitted(rings).classes_ == ["0", "85", "170", "255"]
    ids = fitted(shaped(0.4, range(1, 172)))  # as many as COCO has
    assert ids.void_ == ["255"]
    assert len(ids.classes_) == 172


@pytest.mark.parametrize(
    ("values", "void"),
    [
        ([0, 128, 255], []),
        ([0, 255], []),
        ([7, 255], []),
        ([0, 1, 255], ["255"]),
        ([1, 2, 255], ["255"]),
        ([0, 1, 2, 5, 8, 15, 255], ["255"]),  # some classes of a numbering do not occur
    ],
)
def test_255_is_void_beside_a_numbering_only_and_that_is_said(values, void):
    kind = fitted(numbers(*values))
    assert kind.void_ == void
    said = [f"{1 / len(values):.2%} of the pixels of 1 masks say nothing (void): those of 255"]
    assert list(kind.said()) == (said if void else [])


def with_palette(values, *colours):
    picture = Pillow.fromarray(np.array([values], np.uint8)).convert("P")
    picture.putdata(values)
    picture.putpalette([channel for colour in colours for channel in colour])
    return png(picture)


def test_masks_with_palettes_of_their_own_are_read_by_colour():
    black, one = (0, 0, 0), with_palette([0, 1, 2], (0, 0, 0), ROAD, CAR)
    other = with_palette([0, 1, 0], black, CAR)
    kind = fitted(one, other)
    assert kind.classes_ == ["#000000", "#400080", "#804080"]
    assert [found.tolist() for found in indices(kind, one, other)] == [[[0, 2, 1]], [[0, 1, 0]]]
    same = with_palette([0, 1, 0], black, ROAD)
    assert fitted(one, same).classes_ == ["0", "1", "2"]


def test_palettes_that_differ_do_not_matter_where_a_legend_names_numbers(tmp_path):
    legend = Legend({"0": "ground", "1": "road"})
    for name, colour in (("a", ROAD), ("b", CAR)):
        (tmp_path / f"{name}.png").write_bytes(with_palette([0, 1, 0], (0, 0, 0), colour))
    cells = [MaskFile(str(tmp_path / f"{name}.png"), legend) for name in "ab"]
    assert [found.tolist() for found in indices(fitted(*cells), *cells)] == [[[0, 1, 0]]] * 2


def test_one_bit_files_beside_files_of_eight_bits_are_the_same_masks():
    bits = png(Pillow.fromarray(numbers(0, 255)).convert("1"))
    kind = fitted(bits, numbers(255, 0))
    assert kind.classes_ == ["background", "foreground"]
    assert [found.tolist() for found in indices(kind, bits, numbers(255, 0))] == [[[0, 1]], [[1, 0]]]


def test_one_bit_files_beside_files_of_eight_bits_with_0_and_1_are_the_same_masks_too(tmp_path):
    Pillow.fromarray(numbers(0, 255)).convert("1").save(tmp_path / "bits.png")
    Pillow.fromarray(numbers(1, 0)).save(tmp_path / "bytes.png")
    for legend, names in ((None, ["background", "foreground"]), (Legend({"0": "skin", "1": "mole"}), ["skin", "mole"])):
        cells = [MaskFile(str(tmp_path / f"{name}.png"), legend) for name in ("bits", "bytes")]
        kind = fitted(*cells)
        assert kind.classes_ == names
        assert [found.tolist() for found in indices(kind, *cells)] == [[[0, 1]], [[1, 0]]]
        assert not kind.said()
    assert fitted(png(Pillow.fromarray(numbers(0, 255)).convert("1")), numbers(0, 1, 255)).void_ == ["255"]


def test_colours_are_found_in_any_of_the_sampled_masks():
    grey = png(Pillow.fromarray(numbers(0, 255)).convert("RGB"))
    red = png(Pillow.fromarray(np.array([[(255, 0, 0), (0, 0, 0)]], np.uint8)))
    kind = fitted(*[grey] * 40, red)
    assert kind.classes_ == ["#000000", "#ff0000", "#ffffff"]
    assert indices(kind, grey, red)[0].tolist() == [[0, 2]]
    assert indices(kind, grey, red)[1].tolist() == [[1, 0]]


def test_two_names_without_numbers_are_those_of_black_and_white(tmp_path):
    legend = Legend({"0": "background", "1": "lesion"})
    Pillow.fromarray(numbers(0, 255)).save(tmp_path / "a.png")
    cell = MaskFile(str(tmp_path / "a.png"), legend)
    kind = fitted(cell)
    assert kind.classes_ == ["background", "lesion"]
    assert indices(kind, cell)[0].tolist() == [[0, 1]]


def test_a_name_that_is_called_void_is_void_with_all_its_pixels(tmp_path):
    legend = Legend({"0": "road", "1": "other", "2": "other", "3": "car"})
    Pillow.fromarray(numbers(0, 1, 2, 3)).save(tmp_path / "a.png")
    cell = MaskFile(str(tmp_path / "a.png"), legend)
    kind = fitted(cell, void="other")
    assert kind.classes_ == ["road", "car"]
    assert indices(kind, cell)[0].tolist() == [[0, 255, 255, 1]]


def test_void_that_nothing_holds_is_said_and_names_that_a_run_shows_are_known():
    assert "void=77: none of the 1 masks" in fitted(numbers(0, 1, 2), void="77").said()[0]
    with pytest.raises(DataError, match="one class only"):
        fitted(numbers(0, 255), void="foreground")


def test_one_value_more_than_there_can_be_classes_is_refused():
    every = np.arange(255, dtype=np.uint8)
    with pytest.raises(DataError, match="more than 254 different numbers"):
        fitted(every.reshape(15, 17))
    kind = fitted(every[:254].reshape(2, 127))
    assert len(Mask().restore(kind.state()).classes_) == 254
    assert indices(kind, numbers(253))[0].tolist() == [[253]]


@pytest.mark.parametrize(
    ("classes", "pixels", "expected"),
    [
        (["background", "polyp"], ["0", "1"], 1),
        (["polyp", "Background"], ["0", "1"], 0),
        (["disease", "normal"], ["#000000", "#ffffff"], 0),
        (["a", "b"], ["#ffffff", "#000000"], 0),
        (["a", "b"], ["3", "7"], 1),
        (["other", "none"], ["0", "1"], 1),
    ],
)
def test_the_class_that_is_looked_for_is_the_one_that_is_not_background(classes, pixels, expected):
    assert mask_meaning.positive(classes, pixels) == expected


def test_large_masks_are_known_to_take_long(tmp_path):
    for side in (10, 2000):
        Pillow.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / f"{side}.png")
    small, large = (Mask().seconds(objects(*[MaskFile(str(tmp_path / f"{side}.png"))] * 4)) for side in (10, 2000))
    assert large > 50 * small
    assert Mask().seconds(objects()) == 0
