"""The command line as a function, small files, and one small training that many tests ask."""

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("--epochs", "2", "--size", "tiny", "--device", "cpu", "--set", "batch_size=64")


@dataclass(frozen=True)
class Said:
    """What a command gave: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


CommandLine = Callable[..., Said]


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache of the user who runs it."""
    before = os.environ.get("DEEPWELL_CACHE")
    os.environ["DEEPWELL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("DEEPWELL_CACHE")
    if before is not None:
        os.environ["DEEPWELL_CACHE"] = before


@pytest.fixture
def deepwell(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """deepwell("train", path, ...) runs the real command line in this process."""

    def run(*words: object) -> Said:
        from deepwell.cli.main import main

        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as left:  # argparse leaves this way
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


def columns_of(rows: int, seed: int = 0) -> dict[str, list[Any]]:
    """A table to learn from: two numbers and a word decide between yes and no."""
    draw = np.random.default_rng(seed)
    height, weight = draw.normal(size=rows).round(6), draw.normal(size=rows).round(6)
    colour = draw.choice(["red", "green", "blue"], rows)
    label = np.where(height + weight + (colour == "red") > 0.3, "yes", "no")
    return {"height": height.tolist(), "weight": weight.tolist(), "colour": colour.tolist(), "label": label.tolist()}


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]], header: bool = True) -> Path:
    """The columns as a CSV file; None becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one finished run on 300 rows of `columns_of`, its data beside it as data.csv. Read only."""
    from deepwell.cli.main import main

    root = tmp_path_factory.mktemp("trained")
    data = write_csv(root / "data.csv", columns_of(300))
    arguments = ["train", str(data), "--target", "label", "--out", str(root / "runs"), "--quiet", *QUICK]
    assert main(arguments) == 0
    return root / "runs" / "tabular" / "001"


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copied" / "tabular" / "001"))


def data_of(run: Path) -> Path:
    """The file that the run of `trained` was made from."""
    return run.parents[2] / "data.csv"


def made(root: Path) -> list[str]:
    """Everything below a directory, for tests that nothing was written."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*")) if root.exists() else []


def is_root() -> bool:
    """Whether permissions do not bind this process."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
