"""The rows: each runs Deepwell and its alternative in fresh processes and says what was seen."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.outcomes import DATA, ROOT, Check, Row, against, run, spread, trained
from benchmarks.rows_games import GAMES
from benchmarks.rows_language import LANGUAGE
from benchmarks.rows_places import PLACES
from benchmarks.rows_series import SERIES
from benchmarks.streaming import streaming

ADULT = DATA / "tabular" / "adult_census"
MNIST = DATA / "image-classification" / "mnist"
WINE = DATA / "tabular" / "wine_quality" / "winequality-white.csv"
PNEUMONIA = DATA / "medical-imaging" / "pneumoniamnist_balanced" / "pneumoniamnist.npz"
REPEATS = 5


def digits(seeds: int) -> list[Row]:
    """scikit-learn's digits, five seeds."""
    outcomes = [run("demo", "--seed", str(seed)) for seed in range(5)]
    network = [o.score("accuracy") for o in outcomes]
    linear = [o.baseline("linear")["scores"][0]["value"] for o in outcomes]
    return [
        Row("mean accuracy of 5 seeds", ">= 0.98", spread(network), f"linear model {spread(linear)}"),
        Row("wall, all included", "<= 20 s", spread([o.seconds for o in outcomes], "{:.1f} s")),
    ]


def mnist(limit: str, goal: str, peer_epochs: int) -> Callable[[int], list[Row]]:
    """MNIST's files within a time limit; beside it a plain PyTorch loop."""

    def rows(seeds: int) -> list[Row]:
        outcomes, peers = [], []
        for seed in range(seeds):
            outcomes.append(run("train", str(MNIST), "--time", limit, "--seed", str(seed)))
            peers.append(plain_torch(seed, peer_epochs))
        ours = spread([o.score("accuracy") for o in outcomes], "{:.4f}")
        peer = spread([p["accuracy"] for p in peers], "{:.4f}")
        walls = spread([o.seconds for o in outcomes], "{:.1f} s")
        peer_walls = spread([p["seconds"] for p in peers], "{:.1f} s")
        return [
            Row(f"accuracy in {limit} wall", goal, ours, f"plain PyTorch loop, {peer_epochs} epoch(s): {peer}"),
            Row("wall, all included", f"<= {limit}", walls, f"plain PyTorch loop: {peer_walls}"),
        ]

    return rows


def plain_torch(seed: int, epochs: int) -> dict[str, float]:
    """The idiomatic loop of PyTorch's own example in a fresh process."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "benchmarks.plain_torch", str(MNIST), str(seed), str(epochs)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - began}


def adult(seeds: int) -> list[Row]:
    """Adult census income with the author's test file; a label dot in the test file is mended by --map."""
    words = ["train", str(ADULT / "adult-train.csv"), "--test", str(ADULT / "adult-test.csv")]
    words += ["--names", str(ADULT / "adult.names"), "--target", "income", "--time", "60s"]
    words += ["--map", "<=50K. -> <=50K", "--map", ">50K. -> >50K"]
    outcomes = [run(*words, "--seed", str(seed)) for seed in range(seeds)]
    return [
        against(outcomes, "accuracy", ">= 0.858"),
        against(outcomes, "area_under_curve", ">= 0.913"),
        Row("wall, all included", "<= 60 s", spread([o.seconds for o in outcomes], "{:.1f} s")),
    ]


def wine(seeds: int) -> list[Row]:
    """White wine: quality as a number, equal rows kept together."""
    outcomes = [
        run("train", str(WINE), "--target", "column_12", "--time", "60s", "--seed", str(s)) for s in range(seeds)
    ]
    pairs = [next(d for d in o.baseline("boosting")["differences"] if d["name"] == "rmse") for o in outcomes]
    seen = "; ".join(f"{p['value']:+.3f} ({p['low']:+.3f} to {p['high']:+.3f})" for p in pairs)
    return [
        Row("RMSE, network minus boosting", "interval reaches 0 or below", seen),
        against(outcomes, "rmse", ""),
        Row("wall, all included", "<= 60 s", spread([o.seconds for o in outcomes], "{:.1f} s")),
    ]


def pneumonia(seeds: int) -> list[Row]:
    """Chest X-rays from an npz with the author's parts."""
    outcomes = [run("train", str(PNEUMONIA), "--time", "60s", "--seed", str(s)) for s in range(seeds)]
    pairs = [next(d for d in o.baseline("linear")["differences"] if d["name"] == "accuracy") for o in outcomes]
    seen = "; ".join(f"{p['value']:+.3f} ({p['low']:+.3f} to {p['high']:+.3f})" for p in pairs)
    return [
        Row("accuracy, network minus linear", "above 0", seen),
        Row("accuracy", "", spread([o.score("accuracy") for o in outcomes])),
    ]


def memory(seeds: int) -> list[Row]:
    """Peak memory of a short MNIST training against imports + 2.5 x encoded data + 200 MB."""
    libraries = (
        "import torch, torch.optim, sklearn.linear_model, sklearn.ensemble, polars, matplotlib.figure, PIL.Image"
    )
    code = f"{libraries}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    imports = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    encoded = 70_000 * 28 * 28
    bound = imports + 2.5 * encoded + 200e6
    outcome = run("train", str(MNIST), "--steps", "20")
    seen = f"{outcome.peak / 1e6:.0f} MB"
    return [Row("peak memory, MNIST", f"<= {bound / 1e6:.0f} MB", seen, f"the imports alone {imports / 1e6:.0f} MB")]


def start(seeds: int) -> list[Row]:
    """Start-up times, medians of several runs, beside the bare interpreter and torch."""
    module = [sys.executable, "-m", "deepwell"]
    bare = timed([sys.executable, "-c", "pass"])
    torch = timed([sys.executable, "-c", "import torch"])
    text = f"interpreter alone {bare:.2f} s, import torch {torch:.2f} s"
    return [
        Row("deepwell --help", "<= 0.25 s", f"{timed([*module, '--help']):.2f} s", text),
        Row(
            "import deepwell",
            "<= 0.1 s",
            f"{timed([sys.executable, '-c', 'import deepwell']) - bare:.2f} s + interpreter",
        ),
        Row("deepwell tasks", "imports no torch", f"{timed([*module, 'tasks']):.2f} s"),
    ]


def timed(command: Sequence[str]) -> float:
    """Median wall-clock seconds of several runs of a command."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


ROWS: Mapping[str, Check] = {
    "start": start,
    "digits": digits,
    "mnist-30s": mnist("30s", ">= 0.990", 1),
    "adult": adult,
    "wine": wine,
    "pneumonia": pneumonia,
    "memory": memory,
    "streaming": streaming,
    "mnist-5m": mnist("5m", ">= 0.994", 5),
    "autoencoder-5m": trained(
        [str(MNIST), "--task", "autoencoder", "--set", "likelihood=bernoulli"], "5m", "nats", "<= 95", 1
    ),
    **LANGUAGE,
    **PLACES,
    **SERIES,
    **GAMES,
}
