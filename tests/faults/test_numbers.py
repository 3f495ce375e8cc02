"""T8, T9: numbers that are not finite and memory that does not suffice, in whole runs. Single steps: tests/training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.lives import LONG, Nursery, Place, Tally, cases, finite

Undisturbed = Callable[[str], Place]
Property = Callable[[str, object], None]


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_is_not_finite_is_never_saved(
    where: str, undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """The run fails and names the step; its last state is from before; without the fault it goes on to the same end."""
    tally = Tally(f"T8 {where} not finite")
    for case in cases(1, 10):
        reference = undisturbed(("step generation", "MLP", "CNN")[case % 3])
        place, step = Place(tmp_path / str(case), forks, reference.subject), 3 + case
        life = place.train(without=f"nan:{where}:{step}")
        assert life["code"] == 1, life
        assert f"the {where} became nan at step {step}" in life["err"]
        assert "repair: " in life["err"]
        assert finite(place)
        steps = [int(p.name.removeprefix("step-")) for p in (place.run / "checkpoints").glob("step-*")]
        assert max(steps) < step + 16  # noticed when figures are read; the step itself changed nothing
        assert not (place.run / "model.well").exists()
        tally.lost.append(life["seconds"])
        tally.note("states saved after the fault") if max(steps) >= step else None
        life = place.go_on()
        assert life["code"] == 0, life
        tally.cases, tally.survived = tally.cases + 1, tally.survived + place.done()
        tally.equal += finite(place)
        place.clear()
    tally.lost = []
    record_property("fault", {**tally.row(), "bit-equal": "finite"})
    assert tally.survived == tally.equal == tally.cases


def test_a_judge_that_says_nan_never_has_the_best(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    reference, tally = undisturbed("step generation"), Tally("T8 judge not finite")
    for case in cases(1, 5):
        place = Place(tmp_path / str(case), forks, reference.subject)
        life = place.train(without=f"nan:judge:{9 + case}")
        assert life["code"] == 0, life
        checks = [e for e in place.events() if e["event"] == "check"]
        assert [c["best"] for c in checks if c["values"]["loss"] is None] == [False] * (len(checks) - 1)
        tally.cases, tally.survived = tally.cases + 1, tally.survived + (finite(place) and place.done())
    record_property("fault", {**tally.row(), "bit-equal": "finite"})
    assert tally.survived == tally.cases


def test_missing_memory_gives_the_bits_of_a_run_that_began_smaller(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """From the first step on: as if the micro-batch had been asked for. Killed besides, and taken up again."""
    tally = Tally("T9 out of memory at step 1")
    for name in ("step generation", "MLP", "CNN") if LONG else ("step generation",):
        subject = undisturbed(name).subject
        small = Place(tmp_path / f"{name} small", forks, subject)
        assert small.train("--plan", "micro_batch=4")["code"] == 0
        for killed in (False, True) if LONG else (True,):
            place = Place(tmp_path / f"{name} {killed}", forks, subject, rest={"without": "memory:4:1"})
            life = place.train(strike={"when": "step", "value": 7} if killed else None)
            assert life["code"] == (-9 if killed else 0), life
            if killed:
                assert place.resume()["code"] == 0
            told = [(e["step"], e["value"]) for e in place.events() if str(e.get("what", "")).startswith("micro-batch")]
            assert [step for step, _ in told] == [1, 1]  # a batch has 13 to 16 examples: halved twice
            assert told[-1][1] == 4
            same = place.weights() == small.weights()
            tally.cases, tally.survived, tally.equal = (
                tally.cases + 1,
                tally.survived + place.done(),
                tally.equal + same,
            )
    record_property("fault", tally.row())
    assert tally.cases == tally.survived == tally.equal


def test_missing_memory_later_is_repeated_by_a_replay(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    tally = Tally("T9 out of memory at step n, by replay")
    for case in cases(1, 6):
        subject = undisturbed(("step generation", "CNN", "MLP")[case % 3]).subject
        place = Place(tmp_path / str(case), forks, subject, rest={"without": f"memory:5:{6 + case}"})
        assert place.train()["code"] == 0
        again = Place(tmp_path / f"{case} again", forks, subject)
        argv = ["train", "--replay", str(place.run), "--out", str(again.folder / "runs"), "--quiet"]
        life = forks.ask(again.asked(argv))[0]
        assert life["code"] == 0, life
        same = place.weights() == again.weights()
        tally.cases, tally.survived, tally.equal = tally.cases + 1, tally.survived + place.done(), tally.equal + same
    record_property("fault", tally.row())
    assert tally.cases == tally.survived == tally.equal


def test_a_single_example_that_does_not_fit_is_told(undisturbed: Undisturbed, forks: Nursery, tmp_path: Path) -> None:
    place = Place(tmp_path, forks, undisturbed("step generation").subject)
    life = place.train(without="memory:0:1")
    assert life["code"] == 1
    assert "a single example does not fit into memory together with the network" in life["err"]
    assert "Traceback" not in life["err"]
    last = json.loads((place.run / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["status"]) == ("end", "failed")
