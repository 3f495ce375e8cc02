"""deepwell.keras: Keras's words over deepwell's own layers, losses and loop. https://keras.io/api says what they mean.

    import deepwell as tf
    model = tf.keras.Sequential([tf.keras.layers.Dense(10, activation="softmax")])

Unusual: a model is data (nn/graph.py), so it can be sealed like any other model here; and torch tensors are the tensors of
layers of one's own. Parts load when they are first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deepwell.keras.absent import instead

if TYPE_CHECKING:
    from deepwell.keras.functional import Input
    from deepwell.keras.layer import Layer
    from deepwell.keras.model import Model
    from deepwell.keras.own import Lambda
    from deepwell.keras.sequential import Sequential

PARTS = (
    "activations", "backend", "callbacks", "datasets", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "preprocessing", "random", "regularizers", "saving", "utils",
)  # fmt: skip
"""Modules that are reached by attribute: `tf.keras.layers`."""
NAMES = {
    "Input": "functional", "KerasTensor": "symbolic", "Layer": "layer", "Model": "model", "Sequential": "sequential",
    "Lambda": "own",
}  # fmt: skip
"""Names that stand here themselves -> their module."""

__all__ = ["Input", "Lambda", "Layer", "Model", "Sequential"]


def __getattr__(name: str) -> Any:
    if name in PARTS:
        return importlib.import_module(f"deepwell.keras.{name}")
    if name in NAMES:
        return getattr(importlib.import_module(f"deepwell.keras.{NAMES[name]}"), name)
    if name.startswith("_"):
        raise AttributeError(name)
    raise AttributeError(f"deepwell.keras has no {name!r}{instead(name, [*PARTS, *NAMES])}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PARTS, *NAMES})
