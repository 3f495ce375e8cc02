"""show: what is inside a sealed model."""

from __future__ import annotations

from pathlib import Path

from deepwell.bundle.contents import Contents
from deepwell.bundle.read import read
from deepwell.tracking.directory import sealed


def show(path: str | Path) -> Contents:
    """The contents of a `.well` file or run directory: task, schema, config, evidence, card. No network is built."""
    return read(sealed(path))
