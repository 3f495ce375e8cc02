"""Fashion-MNIST: 60,000 pictures of clothes to learn from and 10,000 to test, 28 x 28 grey pixels, ten kinds.

Xiao et al. 2017, arXiv:1708.07747.
"""

from __future__ import annotations

from deepwell.keras.datasets.files import DataSet, Remote
from deepwell.keras.datasets.pictures import IDX, Rows, checked_idx

SOURCE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FILES = DataSet(
    "fashion-mnist", ("image-classification/fashion-mnist", "image-classification/fashion_mnist", "fashion_mnist")
)
DIGESTS = (
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)


def load_data() -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): uint8 pictures (n, 28, 28) of 0 to 255, and kinds (n,).

    Raises DataError where the files cannot be had or read, RunError where other bytes arrive than were published.
    """
    return checked_idx(
        [FILES.get(Remote(name, SOURCE + name, digest)) for name, digest in zip(IDX, DIGESTS, strict=True)]
    )
