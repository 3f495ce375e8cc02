"""Schedules: pure functions of progress; and the factor that listens to checks."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.config import SCHEDULES, Recipe, options
from deepwell.core.errors import ConfigError
from deepwell.training.schedules import PLATEAU_LEAST, Plateau, rate


def test_golden_values():
    assert rate("linear", 0.05, 0.1) == pytest.approx(0.5)
    assert rate("linear", 0.55, 0.1) == pytest.approx(0.5)
    assert rate("cosine", 0.55, 0.1) == pytest.approx(0.5)
    assert rate("cosine", 0.25, 0.0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rate("constant", 0.9, 0.1) == rate("plateau", 0.9, 0.1) == 1.0
    assert rate("plateau", 0.05, 0.1) == pytest.approx(0.5)
    assert rate("one-cycle", 0.0, 0.3) == pytest.approx(1 / 25)
    assert rate("one-cycle", 0.15, 0.3) == pytest.approx((1 + 1 / 25) / 2)


@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.5])
def test_one_cycle_is_torchs(warmup):
    steps = 100
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    share = (warmup * steps + 1) / (steps + 1)  # torch counts the first step into the share
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=1.0, total_steps=steps + 1, pct_start=share, div_factor=25, final_div_factor=1e12
    )
    for step in range(steps + 1):
        assert rate("one-cycle", step / steps, warmup) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        if step < steps:
            theirs.step()


@given(st.sampled_from(SCHEDULES), st.floats(0, 1), st.floats(0, 1e-4), st.floats(0.01, 0.9))
def test_stays_in_range_and_never_jumps(name, progress, by, warmup):
    now, then = rate(name, progress, warmup), rate(name, min(1.0, progress + by), warmup)
    assert 0 <= now <= 1
    assert abs(now - then) <= by / min(warmup, 1 - warmup) * math.pi / 2 + 1e-9


@pytest.mark.parametrize("name", ["linear", "cosine", "one-cycle"])
def test_ends_at_zero(name):
    assert rate(name, 1.0, 0.05) == pytest.approx(0.0, abs=1e-12)


def test_unknown_name():
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        rate("cosin", 0.5, 0.1)


def test_the_recipe_offers_the_same_names():
    assert next(o for o in options(Recipe) if o.name == "schedule").knob.choices == SCHEDULES


def test_plateau_falls_after_every_third_check_without_gain():
    plateau = Plateau()
    heard = [plateau.after_check(count) for count in (0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7)]
    assert heard == [None] * 6 + [pytest.approx(0.3), None, None, pytest.approx(0.09), None]
    assert plateau.factor == pytest.approx(0.09)


def test_plateau_ends_at_its_least_and_says_so_once():
    plateau = Plateau()
    fallen = [factor for count in range(1, 100) if (factor := plateau.after_check(count)) is not None]
    assert fallen == sorted(fallen, reverse=True)
    assert fallen[-1] == plateau.factor == PLATEAU_LEAST
    assert len(fallen) == 6  # 0.3 ** 6 < 1e-3 < 0.3 ** 5


def test_plateau_goes_on_where_it_was():
    plateau, other = Plateau(), Plateau()
    plateau.after_check(3)
    other.restore(plateau.state())
    assert other.after_check(6) == plateau.after_check(6)
