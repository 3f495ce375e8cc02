"""The watch asks for a new measurement when a run collapses or may have the machine to itself again, and seldom."""

import pytest

from deepwell.training.watch import MOST_PATIENCE, PATIENCE, Watch


def asked(watch, speeds, every=0.5):
    """The seconds at which the watch asks. speeds: steps/s for each second of a run, looked at every so many seconds."""
    found, step, now = [], 0.0, 0.0
    while now < len(speeds):
        why = watch.look(int(step), now)
        if why is not None:
            found.append((now, why))
        step += speeds[int(now)] * every
        now += every
    return found


def test_a_collapse_is_told_after_five_seconds() -> None:
    found = asked(Watch(100.0, 2, 2), [100] * 10 + [20] * 8)
    assert found[0] == (15.0, "20 steps/s, and 100 were measured")


@pytest.mark.parametrize(
    "speeds",
    [
        [100] * 30,
        [51] * 30,
        [100, 100, 20, 20, 20, 20] * 6,  # short troubles
    ],
)
def test_what_is_no_collapse_is_borne(speeds) -> None:
    assert not asked(Watch(100.0, 2, 2), speeds)


def test_one_long_step_is_no_collapse() -> None:
    watch = Watch(100.0, 2, 2)
    assert watch.look(0, 0.0) is None
    assert watch.look(1, 8.0) is None, "one look"
    assert watch.look(2, 9.0) is not None, "and the second"


def test_a_run_that_stands_still_is_not_looked_at() -> None:
    watch = Watch(100.0, 2, 2)
    assert not [why for second in range(20) if (why := watch.look(0, float(second)))]


def test_without_a_promise_the_first_seconds_are_it() -> None:
    assert not asked(Watch(0.0, 2, 2), [7] * 30)
    found = asked(Watch(0.0, 2, 2), [40] * 10 + [10] * 10)
    assert found[0][1] == "10 steps/s, and 40 were measured"


def test_a_single_core_is_never_asked() -> None:
    assert not asked(Watch(100.0, 1, 1), [10] * 100)


def test_fewer_threads_than_there_are_are_reconsidered_ever_more_seldom() -> None:
    watch, step, now, at = Watch(10.0, 1, 2), 0, 0.0, []
    while now < 3000:
        if watch.look(step, now):
            at.append(now)
            watch.settled(step, now, threads=1, promised=10.0, cost=0.1)
        step, now = step + 10, now + 1.0
    assert at[:4] == [PATIENCE, 3 * PATIENCE, 7 * PATIENCE, 15 * PATIENCE]
    assert at[-1] - at[-2] == MOST_PATIENCE
    watch.settled(step, now, threads=2, promised=20.0, cost=0.1)
    assert not watch.look(step + 2000, now + 100.0), "on all threads there is nothing to wait for"


def test_measuring_takes_a_hundredth_of_the_time_at_most() -> None:
    assert asked(Watch(100.0, 2, 2, cost=0.5), [10] * 60)[0][0] == pytest.approx(50.0)
    watch = Watch(100.0, 2, 2)
    watch.settled(0, 0.0, threads=2, promised=100.0, cost=1.0)
    assert watch.look(1, 50.0) is None
    assert watch.look(2, 99.0) is None
    assert watch.look(3, 101.0) is not None


def test_after_a_collapse_the_new_speed_is_what_counts() -> None:
    watch = Watch(100.0, 2, 2)
    assert asked(watch, [20] * 10)
    watch.settled(0, 0.0, threads=1, promised=0.0, cost=0.0)
    assert not asked(watch, [20] * 29)


def test_checks_do_not_count() -> None:
    watch = Watch(100.0, 2, 2)
    watch.pause(1.0)
    for second in range(0, 100, 10):
        assert watch.look(10 * second, float(second)) is None
        watch.pause(9.0)


def test_threads_that_a_restored_run_uses_are_known():
    """Two were planned; one was chosen by the life before: it is worth asking again after a while."""
    watch = Watch(100.0, 2, 2)
    watch.uses(1)
    asked = [watch.look(100 * second, float(second)) for second in range(40)]
    assert next(why for why in asked if why).endswith("1 of 2 threads")
