"""The data of the engine's rows as plain arrays, the same for every side: numpy only, since Keras runs where torch is not.

Unusual: everything is in memory and ready for the network before any clock starts, so that no side pays for reading.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcomes import DATA
from benchmarks.rows import ADULT, MNIST

SHAKESPEARE = DATA / "text-generation" / "tinyshakespeare" / "input.txt"
ADULT_NUMBERS = (0, 2, 4, 10, 11, 12)
ADULT_WORDS = (1, 3, 5, 6, 7, 8, 9, 13)
WINDOW = 128
"""Characters that a network sees at once."""


@dataclass(frozen=True)
class Arrays:
    """Inputs (n, ...) and targets (n,) or (n, positions) int64; `held_` are those of the author's test part, or the last."""

    x: NDArray[Any]
    y: NDArray[Any]
    held_x: NDArray[Any]
    held_y: NDArray[Any]
    classes: int


def mnist(folder: Path = MNIST) -> Arrays:
    """Digits (n, 1, 28, 28) float32 in 0..1."""
    return Arrays(*_digits(folder, "train"), *_digits(folder, "t10k"), classes=10)


def _digits(folder: Path, part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images = np.frombuffer(gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return images.reshape(-1, 1, 28, 28) / np.float32(255), labels.astype(np.int64)


def adult(folder: Path = ADULT) -> Arrays:
    """Census rows as float32: numbers standardised by the training part, words one-hot (unknown in training: all zero)."""
    train, test = _lines(folder / "adult-train.csv"), _lines(folder / "adult-test.csv")
    columns, held = [], []
    for place in ADULT_NUMBERS:
        values, others = (np.array([float(line[place]) for line in lines], np.float32) for lines in (train, test))
        mean, deviation = values.mean(), values.std()
        columns.append((values - mean) / deviation)
        held.append((others - mean) / deviation)
    for place in ADULT_WORDS:
        for word in sorted({line[place] for line in train}):
            columns.append(np.array([line[place] == word for line in train], np.float32))
            held.append(np.array([line[place] == word for line in test], np.float32))
    truth, held_truth = (np.array([line[14].startswith(">") for line in lines], np.int64) for lines in (train, test))
    return Arrays(np.stack(columns, 1), truth, np.stack(held, 1), held_truth, classes=2)


def _lines(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return [[cell.strip() for cell in line] for line in csv.reader(file) if len(line) == 15]


def shakespeare(path: Path = SHAKESPEARE) -> Arrays:
    """Windows of characters (n, WINDOW) int64 and the characters that follow each; the last tenth is held out."""
    text = np.frombuffer(path.read_bytes(), np.uint8)
    known, text = np.unique(text, return_inverse=True)
    count = (len(text) - 1) // WINDOW
    x = text[: count * WINDOW].reshape(count, WINDOW).astype(np.int64)
    y = text[1 : count * WINDOW + 1].reshape(count, WINDOW).astype(np.int64)
    cut = count - count // 10
    return Arrays(x[:cut], y[:cut], x[cut:], y[cut:], classes=len(known))


def tiny() -> Arrays:
    """4096 + 256 rows of 16 drawn numbers (float32) and the class that the first of them decides."""
    x = np.random.default_rng(0).standard_normal((4352, 16), np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Arrays(x[:4096], y[:4096], x[4096:], y[4096:], classes=2)
