"""Stretches equal what an index for every step gives, also over the ends of a series."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.data.series.stretches import stretches


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 40), st.sampled_from([(), (1,), (3,)]))
def test_stretches_equal_an_index_for_every_step(seed, total, length, features):
    draw = np.random.default_rng(seed)
    column = draw.normal(size=(total, *features)).astype(np.float32)
    n = 6
    low = draw.integers(0, total, n)
    high = low + draw.integers(0, total - low + 1)
    first = draw.integers(-length - 3, total + 4, n)
    before = column.copy()
    places = first[:, None] + np.arange(length)
    inside = (places >= low[:, None]) & (places < high[:, None])
    expected = np.where(inside.reshape(n, length, *[1] * len(features)), column[np.clip(places, 0, total - 1)], 0)
    found = stretches(column, first, length, low, high)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == column.dtype
    found[:] = 7  # what is given is the caller's own
    np.testing.assert_array_equal(column, before)


def test_no_windows():
    none = np.zeros(0, np.int64)
    assert stretches(np.zeros((5, 2)), none, 3, none, none).shape == (0, 3, 2)
