"""Deepwell: raw files to a sealed deep-learning model, with proof.

`import deepwell as dw` loads nothing heavy: public names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from deepwell.core.errors import DeepwellError
    from deepwell.estimator import Estimator
    from deepwell.verbs import check, doctor, evaluate, load, predict, report, show, tasks, train, verify

_HOME = {
    "DeepwellError": "deepwell.core.errors",
    "Estimator": "deepwell.estimator",
    **dict.fromkeys(
        ["check", "doctor", "evaluate", "load", "predict", "report", "show", "tasks", "train", "verify"],
        "deepwell.verbs",
    ),
}
__all__ = [
    "DeepwellError", "Estimator", "check", "doctor", "evaluate", "load", "predict", "report", "show", "tasks", "train",
    "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'deepwell' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
