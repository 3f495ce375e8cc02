"""Conformance: one suite that every task passes, also a stranger's. Which checks apply follows from schema and examples.

One training through the command line is shared by all checks of a task; `deepwell check --task file.py` runs them all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepwell.conformance.checks import CHECKS
from deepwell.conformance.subject import Subject, train
from deepwell.core.errors import DeepwellError

LEARNS = "learns"


@dataclass(frozen=True)
class Finding:
    """One check of one task. holds: None where it does not apply. seen: what was seen, with figures. seconds: its cost."""

    name: str
    holds: bool | None
    seen: str
    seconds: float


SECONDS = (5.5, 20.0)
"""Limits of the shared training; the longer one where a task has not learned within the shorter, as on a busy machine."""


def examine(task: str, checks: Sequence[str] = tuple(CHECKS), seconds: Sequence[float] = SECONDS) -> list[Finding]:
    """Train a task (name or file) on its own demo through the command line and run the named checks.

    seconds: limits of the shared training, each tried where the task has not learned within the one before.
    A training that fails is the first and only finding.
    """
    first, *longer = seconds
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        try:
            subject = train(task, Path(directory), first)
        except DeepwellError as error:
            return [Finding("trains", False, str(error), time.perf_counter() - began)]
        findings = [Finding("trains", True, subject.verdict, time.perf_counter() - began)]
        for name in checks:
            findings.append(_run(name, subject))
            if name == LEARNS and findings[-1].holds is False and longer:
                return examine(task, checks, longer)
        return findings


def _run(name: str, subject: Subject) -> Finding:
    began = time.perf_counter()
    try:
        holds, seen = CHECKS[name](subject)
    except DeepwellError as error:
        holds, seen = False, str(error)
    return Finding(name, holds, seen, time.perf_counter() - began)
