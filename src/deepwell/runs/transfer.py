"""Training that begins from the weights of another model: `--from model.well`, with parts of them left as they are by `--freeze`.

Unusual: only encoders of columns are taken (`encoder.COLUMN`), which all networks that read a column name alike, so that a
detector can begin as a classifier did; heads begin afresh, for answers differ. A layer is taken where its names and shapes
match and where the column still means to it what it meant: its transform goes on as it was fitted (a vocabulary, levels), of
pictures the number of channels. What was taken, and what was not, is recorded; that nothing could be is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepwell.bundle.contents import Contents
from deepwell.bundle.read import read
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.fields import Schema
from deepwell.core.task import Pipeline, Sizes, Task
from deepwell.data.pipeline import FieldPipeline
from deepwell.runtime.predictor import reopened
from deepwell.tracking.directory import sealed

if TYPE_CHECKING:
    import torch

ENCODER = "encoder."
SCALARS = ("number", "category")
"""Encoders that read all inputs of a kind together."""
LISTED = 3
"""Names that a record lists for each reason."""


@dataclass(frozen=True)
class Start:
    """The model that training begins from. path: of the bundle; pipeline: as it was fitted for that model."""

    path: Path
    contents: Contents
    pipeline: Pipeline


@dataclass(frozen=True)
class Taken:
    """What came of it, as tensors by name. taken: those that were copied; left: those of the model's encoders that were not, and
    why; fresh: those of this network's encoders that nothing was copied to."""

    taken: tuple[str, ...]
    left: Mapping[str, str]
    fresh: tuple[str, ...]

    def told(self, start: Start) -> tuple[str, str]:
        """What was decided, and why, in words."""
        groups = sorted({".".join(name.split(".")[:2]) for name in self.taken})
        value = f"{len(self.taken)} of {len(self.taken) + len(self.left)} tensors of {', '.join(groups)}"
        why = f"from {start.path} ({start.contents.task}); what the network has beside them begins afresh"
        for reason in dict.fromkeys(self.left.values()):
            names = [name for name, other in self.left.items() if other == reason]
            why += f"; not taken: {', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''} ({reason})"
        if self.fresh:
            why += f"; {len(self.fresh)} tensors of its encoders begin afresh, too"
        return value, why


def start(path: str, task: type[Task]) -> Start:
    """The model in a run directory or `.well` file. task: of the new training, which need not be installed.

    Raises BundleError for a file that is damaged or foreign.
    """
    model = sealed(path)
    contents = read(model)
    return Start(model, contents, reopened(contents, task if task.name() == contents.task else None)[1])


def begin(pipeline: Pipeline, first: Start) -> None:
    """Let an unfitted pipeline of fields go on with what the model's weights depend on."""
    if isinstance(pipeline, FieldPipeline) and isinstance(first.pipeline, FieldPipeline):
        pipeline.begin(first.pipeline)


def check(task: Task, sizes: Sizes, pipeline: Pipeline, first: Start, freeze: Sequence[str] = ()) -> None:
    """Raise ConfigError, before anything is trained, where no weight of the model can be taken, or as `frozen` does."""
    import torch

    with torch.device("meta"):
        network = task.network(sizes)
    found = _compared(network, pipeline, task.schema, first)
    if found.taken:
        frozen(network, freeze, found.taken)
        return
    if found.left:
        what = "; ".join(f"{name}: {why}" for name, why in list(found.left.items())[:3])
        repair = "give the columns the names that they have in that model, and leave --size to it"
    else:
        what, repair = (
            "it has no encoders of columns",
            "begin from a model whose network has them, such as one for pictures",
        )
    raise ConfigError(f"no weight of {first.path} fits this network: {what}", repair=repair)


def copy(network: torch.nn.Module, pipeline: Pipeline, schema: Schema, first: Start) -> Taken:
    """Copy what fits into a network, in place."""
    import torch

    found = _compared(network, pipeline, schema, first)
    tensors = network.state_dict()
    with torch.no_grad():
        for name in found.taken:
            tensors[name].copy_(torch.from_numpy(np.array(first.contents.weights[name])))
    return found


def _compared(network: torch.nn.Module, pipeline: Pipeline, schema: Schema, first: Start) -> Taken:
    """What can be copied by name, shape and meaning."""
    mine = {n: t for n, t in network.state_dict().items() if n.startswith(ENCODER)}
    known = _same_columns(pipeline, schema, first)
    taken, left = [], {}
    for name, array in first.contents.weights.items():
        if not name.startswith(ENCODER):
            continue
        column = name.split(".")[1]
        if name not in mine:
            left[name] = "this network has no such tensor"
        elif column not in known:
            left[name] = "its columns are not those of this network"
        elif (tuple(mine[name].shape), str(mine[name].dtype)) != (array.shape, f"torch.{array.dtype.name}"):
            left[name] = f"of shape {array.shape}, here {tuple(mine[name].shape)}"
        else:
            taken.append(name)
    torn = {_module(name): why for name, why in left.items()}  # a layer is taken whole or not at all
    left |= {name: torn[_module(name)] for name in taken if _module(name) in torn}
    whole = tuple(name for name in taken if name not in left)
    return Taken(whole, left, tuple(n for n in mine if n not in whole))


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _same_columns(pipeline: Pipeline, schema: Schema, first: Start) -> set[str]:
    """The encoders (the second part of their tensors' names) that read the same as in the model."""
    from deepwell.nn.networks.image import module_name

    begun = pipeline.begun if isinstance(pipeline, FieldPipeline) else {f.name for f in schema.inputs}
    theirs = first.contents.schema
    same = {module_name(name) for name in begun}
    for kind in SCALARS:
        columns = [f.name for f in schema.of("input", kind)]
        if columns and columns == [f.name for f in theirs.of("input", kind)] and begun.issuperset(columns):
            same.add(kind)
    return same


def frozen(network: torch.nn.Module, names: Sequence[str], taken: Collection[str]) -> list[str]:
    """Freeze the parameters that patterns name (`encoder`: all below it; `encoder.image.stages.?.*`), in place.

    taken: tensors that came from a model; others begin afresh and must learn, whatever a pattern says. Returns the names of the
    frozen ones. Raises ConfigError for a pattern that freezes none, and where nothing is left to train.
    """
    parameters = dict(network.named_parameters())
    found: list[str] = []
    for pattern in names:
        named = [n for n in parameters if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")]
        if not named:
            heads = sorted({n.split(".")[0] for n in parameters})
            raise ConfigError(
                f"--freeze {pattern!r} names no parameter of the network{nearest(pattern, heads)}",
                repair=f"its parts are {', '.join(heads)}",
            )
        if not any(n in taken for n in named):
            raise ConfigError(
                f"--freeze {pattern!r} names only parameters that begin afresh, and must learn",
                repair="freeze what --from brings, e.g. --freeze encoder",
            )
        found += [n for n in named if n in taken and n not in found]
    if len(found) == len(parameters):
        raise ConfigError("--freeze leaves nothing to train", repair="freeze less, e.g. --freeze encoder")
    for name in found:
        parameters[name].requires_grad_(False)
    return found


def prepared_size(values: Mapping[str, Any], choices: Sequence[str], first: Start) -> dict[str, str]:
    """The knob `size` of the model, where the user did not choose one: weights fit only a network of the same width."""
    size = first.contents.config.get("size")
    return {"size": str(size)} if "size" not in values and size in choices else {}
