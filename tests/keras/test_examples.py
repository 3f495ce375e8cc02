"""The pages in examples/ run as they stand, on small data; and every name that they use is one of real Keras."""

import ast
import importlib
import io
import runpy
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = sorted(page.stem for page in EXAMPLES.glob("*.py"))


@pytest.fixture
def small_data(tmp_path, monkeypatch):
    """MNIST and IMDB in the form of the published files, with few rows that are easy to tell apart."""
    draws = np.random.default_rng(0)
    folder = tmp_path / "datasets"
    folder.mkdir()
    digits = {part: np.arange(rows) % 10 for part, rows in (("train", 400), ("test", 100))}
    pictures = {p: np.zeros((len(d), 28, 28), np.uint8) for p, d in digits.items()}
    for part, labels in digits.items():
        for row, digit in enumerate(labels):
            pictures[part][row, 2 * digit : 2 * digit + 6, 4:24] = draws.integers(150, 255)
    labels = {f"y_{part}": d.astype(np.uint8) for part, d in digits.items()}
    np.savez(folder / "mnist.npz", **{f"x_{part}": p for part, p in pictures.items()}, **labels)
    reviews = np.empty(160, object)
    praise = np.arange(160) % 2
    reviews[:] = [[int(w) for w in draws.integers(10 + 500 * p, 500 + 500 * p, draws.integers(5, 90))] for p in praise]
    np.savez(folder / "imdb.npz", x_train=reviews, y_train=praise, x_test=reviews[:40], y_test=praise[:40])
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPWELL_DATA", str(tmp_path / "nothing"))


def page(name):
    """The names that the page leaves behind, and what it printed."""
    out = io.StringIO()
    with redirect_stdout(out):
        names = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    return names, out.getvalue()


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_as_it_stands(name):
    names, printed = page(name)
    assert printed.strip()
    if name == "transfer_by_freezing":
        assert "the frozen layers are unchanged: True" in printed
    if name == "denoising_autoencoder":
        assert names["autoencoder"].predict(names["test"][:2], verbose=0).shape == (2, 28, 28, 1)
    if name == "functional_inputs":
        assert {"priority_loss", "department_accuracy", "val_loss"} <= set(names["history"].history)
    if name == "custom_layer_and_callback":
        assert names["halvings"].notes >= 1


@pytest.mark.parametrize("name", PAGES)
def test_every_name_of_a_page_is_one_of_keras(name):
    """With the word replaced, what is imported is there, and so is each attribute of what was imported."""
    keras = pytest.importorskip("keras")
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text().replace("deepwell.keras", "keras"))
    found = {"keras": keras, "tf": keras}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                found[alias.asname or alias.name] = getattr(module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts = [node.attr]
            inner = node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in found:
                value = found[inner.id]
                for part in reversed(parts):
                    value = getattr(value, part)


@pytest.mark.parametrize("name", ["functional_inputs", "custom_layer_and_callback"])
def test_a_page_runs_with_keras_itself(name, tmp_path):
    """With the word replaced, real Keras runs it and leaves the same history."""
    pytest.importorskip("keras")
    text = (EXAMPLES / f"{name}.py").read_text()
    (tmp_path / f"{name}.py").write_text(
        text.replace("from deepwell import keras", "import keras").replace("deepwell.keras", "keras")
    )
    with redirect_stdout(io.StringIO()):
        theirs = runpy.run_path(str(tmp_path / f"{name}.py"))
        ours, _ = page(name)
    assert ours["model"].count_params() == theirs["model"].count_params()
    one, other = ours["model"].history.history, theirs["model"].history.history
    assert set(one) == set(other)
    assert {k: len(v) for k, v in one.items()} == {k: len(v) for k, v in other.items()}


def test_the_first_page_differs_from_keras_by_one_word():
    lines = (EXAMPLES / "mnist_convnet.py").read_text().splitlines()
    said = [line for line in lines if "deepwell" in line]
    assert all(line.count("deepwell") == 1 for line in said)
    assert len(said) == 4
