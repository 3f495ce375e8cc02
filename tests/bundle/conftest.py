"""A small model with every kind of entry filled, and a way to seal entries that `seal` would refuse."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from deepwell.bundle import archive
from deepwell.bundle.contents import ENTRIES, Contents
from deepwell.core.fields import Field, Schema
from deepwell.store import manifest, tensors

Forge = Callable[..., bytes]


@pytest.fixture(scope="session")
def contents() -> Contents:
    """Contents with awkward weights: 0 axes, none, -0.0, denormals, integers beyond float32."""
    weights = {
        "head.weight": np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4),
        "bits": np.array([0x80000000, 1, 0x7F7FFFFF], "u4").view("f4"),
        "steps": np.array(2**60 + 1, "i8"),
        "empty": np.zeros((0, 3), "f2"),
        "mask": np.array([True, False]),
    }
    schema = Schema((
        Field("age", "number", "input", "whole numbers from 17 to 90", {"unit": "years"}),
        Field("größe \N{PILE OF POO}", "category", "target", "2 levels", {"levels": 2}),
    ))  # fmt: skip
    return Contents(
        "tabular", 3, schema, {"age": {"center": 0.1, "scale": 1e-300}}, {"size": "small", "epochs": 30.0},
        {"fields": {"age": [1]}, "examples": 100, "seconds": None}, {"y.logits.scale": 0.7}, weights,
        {"scores": [{"name": "accuracy", "value": 0.1 + 0.2, "low": None}]}, "# A card\n\x1b[2J", {"torch": "2.13.0"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def forge() -> Forge:
    """forge({entry: bytes}, **facts) -> a file whose hashes and headers are right, whatever the entries hold."""

    def make(changed: Mapping[str, bytes | None] | None = None, /, **facts: Any) -> bytes:
        entries: dict[str, bytes | None] = {
            "schema.json": b"[]", "pipeline.json": b"{}", "config.json": b'{"config":{},"sizes":{}}',
            "calibration.json": b"{}", "weights.safetensors": tensors.write({"w": np.ones(2, "f4")}),
            "evidence.json": b"{}", "card.md": b"",
        }  # fmt: skip
        assert list(entries) == list(ENTRIES)
        entries.update(changed or {})
        kept = {name: data for name, data in entries.items() if data is not None}
        known = {"format": 1, "task": "tabular", "task_version": 1, "versions": {"deepwell": "0.1.0"}, **facts}
        known = {key: value for key, value in known.items() if value is not None}
        return b"".join(archive.pieces({manifest.NAME: manifest.write(kept, known), **kept}))

    return make
