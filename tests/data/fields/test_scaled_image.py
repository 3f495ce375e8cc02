"""scaled pictures: shape and pixels are kept, one factor for all, and a row's picture comes back whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from deepwell.core.batch import Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.data.fields import flat
from deepwell.data.fields.image import Image
from deepwell.data.fields.scaled_image import ScaledImage

FIELD = Field("image", "image")


def pictures(*sizes, colour=True):
    """Pictures of (height, width)."""
    draws = np.random.default_rng(0)
    column = np.empty(len(sizes), object)
    for row, size in enumerate(sizes):
        column[row] = draws.integers(0, 256, (*size, 3) if colour else size, np.uint8)
    return column


def test_small_pictures_keep_every_pixel():
    column = pictures((20, 30), (40, 16))
    kind = ScaledImage().fit(column, FIELD)
    parts, problems = kind.encode(column)
    assert not problems
    assert parts["size"].tolist() == [[20, 30], [40, 16]]
    again = kind.decode(parts[""])
    assert all(np.array_equal(a, b) for a, b in zip(again, column, strict=True))
    assert kind.sizes() == (3, 30, 23)  # a window of median sides


def test_grey_pictures_have_one_channel():
    column = pictures((20, 30), colour=False)
    kind = ScaledImage().fit(column, FIELD)
    assert kind.sizes() == (1, 20, 30)
    assert np.array_equal(kind.decode(kind.encode(column)[0][""])[0], column[0])


def test_large_pictures_are_made_smaller_by_one_factor():
    kind = ScaledImage(side=50, window=40).fit(pictures((60, 100), (100, 80), (30, 20)), FIELD)
    assert kind.factor_ == 0.5
    assert [kind.scaled(size) for size in ((60, 100), (100, 80), (30, 20))] == [(30, 50), (50, 40), (15, 10)]
    assert kind.sizes() == (3, 30, 40)


def test_a_picture_of_the_same_shape_shows_the_same_unless_told_otherwise():
    column = pictures((48, 64), (48, 64))
    stretched, kept = (ScaledImage(keep=keep).fit(column, FIELD) for keep in (False, True))
    assert stretched.scaled((96, 128)) == (48, 64)
    assert stretched.scaled((96, 140)) == (96, 140)
    assert kept.scaled((96, 128)) == (96, 128)


def test_a_damaged_picture_is_a_problem_of_its_row():
    kind = ScaledImage().fit(pictures((20, 30)), FIELD)
    column = np.array([None, b"no picture", Pillow.new("RGB", (30, 20))], object)
    parts, problems = kind.encode(column)
    assert sorted(problems) == [0, 1]
    assert len(parts[""]) == 3
    with pytest.raises(DataError, match="none of 2 training pictures"):
        ScaledImage().fit(column[:2], FIELD)


def test_the_state_comes_back_and_a_broken_one_is_refused():
    kind = ScaledImage(side=50).fit(pictures((60, 100)), FIELD)
    again = ScaledImage().restore(kind.state())
    assert (again.sizes(), again.scaled((60, 100)), again.scaled((70, 20))) == ((3, 30, 50), (30, 50), (35, 10))
    for broken in ({"factor": 0.0}, {"channels": 2}, {"height": 0}, {"width": 10**9}, {"keep": 1}, {"more": 1}):
        with pytest.raises(BundleError):
            ScaledImage().restore({**kind.state(), **broken})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=4), st.sampled_from([1, 3]))
def test_flat_bytes_give_pictures_back(sizes, channels):
    draws = np.random.default_rng(1)
    originals = [draws.integers(0, 256, size if channels == 1 else (3, *size), np.uint8) for size in sizes]
    packed = flat.pack([*originals, None])
    assert isinstance(packed, Ragged)
    for row, original in enumerate(originals):
        assert np.array_equal(flat.unpack(packed, row), original)
        assert flat.size(packed, row) == sizes[row]
    assert flat.size(packed, len(sizes)) == (0, 0)


def test_the_size_of_each_picture_is_told_where_it_is_asked_for():
    column = pictures((20, 30), (40, 16))
    plain, sized = (Image(size=16, sized=sized).fit(column, FIELD) for sized in (False, True))
    assert set(plain.encode(column)[0]) == {""}
    parts = sized.encode(column)[0]
    assert parts["size"].dtype == np.int32
    assert parts["size"].tolist() == [[20, 30], [40, 16]]
    ready = np.zeros((2, 16, 16, 3), np.uint8)
    assert sized.encode(ready)[0]["size"].tolist() == [[16, 16]] * 2
    assert "sized" not in plain.state()
    assert Image(sized=True).restore(sized.state()).sizes() == sized.sizes()
    with pytest.raises(BundleError):
        Image(sized=True).restore(plain.state())
