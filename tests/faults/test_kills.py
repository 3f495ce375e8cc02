"""T1, T2: a training that is killed, however often and wherever, ends with the very weights and record of one that is not."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.faults.lives import COMMON, LONG, ROOT, Nursery, Place, Tally, cases, differences, finite

Undisturbed = Callable[[str], Place]
Property = Callable[[str, object], None]
TRAINED = ("MLP", "CNN", "step generation")
SHORT = {"MLP": 2, "CNN": 0, "step generation": 0, "MLP, --time": 0, "CNN, --time": 2, "step generation, --time": 2}


def moment(draw: np.random.Generator, steps: int, seconds: float) -> dict[str, Any]:
    """When to kill: more than 40% within a save, others after a step, others at any time from the first instant on."""
    kind = draw.choice(["save", "save", "save", "step", "seconds"])
    if kind == "seconds":
        return {"when": "seconds", "value": draw.uniform(0, seconds)}
    spread = 0.006 if kind == "save" else 0.05
    return {"when": str(kind), "value": int(draw.integers(0, steps)), "delay": draw.uniform(0, spread)}


def kill_until_done(place: Place, reference: Place, seed: int, tally: Tally) -> None:
    """Kill a run one to three times, and let it end."""
    draw = np.random.default_rng(seed)
    steps = max(e["step"] for e in reference.events() if e["event"] == "progress")
    for number in range(int(draw.choice([1, 1, 2, 3]))):
        if place.done():
            break
        # A life that goes on may have few steps left: the later kills come early in it.
        at = moment(draw, steps if number == 0 else 6, 2.0)
        life = place.go_on(strike=at)
        if life["code"] != -9:
            assert life["code"] == 0, life
            tally.note("came too late")
            break
        tally.note("kills")
        tally.note("of them in a save") if life["saving"] else None
        tally.lost.append(life["lost"])
        tally.note("not finite") if place.begun and not finite(place) else None
    let_end(place)


def let_end(place: Place) -> None:
    """Take a run up for the last time. One that died after its last event is refused, and left as if it had not died."""
    done = place.done()
    life = place.go_on()
    assert life["code"] == (2 if done else 0), (place.folder, life)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SHORT)
def test_killed_at_any_moment(
    name: str, undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    seeds = cases(SHORT[name], 100)
    if not seeds:
        pytest.skip("in `make faults`")
    reference, tally = undisturbed(name), Tally(f"T1 kill -9, {name}")
    for seed in seeds:
        place = Place(tmp_path / str(seed), forks, reference.subject)
        kill_until_done(place, reference, seed, tally)
        tally.judge(place, reference, f"seed {seed}")
    record_property("fault", tally.row())
    assert tally.failures == []
    assert "not finite" not in tally.notes
    if LONG:
        assert tally.notes["of them in a save"] >= 0.4 * tally.notes["kills"]


@pytest.mark.timeout(3600)
def test_killed_under_the_real_clock(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """Nobody can say what an undisturbed run would have measured; so the run is made once more with what was decided."""
    tally = Tally("T1 kill -9, --time 4s, by replay")
    subject = undisturbed("MLP").subject
    for seed in cases(1, 20):
        draw = np.random.default_rng(seed)
        place = Place(tmp_path / str(seed), forks, subject, rest={"fake": None})
        argv = ["train", *subject.words, "--time", "4s", "--save-every", "0.05s", "--out", str(place.folder / "runs")]
        strike = {"when": "step", "value": 1, "delay": draw.uniform(0.0, 0.8)}
        life = forks.ask(place.asked([*argv, *COMMON, "--set", "epochs=10000"], strike=strike))[0]
        assert life["code"] == -9, life
        tally.lost.append(life["lost"])
        life = place.resume(strike={**strike, "delay": draw.uniform(0.0, 0.4)})
        if life["code"] == -9:
            tally.lost.append(life["lost"])
            life = place.resume()
        assert life["code"] == 0, life
        again = Place(tmp_path / f"{seed} again", forks, subject, rest={"fake": None})
        argv = ["train", "--replay", str(place.run), "--out", str(again.folder / "runs"), "--quiet"]
        repeated = forks.ask(again.asked(argv))[0]
        assert repeated["code"] == 0, repeated
        tally.judge(place, again, f"seed {seed}")
    tally.notes["kills"] = len(tally.lost)
    record_property("fault", tally.row())
    assert tally.failures == []


def failpoints() -> list[str]:
    """All failpoints that a training in memory passes."""
    sources = [p.read_text() for p in (ROOT / "src" / "deepwell").rglob("*.py")]
    names = sorted({n for text in sources for n in re.findall(r'failpoint\("([a-z.-]+)"\)', text)})
    return [name for name in names if not name.startswith("array.")]


PASSINGS = {"rewind.write": (1,), "rewind.written": (1,), "decision.written": (1, 3), "decision.synced": (1, 3)}


def test_every_failpoint_is_known() -> None:
    assert len(failpoints()) >= 17


@pytest.mark.timeout(3600)
def test_killed_at_every_failpoint(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """Also twice: the second time during the recovery from the first."""
    reference, tally = undisturbed("step generation, --time"), Tally("T2 kill at every failpoint")
    chosen = failpoints() if LONG else ["checkpoint.remove", "directory.sync-parent", "rewind.written"]
    for name in chosen:
        for passing in PASSINGS.get(name, (1, 2, 7) if LONG else (7,)):
            place = Place(tmp_path / f"{name}-{passing}", forks, reference.subject)
            rewinding = name.startswith("rewind")
            at = {"DEEPWELL_FAIL_AT": "directory.rename:6" if rewinding else f"{name}:{passing}"}
            life = place.train(env=at)
            assert life["code"] == 137, (name, passing, life)
            tally.note("deaths")
            if not place.done():
                second = place.go_on(env={"DEEPWELL_FAIL_AT": f"{name}:{1 if rewinding else passing}"})
                assert second["code"] in (0, 137), (name, passing, second)
                tally.note("deaths") if second["code"] == 137 else None
            let_end(place)
            assert (place.run / "report.html").exists()
            tally.judge(place, reference, f"{name}:{passing}")
    record_property("fault", tally.row())
    assert tally.failures == []


@pytest.mark.timeout(600)
def test_the_comparison_finds_another_training(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The comparison itself finds a difference: another seed has other weights and another record."""
    reference = undisturbed("MLP")
    other = Place(tmp_path, reference.nursery, reference.subject)
    assert other.train("--seed", "1")["code"] == 0
    found = " ".join(differences(other, reference))
    assert "weights of" in found
    assert "events 'progress'" in found
    assert "answers.csv" in found
