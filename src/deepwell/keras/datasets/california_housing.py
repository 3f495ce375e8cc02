"""California housing: 20,640 districts of the census of 1990, eight numbers each, and what a house costs there, in dollars.

Pace and Barry 1997, Statistics and Probability Letters 33.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError
from deepwell.keras.datasets import archives
from deepwell.keras.datasets.files import DataSet, Remote

FILES = DataSet("california_housing")
HOUSES = Remote(
    "california_housing.npz",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/california_housing.npz",
    "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
)
SMALL = 600
"""Districts of the small version, the first in the file."""
Rows = tuple[NDArray[np.float32], NDArray[np.float32]]


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): numbers (n, 8), and prices (n,).

    version: "large", or "small" with 600 districts. test_split: share of the test rows, the last after shuffling by the seed.
    Raises ConfigError for another version or split, DataError where the file cannot be had or read, RunError where other bytes
    arrive than were published.
    """
    if version not in ("large", "small"):
        raise ConfigError(f"version is 'large' or 'small'; got {version!r}")
    if not 0 <= test_split < 1:
        raise ConfigError(f"test_split must be at least 0 and below 1; got {test_split}")
    x, y = archives.npz(FILES.get(HOUSES, path), ("x", "y"))
    if version == "small":
        x, y = x[:SMALL], y[:SMALL]
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    cut = int(len(x) * (1 - test_split))
    return (x[order[:cut]], y[order[:cut]]), (x[order[cut:]], y[order[cut:]])
