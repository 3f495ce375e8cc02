"""text_generation in whole runs: a killed one goes on to the same model, and a bundle with foreign counts is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deepwell as dw
from deepwell.bundle import read as bundle
from deepwell.core.errors import BundleError
from deepwell.runs.run import Run
from deepwell.runtime.predictor import Predictor
from deepwell.tasks.text_generation import TextGeneration
from deepwell.tracking import record
from deepwell.training.loop import Loop

STEPS = 8


class Stopped(BaseException):
    """What a kill looks like from within."""


@pytest.fixture(autouse=True)
def _blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no report."""
    monkeypatch.setattr("deepwell.runs.stage.render", lambda events: "")


def train(folder: Path) -> Run:
    (folder / "texts.txt").write_text("\n".join(TextGeneration.demo(0)["text"].tolist()))
    run: Run = dw.train(
        str(folder / "texts.txt"), task="text_generation", steps=STEPS, out=str(folder / "runs"), save_every="0.0001s",
        size="tiny", device="cpu", set={"batch_size": 4, "context": 32}, plan={"threads": 1},
    )  # fmt: skip
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An undisturbed training. Read only."""
    return train(tmp_path_factory.mktemp("whole"))


def test_a_killed_run_counts_again_and_goes_on_to_the_same_model(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Loop.step

    def dying(self: Loop) -> None:
        if self._steps == 4:
            raise Stopped
        step(self)

    monkeypatch.setattr(Loop, "step", dying)
    with pytest.raises(Stopped):
        train(tmp_path)
    monkeypatch.setattr(Loop, "step", step)
    run = dw.resume(tmp_path / "runs" / "text_generation" / "001")
    ours, theirs = (bundle.read(r.directory.model).weights for r in (run, whole))
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert run.scores == whole.scores
    rewound = next(e for e in record.read(run.path / "events.jsonl") if e["event"] == "rewind")
    assert 0 < rewound["step"] <= 4
    assert ours["counts.total0"].sum() > 0  # it was primed at all


@pytest.mark.parametrize("name", ["counts.back0", "counts.less1", "counts.codes1"])
def test_a_bundle_with_counts_that_nobody_counted_is_refused(whole: Run, name: str) -> None:
    contents = bundle.read(whole.directory.model)
    assert Predictor(contents).predict().table["text"][0]
    foreign = replace(contents, weights={**contents.weights, name: -contents.weights[name] - 1})
    with pytest.raises(BundleError, match="tokens are none"):
        Predictor(foreign)
