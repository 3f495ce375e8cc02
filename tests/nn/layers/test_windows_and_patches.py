"""Windows count what is seen only; patches lose nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.nn.layers import patches
from deepwell.nn.layers.windows import SMALLEST, deviation, filled, level


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_level_and_deviation_are_numpys_of_what_is_seen(seed, steps):
    draw = np.random.default_rng(seed)
    x, seen = draw.normal(3, 2, (2, steps)), draw.integers(0, 2, (2, steps))
    found = [f(torch.tensor(x), torch.tensor(seen, dtype=torch.float64)) for f in (level, deviation)]
    for row in range(2):
        there = x[row][seen[row] > 0]
        mean, variance = (there.mean(), there.var()) if len(there) else (0.0, 0.0)
        assert found[0][row].item() == pytest.approx(mean)
        assert found[1][row].item() == pytest.approx(np.sqrt(variance + SMALLEST**2))


def test_what_is_missing_has_no_influence():
    x, seen = torch.randn(2, 30), (torch.rand(2, 30) > 0.3).float()
    spoilt = x + 1e3 * (1 - seen)
    for f in (level, deviation, filled):
        torch.testing.assert_close(f(spoilt, seen), f(x, seen))


def test_gaps_are_filled_from_near_by_and_the_rest_is_left():
    x = torch.arange(40.0)[None]
    seen = torch.ones(1, 40)
    seen[0, 10:13] = 0
    found = filled(x, seen)
    torch.testing.assert_close(found[seen > 0], x[seen > 0])
    torch.testing.assert_close(found[0, 11], torch.tensor(11.0), atol=0.3, rtol=0)
    assert 9 < found[0, 10] < found[0, 11] < found[0, 12] < 13


def test_what_is_far_from_everything_gets_the_level():
    x, seen = torch.zeros(2, 200), torch.zeros(2, 200)
    x[0, 150:], seen[0, 150:] = 5.0, 1.0
    found = filled(x, seen)
    torch.testing.assert_close(found[0], torch.full((200,), 5.0))
    torch.testing.assert_close(found[1], torch.zeros(200))  # nothing is seen at all


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 3))
def test_patches_of_a_future_join_to_what_they_were_cut_from(steps, patch, features):
    x = torch.arange(2.0 * steps * features).view(2, steps, features)
    front, back = (patches.cut(x, patch, at_front=side) for side in (True, False))
    assert front.shape == back.shape == (2, patches.count(steps, patch), patch * features)
    torch.testing.assert_close(front.reshape(2, -1, features)[:, -steps:], x)
    torch.testing.assert_close(back.reshape(2, -1, features)[:, :steps], x)
    if features == 1:
        torch.testing.assert_close(patches.joined(back, steps), x[..., 0])
    assert front.sum() == back.sum() == x.sum()
