"""Knobs: the options of a task as a frozen dataclass whose fields say what they mean, in what unit, within what limits.

One declaration serves everything: `--set` on the command line, `deepwell tasks NAME`, the search of `tune`, the record.
`Recipe` holds the knobs that the engine reads; a task's Config inherits it and adds its own.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from deepwell.core.errors import ConfigError, nearest

C = TypeVar("C")


@dataclass(frozen=True)
class Knob:
    """What one option means. low and high are inclusive; log: search it on a logarithmic scale."""

    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """A knob as found in a dataclass: name, type (int, float, bool or str), default, Knob; optional: None is a value too."""

    name: str
    type: type
    default: Any
    knob: Knob
    optional: bool = False

    def parse(self, value: Any) -> Any:
        """The value as this option's type, within its limits. Text is read as the command line gives it.

        Raises ConfigError: what the option must be and what it got.
        """
        if self.optional and (value is None or value == "none"):
            return None
        try:
            parsed = _cast(value, self.type)
        except (ValueError, TypeError, OverflowError):
            raise ConfigError(f"{self.name} must be {self.must()}; got {value!r}") from None
        knob = self.knob
        too_low = knob.low is not None and parsed < knob.low
        too_high = knob.high is not None and parsed > knob.high
        if too_low or too_high or (isinstance(parsed, float) and math.isnan(parsed)):
            raise ConfigError(f"{self.name} must be {self.must()}; got {value!r}")
        if knob.choices and parsed not in knob.choices:
            raise ConfigError(f"{self.name} must be {self.must()}; got {value!r}{nearest(str(value), knob.choices)}")
        return parsed

    def must(self) -> str:
        """What the option must be, in words: `a number from 0 to 1`."""
        return f"{self._must()}, or none" if self.optional else self._must()

    def _must(self) -> str:
        if self.knob.choices:
            return "one of " + ", ".join(repr(c) for c in self.knob.choices)
        noun = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[self.type]
        low, high = self.knob.low, self.knob.high
        if low is not None and high is not None:
            return f"{noun} from {low:g} to {high:g}"
        if low is not None:
            return f"{noun} of at least {low:g}"
        return f"{noun} of at most {high:g}" if high is not None else noun


def _cast(value: Any, kind: type) -> Any:
    if kind is bool:
        if isinstance(value, bool):
            return value
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() not in words:
            raise ValueError(value)
        return words[str(value).lower()]
    if isinstance(value, bool):
        raise TypeError(value)
    if kind is int and isinstance(value, float) and value != int(value):
        raise ValueError(value)
    return kind(value)


def options(config: type) -> list[Option]:
    """All knobs of a config dataclass, in order. A field without a Knob is not an option."""
    hints = typing.get_type_hints(config, include_extras=True)
    found = []
    for f in dataclasses.fields(config):
        hint = hints[f.name]
        if typing.get_origin(hint) is Annotated:
            base, *extras = typing.get_args(hint)
            knob = next((e for e in extras if isinstance(e, Knob)), None)
            if knob is not None:
                types = [t for t in typing.get_args(base) or (base,) if t is not type(None)]
                found.append(Option(f.name, types[0], f.default, knob, optional=len(typing.get_args(base)) > 1))
    return found


def make(config: type[C], values: Mapping[str, Any]) -> C:
    """A config with the given values over the defaults.

    Raises ConfigError for unknown names (with the nearest one) and bad values, all of them in one text.
    """
    known = {o.name: o for o in options(config)}
    problems: list[str] = []
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            problems.append(f"there is no knob {name!r}{nearest(name, known)}")
            continue
        try:
            parsed[name] = known[name].parse(value)
        except ConfigError as error:
            problems.append(error.what)
    if problems:
        raise ConfigError("; ".join(problems), repair="`deepwell tasks NAME` lists the knobs of a task")
    return config(**parsed)


def to_json(config: Any) -> dict[str, Any]:
    """The knobs of a config instance as JSON values; `make(type(config), ...)` reads them back."""
    return {o.name: getattr(config, o.name) for o in options(type(config))}


@dataclass(frozen=True)
class NoRequest:
    """The request of a task whose questions have no knobs."""


SCHEDULES = ("linear", "cosine", "constant", "one-cycle", "plateau")
"""How the step size may fall; `training.schedules` says what each is."""
OPTIMISERS = ("adamw", "adam", "sgd", "rmsprop", "muon")
"""How gradients may move the weights; `training.rules` and `training.muon` say what each is."""


@dataclass(frozen=True)
class Recipe:
    """The knobs that the engine reads. A task's Config inherits these and changes the defaults that suit it."""

    size: Annotated[str, Knob("size of the network", choices=("auto", "tiny", "small", "base", "large"))] = "auto"
    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 30.0
    batch_size: Annotated[int, Knob("examples per step; 0: chosen by data and network", "examples", 0, 1_000_000)] = 0
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "adamw"
    momentum: Annotated[
        float | None, Knob("memory of past gradients; none: sgd 0.9, muon 0.95, rmsprop 0", "", 0.0, 0.999)
    ] = None
    nesterov: Annotated[bool, Knob("sgd and muon look ahead along their momentum")] = True
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 1e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.01
    l1: Annotated[float, Knob("L1 penalty on weight matrices, per example", "", 0.0, 1.0)] = 0.0
    warmup: Annotated[float, Knob("share of the run in which the step size rises", "share", 0.0, 0.9)] = 0.05
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "cosine"
    clip: Annotated[float, Knob("largest norm of the gradient of a mean loss; 0: no clipping", "", 0.0, 1e6)] = 1.0
    nonfinite: Annotated[
        str, Knob("what to do about a step whose loss or gradient is not finite", choices=("stop", "skip"))
    ] = "stop"
    ema: Annotated[float, Knob("memory of the averaged weights, as share of the run; 0: none", "share", 0.0, 0.5)] = (
        0.05
    )
    patience: Annotated[int, Knob("checks without gain before cooling down; 0: never", "checks", 0, 10_000)] = 10
