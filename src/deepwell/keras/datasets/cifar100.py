"""CIFAR-100: 50,000 colour pictures to learn from and 10,000 to test, 32 x 32 pixels, 100 kinds in 20 groups."""

from __future__ import annotations

from deepwell.core.errors import ConfigError
from deepwell.keras.datasets.cifar import batches
from deepwell.keras.datasets.files import DataSet, Remote
from deepwell.keras.datasets.pictures import Rows

FILES = DataSet("cifar100", ("image-classification/cifar100", "cifar-100-python-target"))
ARCHIVE = Remote(
    "cifar-100-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
)
FOLDER = "cifar-100-python/"


def load_data(label_mode: str = "fine") -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): uint8 pictures (n, 32, 32, 3) of 0 to 255, and labels (n, 1).

    label_mode: "fine", the 100 kinds, or "coarse", the 20 groups; ConfigError for another. Raises DataError where the files
    cannot be had or read, RunError where other bytes arrive than were published.
    """
    if label_mode not in ("fine", "coarse"):
        raise ConfigError(f"label_mode is 'fine' or 'coarse'; got {label_mode!r}")
    train, test = (batches(FILES, ARCHIVE, [FOLDER + part], f"{label_mode}_labels") for part in ("train", "test"))
    return train, test
