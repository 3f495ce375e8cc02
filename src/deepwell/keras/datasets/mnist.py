"""MNIST: 60,000 handwritten digits to learn from and 10,000 to test, 28 x 28 grey pixels.

LeCun et al. 1998. Read from Keras's mnist.npz or from the four original IDX files, whichever is on the machine.
"""

from __future__ import annotations

import os

from deepwell.keras.datasets import archives
from deepwell.keras.datasets.files import DataSet, Remote
from deepwell.keras.datasets.pictures import Rows, checked, from_idx

FILES = DataSet("mnist", ("image-classification/mnist",))
DIGITS = Remote(
    "mnist.npz",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)


def load_data(path: str = "mnist.npz") -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): uint8 pictures (n, 28, 28) of 0 to 255, and digits (n,).

    Raises DataError where the files cannot be had or read, RunError where other bytes arrive than were published.
    """
    given = bool(os.path.dirname(path)) and os.path.isfile(path)
    if not given and FILES.find(os.path.basename(path)) is None:
        found = from_idx(FILES)
        if found is not None:
            return found
    file = FILES.get(DIGITS, path)
    return checked(file, archives.npz(file, ("x_train", "y_train", "x_test", "y_test")))
