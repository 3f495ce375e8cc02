"""image: every mode of every format becomes the same arrays, and nothing that a file holds can crash a run."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import ImageFile
from deepwell.data.fields import pictures
from deepwell.data.fields.image import Image

FIELD = Field("image", "image")
SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))


def objects(values):
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column


def stored(picture, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def ramp(height=16, width=16):
    values = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
    return np.stack([values, values[::-1], values[:, ::-1]], axis=2)


def test_array_pictures_are_not_copied_and_not_writable():
    column = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    kind = Image().fit(column, FIELD)
    array = kind.encode(column)[0][""]
    assert kind.sizes() == (1, 28, 28)
    assert np.shares_memory(array, column)
    assert not array.flags.writeable
    assert np.array_equal(kind.decode(array), column)


def test_colour_arrays_come_back():
    column = np.random.default_rng(0).integers(0, 256, (5, 10, 12, 3), np.uint8)
    kind = Image().fit(column, FIELD)
    array = kind.encode(column)[0][""]
    assert array.shape == (5, 3, 10, 12)
    assert np.array_equal(kind.decode(array), column)


@pytest.mark.parametrize("form", ["PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF"])
def test_formats_and_origins_give_equal_pixels(form):
    grey = Pillow.fromarray(ramp()[:, :, 0])
    options = {"lossless": True} if form == "WEBP" else {}
    kind = Image().fit(objects([grey, grey]), FIELD)
    assert kind.sizes() == (1, 16, 16)
    got = kind.encode(objects([stored(grey, form, **options), grey, np.asarray(grey)]))[0][""]
    assert np.abs(got.astype(int) - np.asarray(grey)).max() <= (2 if form == "WEBP" else 0)


def test_grey_stored_as_rgb_is_one_channel_and_one_colour_picture_makes_three():
    grey = Pillow.fromarray(ramp()[:, :, 0]).convert("RGB")
    assert Image().fit(objects([stored(grey, "JPEG")] * 3), FIELD).sizes() == (1, 16, 16)
    assert Image().fit(objects([grey, Pillow.fromarray(ramp())]), FIELD).sizes() == (3, 16, 16)


def test_modes():
    kind = Image().fit(objects([Pillow.fromarray(ramp())]), FIELD)
    clear = Pillow.new("RGBA", (16, 16), (0, 0, 0, 0))
    palette = Pillow.fromarray(ramp()).convert("P", palette=Pillow.Palette.ADAPTIVE)
    deep = Pillow.fromarray(np.full((16, 16), 128 * 256, np.uint16))
    cmyk = Pillow.new("CMYK", (16, 16), (0, 255, 255, 0))
    pictures_ = [clear, stored(clear), palette, deep, stored(deep), stored(cmyk, "JPEG"), Pillow.new("1", (16, 16), 1)]
    parts, problems = kind.encode(objects(pictures_))
    assert not problems
    got = parts[""]
    assert (got[:2] == 255).all()  # clear lies on white
    assert np.abs(got[2].astype(int) - ramp().transpose(2, 0, 1)).mean() < 12
    assert (got[3:5] == 128).all()
    assert got[5, 0].min() > 200
    assert got[5, 1:].max() < 60
    assert (got[6] == 255).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(turn):
    upright = Pillow.fromarray(np.kron(np.array([[0, 80, 160], [255, 200, 40]], np.uint8), np.ones((8, 8), np.uint8)))
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[turn]
    turned = upright if undo is None else upright.transpose(Pillow.Transpose(undo))
    exif = Pillow.Exif()
    exif[0x0112] = turn
    data = stored(turned, "JPEG", quality=100, exif=exif)
    assert pictures.measure(data) == (16, 24)
    got = pictures.decode(data, 1, 16, 24)[0]
    assert np.abs(got.astype(int) - np.asarray(upright)).max() < 12


def test_working_size_rules():
    wide = [Pillow.new("L", (400, 200), i) for i in range(3)]
    assert Image().fit(objects(wide), FIELD).sizes() == (1, 64, 128)  # one size: keeps its shape
    mixed = [Pillow.new("L", (300, 200)), Pillow.new("L", (90, 200)), Pillow.new("L", (100, 100))]
    assert Image().fit(objects(mixed), FIELD).sizes() == (1, 100, 100)
    assert Image(size=32).fit(objects(mixed), FIELD).sizes() == (1, 32, 32)


def broken(folder):
    """Each file that must be refused, with a word of the reason."""
    good = stored(Pillow.fromarray(ramp(64, 64)), "JPEG")
    png = stored(Pillow.fromarray(ramp(64, 64)))
    files = {
        "empty.jpg": (b"", "empty (0 bytes)"),
        "cut.jpg": (good[: len(good) // 2], "damaged"),
        "text.jpg": (b"these are words, not pixels\n" * 20, "no picture"),
        "cut.png": (png[: len(png) // 2], "damaged"),
        "other.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()
    return {
        **{n: why for n, (_, why) in files.items()},
        "folder.jpg": "not a regular file",
        "gone.jpg": "does not exist",
    }


def test_each_broken_file_is_named_with_its_reason(tmp_path):
    reasons = broken(tmp_path)
    (tmp_path / "good ü.jpg").write_bytes(stored(Pillow.fromarray(ramp(64, 64)), "JPEG"))
    column = objects([ImageFile(str(tmp_path / name)) for name in ["good ü.jpg", *reasons]])
    parts, problems = Image().fit(column, FIELD).encode(column)
    assert sorted(problems) == list(range(1, len(reasons) + 1))
    for row, (name, why) in enumerate(reasons.items(), start=1):
        assert name in problems[row]
        assert why in problems[row]
    assert parts[""][0].any()


@pytest.mark.parametrize(("side", "megapixels"), [((5100, 5000), "26-megapixel"), ((20_000, 10_000), "200-megapixel")])
def test_bombs_are_refused_on_their_header(side, megapixels):
    data = stored(Pillow.new("1", side), "PNG")
    with pytest.raises(DataError, match=megapixels), pictures.quiet():
        pictures.decode(data, 1, 8, 8)
    kind = Image()
    assert megapixels in kind.encode(objects([data]))[1][0]


def test_cells_that_are_no_pictures():
    column = objects([None, "a.jpg", np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8)), b""])
    problems = Image().encode(column)[1]
    assert sorted(problems) == [0, 1, 2, 3, 4]
    assert "missing" in problems[0]
    assert "(3, 8, 8)" in problems[2]
    assert "float64" in problems[3]
    with pytest.raises(DataError, match="none of 5 training pictures can be read"):
        Image().fit(column, FIELD)


@given(
    st.binary(max_size=200), st.integers(0, 600), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
)
@settings(deadline=None, max_examples=150)
def test_damaged_bytes_never_escape_as_anything_but_a_problem(noise, place, form):
    data = bytearray(stored(Pillow.fromarray(ramp()), form))
    data[place : place + len(noise)] = noise
    parts, problems = Image(size=16).encode(objects([bytes(data)]))
    assert parts[""].shape == (1, 3, 16, 16)
    assert set(problems) <= {0}


def test_state_restores_and_foreign_state_is_refused():
    kind = Image().fit(objects([Pillow.fromarray(ramp())]), FIELD)
    assert Image().restore(json.loads(json.dumps(kind.state()))).sizes() == kind.sizes()
    for change in ({"width": 100_000}, {"channels": 2}, {"height": 0}, {"width": True}, {"x": 1}):
        with pytest.raises(BundleError):
            Image().restore({**kind.state(), **change})


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
def test_photos():
    files = sorted((SHARED / "image-classification/hymenoptera_ants_bees/val").glob("*/*.jpg"))[:12]
    column = objects([ImageFile(str(file)) for file in files])
    kind = Image().fit(column, FIELD)
    parts, problems = kind.encode(column)
    assert not problems
    assert parts[""].shape == (12, 3, 128, 128)
    # Against Pillow's own full decoding: scaled decoding changes pixels a little, never the picture.
    for row, file in enumerate(files[:3]):
        plain = np.asarray(Pillow.open(file).convert("RGB").resize((128, 128), Pillow.Resampling.BICUBIC)).astype(int)
        assert np.abs(parts[""][row].transpose(1, 2, 0) - plain).mean() < 6
