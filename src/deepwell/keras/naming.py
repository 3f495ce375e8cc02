"""Names that layers and models get by themselves: `dense`, `dense_1`, `conv2d_2`, counted over the whole session as in Keras."""

from __future__ import annotations

import re
from collections import Counter

_given: Counter[str] = Counter()


def snake(name: str) -> str:
    """A class name as Keras writes it in names: `MaxPooling2D` -> `max_pooling2d`, `LSTM` -> `lstm`."""
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def unique(prefix: str) -> str:
    """The next free name: `prefix`, then `prefix_1`, ..."""
    number = _given[prefix]
    _given[prefix] += 1
    return f"{prefix}_{number}" if number else prefix


def reset() -> None:
    """Begin to count anew."""
    _given.clear()
