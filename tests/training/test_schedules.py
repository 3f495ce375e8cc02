"""Schedules: pure functions of progress."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.training.schedules import NAMES, rate


def test_golden_values():
    assert rate("linear", 0.05, 0.1) == pytest.approx(0.5)
    assert rate("linear", 0.55, 0.1) == pytest.approx(0.5)
    assert rate("cosine", 0.55, 0.1) == pytest.approx(0.5)
    assert rate("cosine", 0.25, 0.0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rate("constant", 0.9, 0.1) == 1.0


@given(st.sampled_from(NAMES), st.floats(0, 1), st.floats(0, 1e-4), st.floats(0.01, 0.9))
def test_stays_in_range_and_never_jumps(name, progress, by, warmup):
    now, then = rate(name, progress, warmup), rate(name, min(1.0, progress + by), warmup)
    assert 0 <= now <= 1
    assert abs(now - then) <= by / min(warmup, 1 - warmup) * math.pi / 2 + 1e-9


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_ends_at_zero(name):
    assert rate(name, 1.0, 0.05) == pytest.approx(0.0, abs=1e-12)


def test_unknown_name():
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        rate("cosin", 0.5, 0.1)
