"""T1 for every task: killed on its own demo and taken up again, it ends bit for bit as if nobody had disturbed it.

Unusual: the tasks are found, not listed, so that one that arrives tomorrow is killed as well. What self-play has made so far is
looked at by itself: two trainings are struck dead at the same step, one of them not for the first time, and what lies on the disk
must be the same positions, byte for byte.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.faults.lives import ROOT, Nursery, Place, Subject, Tally, cases
from tests.faults.test_kills import kill_until_done

from deepwell import tasks
from deepwell.training import checkpoints
from deepwell.training.checkpoints import Checkpoint

Property = Callable[[str, object], None]
KILLED_ELSEWHERE = ("tabular", "image_classification")
"""As MLP and CNN in test_kills.py."""
BESIDE_ALL_TESTS = ("autoencoder", "anomaly_detection", "image_generation", "game_playing")
"""Killed once beside all other tests, for they keep more than the weights of one network or have no targets; the others, and
these twenty times, in `make faults`."""
STEPS = 12
SMALL = ("--demo", "--size", "tiny", "--set", "batch_size=16")
FASTER = {
    "autoencoder": ("samples=10",),
    "image_generation": ("image_size=8",),
    "game_playing": ("games=8", "simulations=4", "capacity=256", "search=8", "depth=1", "reuse=2"),
}
"""Knobs that make a life of a task shorter, where its own would take long."""
PROBES = {name: str(ROOT / "tests" / "probes" / f"{name}.py") for name in ("adversaries", "self_made")}
"""Two networks against each other, and data that grow, each in a few lines."""


def subject(name: str, steps: int = STEPS) -> Subject:
    """A short training of a task on its demo."""
    faster = [word for knob in FASTER.get(name, ()) for word in ("--set", knob)]
    return Subject(name, ["--task", PROBES.get(name, name), *SMALL, *faster], steps)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [*(n for n in tasks.names() if n not in KILLED_ELSEWHERE), *PROBES])
def test_a_task_that_is_killed_goes_on(name: str, forks: Nursery, tmp_path: Path, record_property: Property) -> None:
    seeds = cases(int(name in BESIDE_ALL_TESTS), 20)
    if not seeds:
        pytest.skip("in `make faults`")
    reference = Place(tmp_path / "undisturbed", forks, subject(name))
    life = reference.train()
    assert life["code"] == 0, life
    tally = Tally(f"T1 kill -9, {name}")
    for seed in seeds:
        place = Place(tmp_path / str(seed), forks, reference.subject)
        kill_until_done(place, reference, seed, tally)
        tally.judge(place, reference, f"seed {seed}")
    record_property("fault", tally.row())
    assert tally.failures == []
    assert "not finite" not in tally.notes


def saved(place: Place) -> Checkpoint:
    """The last state that lies on the disk whole."""
    found = checkpoints.latest(place.run / "checkpoints")
    assert found is not None
    return found


def killed(place: Place, failpoint: str) -> None:
    """Begin, or go on, and die there."""
    life = place.go_on(env={"DEEPWELL_FAIL_AT": failpoint})
    assert life["code"] == 137, life


@pytest.mark.parametrize("name", ["game_playing", "self_made"])
def test_data_that_a_training_makes_are_the_same_after_kills(name: str, forks: Nursery, tmp_path: Path) -> None:
    """Every step is saved here. One training dies once, the other before, within and after saves, up to the same step."""
    straight, broken = (Place(tmp_path / which, forks, subject(name)) for which in ("straight", "broken"))
    killed(straight, "checkpoint.prune:9")
    reference = saved(straight)
    for failpoint in ("checkpoint.prune:2", "directory.file:3", "directory.rename:3"):
        killed(broken, failpoint)
    assert 0 < saved(broken).step < reference.step
    while saved(broken).step < reference.step:
        killed(broken, "checkpoint.prune:1")
    found = saved(broken)
    assert found.step == reference.step
    assert any(n.startswith("examples.") and a.any() for n, a in found.arrays.items())
    assert sorted(found.arrays) == sorted(reference.arrays)
    differing = [n for n, a in found.arrays.items() if a.tobytes() != reference.arrays[n].tobytes()]
    assert differing == []


def test_data_that_a_training_makes_grow_between_saves(forks: Nursery, tmp_path: Path) -> None:
    """So the test above would see a buffer that is not taken up again: two steps later it holds other positions."""
    place = Place(tmp_path, forks, subject("game_playing"))
    killed(place, "checkpoint.prune:2")
    early = dict(saved(place).arrays)
    killed(place, "checkpoint.prune:4")
    late = saved(place).arrays
    assert late["examples.counts"][0] > early["examples.counts"][0]
    assert not np.array_equal(late["examples.kept.states"], early["examples.kept.states"])
