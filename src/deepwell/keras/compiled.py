"""What compile said, in a form that trains: for each output its loss, its weight and its metrics; and the sums of an epoch.

Unusual: a metric is sums that add up over batches, so nothing is read from the device between steps; the progress bar and
callbacks that ask for a number read it when they ask. A batch's loss is that of Keras: means over the batch, weighted by output,
and what regularisers and add_loss cost; over an epoch batches count by their examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.keys import Key
from deepwell.core.task import Loss
from deepwell.keras import losses, metrics, optimizers
from deepwell.keras.arrays import IN, OUT, WEIGHT, Columns, check_weights
from deepwell.keras.calling import LOGITS
from deepwell.keras.layer import OwnModule
from deepwell.keras.ops.placing import on
from deepwell.keras.options import Asked, CompileOptions
from deepwell.nn.graph import Graph
from deepwell.nn.regularisers import penalty
from deepwell.training.plan import Plan
from deepwell.training.updates import Sums

ACCURACY = ("accuracy", "acc")
"""Metrics whose meaning follows from the shapes."""


@dataclass(frozen=True)
class Measure:
    """A metric of one output. label: as History knows it. weighted: whether sample weights count in it."""

    label: str
    metric: Any
    weighted: bool


@dataclass(frozen=True)
class Head:
    """One output in training. share: of its loss in the sum."""

    name: str
    loss: Any
    share: float
    measures: tuple[Measure, ...]


@dataclass
class Training:
    """What compile and fit know of a model. plans: batch size -> how this machine runs it, once measured."""

    asked: Asked
    options: CompileOptions
    optimizer: Any
    heads: tuple[Head, ...] | None = None
    plans: dict[int, Plan] = field(default_factory=dict)
    truths: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    scores: dict[str, float] = field(default_factory=dict)


def training_of(asked: Asked, options: CompileOptions) -> Training:
    """What compile said. Raises ConfigError for unknown names, with the nearest."""
    from deepwell.keras.symbolic import flat

    for value in _names(asked.loss):
        losses.get(value)
    for value in _names([asked.metrics, asked.weighted_metrics]):
        if value not in ACCURACY:
            metrics.get(value)
    shares = flat([asked.loss_weights], (str, metrics.Metric))
    if shares:
        told = shares[0] if isinstance(shares[0], str) else shares[0].name
        raise ConfigError(f"loss_weights are numbers; got {told!r}", repair=f"metrics=[{told!r}], by name")
    return Training(asked, options, optimizers.get(asked.optimizer))


def _names(value: Any) -> list[str]:
    """The names in what compile was given, but for those within configurations."""
    if isinstance(value, Mapping):
        return [] if "class_name" in value else _names(list(value.values()))
    if isinstance(value, list | tuple):
        return [name for part in value for name in _names(part)]
    return [value] if isinstance(value, str) else []


def heads_of(graph: Graph, asked: Asked, targets: Columns) -> tuple[Head, ...]:
    """The outputs in training; targets: OUT + output -> its targets, which say what `accuracy` means.

    Raises ConfigError where lists or dicts do not match the outputs, and where a loss does not fit the end of its output.
    """
    names = list(graph.outputs)
    by_loss = _by_output(asked.loss, names, "loss")
    shares = _by_output(asked.loss_weights, names, "loss_weights")
    plain, weighted = (
        _by_output(value, names, what, listed=True)
        for value, what in ((asked.metrics, "metrics"), (asked.weighted_metrics, "weighted_metrics"))
    )
    shapes, found = graph.shapes, []
    for name in names:
        shape = shapes[graph.outputs[name]]
        target = targets.get(OUT + name)
        measures: list[Measure] = []
        for given, counts in ((plain[name], False), (weighted[name], True)):
            for value in given if isinstance(given, list | tuple) else [] if given is None else [given]:
                resolved = metrics.resolved(value, (None, *shape) if target is None else target.shape, (None, *shape))
                label = _label("" if len(names) == 1 else f"{name}_", str(resolved.name), counts, measures)
                measures.append(Measure(label, resolved, counts))
        loss = losses.get(by_loss[name])
        share = 1.0 if shares[name] is None else float(shares[name])
        if loss is not None:
            width = shape[-1] if shape else None
            loss.check(target, width, ends(graph, name) or None, f"the layer {maker(graph, name)!r}")
        if WEIGHT + name in targets:
            check_weights(targets[WEIGHT + name], name, shape[:-1], loss is None or loss.keeps_places)
        found.append(Head(name, loss, share, tuple(measures)))
    return tuple(found)


def _label(before: str, name: str, weighted: bool, others: Sequence[Measure]) -> str:
    """As History knows a metric; a second one of a name is told apart as Keras does."""
    taken = {measure.label for measure in others}
    if f"{before}{name}" in taken and weighted:
        name = f"weighted_{name}"
    number = next(n for n in range(len(taken) + 1) if f"{before}{name}{f'_{n}' if n else ''}" not in taken)
    return f"{before}{name}{f'_{number}' if number else ''}"


def maker(graph: Graph, output: str) -> str:
    """The layer that gives an output; its own name where that is an input."""
    node = graph.makers[graph.outputs[output]]
    return output if node is None else node.layer


def ends(graph: Graph, output: str) -> str:
    """The name of the activation at the end of an output; empty where it is not known."""
    return str(getattr(graph.layers.get(maker(graph, output)), "activation", ""))


def _by_output(value: Any, names: Sequence[str], what: str, listed: bool = False) -> dict[str, Any]:
    """What compile was given, by output. listed: a list may also be meant for the only output."""
    if isinstance(value, Mapping) and "class_name" not in value:
        for name in value:
            if name not in names:
                raise ConfigError(f"{what} names the output {name!r}{nearest(str(name), names)}")
        return {name: value.get(name) for name in names}
    if isinstance(value, list | tuple):
        if listed and len(names) == 1:
            return {names[0]: [v for part in value for v in (part if isinstance(part, list | tuple) else [part])]}
        if len(value) != len(names) and not (listed and not value):
            raise ConfigError(
                f"{what} has {len(value)} entries; the model has {len(names)} outputs ({', '.join(names)})",
                repair="give one for each output, or a dict by their names",
            )
        return dict(zip(names, value or [None] * len(names), strict=True))
    if what == "loss_weights" and isinstance(value, int | float):
        return dict.fromkeys(names, value)
    return dict.fromkeys(names, value)


class Objective:
    """The loss of a batch and the sums of its metrics, as the loop asks for them."""

    def __init__(self, graph: Graph, heads: Sequence[Head]) -> None:
        self._heads = heads
        self._inputs = [i.name for i in graph.inputs]
        self._ends = {head.name: ends(graph, head.name) for head in heads}
        self._costs = _Costs()

    def __call__(self, network: nn.Module, batch: Batch, draw: Key) -> Loss:
        """Keras's loss of the batch times its examples. parts: LABEL/WHAT -> sums, of any shape."""
        arrays = batch.arrays
        outputs, _ = network(given(arrays, self._inputs))
        size = len(batch.examples)
        parts: dict[str, Tensor] = {}
        total: Tensor | None = None
        for head in self._heads:
            mean = self._loss(head, arrays, outputs)
            if mean is not None:
                total = mean * head.share if total is None else total + mean * head.share
                if len(self._heads) > 1:
                    parts[f"{head.name}_loss/total"] = mean.detach() * size
            with torch.no_grad():
                self._measure(head, arrays, outputs, parts)
        for cost in self._costs.of(network):
            total = cost if total is None else total + cost
        if total is None:
            raise ConfigError("there is nothing to train on: no output has a loss", repair="compile(loss=...)")
        return Loss(total * size, float(size), parts)

    def _loss(self, head: Head, arrays: Mapping[str, Any], outputs: Mapping[str, Tensor]) -> Tensor | None:
        truth = arrays.get(OUT + head.name)
        if head.loss is None or truth is None:
            return None
        logits = outputs.get(f"{head.name}.logits") if head.loss.ends == self._ends[head.name] else None
        end, carried = getattr(outputs[head.name], LOGITS, (None, None))  # of a `call` that ends in such a layer
        logits = carried if logits is None and end is not None and end == head.loss.ends else logits
        weights, mask = arrays.get(WEIGHT + head.name), outputs.get(f"{head.name}.mask")
        summed, units = head.loss.total(truth, outputs[head.name], weights, logits, mask)
        mean: Tensor = summed / units.clamp(min=1e-12)
        return mean

    def _measure(
        self, head: Head, arrays: Mapping[str, Any], outputs: Mapping[str, Tensor], parts: dict[str, Tensor]
    ) -> None:
        """Add the sums of the metrics of an output to parts; metrics that keep their own state hear of the batch."""
        truth = arrays.get(OUT + head.name)
        if truth is None:
            return
        answer, mask = outputs[head.name].detach().float(), outputs.get(f"{head.name}.mask")
        for measure in head.measures:
            weight = arrays.get(WEIGHT + head.name) if measure.weighted else None
            if measure.metric.keeps_state:
                with on(answer.device):
                    measure.metric.update_state(truth, answer, sample_weight=weight)
                continue
            for what, value in measure.metric.sums(truth, answer, weight, mask).items():
                parts[f"{measure.label}/{what}"] = value


