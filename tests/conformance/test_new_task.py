"""The promise of one file: a task that nobody has seen is trained, sealed, loaded and asked, with no other edit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TASK = '''
"""Slope: a line through points. Unusual: the smallest task there is."""

import numpy as np

from deepwell.core.config import Recipe
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, Task


class Slope(Task):
    """One number from one number."""

    @classmethod
    def fits(cls, schema):
        known = {"width", "height"} <= set(schema.names)
        return Fit(0.5, {"height": "target"}) if known else Fit(0, reason="needs width and height")

    @classmethod
    def demo(cls, seed):
        width = Key(seed).numpy().uniform(0, 1, 400)
        return Table({"width": width, "height": 3 * width + 1})

    def network(self, sizes):
        import torch

        class Line(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.line = torch.nn.Linear(1, 1)

            def forward(self, arrays, state=None):
                return {"height.value": self.line(arrays["width"][:, None])[:, 0]}, state

        return Line()

    def loss(self, network, batch, draw):
        error = network(batch.arrays)[0]["height.value"] - batch.arrays["height"]
        return Loss((error ** 2).sum(), len(batch))

    def answers(self, pipeline):
        return Schema((Field("height", "number"),))

    def predict(self, runner, batch, pipeline, request, emit=None):
        outputs, _ = runner.run("forward", {"width": batch.arrays["width"]})
        return Table({"height": pipeline.decode("height", outputs["height.value"])})

    def metrics(self, pipeline):
        return (Metric("mae", "", "lower", lambda c, w: (w @ c["error"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        truth = pipeline.decode("height", batch.arrays["height"])
        return {"error": np.abs(self.predict(runner, batch, pipeline, None)["height"] - truth)}

    def baselines(self):
        mean = NumpyRunner({"forward": lambda a, state: ({"height.value": np.zeros(len(a["width"]))}, state)})
        return (Baseline("mean", "trivial", lambda examples, pipeline, key: mean),)
'''


def deepwell(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deepwell", *words], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("my lab")
    (folder / "slope.py").write_text(TASK)
    done = deepwell(
        "train", "--task", "slope.py", "--demo", "--epochs", "60", "--set", "learning_rate=0.05", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_run_directory_is_complete(trained: Path) -> None:
    names = {p.name for p in (trained / "runs" / "slope" / "001").iterdir()}
    assert names >= {
        "run.json", "schema.json", "split.json", "events.jsonl", "model.well", "report.html", "answers.csv", "rejected.jsonl",
    }  # fmt: skip


def test_it_is_asked_through_the_command_line(trained: Path) -> None:
    (trained / "new.csv").write_text("width\n0.5\n0.25\n")
    done = deepwell("predict", "runs/slope/001", "new.csv", "--task", "slope.py", "--out", "answers.csv", cwd=trained)
    assert done.returncode == 0, done.stderr
    answers = np.genfromtxt(trained / "answers.csv", delimiter=",", skip_header=1, usecols=0)
    np.testing.assert_allclose(answers, [2.5, 1.75], atol=0.1)


def test_it_is_scored_shown_and_verified(trained: Path) -> None:
    (trained / "labelled.csv").write_text("width,height\n" + "".join(f"{i / 10},{3 * i / 10 + 1}\n" for i in range(10)))
    scored = deepwell("evaluate", "runs/slope/001", "labelled.csv", "--task", "slope.py", cwd=trained)
    assert scored.returncode == 0, scored.stderr
    assert scored.stdout.startswith("mae 0.")
    assert "mae" in deepwell("show", "runs/slope/001", cwd=trained).stdout
    assert "the model is whole" in deepwell("verify", "runs/slope/001/model.well", cwd=trained).stdout


def test_without_its_file_the_bundle_is_refused_with_the_repair(trained: Path) -> None:
    (trained / "new.csv").write_text("width\n0.5\n")
    done = deepwell("predict", "runs/slope/001", "new.csv", cwd=trained)
    assert done.returncode == 2
    assert "'slope', which is not installed" in done.stderr
    assert "--task" in done.stderr
