"""What a user can ask of a training, declared once: the command line, the Python verb and the record all read this class."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from deepwell.core.config import Knob, Option
from deepwell.core.errors import ConfigError, nearest

if typing.TYPE_CHECKING:
    from deepwell.data.sources import ReadOptions

T = TypeVar("T")
Names = tuple[str, ...]
Pairs = Mapping[str, str]


class Seconds(float):
    """A duration: a number of seconds, or text such as `90s`, `5m`, `1.5h`."""


class Bytes(int):
    """An amount of memory: a number of bytes, or text such as `500m`, `2g`, `1.5 GB`; units are powers of 1024."""


@dataclass(frozen=True)
class ReadAsked:
    """How files are to be read where they do not say themselves."""

    names: Annotated[str | None, Knob("file with the column names (.names), for tables without a header")] = None
    header: Annotated[bool | None, Knob("whether the first line holds the column names; found out if not given")] = None
    delimiter: Annotated[str | None, Knob("character between cells; found out if not given")] = None
    encoding: Annotated[str | None, Knob("of text files, e.g. utf-8 or cp1252; found out if not given")] = None
    missing: Annotated[Names, Knob("word that means a missing value; may be given again")] = ()
    form: Annotated[
        str | None, Knob("raw form, e.g. documents, text_lines, csv, where files could be read in several ways")
    ] = None


@dataclass(frozen=True)
class SchemaAsked(ReadAsked):
    """What the columns are, where recognition is to be told."""

    target: Annotated[Names, Knob("column to learn; may be given again")] = ()
    role: Annotated[Pairs, Knob("column=role, e.g. patient=group; may be given again")] = field(default_factory=dict)
    kind: Annotated[Pairs, Knob("column=kind, e.g. quality=category; may be given again")] = field(default_factory=dict)
    map: Annotated[Pairs, Knob("'OLD -> NEW': rename a label of the target; may be given again")] = field(
        default_factory=dict
    )
    schema: Annotated[str | None, Knob("schema file that `deepwell check --save` wrote")] = None
    task: Annotated[
        str | None, Knob("application (see `deepwell tasks`) or a file with one; found out if not given")
    ] = None


@dataclass(frozen=True)
class TrainOptions(SchemaAsked):
    """The options of one training."""

    test: Annotated[Any, Knob("file with the author's test rows")] = None
    time: Annotated[Seconds | None, Knob("limit for the whole run, e.g. 60s, 5m, 1h")] = None
    steps: Annotated[int | None, Knob("train exactly this many steps", "steps", 1)] = None
    epochs: Annotated[
        float | None, Knob("train exactly this many passes over the training part", "epochs", 1e-6, 1e9)
    ] = None
    seed: Annotated[int, Knob("of all draws; the same seed, steps and plan give the same bits")] = 0
    size: Annotated[str | None, Knob("of the network: auto, tiny, small, base or large")] = None
    device: Annotated[str, Knob("cpu, cuda, mps or auto")] = "auto"
    memory: Annotated[
        Bytes | None, Knob("memory that the data may take, e.g. 2g; half of what is free if not given")
    ] = None
    set: Annotated[Pairs, Knob("knob=value (see `deepwell tasks NAME`); may be given again")] = field(
        default_factory=dict
    )
    plan: Annotated[Pairs, Knob("field=value of the plan, e.g. threads=1 or precision=float32; may be given again")] = (
        field(default_factory=dict)
    )
    positive: Annotated[str | None, Knob("class that counts as positive, for two classes")] = None
    metric: Annotated[str | None, Knob("primary metric, e.g. accuracy, auc, rmse")] = None
    horizon: Annotated[int | None, Knob("steps of a forecast; found from the frequency if not given", "steps", 1)] = (
        None
    )
    split: Annotated[
        str | None,
        Knob(
            "where select and test begin in time, e.g. 2017-07-01,2017-11-01, or how long the parts are: 12/4/4 months"
        ),
    ] = None
    judge: Annotated[
        str | None, Knob("model whose encoder judges made pictures, a run or .well file; trained beside if not given")
    ] = None
    no_tail: Annotated[bool, Knob("keep no rows of the data in the model, as forecasts without a file need")] = False
    max_rejected: Annotated[float, Knob("largest share of rows that may be unusable", "share", 0.0, 1.0)] = 0.01
    save_every: Annotated[
        Seconds | None, Knob("time between two checkpoints of the training's state; 30s if not given")
    ] = None
    from_: Annotated[
        str | None, Knob("run directory or .well file: its encoders' weights are what training begins with")
    ] = None
    freeze: Annotated[
        Names,
        Knob("parameters of --from that stay as they are, e.g. encoder or encoder.image.stem.*; may be given again"),
    ] = ()
    out: Annotated[str, Knob("directory of all runs")] = "runs"
    demo: Annotated[bool, Knob("train on the task's own synthetic data")] = False


def parse(kind: type[T], values: Mapping[str, Any]) -> T:
    """The options with the given values, each turned into its type; text is read as the command line gives it.

    Raises ConfigError: an unknown option (with the nearest), or what an option must be and what it got.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    parsed = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"there is no option {name!r}{nearest(name, known)}")
        parsed[name] = None if value is None else _convert(name, value, *typing.get_args(hints[name]))
    return kind(**parsed)


