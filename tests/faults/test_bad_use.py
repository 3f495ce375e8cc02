"""Wrong use of budgets, engine options and runs: refused at once, with what it must be, what it got, and the way out."""

import os
from pathlib import Path

import pytest
from tests.conftest import CommandLine, columns_of, is_root, made, write_csv
from tests.faults.conftest import Refused

from deepwell.store.lock import own

WRONG = [
    (["--steps", "-3"], "steps must be a whole number of at least 1; got '-3'"),
    (["--epochs", "0"], "epochs must be a number from "),
    (["--epochs", "nan"], "epochs must be a number from "),
    (["--time", "-1h"], "time must be a duration such as 60s, 5m or 1h; got '-1h'"),
    (["--time", "1e400"], "time must be a duration"),
    (["--save-every", "0s"], "save_every must be a duration such as 60s, 5m or 1h; got '0s'"),
    (["--save-every", "never"], "save_every must be a duration"),
    (["--set", "optimiser=adamm"], "adamm"),
    (["--set", "optimizer=adam"], "there is no knob 'optimizer'; did you mean 'optimiser'?"),
    (["--set", "schedule=cosin"], "did you mean 'cosine'?"),
    (["--set", "nonfinite=ignore"], "nonfinite must be one of "),
    (["--set", "learning_rate=-1"], "learning_rate must be a number from "),
    (["--set", "clip=-1"], "clip must be a number from "),
    (["--set", "batch_size=-8"], "batch_size must be a whole number from "),
    (["--plan", "threds=1"], "did you mean 'threads'?"),
    (["--plan", "precision=float17"], "float17"),
    (["--plan", "micro_batch=-1"], "micro_batch"),
    (["--plan", "threads=0"], "threads"),
    (["--plan", "threads"], "plan must have the form NAME=VALUE; got 'threads'"),
]


@pytest.mark.parametrize(("words", "text"), WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_a_wrong_budget_or_engine_option_is_refused_before_anything_is_written(
    words: list[str], text: str, tmp_path: Path, refused: Refused
) -> None:
    good = write_csv(tmp_path / "good.csv", columns_of(200))
    joined = [f"{words[0]}={words[1]}"]  # a value may begin with a dash
    assert text in refused(good, "--target", "label", *joined, quick=False)


def test_an_unknown_optimiser_is_told_the_nearest(tmp_path: Path, refused: Refused) -> None:
    good = write_csv(tmp_path / "good.csv", columns_of(200))
    said = refused(good, "--target", "label", "--set", "optimiser=adamm", quick=False)
    assert "did you mean 'adam'?" in said or "one of adamw, adam, sgd, rmsprop, muon" in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["resume", "{run}"], "is finished: its model is "),
        (["resume", "{root}/tabular/009"], "no run "),
        (["resume", "--out", "{root}/nowhere"], "there is no unfinished run in "),
        (["resume", "{data}"], "is not a run directory: it holds no events.jsonl"),
        (["resume", "{run}", "--steps", "10"], "there is no option '--steps'"),
        (["train", "--replay", "{root}/tabular/009"], "no run "),
        (
            ["train", "--replay", "{run}", "--steps", "10"],
            "a replay takes data and options from the run that it repeats",
        ),
        (["train", "{data}", "--replay", "{run}"], "a replay takes data and options from the run that it repeats"),
    ],
)
def test_runs_that_cannot_go_on(words: list[str], text: str, own_run: Path, deepwell: CommandLine) -> None:
    root = own_run.parents[1]
    data = write_csv(root.parent / "data.csv", columns_of(20))
    before = made(root)
    said = deepwell(*[word.format(run=own_run, root=root, data=data) for word in words])
    assert (said.code, said.out) == (2, ""), said
    assert text in said.err
    assert "Traceback" not in said.err
    assert made(root) == before


def test_a_second_process_in_the_same_run(own_run: Path, deepwell: CommandLine) -> None:
    """It is refused by name of the owner, before anything is read."""
    with own(own_run):
        said = deepwell("resume", own_run)
    assert said.code == 2
    assert f"{own_run}: another run owns this directory: host " in said.err
    assert f"process {os.getpid()}, since " in said.err
    assert "repair: wait until it ends or stop it" in said.err


@pytest.mark.skipif(is_root(), reason="permissions do not bind root")
def test_a_run_directory_without_permission(own_run: Path, deepwell: CommandLine) -> None:
    own_run.chmod(0o500)
    said = deepwell("resume", own_run)
    own_run.chmod(0o700)
    assert said.code in (1, 2)
    assert "Permission denied" in said.err
    assert "Traceback" not in said.err
