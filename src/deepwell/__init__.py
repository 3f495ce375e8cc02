"""Deepwell: raw files to a sealed deep-learning model, with proof.

`import deepwell as dw` loads nothing heavy: public names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from deepwell import keras, tasks
    from deepwell.core.errors import DeepwellError
    from deepwell.estimator import Estimator
    from deepwell.verbs.cache import cache
    from deepwell.verbs.check import check
    from deepwell.verbs.compare import compare
    from deepwell.verbs.demo import demo
    from deepwell.verbs.doctor import doctor
    from deepwell.verbs.evaluate import evaluate
    from deepwell.verbs.load import load
    from deepwell.verbs.predict import predict
    from deepwell.verbs.report import report
    from deepwell.verbs.resume import resume
    from deepwell.verbs.show import show
    from deepwell.verbs.train import train
    from deepwell.verbs.try_ import try_
    from deepwell.verbs.verify import verify

__all__ = [
    "DeepwellError", "Estimator", "cache", "check", "compare", "demo", "doctor", "evaluate", "keras", "load", "predict",
    "report", "resume", "show", "tasks", "train", "try_", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'deepwell' has no attribute {name!r}")
    if name in ("tasks", "keras"):  # packages: dw.tasks.names(), dw.keras.layers.Dense(10)
        return importlib.import_module(f"deepwell.{name}")
    home = {"DeepwellError": "deepwell.core.errors", "Estimator": "deepwell.estimator"}.get(name, "deepwell.verbs")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
