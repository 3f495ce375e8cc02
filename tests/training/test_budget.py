"""Budget and Horizon: progress never jumps or falls, ends at 1, and the clock is kept."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.training.budget import CAP, MOST_REVISIONS, Budget, Horizon, Timekeeper


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 300), st.lists(st.tuples(st.integers(1, 60), st.integers(1, 300)), max_size=MOST_REVISIONS))
def test_progress_never_falls_and_ends_exactly_at_one(first, revisions):
    horizon, step, seen = Horizon(first), 0, [0.0]

    def walk(to):
        nonlocal step
        while step < to:
            step += 1
            seen.append(horizon.progress(step))

    for wait, more in revisions:
        walk(min(step + wait, horizon.steps))
        if step < horizon.steps:
            before = horizon.progress(step)
            horizon.revise(step, step + more)
            assert horizon.progress(step) == pytest.approx(before, abs=1e-12)
    assert seen[-1] < 1.0 or step == horizon.steps
    walk(horizon.steps)
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(seen))
    assert seen[-1] == 1.0
    again = Horizon(1)
    again.restore(horizon.state())
    assert [again.progress(s / 2) for s in range(2 * step)] == [horizon.progress(s / 2) for s in range(2 * step)]


def test_revisions_are_only_of_the_future():
    horizon = Horizon(100)
    with pytest.raises(ValueError, match="revised"):
        horizon.revise(5, 5)
    horizon.revise(7, 200)
    with pytest.raises(ValueError, match="revised"):
        horizon.revise(6, 200)


def test_limits():
    assert Budget().limit == CAP
    assert Budget(steps=5).limit is None
    assert Budget(seconds=9, steps=5).limit == 9
    assert Budget(epochs=2.5).ceiling(10, 30.0) == 25
    assert Budget(steps=7, epochs=2).ceiling(10, 30.0) == 7
    assert Budget(seconds=1).ceiling(10, 30.0) == 300
    assert Budget(epochs=0.001).ceiling(10, 30.0) == 1


@pytest.mark.parametrize("bad", [{"seconds": -1}, {"steps": 0}, {"epochs": math.nan}, {"seconds": math.inf}])
def test_limits_must_be_positive(bad):
    with pytest.raises(ConfigError, match="must be above 0"):
        Budget(**bad)


def run(seconds, per_step, ceiling, reserve=0.0, check=None):
    """A run on a fake clock; per_step(step) -> seconds. Gives (time over the deadline, steps, revisions).

    check: (steps between two checks, check number -> seconds); the last step has one, too.
    """
    clock = Clock()
    budget = Budget(seconds=seconds, clock=clock, reserve=reserve)
    horizon, keeper, step = Horizon(ceiling), Timekeeper(budget, ceiling), 0
    deadline = clock.now + seconds - reserve
    every, check_seconds = check or (0, None)
    checks = 0
    while step < horizon.steps:
        clock.now += per_step(step)
        step += 1
        left = max(1.0, (horizon.steps - step) / every) if every else 0.0
        revised = keeper.look(step, horizon.steps, left, horizon.revisions)
        if revised is not None:
            horizon.revise(step, revised[0])
        if every and (step % every == 0 or step >= horizon.steps):
            took = check_seconds(checks)
            clock.now += took
            keeper.checked(took)
            checks += 1
    return clock.now - deadline, step, horizon.revisions


def test_the_time_is_used_and_kept():
    over, steps, revisions = run(60, lambda step: 0.01, 10**6)
    assert -1.5 < over < 0.1
    assert steps > 5800
    assert 1 <= revisions <= MOST_REVISIONS


def test_what_follows_training_counts():
    over, steps, _ = run(60, lambda step: 0.01, 10**6, reserve=30)
    assert -1 < over < 0.1
    assert steps <= 3001


def test_no_more_than_pays():
    _, steps, revisions = run(60, lambda step: 0.01, 500)
    assert (steps, revisions) == (500, 0)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.2, 30), st.floats(0.001, 0.5), st.floats(0.1, 12), st.floats(0, 1))
def test_a_machine_that_changes_speed(seconds, per_step, factor, when):
    clock_share = seconds * when
    spent = 0.0

    def cost(step):
        nonlocal spent
        now = per_step * (factor if spent > clock_share else 1.0)
        spent += now
        return now

    over, _, revisions = run(seconds, cost, 10**6)
    assert over <= 2 * per_step * max(1.0, factor) + 1e-6
    assert revisions <= MOST_REVISIONS


def test_time_already_over_still_ends():
    over, steps, _ = run(5, lambda step: 0.1, 100, reserve=10)
    assert steps == 2
    assert over > 0


def test_steps_given_reads_no_clock_for_choices():
    clock = Clock()
    keeper = Timekeeper(Budget(steps=100, clock=clock), 100)
    clock.now += 1e6
    assert keeper.look(5, 100, 3.0) is None
    assert not keeper.probing


def test_the_last_check_ends_before_the_deadline():
    over, steps, _ = run(60, lambda step: 0.01, 10**6, check=(500, lambda number: 2.0))
    assert -2.5 < over < 0.1
    assert steps > 3900


@pytest.mark.parametrize("slow_until", [0.5, 2.9, 3.1, 14.9, 15.1, 35.9, 36.1])
@pytest.mark.parametrize("factor", [1.5, 4.0, 20.0])
def test_a_run_that_becomes_faster_does_not_end_early(slow_until, factor):
    spent = 0.0

    def cost(step):
        nonlocal spent
        now = 0.01 * (factor if spent < slow_until else 1.0)
        spent += now
        return now

    over, _, revisions = run(60, cost, 10**6)
    assert -3.0 < over < 0.3
    assert revisions <= MOST_REVISIONS - 2  # cooling down and the deadline may still come


def test_revisions_for_the_deadline_are_kept():
    clock = Clock()
    keeper = Timekeeper(Budget(seconds=10, clock=clock), 10**6)
    clock.now += 5
    assert keeper.look(50, 10**6, 0.0, MOST_REVISIONS - 2) is None
    clock.now += 5
    assert keeper.look(60, 10**6, 0.0, MOST_REVISIONS - 1) == (61, "the time is over")


def test_more_is_kept_for_the_end_when_the_machine_becomes_slower():
    """Checks of 0.1 s take 0.2 s from the fourth on: what follows training will take twice as long, too."""
    clock = Clock()
    keeper = Timekeeper(Budget(seconds=60, clock=clock, reserve=5.0), 10**6)
    seen = []
    for seconds in (0.3, 0.1, 0.1, 0.2, 0.2, 0.2, 9.0, 9.0):
        keeper.checked(seconds)
        seen.append(keeper.reserve)
    assert seen == pytest.approx([5, 5, 5, 5, 10, 10, 10, 15])  # the median of three; at most three times as much
    assert keeper.usable == pytest.approx(45)
    for _ in range(3):
        keeper.checked(0.01)
    assert keeper.reserve == 5.0  # never less than was measured


def test_a_slower_end_still_keeps_the_limit():
    over, _, _ = run(60, lambda step: 0.01, 10**6, reserve=6.0, check=(300, lambda number: 0.1 if number < 5 else 0.2))
    assert -6 - 1.5 < over < -6 + 0.1  # six seconds more are left than before


def test_a_keeper_goes_on_elsewhere():
    first, second = Clock(), Clock()
    keeper = Timekeeper(Budget(seconds=60, clock=first, reserve=5.0), 10**6)
    for step in range(1, 400):
        first.now += 0.01
        keeper.look(step, 10**6, 1.0)
    for seconds in (0.1, 0.1, 0.1, 0.2, 0.2):
        keeper.checked(seconds)
    second.now = 5e6
    budget = Budget(seconds=60, clock=second, reserve=7.0, spent=3.0)  # the new process has read data for three seconds
    other = Timekeeper(budget, 10**6)
    other.restore(keeper.state())
    assert other.elapsed() == pytest.approx(keeper.elapsed() + 3.0)
    assert other.reserve == pytest.approx(2 * 7.0)  # it has more to do afterwards
    assert (other.rate, other.check_seconds, other.probing) == (keeper.rate, 0.2, False)
