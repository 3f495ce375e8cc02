"""Decisions: recorded ones first, each at its step; new ones only after the last, written before they count."""

import pytest

from deepwell.core.errors import RunError
from deepwell.training.decisions import Decision, Decisions


def never():
    raise AssertionError("the clock was asked")


def test_a_new_decision_is_written_and_given():
    written = []
    decisions = Decisions(lambda *words: written.append(words))
    assert decisions.choose(3, "horizon", lambda: (40, "fast")) == 40
    assert decisions.choose(4, "horizon", lambda: None) is None
    assert written == [(3, "horizon", 40, "fast")]


def test_recorded_decisions_are_taken_at_their_steps_without_asking_the_clock():
    written = []
    recorded = [Decision(0, "plan", "slow"), Decision(3, "checks", 5), Decision(3, "horizon", 40)]
    decisions = Decisions(lambda *words: written.append(words), recorded)
    assert decisions.settle(0, "plan", never) == "slow"
    assert decisions.choose(2, "horizon", never) is None
    assert decisions.choose(3, "horizon", never) == 40  # in whatever order a step asks
    assert decisions.choose(3, "checks", never) == 5
    assert (decisions.left, written) == (0, [])
    assert decisions.choose(3, "horizon", lambda: (50, "anew")) == 50


def test_a_replay_writes_what_it_takes():
    written = []
    decisions = Decisions(lambda *words: written.append(words), [Decision(1, "horizon", 9, "why")], replay=True)
    assert decisions.choose(1, "horizon", never) == 9
    assert decisions.choose(2, "horizon", never) is None  # and decides nothing after the last
    assert written == [(1, "horizon", 9, "why")]


def test_decisions_that_a_restored_state_holds_are_left_out():
    decisions = Decisions(recorded=[Decision(0, "horizon", 9), Decision(5, "horizon", 8), Decision(6, "horizon", 7)])
    decisions.skip(5)
    assert decisions.left == 1
    assert decisions.choose(6, "horizon", never) == 7


def test_a_run_that_does_not_repeat_itself_is_told():
    decisions = Decisions(recorded=[Decision(5, "horizon", 9)])
    with pytest.raises(RunError, match="'horizon' of step 5 was never asked for"):
        decisions.choose(6, "horizon", never)
    with pytest.raises(RunError, match="no decision 'plan' at step 0"):
        Decisions(recorded=[Decision(5, "horizon", 9)]).settle(0, "plan", never)


def test_a_decision_of_a_life_that_was_cut_short_may_stand_first():
    """Life one decided at 80 and was killed; life two ran out of memory at 50, before it came there again."""
    decisions = Decisions(recorded=[Decision(80, "horizon", 90), Decision(50, "micro-batch of main", 4)])
    assert decisions.choose(50, "micro-batch of main", never) == 4
    assert decisions.choose(80, "horizon", never) == 90


def test_what_was_decided_before_training_waits_however_far_the_state_has_come():
    decisions = Decisions(recorded=[Decision(0, "baseline boosting", "left out"), Decision(5, "horizon", 9)])
    decisions.skip(10)
    assert decisions.choose(11, "horizon", lambda: (20, "anew")) == 20
    assert decisions.choose(0, "baseline boosting", never) == "left out"
