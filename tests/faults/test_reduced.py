"""Bad data for autoencoders: too few rows, rows that are all alike, questions that make no sense."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import CommandLine
from tests.faults.conftest import Refused

from deepwell.bundle import read as bundle

TASK = ("--task", "autoencoder")


def pictures(path: Path, pixels: np.ndarray) -> Path:
    np.savez(path, images=pixels)
    return path


def test_three_pictures_are_too_few(refused: Refused, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    data = pictures(tmp_path / "three.npz", draws.integers(0, 255, (3, 12, 12, 1)).astype(np.uint8))
    said = refused(data, *TASK)
    assert "3 rows are too few to train on" in said
    assert "repair: add rows" in said


def test_pictures_of_one_colour_teach_nothing(refused: Refused, tmp_path: Path) -> None:
    said = refused(pictures(tmp_path / "grey.npz", np.full((60, 12, 12, 3), 127, np.uint8)), *TASK)
    assert "rows of the training part are alike, such as pictures of one colour: there is nothing to learn" in said
    assert "repair: look at the files" in said


def test_a_table_of_one_constant_column_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n" + "5\n" * 50)
    assert "there is nothing to read: no picture, number or category" in refused(tmp_path / "data.csv", *TASK)


def test_pictures_that_are_single_colours_have_finite_scores(train, deepwell: CommandLine, tmp_path: Path) -> None:
    """All on one line, where principal components have no density."""
    brightness = np.random.default_rng(0).integers(0, 255, 60)
    data = pictures(tmp_path / "plain.npz", np.tile(brightness[:, None, None, None], (1, 8, 8, 1)).astype(np.uint8))
    said = train(data, *TASK, "--set", "samples=4")
    assert said.code == 0, said.err
    model = tmp_path / "runs" / "autoencoder" / "001"
    assert all(np.isfinite(a).all() for a in bundle.read(model / "model.well").weights.values())
    wrong = deepwell("predict", model, "--n", "-2")
    assert wrong.code == 2
    assert "n must be a whole number from 0 to 100000; got '-2'" in wrong.err
    many = deepwell("predict", model, "--n", "100001")
    assert many.code == 2


@pytest.mark.parametrize(
    ("knob", "value"), [("codes", "-1"), ("noise", "1.5"), ("form", "variatonal"), ("samples", "-5")]
)
def test_knobs_that_make_no_sense_are_refused(refused: Refused, tmp_path: Path, knob: str, value: str) -> None:
    (tmp_path / "data.csv").write_text("a,b\n" + "".join(f"{i % 7},{i % 5}.5\n" for i in range(60)))
    said = refused(tmp_path / "data.csv", *TASK, "--set", f"{knob}={value}")
    assert f"{knob} must be " in said
