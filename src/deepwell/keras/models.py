"""models: Model, Sequential, and what opens and copies them."""

from __future__ import annotations

from deepwell.keras.model import Model
from deepwell.keras.saving import clone_model, load_model
from deepwell.keras.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "save_model"]

Functional = Model
"""Keras's name of the class of models written down from inputs to outputs."""


def save_model(model: Model, filepath: str, overwrite: bool = True) -> None:
    """`model.save`."""
    model.save(filepath, overwrite)
