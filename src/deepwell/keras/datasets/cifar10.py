"""CIFAR-10: 50,000 colour pictures to learn from and 10,000 to test, 32 x 32 pixels, ten kinds."""

from __future__ import annotations

from deepwell.keras.datasets.cifar import batches
from deepwell.keras.datasets.files import DataSet, Remote
from deepwell.keras.datasets.pictures import Rows

FILES = DataSet("cifar10", ("image-classification/cifar10", "cifar-10-batches-py-target"))
ARCHIVE = Remote(
    "cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
FOLDER = "cifar-10-batches-py/"


def load_data() -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): uint8 pictures (n, 32, 32, 3) of 0 to 255, and kinds (n, 1).

    Raises DataError where the files cannot be had or read, RunError where other bytes arrive than were published.
    """
    train = batches(FILES, ARCHIVE, [f"{FOLDER}data_batch_{i}" for i in range(1, 6)], "labels")
    return train, batches(FILES, ARCHIVE, [f"{FOLDER}test_batch"], "labels")
