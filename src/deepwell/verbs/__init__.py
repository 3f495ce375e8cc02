"""The public verbs, one thin file each. `import deepwell as dw; dw.train(...)`."""

from __future__ import annotations

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
from deepwell.verbs.tasks import tasks
from deepwell.verbs.train import train
from deepwell.verbs.try_ import try_
from deepwell.verbs.verify import verify

__all__ = [
    "cache",
    "check",
    "compare",
    "demo",
    "doctor",
    "evaluate",
    "load",
    "predict",
    "report",
    "resume",
    "show",
    "tasks",
    "train",
    "try_",
    "verify",
]
