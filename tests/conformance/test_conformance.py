"""Every task, installed or probe, passes the conformance suite through the command line; the costs are printed."""

from pathlib import Path

import pytest

from deepwell import tasks
from deepwell.conformance import examine

PROBES = Path(__file__).parents[1] / "probes"
SUBJECTS = [
    *tasks.names(),
    *(str(PROBES / f"{n}.py") for n in ("adversaries", "ragged", "self_made", "stepwise", "windows")),
]
MUST_HOLD = {
    "trains", "learns", "repeats bit by bit", "leaves inputs alone", "does not read the test part",
    "answers the same elsewhere",
}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS, ids=lambda n: Path(n).stem)
def test_a_task_conforms(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    findings = examine(name)
    with capsys.disabled():
        print(f"\n{Path(name).stem}: {sum(f.seconds for f in findings):.1f} s")
        for f in findings:
            mark = {True: "holds", False: "FAILS", None: "-"}[f.holds]
            print(f"  {f.seconds:5.1f} s  {mark:<6} {f.name}: {f.seen}")
    assert [f"{f.name}: {f.seen}" for f in findings if f.holds is False] == []
    assert {f.name for f in findings if f.holds} >= MUST_HOLD
