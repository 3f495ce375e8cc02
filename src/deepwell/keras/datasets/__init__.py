"""Data sets that people begin with, under Keras's names: `mnist.load_data()`. files.py says where they are looked for."""

from __future__ import annotations

import importlib
from typing import Any

from deepwell.core.errors import nearest

__all__ = ["california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"deepwell.keras.datasets.{name}")
    raise AttributeError(f"deepwell.keras.datasets has no {name!r}{nearest(name, __all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
