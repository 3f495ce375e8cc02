"""Measurements in processes of their own: our Python for the torch sides, Keras's for Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.outcomes import ROOT

BACKENDS = ("tensorflow", "jax", "torch")
HORIZON = 4000
"""Steps of the runs whose first stretch is measured: about four epochs of the convnet's."""
KERAS = "keras-"
"""`keras-jax` is the side of Keras on JAX."""


class MeasurementError(RuntimeError):
    """A measurement ended badly; the text is the last line that it wrote."""


def line_of(command: list[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object that a command prints last. Raises MeasurementError when it fails or prints none."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise MeasurementError(f"{' '.join(command[1:])}: {said[-1]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def keras_python() -> Path | None:
    """The Python that has Keras: $KERAS_PYTHON, else .venv-keras; None where there is neither."""
    path = Path(os.environ.get("KERAS_PYTHON") or ROOT / ".venv-keras" / "bin" / "python")
    return path if path.exists() else None


def measured(side: str, row: str, steps: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    """One measurement of a side. choice: threads and precision of the sides that choose; others take their defaults."""
    if side.startswith(KERAS):
        return keras(side.removeprefix(KERAS), [row, "--steps", str(steps)])
    words = ["-m", "benchmarks.one", side, row, "--steps", str(steps)]
    if side in ("engine", "tuned"):
        words += ["--horizon", str(HORIZON)]
        words += ["--threads", str(choice["threads"]), "--precision", choice["precision"]]
    if side == "engine":
        words.append("--mfu")
    return line_of([sys.executable, *words])


def keras(backend: str, words: list[str]) -> dict[str, Any]:
    """One line of benchmarks.keras_fit. Raises MeasurementError where Keras or the backend is missing."""
    python = keras_python()
    if python is None:
        raise MeasurementError("there is no Keras: `make bench-keras` makes .venv-keras, or set KERAS_PYTHON")
    quiet = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return line_of([str(python), "-m", "benchmarks.keras_fit", *words], quiet)
