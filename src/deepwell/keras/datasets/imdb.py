"""IMDB: 25,000 film reviews to learn from and 25,000 to test, each a list of word numbers with its label, 0 bad or 1 good.

Maas et al. 2011, https://aclanthology.org/P11-1015; numbers by frequency as Keras publishes them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.keras.datasets import archives, texts
from deepwell.keras.datasets.files import DataSet, Remote

SOURCE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FILES = DataSet("imdb", ("sentiment/imdb",))
REVIEWS = Remote("imdb.npz", SOURCE + "imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
WORDS = Remote("imdb_word_index.json", SOURCE + "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")
Rows = tuple[NDArray[np.object_], NDArray[np.int64]]


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): arrays of lists of numbers, and labels.

    num_words, skip_top: words outside the so many most frequent become oov_char (None: are left out). maxlen: longer reviews
    are left out. start_char: stands in front of each (None: nothing). index_from: added to every number. Raises DataError where
    the file cannot be had or read, RunError where other bytes arrive than were published.
    """
    x_train, y_train, x_test, y_test = archives.npz(
        FILES.get(REVIEWS, path), ("x_train", "y_train", "x_test", "y_test")
    )
    wanted = texts.Wanted(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    draws = np.random.RandomState(seed)  # one after the other, as Keras does
    train = texts.prepared(texts.shuffled(x_train, y_train, draws), wanted)
    test = texts.prepared(texts.shuffled(x_test, y_test, draws), wanted)
    limit = texts.most([train, test], num_words)
    train, test = texts.limited(train, wanted, limit), texts.limited(test, wanted, limit)
    return (train.rows(), train.labels), (test.rows(), test.labels)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Word -> number, without index_from. Raises as load_data does."""
    found: dict[str, Any] = json.loads(FILES.get(WORDS, path).read_text(encoding="utf-8"))
    return found
