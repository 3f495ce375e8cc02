"""What counts in a record whose run was taken up again, and what a disk that refuses does to the record."""

import errno
import os

import pytest

from deepwell.core.errors import RunError
from deepwell.tracking.record import Record, effective, read

OPENED = [{"event": "run"}, {"event": "parts"}, {"event": "note", "text": "n"}]
BEGUN = [
    {"event": "network", "name": "Net"},
    {"event": "decision", "step": 0, "what": "plan", "value": 1},
    {"event": "decision", "step": 0, "what": "horizon", "value": 40, "follows": True},
]


def progress(*steps):
    return [{"event": "progress", "step": step} for step in steps]


def rewind(step):
    return {"event": "rewind", "step": step, "opened": 0}


def decided(step, what, **more):
    return {"event": "decision", "step": step, "what": what, "value": 1, **more}


def test_what_came_after_the_state_is_taken_back_and_the_rest_stays():
    lost = [{"event": "check", "step": 20}, {"event": "phase", "name": "train"}, {"event": "scores"}, {"event": "end"}]
    kept = effective([*OPENED, *BEGUN, *progress(5, 10, 15), *lost, rewind(10), *progress(15, 20)])
    assert kept == [*OPENED[:2], *BEGUN, *progress(5, 10), rewind(10), *progress(15, 20)]


def test_a_rewind_to_the_beginning_takes_the_opening_of_the_training_back_too():
    """It is told again by the life that follows; what was decided stays, for it counts again."""
    kept = effective([*OPENED, *BEGUN, *progress(5), rewind(0), *BEGUN[::2], *progress(5, 10)])
    assert kept == [*OPENED[:2], BEGUN[1], rewind(0), *BEGUN[::2], *progress(5, 10)]


def test_decisions_outlast_their_step_but_not_a_request_to_stop_and_not_what_follows_anew():
    later = [decided(30, "horizon"), decided(31, "skipped step", follows=True), decided(32, "stop")]
    assert effective([*later, rewind(20)]) == [later[0], rewind(20)]
    earlier = [decided(10, "skipped step", follows=True)]
    assert effective([*earlier, *later, rewind(20)]) == [*earlier, later[0], rewind(20)]


def test_several_rewinds():
    events = [*progress(5, 10, 15), rewind(10), *progress(15, 20), rewind(5), *progress(10, 15)]
    assert effective(events) == [*progress(5), rewind(10), rewind(5), *progress(10, 15)]


@pytest.fixture
def refusing(monkeypatch):
    """A disk on which nothing can be synced."""

    def refuse(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    return lambda: monkeypatch.setattr(os, "fsync", refuse)


def test_a_record_that_cannot_be_synced_names_itself(tmp_path, refusing):
    path = tmp_path / "events.jsonl"
    writing = Record(path)
    writing.emit({"event": "run"})
    refusing()
    for act in (writing.sync, lambda: writing.decide(1, "plan", 1, ""), writing.close):
        with pytest.raises(RunError, match="the record cannot be written: Input/output error") as caught:
            act()
        assert caught.value.where == str(path)
    writing.close()  # it is closed all the same
    assert read(path) == [{"event": "run"}]


def test_the_error_under_way_is_not_hidden_by_closing(tmp_path, refusing):
    def fail():
        with Record(tmp_path / "events.jsonl"):
            refusing()
            raise RunError("the first")

    with pytest.raises(RunError, match="the first"):
        fail()
