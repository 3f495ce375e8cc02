"""Reuters: 11,228 newswires, each a list of word numbers with one of 46 topics.

Lewis 1987, the Reuters-21578 collection; numbers by frequency as Keras publishes them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError
from deepwell.keras.datasets import archives, texts
from deepwell.keras.datasets.files import DataSet, Remote

SOURCE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FILES = DataSet("reuters")
WIRES = Remote(
    "reuters.npz", SOURCE + "reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
)
WORDS = Remote("reuters_word_index.json", SOURCE + "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")
TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee", "sugar", "trade",
    "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx", "interest", "gnp", "meal-feed", "alum",
    "oilseed", "gold", "tin", "strategic-metal", "livestock", "retail", "ipi", "iron-steel", "rubber", "heat", "jobs", "lei",
    "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead",
)  # fmt: skip
Rows = tuple[NDArray[np.object_], NDArray[np.int64]]


def load_data(
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[Rows, Rows]:
    """(x_train, y_train), (x_test, y_test): arrays of lists of numbers, and topics.

    test_split: share of the test rows, the last of the shuffled ones. For the rest see imdb.load_data; there is no `path`.
    """
    if not 0 <= test_split < 1:
        raise ConfigError(f"test_split must be at least 0 and below 1; got {test_split}")
    x, y = archives.npz(FILES.get(WIRES), ("x", "y"))
    wanted = texts.Wanted(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    wires = texts.prepared(texts.shuffled(x, y, np.random.RandomState(seed)), wanted)
    wires = texts.limited(wires, wanted, texts.most([wires], num_words))
    rows, labels = wires.rows(), wires.labels
    cut = int(len(rows) * (1 - test_split))
    return (rows[:cut], labels[:cut]), (rows[cut:], labels[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Word -> number, without index_from. Raises as load_data does."""
    found: dict[str, Any] = json.loads(FILES.get(WORDS, path).read_text(encoding="utf-8"))
    return found


def get_label_names() -> tuple[str, ...]:
    """The names of the topics, in the order of their numbers."""
    return TOPICS