def given(arrays: Mapping[str, Any], names: Sequence[str]) -> dict[str, Tensor]:
    """The inputs of a batch by name; the network turns them into its types."""
    return {name: arrays[IN + name] for name in names}


class _Costs:
    """What regularisers and add_loss add to the loss. The modules that have a say are looked for once, not at each step."""

    def __init__(self) -> None:
        self._network: nn.Module | None = None
        self._regularised = False
        self._own: list[OwnModule] = []

    def of(self, network: nn.Module) -> list[Tensor]:
        """The costs of the batch that has just gone through the network; what add_loss said is forgotten then."""
        if network is not self._network:
            modules = list(network.modules())
            self._network, self._own = network, [m for m in modules if isinstance(m, OwnModule)]
            self._regularised = any(getattr(m, "regularised", ()) for m in modules)
        cost = penalty(network) if self._regularised else None
        found = [] if cost is None else [cost]
        for module in self._own:
            found += module.losses
            module.losses = []
        return found


class Running:
    """Sums over batches: the loss and all metrics of an epoch so far, on the device until they are read."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self._heads = heads
        self.begin()

    def begin(self) -> None:
        """Begin anew."""
        self._names: list[str] = []
        self._totals: list[Tensor] = []
        self._units = 0.0
        for measure in (m for head in self._heads for m in head.measures):
            if measure.metric.keeps_state:
                measure.metric.reset_state()

    def hear(self, sums: Sums) -> None:
        """Add the sums of a batch; takes its parts out."""
        values = [sums.total.reshape(()), *sums.parts.values()]
        if self._totals:
            torch._foreach_add_(self._totals, values)
        else:
            self._names = ["loss/total", *sums.parts]
            self._totals = [v.detach().clone() for v in values]
        self._units += float(sums.units)
        sums.parts = {}

    @property
    def empty(self) -> bool:
        """Whether no batch was heard yet."""
        return not self._totals

    def labels(self) -> list[str]:
        """What `values` will name, in the order of `evaluate`."""
        return labels(self._heads)

    def values(self) -> dict[str, float]:
        """Label -> its value so far; this waits for the device."""
        if self.empty:
            return {}
        sums: dict[str, dict[str, Tensor]] = {}
        for name, total in zip(self._names, self._totals, strict=True):
            label, _, what = name.rpartition("/")
            sums.setdefault(label, {})[what] = total
        found = {"loss": float(sums.pop("loss")["total"]) / max(self._units, 1e-12)}
        for head in self._heads:
            label = f"{head.name}_loss"
            if len(self._heads) > 1 and label in sums:
                found[label] = float(sums[label]["total"]) / max(self._units, 1e-12)
        for measure in (m for head in self._heads for m in head.measures):
            if measure.metric.keeps_state:
                found[measure.label] = _number(measure.metric.result())
            elif measure.label in sums:
                found[measure.label] = _number(measure.metric.finish(sums[measure.label]))
        return found


def _number(value: Any) -> Any:
    """One number, or an array where the metric gives one for each class, be it a single one."""
    array = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    return array.astype(np.float32) if array.ndim else float(array)


def labels(heads: Sequence[Head]) -> list[str]:
    """The names of the loss and the metrics, in the order of `evaluate`."""
    several = [f"{head.name}_loss" for head in heads if head.loss is not None] if len(heads) > 1 else []
    return ["loss", *several, *(m.label for head in heads for m in head.measures)]


def targets_of(graph: Graph, y: Any) -> Columns:
    """The targets by output. y: an array, a list in the order of the outputs, or a dict by their names; None: there are none."""
    from deepwell.keras.arrays import as_array, named

    if y is None:
        return {}
    given = named(y, list(graph.outputs), "output") if not isinstance(y, Mapping) else _some(y, list(graph.outputs))
    found: Columns = {}
    for name, value in given.items():
        if value is None:
            continue
        array = as_array(value, f"the target {name!r}")
        if not array.ndim:
            raise DataError(f"the target {name!r} is a single number; there must be one for each example")
        found[OUT + name] = array.astype(np.uint8) if array.dtype == np.bool_ else array
    return found


def _some(y: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Targets of some outputs: others have no loss."""
    for name in y:
        if name not in names:
            raise DataError(f"there is no output {name!r}{nearest(str(name), names)}")
    return dict(y)
