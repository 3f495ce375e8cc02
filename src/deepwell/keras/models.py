"""models: Model, Sequential, and what opens and copies them."""

from __future__ import annotations

from deepwell.keras.copying import clone_model, model_from_json
from deepwell.keras.model import Model
from deepwell.keras.saving import load_model, save_model
from deepwell.keras.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

Functional = Model
"""Keras's name of the class of models written down from inputs to outputs."""