def reread(options: ReadOptions, asked: Mapping[str, Any]) -> ReadOptions:
    """Reading options with those that are asked for; None: found out. Raises ConfigError as `parse` does."""
    parsed = parse(ReadAsked, asked)
    return dataclasses.replace(options, **{name: getattr(parsed, name) for name in asked})


def _convert(name: str, value: Any, hint: Any, knob: Knob) -> Any:
    if hint is Any:
        return value
    if hint == Names:
        return (value,) if isinstance(value, str) else tuple(str(v) for v in value)
    if hint == Pairs:
        return _pairs(name, value)
    accepted = next(t for t in (typing.get_args(hint) or (hint,)) if t is not type(None))
    if accepted is Seconds:
        return seconds(name, value)
    if accepted is Bytes:
        return amount(name, value)
    return Option(name, accepted, None, knob).parse(value)


def _pairs(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(k): str(v) for k, v in value.items()}
    sign = "->" if name == "map" else "="
    items: Sequence[str] = [value] if isinstance(value, str) else list(value)
    pairs = {}
    for item in items:
        left, found, right = str(item).partition(sign)
        if not found or not left.strip():
            example = "'OLD -> NEW'" if name == "map" else f"NAME{sign}VALUE"
            raise ConfigError(f"{name} must have the form {example}; got {item!r}")
        pairs[left.strip()] = right.strip()
    return pairs


def seconds(name: str, value: Any) -> float:
    """A duration in seconds from a number or text: 90, "90s", "5m", "1.5h". Raises ConfigError for anything else."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|sec|m|min|h)?\s*", str(value).lower())
    unit = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, None: 1}
    result = float(match[1]) * unit[match[2]] if match else 0.0
    if not 0 < result < math.inf:
        raise ConfigError(f"{name} must be a duration such as 60s, 5m or 1h; got {value!r}")
    return result


def amount(name: str, value: Any) -> int:
    """An amount of memory in bytes from a number or text: 1000000, "500m", "2g", "1.5 GB". Raises ConfigError else."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(?:i?b)?\s*", str(value).lower())
    power = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
    found = float(match[1]) * 1024 ** power[match[2]] if match and not isinstance(value, bool) else 0.0
    if not 1 <= found < 2**62:
        raise ConfigError(f"{name} must be an amount of memory such as 500m or 2g; got {value!r}")
    return int(found)


def to_json(options: Any) -> dict[str, Any]:
    """Options as JSON values; `parse` reads them back. Data given as an object has no name: it is told by its type.

    Files are named by absolute paths, so that the run can be taken up again from another directory.
    """
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    told = {name: _absolute(_json(value)) if name in FILES else _json(value) for name, value in values.items()}
    if isinstance(values.get("test"), Mapping):
        told["test"] = f"a {type(values['test']).__name__}{IN_MEMORY}"
    return told


FILES = ("names", "schema", "task", "test", "from_")
IN_MEMORY = " in memory"
"""How data given as an object are told: a type's name and this."""


def _absolute(value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, str) and Path(value).exists() else value


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return float(value) if isinstance(value, Seconds) else value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | list):
        return [_json(v) for v in value]
    return str(value) if isinstance(value, Path) else f"a {type(value).__name__}{IN_MEMORY}"
