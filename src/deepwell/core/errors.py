"""The error tree. Every error that a user can cause is one of these, and its text teaches.

    DeepwellError            exit code 1
    ├── UsageError           exit code 2: what was asked cannot be done as asked
    │   ├── ConfigError      an option or knob: unknown name, value out of range
    │   ├── DataError        a file, row, column or value of the user's data
    │   ├── BundleError      a model file that is damaged, foreign, too new or not ours
    │   └── MissingExtra     a library that only some features need is not installed
    ├── RunError             exit code 1: the run itself failed (numbers, disk, memory)
    └── Interrupted          exit code 75: stopped on request; what was done is saved

A text says what happened, what was received, where, and how to repair it. `repair` is printed on a line of its own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class DeepwellError(Exception):
    """Base of all errors that Deepwell raises on purpose.

    Args:
        what: one sentence: what happened and what was received.
        where: file, row, column or layer; empty if the text says it.
        repair: what the user can do about it; empty if nothing.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", repair: str = "") -> None:
        self.what, self.where, self.repair = what, where, repair
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  repair: {self.repair}" if self.repair else text


class UsageError(DeepwellError, ValueError):
    """What was asked cannot be done as asked. Also a ValueError, so that code written for scikit-learn understands it."""

    exit_code = 2


class ConfigError(UsageError):
    """An option or knob has an unknown name or a value out of range."""


class DataError(UsageError):
    """A file, row, column or value of the user's data cannot be used."""


class BundleError(UsageError):
    """A model file is damaged, foreign, too new, or not a bundle."""


class MissingExtra(UsageError):
    """A library that only some features need is not installed."""

    def __init__(self, library: str, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs the library {library!r}, which is not installed",
            repair=f'pip install "deepwell[{extra}]"',
        )


class RunError(DeepwellError):
    """The run itself failed."""


class Interrupted(DeepwellError):
    """Stopped on request; what was done is saved."""

    exit_code = 75


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None when none is close.

    Close is what has the given initials (lr: learning_rate), else what is spelled alike, else what begins alike.
    """
    names = sorted(set(known))
    initials = [n for n in names if len(name) > 1 and "".join(w[:1] for w in re.split("[-_ ]", n)) == name]
    alike = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    begins = [n for n in names if name and n.lower().startswith(name.lower()[:3])]
    return next(iter([*initials, *alike, *begins]), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest known name, or the list of known names when none is close."""
    names = sorted(set(known))
    close = closest(name, names)
    if close is not None:
        return f"; did you mean {close!r}?"
    shown = ", ".join(repr(n) for n in names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; known: {shown}" if names else ""
