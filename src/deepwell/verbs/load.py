"""load: a sealed model -> an object that answers."""

from __future__ import annotations

from pathlib import Path

from deepwell.core.task import Task
from deepwell.runtime.predictor import Predictor
from deepwell.runtime.predictor import load as load_bundle
from deepwell.tracking.directory import sealed


def load(path: str | Path, task: str | type[Task] | None = None, device: str = "cpu") -> Predictor:
    """The model in `path`: a `.well` file or a run directory.

    task: the class, or the file, of a task that is not installed. Raises BundleError for a damaged or foreign file.
    """
    return load_bundle(sealed(path), task, device)
