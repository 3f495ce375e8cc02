"""Checkpoints: the newest whole one is found, whatever died or rotted; the last good one is never given away."""

import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import RunError
from deepwell.store import files
from deepwell.training import checkpoints
from deepwell.training.checkpoints import Checkpoints, latest


def state(step):
    return {"network.weight": np.full((3, 2), step, np.float32), "optimiser.0.step": np.array(step, np.int64)}


def save(directory, step, **options):
    keeper = Checkpoints(directory, 0.0, **options)
    assert keeper.save(step, state(step), {"steps": step})
    return keeper


def test_what_was_saved_is_found_again(tmp_path):
    save(tmp_path / "c", 7)
    found = latest(tmp_path / "c")
    assert (found.step, found.facts, found.damaged) == (7, {"steps": 7}, [])
    for name, array in state(7).items():
        np.testing.assert_array_equal(found.arrays[name], array)
    assert latest(tmp_path / "none") is None


def test_two_are_kept_and_later_ones_of_a_life_taken_back_go(tmp_path):
    for step in (5, 10, 15, 12):
        save(tmp_path, step)
    assert sorted(os.listdir(tmp_path)) == ["step-000000010", "step-000000012"]


def test_a_second_save_of_the_same_step_changes_nothing(tmp_path):
    save(tmp_path, 5)
    save(tmp_path, 5)
    (tmp_path / "step-000000005" / "facts.json").write_bytes(b"{}")
    save(tmp_path, 5)
    assert latest(tmp_path).facts == {"steps": 5}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_found_and_the_one_before_is_taken(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("c")
    save(directory, 1)
    save(directory, 2)
    name = data.draw(st.sampled_from(["state.safetensors", "facts.json", "manifest.json"]))
    path = directory / "step-000000002" / name
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[place:]
    path.write_bytes(bytes(raw))
    found = latest(directory)
    assert found.step == 1
    assert len(found.damaged) == 1
    assert "step-000000002" in found.damaged[0]


def test_nothing_whole_at_all_is_said(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "step-000000003" / "manifest.json").unlink()
    found = latest(tmp_path)
    assert (found.step, dict(found.arrays)) == (0, {})
    assert "step-000000003" in found.damaged[0]


def test_a_checkpoint_under_another_name_is_damaged(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "step-000000003").rename(tmp_path / "step-000000009")
    assert latest(tmp_path).step == 0


def test_what_is_not_finite_is_never_saved(tmp_path):
    arrays = {"a": np.array([1.0, np.nan], np.float32)}
    with pytest.raises(RunError, match="'a' is not finite after step 4"):
        Checkpoints(tmp_path).save(4, arrays, {})
    assert os.listdir(tmp_path) == []


def test_a_full_disk_costs_nothing_that_was_saved_and_three_refusals_end_the_run(tmp_path, monkeypatch):
    keeper = save(tmp_path / "c", 1, tell=(told := []).append)

    def refuse(path, pieces):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write_new", refuse)
    assert not keeper.save(2, state(2), {})
    assert not keeper.save(3, state(3), {})
    with pytest.raises(
        RunError, match=r"step-000000004: could not be written: No space left .* bytes are needed, .* free"
    ):
        keeper.save(4, state(4), {})
    assert ["step 2 could not be saved" in told[0], "training goes on" in told[1]] == [True, True]
    monkeypatch.undo()
    assert latest(tmp_path / "c").step == 1
    assert sorted(os.listdir(tmp_path / "c")) == ["step-000000001"]
    assert keeper.save(5, state(5), {})


def test_a_save_that_must_be_fails_at_once(tmp_path):
    (tmp_path / "c").write_text("a file in the way")
    with pytest.raises(RunError, match="no checkpoint can be saved: File exists"):
        Checkpoints(tmp_path / "c").save(1, state(1), {}, must=True)


def test_the_interval_grows_where_saving_is_slow(tmp_path):
    now = [0.0]
    keeper = Checkpoints(tmp_path, 30.0, clock=lambda: now[0])
    now[0] = 40.0  # reading the data took so long
    assert not keeper.due()
    now[0] = 70.0
    assert keeper.due()
    keeper._cost = 2.0  # a save took two seconds: at most a fiftieth of the time
    now[0] = 139.0
    assert not keeper.due()
    now[0] = 140.0
    assert keeper.due()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["save", "back", "damage", "die"]), max_size=12))
def test_there_is_always_a_whole_one_after_the_first(tmp_path_factory, history):
    """Whatever happens between saves, the newest whole checkpoint is one that was saved, and at most KEEP + 1 lie there."""
    directory = tmp_path_factory.mktemp("c")
    step, saved = 10, set()
    for act in history:
        if act == "save":
            step += 1
            save(directory, step)
            saved.add(step)
            assert latest(directory).step == step
        elif act == "back" and saved:
            step = max(1, step - 3)
        elif act == "die":
            (directory / ".tmp-0123456789abcdef").mkdir(exist_ok=True)
            (directory / ".tmp-0123456789abcdef" / "half").write_text("half")
        elif act == "damage" and len(os.listdir(directory)) == checkpoints.KEEP:
            newest = max(os.listdir(directory))
            (directory / newest / "facts.json").write_text(json.dumps({}))
        if saved:
            found = latest(directory)
            assert found.step in saved
            assert found.facts == {"steps": found.step}
            assert len(os.listdir(directory)) <= checkpoints.KEEP + 1
