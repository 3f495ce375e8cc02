"""Each side trains each row's network, counts what it does, and learns; on small made-up arrays, in a second or two each."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from benchmarks.datasets import Arrays
from benchmarks.engine import engine, job, utilisation
from benchmarks.loops import idiomatic, tuned
from benchmarks.measuring import Setting, Stopwatch, build
from benchmarks.networks import cross_entropy
from benchmarks.rows import ROOT
from benchmarks.workloads import WORKLOADS

from benchmarks import datasets, one
from deepwell.training.loop import fit

SIDES = {"engine": engine, "tuned": tuned, "idiomatic": idiomatic}


def small(row: str) -> Arrays:
    """Few rows in the shape of the row's data."""
    draw = np.random.default_rng(0)
    if row == "tiny":
        return datasets.tiny()
    if row in ("transformer", "lstm"):
        text = draw.integers(0, 7, (160, 17))
        x, y, classes = text[:, :-1], text[:, 1:], 7
    else:
        shape = (160, 1, 28, 28) if row == "convnet" else (640, 12)
        x = draw.standard_normal(shape).astype(np.float32)
        y, classes = (x.reshape(len(x), -1)[:, 0] > 0).astype(np.int64), 2
    cut = len(x) * 4 // 5
    return Arrays(x[:cut].copy(), y[:cut].copy(), x[cut:].copy(), y[cut:].copy(), classes)


@pytest.mark.parametrize("row", list(WORKLOADS))
@pytest.mark.parametrize("side", ["engine", "tuned", "idiomatic"])
def test_every_side_runs_every_row(side: str, row: str) -> None:
    workload = WORKLOADS[row]
    setting = Setting(steps=9, warm=2, threads=1, precision="float32" if side == "idiomatic" else "bfloat16")
    found = one.measure(side, workload, small(row), setting)
    assert found["steps"] == 9
    assert found["rows_per_second"] * found["seconds"] == pytest.approx(9 * workload.batch)
    assert found["microseconds_per_step"] * 9 == pytest.approx(1e6 * found["seconds"])
    assert math.isfinite(found["loss"])
    assert found["peak_bytes"] > 1e7


@pytest.mark.parametrize("side", ["engine", "tuned"])
def test_a_stretch_of_a_longer_run_is_measured_alike(side: str) -> None:
    """The first 40 steps of 400 and no more, whoever takes them."""
    arrays, setting = datasets.tiny(), Setting(steps=30, warm=10, horizon=400, threads=1)
    watch = Stopwatch(10)
    SIDES[side](WORKLOADS["tiny"], arrays, setting, watch)
    assert watch.finish()["steps"] == 30
    assert watch.rows == 40 * 32


@pytest.mark.parametrize("side", ["engine", "tuned", "idiomatic"])
def test_every_side_learns(side: str) -> None:
    loss = SIDES[side](WORKLOADS["tiny"], datasets.tiny(), Setting(steps=900, warm=100, threads=1), Stopwatch(100))
    assert loss < 0.15  # from 0.69


def test_the_tuned_loop_takes_the_steps_of_the_engine() -> None:
    """Both from one start, over one batch of all rows: the order then does not matter, and the weights agree."""
    workload, arrays = WORKLOADS["tiny"], datasets.tiny()
    few = Arrays(arrays.x[:32], arrays.y[:32], arrays.held_x, arrays.held_y, 2)
    setting = Setting(steps=38, warm=2, threads=1)
    judged: list[float] = []
    trained = fit(job(workload, few, setting))
    ours = build(workload, few, 0)
    ours.load_state_dict({name.removeprefix("network."): w for name, w in trained.weights.items()})
    shown = tuned(workload, few, setting, Stopwatch(2))
    with torch.no_grad():
        judged.append(float(cross_entropy(ours(torch.from_numpy(few.x)), torch.from_numpy(few.y))))
    assert judged[0] == pytest.approx(shown, rel=0.05)  # shown: the mean of the last steps, on their way down


def test_the_clock_runs_from_the_end_of_the_warm_up() -> None:
    times = iter([100.0, 107.0])
    watch = Stopwatch(3, clock=lambda: next(times))
    for _ in range(5):
        watch.tick()
        watch.rows += 10
    assert watch.finish() == {"rows": 20, "steps": 2, "seconds": 7.0}


def test_a_run_that_is_all_warm_up_has_no_figures() -> None:
    watch = Stopwatch(3)
    for _ in range(3):
        watch.tick()
    with pytest.raises(ValueError, match="3 steps, of which 3 are warm-up"):
        watch.finish()


def test_the_convnet_is_the_one_that_is_named() -> None:
    network = build(WORKLOADS["convnet"], small("convnet"), 0)
    weights = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert weights == [(32, 1, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (64, 576), (2, 64)]


def test_the_transformer_sees_no_character_ahead() -> None:
    arrays = small("transformer")
    network = build(WORKLOADS["transformer"], arrays, 0)
    x = torch.from_numpy(arrays.x[:2])
    changed = x.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % 7
    before, after = network(x), network(changed)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])


def test_flops_of_the_perceptron_are_those_of_its_matrices() -> None:
    """Forwards 2 per weight and row; backwards the same for the weights and, but for the first layer, for the inputs."""
    weights = [12 * 256, 256 * 256, 256 * 2]
    found = utilisation(WORKLOADS["mlp"], small("mlp"), Setting(steps=1, warm=1, threads=1), rows_per_second=1000.0)
    assert found["flops_per_row"] == 2 * (3 * sum(weights) - weights[0])
    assert found["mfu"] == pytest.approx(found["flops_per_row"] * 1000.0 / found["bfloat16_peak"])


def test_one_measurement_in_a_process_prints_one_line() -> None:
    words = ["-m", "benchmarks.one", "engine", "tiny", "--steps", "20", "--warm", "5", "--threads", "1"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["side"], found["row"], found["steps"]) == ("engine", "tiny", 20)
