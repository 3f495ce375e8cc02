"""T3, T4, T5: power cuts, disks that are full or refuse, and bytes that rot."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import is_root
from tests.faults.crash_states import lay_out, recording
from tests.faults.lives import LONG, Nursery, Place, Tally, cases

from deepwell.store.files import sweep
from deepwell.tracking.record import Record, read
from deepwell.training.checkpoints import Checkpoints, latest

Undisturbed = Callable[[str], Place]
Property = Callable[[str, object], None]


def arrays_of(step: int) -> dict[str, np.ndarray]:
    return {"network.weight": np.full((4, 8), step, np.float32), "optimiser.0.moment": np.arange(16.0) * step}


def save(keeper: Checkpoints, step: int) -> None:
    assert keeper.save(step, arrays_of(step), {"steps": step}, must=True)


def same(found: object, step: int) -> bool:
    """Whether a checkpoint is exactly what was saved at a step."""
    wanted = arrays_of(step)
    return (
        found.facts == {"steps": step}
        and found.arrays.keys() == wanted.keys()
        and all(found.arrays[n].tobytes() == wanted[n].tobytes() for n in wanted)
    )


def test_a_power_cut_leaves_the_newest_or_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    """At every call of four saves, in every state that the disk may be in; and the record reaches as far as the state."""
    run, tally = tmp_path / "run", Tally("T3 states after a power cut")
    run.mkdir()
    acknowledged: list[tuple[int, int]] = [(0, 0)]  # (calls, step)
    with recording(run, monkeypatch) as log:
        with Record(run / "events.jsonl") as writing:
            keeper = Checkpoints(run / "checkpoints", 0.0, first=writing.sync)
            for step in (1, 2, 3, 4):
                writing.emit({"event": "progress", "step": step})
                save(keeper, step)
                acknowledged.append((len(log.calls), step))
        everything = log.everything()
    on_disk = {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert everything == on_disk  # no call escaped the recording
    draw, seen = np.random.default_rng(0), set()
    for count in range(len(log.calls) + 1):
        sure = max(step for calls, step in acknowledged if calls <= count)
        for state in log.after(count, draw, 300 if LONG else 80):
            if (frozen := (sure, frozenset(state.items()))) in seen:
                continue
            seen.add(frozen)
            place = tmp_path / "state"
            lay_out(state, place)
            found = latest(place / "checkpoints")
            step = 0 if found is None else found.step
            tally.cases += 1
            good = sure <= step <= sure + 1 and (not step or same(found, step))
            told = [e["step"] for e in read(place / "events.jsonl") if e["event"] == "progress"] if step else []
            good = good and told[:step] == list(range(1, step + 1))
            tally.survived, tally.equal = tally.survived + good, tally.equal + good
            if not good:
                tally.failures.append(f"after call {count}, {sure} was safe, {step} was found, record {told}")
            shutil.rmtree(place, ignore_errors=True)
    record_property("fault", tally.row())
    assert tally.failures == []
    assert tally.cases >= 300


def test_the_model_of_power_cuts_finds_a_save_that_does_not_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without any fsync, acknowledged saves get lost or torn."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    with recording(tmp_path, monkeypatch) as log:
        save(Checkpoints(tmp_path / "checkpoints", 0.0), 1)
        log.calls = [call for call in log.calls if call.kind != "sync"]
    states = list(log.after(len(log.calls), np.random.default_rng(0), 20))
    assert {} in states
    found = []
    for number, state in enumerate(states):
        lay_out(state, tmp_path / f"{number}")
        checkpoint = latest(tmp_path / f"{number}" / "checkpoints")
        found.append(0 if checkpoint is None else checkpoint.step)
    assert {0, 1} <= set(found)


def spoil(newest: Path, other: Path, kind: str, draw: np.random.Generator) -> None:
    """Do one kind of damage to a checkpoint."""
    path = newest / str(draw.choice(["state.safetensors", "facts.json", "manifest.json"]))
    raw = bytearray(path.read_bytes())
    if kind == "flip":
        raw[draw.integers(len(raw))] ^= 1 << int(draw.integers(8))
    elif kind == "truncate":
        del raw[draw.integers(len(raw)) :]
    elif kind == "zero":
        first = int(draw.integers(len(raw)))
        raw[first:] = bytes(len(raw) - first)
    elif kind == "longer":
        raw += bytes(draw.integers(0, 256, int(draw.integers(1, 40))).astype(np.uint8))
    elif kind == "swapped file":
        raw = bytearray((other / path.name).read_bytes())
    elif kind == "missing":
        path.unlink()
        return
    elif kind == "added":
        path = newest / "more"
    elif kind == "swapped checkpoint":
        shutil.rmtree(newest)
        shutil.copytree(other, newest)
        return
    if bytes(raw) == (path.read_bytes() if path.exists() else None):
        raw[0] ^= 1  # zeros in place of zeros are no damage
    path.write_bytes(bytes(raw))


KINDS = ("flip", "flip", "flip", "truncate", "truncate", "zero", "longer", "swapped file", "missing", "added")


def test_damage_is_found(tmp_path: Path, record_property: Property) -> None:
    """Each time the checkpoint before is taken, and the damaged one named."""
    tally, draw = Tally("T5 damaged checkpoints"), np.random.default_rng(0)
    keeper = Checkpoints(tmp_path / "whole", 0.0)
    save(keeper, 1)
    save(keeper, 2)
    kinds = itertools.cycle((*KINDS, "swapped checkpoint"))
    for case, kind in zip(cases(150, 1000), kinds, strict=False):
        place = tmp_path / "spoilt"
        shutil.copytree(tmp_path / "whole", place)
        spoil(place / "step-000000002", place / "step-000000001", kind, draw)
        found = latest(place)
        good = found.step == 1 and same(found, 1) and "step-000000002" in " ".join(found.damaged)
        tally.cases, tally.survived, tally.equal = tally.cases + 1, tally.survived + good, tally.equal + good
        if not good:
            tally.failures.append(f"{kind} {case}")
        shutil.rmtree(place)
    record_property("fault", tally.row())
    assert tally.failures == []


def test_a_run_with_damaged_checkpoints_goes_on(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """From the one before, or from the beginning where none is whole; the user is told; the end is the same."""
    reference = undisturbed("step generation, --time" if LONG else "step generation")
    tally = Tally("T5 runs with damaged checkpoints")
    for case in cases(2, 20):
        draw = np.random.default_rng(case)
        place = Place(tmp_path / str(case), forks, reference.subject)
        assert place.train(strike={"when": "step", "value": 12})["code"] == -9
        sweep(place.run / "checkpoints")
        both = sorted((place.run / "checkpoints").iterdir())
        for path in both[-1:] if case % 2 else both:
            spoil(path, both[0], str(draw.choice(["flip", "truncate", "missing"])), draw)
        assert place.resume()["code"] == 0
        notes = [e["text"] for e in place.events() if e["event"] == "note"]
        assert sum("a checkpoint is damaged and was passed over" in n for n in notes) == (1 if case % 2 else len(both))
        tally.judge(place, reference, f"case {case}")
    record_property("fault", tally.row())
    assert tally.failures == []


PASSING = "full:checkpoints:7:8"
"""Two writes in a row do not fit, so two checkpoints are missing."""
REFUSALS = {
    "full:checkpoints:16:99999": ("No space left on device", "bytes are needed", "step-"),
    "call:fsync:EIO:40": ("Input/output error",),
    "call:fsync:EDQUOT:90": ("Disk quota exceeded",),
    "call:rename:EROFS:9": ("Read-only file system",),
    "call:rename:EXDEV:2": ("Invalid cross-device link",),
    "call:mkdir:EACCES:10": ("Permission denied",),
    "call:rmdir:EBUSY:4": ("Device or resource busy",),
    "call:replace:ENOSPC:5": ("No space left on device", "bytes are needed"),
}


def test_a_disk_that_is_full_for_a_while_costs_nothing(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    reference, tally = undisturbed("step generation"), Tally("T4 disk full for a while")
    place = Place(tmp_path, forks, reference.subject)
    life = place.train(without=PASSING)
    assert life["code"] == 0, life
    notes = [e["text"] for e in place.events() if e["event"] == "note"]
    assert any("could not be saved" in n and "training goes on" in n for n in notes)
    tally.judge(place, reference, PASSING)
    record_property("fault", tally.row())
    assert tally.failures == []


@pytest.mark.timeout(1200)
def test_a_disk_that_refuses_ends_the_run_and_it_goes_on_later(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """The message names path, bytes and reason; whatever was saved before is whole; with room again the run ends as ever."""
    reference, tally = undisturbed("step generation"), Tally("T4 disk refuses")
    for fault in REFUSALS if LONG else list(REFUSALS)[:1]:
        place = Place(tmp_path / fault.replace(":", "-"), forks, reference.subject)
        life = place.train(without=fault)
        assert life["code"] == 1, (fault, life)
        assert life["err"].startswith("error: "), (fault, life)
        for text in (*REFUSALS[fault], str(place.run)):
            assert text in life["err"], (fault, life["err"])
        assert "Traceback" not in life["err"]
        tally.note("saved before") if latest(place.run / "checkpoints") else None
        again = place.go_on()
        assert again["code"] == 0, (fault, again)
        tally.judge(place, reference, fault)
    record_property("fault", tally.row())
    assert tally.failures == []


@pytest.mark.timeout(1200)
def test_a_limit_on_file_sizes(
    undisturbed: Undisturbed, forks: Nursery, tmp_path: Path, record_property: Property
) -> None:
    """The kernel itself refuses (RLIMIT_FSIZE): somewhere in the record, in a checkpoint, or in the model."""
    reference, tally = undisturbed("step generation"), Tally("T4 file size limit of the kernel")
    for limit in (1_000, 4_000, 20_000, 60_000, 100_000) if LONG else (20_000,):
        place = Place(tmp_path / str(limit), forks, reference.subject)
        life = place.train(limit=limit)
        assert life["code"] == 1, (limit, life)
        assert str(place.run) in life["err"]
        assert "File too large" in life["err"]
        again = place.go_on()
        assert again["code"] == 0, (limit, again)
        tally.judge(place, reference, str(limit))
    record_property("fault", tally.row())
    assert tally.failures == []


@pytest.mark.skipif(is_root(), reason="permissions do not bind root")
def test_checkpoints_that_may_not_be_written(undisturbed: Undisturbed, forks: Nursery, tmp_path: Path) -> None:
    reference = undisturbed("step generation")
    place = Place(tmp_path, forks, reference.subject)
    assert place.train(strike={"when": "step", "value": 5})["code"] == -9
    (place.run / "checkpoints").chmod(0o500)
    life = place.resume()
    (place.run / "checkpoints").chmod(0o700)
    assert (life["code"], "Permission denied" in life["err"]) == (1, True), life
    assert place.resume()["code"] == 0


def test_a_damaged_checkpoint_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    """The newest rots, the run goes on from the one before, and saves once: two whole ones lie there, not one."""
    keeper = Checkpoints(tmp_path, 0.0)
    save(keeper, 1)
    save(keeper, 2)
    (tmp_path / "step-000000002" / "facts.json").write_bytes(b"{}")
    assert latest(tmp_path).step == 1
    save(keeper, 3)
    (tmp_path / "step-000000003" / "facts.json").write_bytes(b"{}")
    assert latest(tmp_path).step == 1
