"""T10, T13, T14, T15: signals in every phase, two processes on one run, a clock that jumps, seeds."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.faults.lives import LONG, Nursery, Place, Tally, cases, differences
from tests.faults.nursery import PHASES

Undisturbed = Callable[[str], Place]
Property = Callable[[str, object], None]
INT, TERM, KILL = int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGKILL)
STRUCK = PHASES[1:7]
LATENCY = 10.0
"""Seconds from a signal to the end of the process."""


def check_interrupted(place: Place, life: dict[str, Any], name: str, number: int) -> None:
    """What a single signal must lead to, by the phase in which it came."""
    assert life["code"] == 75, life
    assert "Traceback" not in life["err"]
    assert life["after"] < LATENCY
    assert life["struck_in"] == name
    model = place.begun and (place.run / "model.well").exists()
    if name in ("startup", "prepare"):
        assert "nothing was written" in life["err"]
        assert place.runs == []
    elif name == "baselines":
        assert "nothing was kept" in life["err"]
        assert place.runs == []
    elif number == TERM:
        assert name == "seal" or not model  # SIGTERM leaves: the machine will be gone in seconds
        if name == "train":
            steps = [int(p.name.removeprefix("step-")) for p in (place.run / "checkpoints").iterdir()]
            assert max(steps) >= life["step"]  # the very step at which it was heard, or the one under way
            assert "`deepwell resume" in life["err"]
    else:
        assert model
        assert ("the best model so far is sealed" if name == "train" else "the model is complete") in life["err"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [INT, TERM], ids=["SIGINT", "SIGTERM"])
def test_one_signal_in_each_phase(
    number: int, undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    reference = undisturbed("step generation" if not LONG else "MLP")
    tally = Tally(f"T10 {signal.Signals(number).name} in {len(STRUCK)} phases")
    for case in cases(1, 5):
        draw = np.random.default_rng(case)
        for name in STRUCK if LONG else STRUCK[case + (number == TERM) :: 2]:
            place = Place(tmp_path / f"{case}-{name}", forks, reference.subject)
            # Each phase holds on for a moment at its beginning; training is struck at any step.
            delay = draw.uniform(0.01, 0.06) if name == "train" else draw.uniform(0.0, 0.01)
            life = place.train(strike={"when": "phase", "value": name, "delay": delay, "signals": [number]})
            check_interrupted(place, life, name, number)
            tally.lost.append(0.0)  # as checked: the state of the very step was saved, or nothing was trained yet
            if not place.done():
                again = place.go_on()
                assert again["code"] == 0, (name, again)
            tally.judge(place, reference, f"{name} {case}")
    record_property("fault", tally.row())
    assert tally.failures == []


SEVERAL = {
    "twice": ([INT, INT], 0.001),
    "TERM after INT": ([INT, TERM], 0.001),
    "INT after TERM": ([TERM, INT], 0.001),
    "storm": ([TERM] * 50 + [INT] * 50, 0.01),
    "kill after TERM": ([TERM, KILL], 0.005),
}


@pytest.mark.timeout(3600)
def test_several_signals(undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property) -> None:
    """The second leaves at once; whatever was saved is whole, and the run goes on from there."""
    reference, tally = undisturbed("step generation"), Tally("T10 double signals and storms")
    for case in cases(1, 2):
        for what in SEVERAL if LONG else ["storm"]:
            signals, gap = SEVERAL[what]
            place = Place(tmp_path / f"{case}-{what}", forks, reference.subject)
            life = place.train(strike={"when": "step", "value": 3 + 6 * case, "signals": signals, "gap": gap})
            assert life["code"] in ((75, -9) if KILL in signals else (75,)), (what, life)
            assert "Traceback" not in life["err"]
            again = place.go_on()
            assert again["code"] == 0, (what, again)
            tally.judge(place, reference, what)
    record_property("fault", tally.row())
    assert tally.failures == []


@pytest.mark.parametrize("number", [INT, TERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_while_a_run_is_taken_up(
    number: int, undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """Reading the data may take long, so the process leaves at once; nothing that was saved is touched."""
    reference, tally = (
        undisturbed("step generation"),
        Tally(f"T10 {signal.Signals(number).name} at the start of a resume"),
    )
    for case in cases(1, 5):
        place = Place(tmp_path / str(case), forks, reference.subject)
        assert place.train(strike={"when": "step", "value": 3 + 4 * case})["code"] == -9
        before = (place.run / "events.jsonl").read_bytes()
        life = place.resume(strike={"when": "phase", "value": "prepare", "delay": 0.005, "signals": [number]})
        assert (life["code"], life["struck_in"]) == (75, "prepare"), life
        assert life["after"] < 2.0
        assert (place.run / "events.jsonl").read_bytes() == before
        assert place.resume()["code"] == 0
        tally.judge(place, reference, f"case {case}")
    record_property("fault", tally.row())
    assert tally.failures == []


def test_two_at_once_on_one_run(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """Two resume the same run: one goes on, the other is refused by name of the first, and nothing of both is mixed."""
    reference, tally = undisturbed("step generation"), Tally("T13 two processes, one run")
    for case in cases(1, 50):
        place = Place(tmp_path / str(case), forks, reference.subject)
        assert place.train(strike={"when": "step", "value": 5})["code"] == -9
        argv = ["resume", str(place.run), "--quiet"]
        two = [place.asked(argv, out=f"{place.folder}/{n}.out", err=f"{place.folder}/{n}.err") for n in "ab"]
        lives = sorted(forks.ask(*two), key=lambda life: life["code"])
        assert [life["code"] for life in lives] == [0, 2], lives
        refused = lives[1]["err"]
        named = "another run owns this directory: host " in refused and f"process {lives[0]['pid']}, since " in refused
        assert named or "it has just started" in refused  # the owner had the lock and had not written its name yet
        assert lives[1]["seconds"] < lives[0]["seconds"]
        tally.judge(place, reference, f"race {case}")
    record_property("fault", tally.row())
    assert tally.failures == []


def test_resume_of_a_running_run_and_of_a_copy(undisturbed: Undisturbed, forks: Nursery, tmp_path: Path) -> None:
    """A copy is another run: it may be taken up while the first still runs."""
    import shutil

    reference = undisturbed("step generation")
    place = Place(tmp_path / "first", forks, reference.subject)
    assert place.train(strike={"when": "step", "value": 5})["code"] == -9
    copy = Place(tmp_path / "copy", forks, reference.subject)
    shutil.copytree(place.folder, copy.folder)
    asked = [p.asked(["resume", str(p.run), "--quiet"]) for p in (place, copy)]
    assert [life["code"] for life in forks.ask(*asked)] == [0, 0]
    assert differences(place, reference) == []
    assert differences(copy, reference) == []


def test_eight_trainings_begin_at_once(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """Each has a directory of its own."""
    reference, tally = undisturbed("step generation"), Tally("T13 trainings that begin at once")
    place = Place(tmp_path / "all", forks, reference.subject)
    count = 8 if LONG else 3
    files = [{n: f"{tmp_path}/{i}.{n}" for n in ("out", "err")} for i in range(count)]
    lives = forks.ask(*[place.asked(place.beginning(), **f) for f in files])
    assert [life["code"] for life in lives] == [0] * count
    assert [run.name for run in place.runs] == [f"{n + 1:03d}" for n in range(count)]
    for run in place.runs:
        one = Place(tmp_path / f"alone {run.name}", forks, reference.subject)
        (one.folder / "runs" / "stepwise").mkdir(parents=True)
        run.rename(one.folder / "runs" / "stepwise" / run.name)
        tally.judge(one, reference, run.name)
    record_property("fault", tally.row())
    assert tally.failures == []


def test_a_wall_clock_that_jumps_changes_nothing(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    reference, tally = undisturbed("step generation, --time"), Tally("T14 wall clock jumps by a day")
    for case in cases(1, 5):
        place = Place(tmp_path / str(case), forks, reference.subject, rest={"without": "clock:86400"})
        zones = [{"TZ": "Pacific/Kiritimati"}, {"TZ": "Pacific/Niue"}]
        place.train(strike={"when": "step", "value": 3 + 4 * case}, env=zones[0])
        life = place.go_on(env=zones[1])
        assert life["code"] == 0, life
        tally.judge(place, reference, f"case {case}")
    record_property("fault", tally.row())
    assert tally.failures == []


def test_seeds(undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property) -> None:
    """The same seed twice gives the same bits, another one others; none given means 0, and is recorded."""
    reference, tally = undisturbed("step generation"), Tally("T15 seeds")
    for seed in cases(2, 5):
        places = [Place(tmp_path / f"{seed}-{n}", forks, reference.subject) for n in range(2)]
        for place in places:
            assert place.train("--seed", str(seed))["code"] == 0
        assert (differences(places[0], reference) == []) == (seed == 0)
        assert json.loads((reference.run / "run.json").read_bytes())["seed"] == 0
        tally.judge(places[0], places[1], f"seed {seed}")
    record_property("fault", tally.row())
    assert tally.failures == []
