"""arrays: arrays of numbers -> arrays of numbers, by any network that can be written as data.

For those who bring prepared arrays and a network of their own: the network is a Graph (nn/graph.py), layers out of a closed
set as JSON, so it can be sealed, opened elsewhere and never runs code. Without one, dense layers are taken. Nothing is scaled.
The Keras-style face (deepwell.keras) seals its models as this task.

    arrays in    <input>, <target>    as they are given: float32, or int32 for indices and classes
    arrays out   <target> (n, *shape), <target>.logits where it ends in a softmax or sigmoid, <target>.mask
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Columns, Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, SplitRule, Task
from deepwell.data.fields.vector import Vector
from deepwell.data.pipeline import FieldPipeline
from deepwell.families.stacking import units, weights

if TYPE_CHECKING:
    import torch

    from deepwell.losses.named import NamedLoss
    from deepwell.nn.graph import Graph, GraphNetwork

WIDTHS = {"tiny": 32, "small": 128, "base": 256, "large": 512}
SMALL_DATA = 5_000
USUAL = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy", "": "mean_squared_error"}
"""What `auto` minimises, by how the network ends; whole numbers under a softmax: sparse_categorical_crossentropy."""


@dataclass(frozen=True)
class ArraysConfig(Recipe):
    """The knobs."""

    graph: Annotated[str, Knob("the network as JSON (nn/graph.py); empty: dense layers")] = ""
    loss: Annotated[str, Knob("what is minimised, by Keras's name; auto: by how the network ends")] = "auto"
    compiled: Annotated[str, Knob("settings of the Keras-style face as JSON, kept beside the network")] = ""


class Arrays(Task):
    """Arrays of numbers to arrays of numbers, by a network of your own written as data."""

    Config, whole_arrays = ArraysConfig, True

    @property
    def knobs(self) -> ArraysConfig:
        """The config, as this task's type."""
        return cast(ArraysConfig, self.config)

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """Inputs that are arrays, or numbers, and targets that are arrays, numbers or classes written as numbers."""
        odd = [f for f in schema.inputs if f.kind not in ("vector", "number")]
        odd += [f for f in schema.targets if f.kind not in ("vector", "number", "category")]
        if odd:
            return Fit(0, reason=f"the column {odd[0].name!r} is of kind {odd[0].kind}; here all are arrays of numbers")
        if not schema.inputs or not schema.targets:
            return Fit(0, reason="there is no array to read, or none to learn")
        rank = 0.9 if all(f.kind == "vector" for f in schema.inputs) else 0.01
        return Fit(
            rank, reason=f"{len(schema.inputs)} inputs and {len(schema.targets)} targets that are arrays of numbers"
        )

    @classmethod
    def demo(cls, seed: int) -> Table:
        """1,500 short series of two channels; learnt are the swing of the first, their product and their largest height."""
        draws = Key(seed).fold("demo").numpy()
        times = np.linspace(0, 1, 12)
        height, phase = draws.uniform(0.5, 2, (1500, 2, 1)), draws.uniform(0, 3, (1500, 2, 1))
        series = height * np.sin(4 * times + phase) + draws.normal(0, 0.05, (1500, 2, 12))
        product = (series[:, 0] * series[:, 1]).mean(axis=1)
        answer = np.stack([np.ptp(series[:, 0], axis=1), product, np.abs(series).max(axis=(1, 2))], axis=1)
        return Table({"series": series.transpose(0, 2, 1).astype(np.float32), "target": answer.astype(np.float32)})

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Every column as the numbers that it holds. Raises ConfigError for a graph or loss that there is not."""
        self._given()
        self._loss("")
        return FieldPipeline(self.schema, {f.name: Vector() for f in (*self.schema.inputs, *self.schema.targets)})

    def split(self) -> SplitRule:
        """At random."""
        return SplitRule("random")

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example; rows weigh what a column with the role weight says."""
        encoded = pipeline.encode(part.rows, targets=part.name != "predict")
        if part.name in ("train", "select"):
            encoded = weights(self.schema, encoded, part.rows, {})
        return RowExamples(encoded, units(self.schema, encoded, part.rows))

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by the number of rows; of no meaning where a graph is given."""
        return self.config.size if self.config.size != "auto" else "small" if sizes.examples < SMALL_DATA else "base"

    def _graph(self, fields: Mapping[str, tuple[int, ...]], size: str = "small") -> Graph:
        """The network as data. Raises ConfigError where a given one has other inputs or outputs than there are columns."""
        from deepwell.nn.networks.dense import dense_graph

        inputs = {f.name: fields[f.name] for f in self.schema.inputs}
        targets = {f.name: fields[f.name] for f in self.schema.targets}
        if not self.knobs.graph:
            return dense_graph(inputs, targets, WIDTHS[size])
        graph = cast("Graph", self._given())
        _check_names("input", list(inputs), [i.name for i in graph.inputs])
        _check_names("output", list(targets), list(graph.outputs))
        shapes, ends = graph.shapes, graph.ends
        for given in graph.inputs:
            _check_shape(f"the input {given.name!r}", given.shape, inputs[given.name][2:])
        for name, value in graph.outputs.items():
            _, classes, *shape = targets[name]
            if classes and ends[name] == "softmax":
                shape = shape[:-1] if shape and shape[-1] == 1 else shape
                _check_shape(f"the output {name!r}", shapes[value], (*shape, classes), least=True)
            else:
                _check_shape(f"the output {name!r}", shapes[value], tuple(shape) or (1,))
        return graph

    def _given(self) -> Graph | None:
        """The network that the knob gives, if it does."""
        return _read(self.knobs.graph) if self.knobs.graph else None

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """The GraphNetwork."""
        from deepwell.nn.graph import GraphNetwork

        return GraphNetwork(self._graph(sizes.fields, self.size(sizes)))

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """The sum over rows of the mean over a row's values, of all targets, and the network's own penalties."""
        from deepwell.nn.regularisers import penalty

        outputs, _ = network(batch.arrays)
        ends = cast("GraphNetwork", network).graph.ends
        parts = {}
        for target in self.schema.targets:
            values = self._values(target.name, ends[target.name], outputs, batch.arrays[target.name])
            weight = batch.arrays.get(f"{target.name}.weight")
            parts[target.name] = (values if weight is None else values * weight).sum()
        total = sum(parts.values(), start=next(iter(parts.values())).new_zeros(()))
        weighed = penalty(network)
        if weighed is not None:
            total = total + len(batch) * weighed
        return Loss(total, float(len(batch)), parts if len(parts) > 1 else {})

    def _values(self, name: str, end: str, outputs: Mapping[str, torch.Tensor], truth: torch.Tensor) -> torch.Tensor:
        """(n,) the loss of each row: the mean over its values, where there is a mask over those that are there."""
        classes = end == "softmax" and not truth.is_floating_point()
        loss, mask = self._loss(end, classes), outputs.get(f"{name}.mask")
        if loss.truth == "classes" and truth.is_floating_point():
            raise ConfigError(
                f"the loss {loss.name} takes classes, and {name!r} holds numbers", repair="choose another loss"
            )
        answer, logits = outputs[name], outputs.get(f"{name}.logits") if loss.ends == end else None
        if loss.truth == "numbers":  # a single number a row may stand in an axis of its own or not
            truth = truth.unsqueeze(1) if truth.ndim == 1 else truth
            answer = answer.unsqueeze(1) if answer.ndim == 1 else answer
        values = loss.values(truth, answer, logits, mask)
        flat = values.reshape(len(values), -1)
        if mask is None or mask.numel() != flat.numel():
            return flat.mean(dim=1)
        return flat.sum(dim=1) / mask.reshape(len(values), -1).to(flat.dtype).sum(dim=1).clamp(min=1.0)

    def _loss(self, end: str, classes: bool = False) -> NamedLoss:
        """The loss of a target. Raises ConfigError where there is none of the name, or it is not one of single rows."""
        from deepwell.losses.named import NAMED

        asked = self.knobs.loss
        if asked == "auto":
            asked = f"sparse_{USUAL[end]}" if classes else USUAL[end]
        if asked not in NAMED:
            raise ConfigError(f"there is no loss {asked!r}{nearest(asked, NAMED)}")
        if NAMED[asked].coupled:
            raise ConfigError(
                f"the loss {asked} is of a whole batch, and here rows are measured", repair="choose another loss"
            )
        return NAMED[asked]

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The arrays, and beside shares of classes (a softmax) the place of the largest."""
        fields = []
        for target, end in self._ends(pipeline).items():
            fields.append(Field(target, "vector", "target", "what the network gives"))
            if end == "softmax":
                fields.append(Field(f"{target}.class", "vector", "target", "the place of the largest share, from 0"))
        return Schema(tuple(fields))

    def _ends(self, pipeline: Pipeline) -> dict[str, str]:
        """Target -> softmax, sigmoid or nothing, in the order of the schema."""
        ends = self._graph(pipeline.sizes()).ends
        return {f.name: ends[f.name] for f in self.schema.targets}

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """See `answers`."""
        outputs, _ = runner.run("forward", batch.arrays)
        columns: dict[str, Column] = {}
        for target, end in self._ends(pipeline).items():
            columns[target] = outputs[target]
            if end == "softmax":
                columns[f"{target}.class"] = outputs[target].argmax(axis=-1)
        return Table(columns)

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Of a single target accuracy or the error first; of several the loss."""
        found, ends = [], self._ends(pipeline)
        for target, end in ends.items():
            before = f"{target}: " if len(ends) > 1 else ""
            if end:
                found.append(_mean(f"{before}accuracy", f"{target}.right", "share", "higher"))
            else:
                found.append(_mean(f"{before}rmse", f"{target}.square", "", "lower", root=True))
                found.append(_mean(f"{before}mae", f"{target}.absolute", "", "lower"))
        loss = _mean("loss", "loss", "", "lower")
        return [*found, loss] if len(ends) == 1 else [loss, *found]

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """`loss` (n,), the sum over targets; of each target the share that is `right`, or mean `square` and `absolute` errors."""
        import torch

        outputs, _ = runner.run("forward", batch.arrays)
        there = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in outputs.items()}
        columns: dict[str, NDArray[Any]] = {"loss": np.zeros(len(batch))}
        for target, end in self._ends(pipeline).items():
            truth = batch.arrays[target]
            values = self._values(target, end, there, torch.from_numpy(np.array(truth)))
            columns["loss"] = columns["loss"] + values.double().numpy()
            answer = np.asarray(outputs[target], np.float64)
            if end:
                right = _classes(answer, end) == _classes_of_truth(truth, answer, end)
                columns[f"{target}.right"] = right.reshape(len(batch), -1).mean(axis=1)
            else:
                error = (answer - truth.reshape(answer.shape)).reshape(len(batch), -1)
                columns[f"{target}.square"], columns[f"{target}.absolute"] = (error**2).mean(1), np.abs(error).mean(1)
        return columns

    def baselines(self) -> Sequence[Baseline]:
        """The mean answer, or shares of classes, and a linear model."""
        from deepwell.evaluation.array_baselines import linear, mean

        inputs = [f.name for f in self.schema.inputs]
        return mean(self._classes), linear(inputs, self._classes)

    def _classes(self, pipeline: Pipeline) -> dict[str, int]:
        """Target -> how many classes its whole numbers are; 0 where it is learnt as numbers."""
        sizes, ends = pipeline.sizes(), self._ends(pipeline)
        return {name: sizes[name][1] if end == "softmax" else 0 for name, end in ends.items()}


@functools.lru_cache(maxsize=16)
def _read(text: str) -> Graph:
    """The graph of a config. Raises ConfigError for text that is none."""
    from deepwell.core.errors import BundleError
    from deepwell.nn.graph import Graph

    try:
        return Graph.from_json(json.loads(text))
    except RecursionError:
        raise ConfigError("the knob graph is nested too deep", repair="give what Graph.to_json() wrote") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"the knob graph is no JSON: {error}", repair="give what Graph.to_json() wrote") from None
    except BundleError as error:
        raise ConfigError(error.what, repair="give what Graph.to_json() wrote") from None


def _check_names(what: str, columns: list[str], given: list[str]) -> None:
    wrong = sorted(set(columns) ^ set(given))
    if wrong:
        raise ConfigError(
            f"the network has the {what}s {given}; the columns are {columns}{nearest(wrong[0], columns)}",
            repair=f"give its {what}s the names of the columns",
        )


def _check_shape(what: str, given: Sequence[int | None], column: Sequence[int], least: bool = False) -> None:
    """Raise ConfigError where a network's shape is not that of the column; least: its last axis may be longer."""
    pairs = list(zip(given, column, strict=False))
    fits = len(given) == len(column) and all(a is None or not b or a == b for a, b in pairs[:-1])
    last = pairs[-1] if pairs else (None, 0)
    fits = fits and (last[0] is None or not last[1] or last[0] == last[1] or (least and last[0] > last[1]))
    if not fits:
        more = " or more in its last axis" if least else ""
        raise ConfigError(f"{what} of the network has the shape {tuple(given)}; the data need {tuple(column)}{more}")


def _classes(answer: NDArray[np.float64], end: str) -> NDArray[Any]:
    """The class of each place: that of the largest share, or yes above a half."""
    return answer.argmax(axis=-1) if end == "softmax" else answer > 0.5


def _classes_of_truth(truth: NDArray[Any], answer: NDArray[np.float64], end: str) -> NDArray[Any]:
    """The true class of each place; truth holds classes, shares of each, or 0 and 1."""
    if end == "sigmoid":
        return truth.reshape(answer.shape) > 0.5
    shares = truth.shape == answer.shape and truth.dtype.kind == "f"
    return truth.argmax(axis=-1) if shares else truth.reshape(answer.shape[:-1])


def _mean(name: str, column: str, unit: str, direction: Any, root: bool = False) -> Metric:
    """The mean of a measured column, or its square root."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = np.asarray((weights @ columns[column]) / weights.sum(axis=1))
        return np.sqrt(mean) if root else mean

    trials = (lambda columns: float(len(columns[column]))) if unit == "share" else None
    return Metric(name, unit, direction, finish, trials)
