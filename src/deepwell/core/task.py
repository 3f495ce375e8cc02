"""The task contract: one application is one final class in one file of tasks/, found by its file name.

A task stores (schema, config) and changes nothing. It reads from top to bottom: what it is, what data it takes, network,
loss, answers, proof, demo. The engine knows only this page; what an application cannot say here is a reason to change this
page for all, never to ask elsewhere which task it is. Members marked * are required.

    data      fits*  demo*  pipeline  split  examples  augment
    network   size  network*  prime  loss*  updates  plan_hints
    answers   answers*  predict*  calibrate  asks  question
    proof     metrics*  measure*  baselines  figures  shown  match  watch
    old files version  upgrade
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, IntArray
from deepwell.core.config import NoRequest, Recipe
from deepwell.core.errors import BundleError, DataError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table

if TYPE_CHECKING:
    import torch

    from deepwell.training.optimisers import Optimiser

Transform = Callable[[Batch, Key], Batch]


@dataclass(frozen=True)
class Chosen:
    """A Transform with what it does and why it was chosen, in words: the engine records both as a decision.

    transform: None where what was decided is to leave something undone.
    """

    transform: Transform | None
    what: str
    why: str

    def __call__(self, batch: Batch, key: Key) -> Batch:
        """The transformed batch; the batch itself where there is no transform."""
        return batch if self.transform is None else self.transform(batch, key)


@dataclass(frozen=True)
class Fit:
    """How well a task suits a schema. rank: 0 = not at all, 1 = this is what it is for.

    roles: column -> role, what the task would set (e.g. {"label": "target"}). reason: one sentence, also for a 0.
    """

    rank: float
    roles: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class SplitRule:
    """How rows become parts where the author of the data did not say.

    kind: "stratified" (by the target; also rows that stand together by a group column), "random", "time" (the last rows
    are the test, all groups cut at the same moments; later parts get the earlier rows as history), or "position" (few long
    texts are cut: the end of each is the test; many are drawn at random). by: the column that orders rows, for "time"; that
    of the texts, for "position"; that of texts by whose length parts are bounded, for "random". test, select, calibrate:
    shares of all rows, or of the characters of each text.
    cuts: for "time": the moments where select and test begin for all groups alike, and where the test ends, as the user wrote
    them: `2017-07-01,2017-11-01`, the test alone: `2017-11-01`, or lengths: `12/4/4 months`. least: for "time": rows of
    each group that select, calibrate and test have at least, such as a horizon.
    """

    kind: str = "stratified"
    by: str = ""
    test: float = 0.2
    select: float = 0.1
    calibrate: float = 0.05
    cuts: str = ""
    least: int = 1


@dataclass(frozen=True)
class Sizes:
    """What a network needs to know about the data to be built; stored in the bundle, so it is rebuilt from the file alone.

    fields: column -> its sizes by kind: number (1,); category (levels,) including missing/unknown at level 0 for inputs,
    (classes,) for targets; image (channels, height, width).
    examples: training examples. seconds: the training budget, None when open.
    """

    fields: Mapping[str, tuple[int, ...]]
    examples: int
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The sizes as JSON values."""
        return {
            "fields": {n: list(s) for n, s in self.fields.items()}, "examples": self.examples, "seconds": self.seconds
        }  # fmt: skip

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Sizes:
        """The sizes that `to_json` wrote. Raises BundleError for anything else: the values come from a file."""
        fields, examples, seconds = (value.get(name) for name in ("fields", "examples", "seconds"))
        whole = isinstance(fields, dict) and all(
            isinstance(s, list) and all(type(n) is int and 0 <= n < 2**31 for n in s) for s in fields.values()
        )
        timed = seconds is None or (type(seconds) in (int, float) and seconds > 0)
        if not (whole and type(examples) is int and examples >= 0 and timed and len(value) == 3):
            raise BundleError("the sizes in config.json are not of the form {fields, examples, seconds}")
        return Sizes({n: tuple(s) for n, s in fields.items()}, examples, seconds)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Loss:
    """A loss over a batch as a SUM, so that micro-batches and processes add up.

    total: scalar tensor, the sum over units. units: how many units the sum is over (a number or scalar tensor).
    parts: named sums for the record, detached by the engine.
    """

    total: torch.Tensor
    units: torch.Tensor | float
    parts: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """One optimiser step of a round. A task with one loss has one; adversaries have two.

    name: for the record. parameters: glob over parameter names. loss: (network, batch, draw) -> Loss; None = Task.loss.
    every: rounds between two such updates. coupled: examples of a batch depend on each other (in-batch negatives, batch
    statistics), so the batch must not be cut into micro-batches. optimiser: (network, names of its parameters, fused)
    -> what moves them, instead of the recipe's.
    """

    name: str = "main"
    parameters: str = "*"
    loss: Callable[[torch.nn.Module, Batch, Key], Loss] | None = None
    every: int = 1
    coupled: bool = False
    optimiser: Callable[[torch.nn.Module, Sequence[str], bool], Optimiser] | None = None


@dataclass(frozen=True)
class Baseline:
    """What the network has to beat. Fitted on training examples, it answers as Runner. fit: (examples, pipeline, key) -> Runner.

    kind: "trivial" (majority, mean), "classical" (linear, boosting), or "reference": shown and compared, but never recommended.
    """

    name: str
    kind: str
    fit: Callable[[Examples, Pipeline, Key], Runner]


class Pipeline(Protocol):
    """Fitted transforms, one per field: raw value <-> arrays. The same object serves training and prediction."""

    schema: Schema

    def fit(self, table: Table) -> Pipeline:
        """Learn every transform from the training rows; returns self."""
        ...

    def restore(self, state: Mapping[str, Any]) -> Pipeline:
        """Take over what `state` gave, as read from a bundle; returns self. Raises BundleError for anything unexpected."""
        ...

    def encode(self, table: Table, *, targets: bool = True) -> Encoded:
        """Arrays of the usable rows, and why the others are not. Targets are left out for questions."""
        ...

    def decode(self, name: str, array: NDArray[Any]) -> Column:
        """Raw values of one field from its main array (for a category: from level or class indices)."""
        ...

    def classes(self, name: str) -> list[str]:
        """The class names of a target category, in the order of its indices."""
        ...

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Field name -> sizes, as Sizes.fields says."""
        ...

    def state(self) -> dict[str, Any]:
        """The fitted transforms as JSON values."""
        ...

    def said(self) -> Sequence[str]:
        """What fitting found out that a user should know, as sentences; mostly nothing."""
        ...

    def kept(self) -> Mapping[str, NDArray[Any]]:
        """What of the data itself goes into the bundle (the last rows of a series), as finite arrays; mostly empty."""
        ...

    def restore_kept(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `kept` gave, after `restore`. Raises BundleError for anything unexpected."""
        ...


class Task(ABC):
    """One application. See the top of this file."""

    Config: ClassVar[type[Recipe]] = Recipe
    Request: ClassVar[type] = NoRequest
    version: ClassVar[int] = 1
    watch: ClassVar[str | None] = "loss"
    """Chooses the best weights on the select part: "loss", a part of the loss or a metric by name; None: last EMA weights."""

    asks_rows: ClassVar[bool] = True
    """Whether a question is a row (one answer per example); False: the request alone is the question and the batch is empty."""

    continues: ClassVar[str] = ""
    """The knob of a Request that an answer's column of the same name goes on from, such as a game's moves; empty: none does."""

    judge: ClassVar[str] = ""
    """Prefix of weights that only measure answers: models that differ in them cannot be compared. Empty: there are none."""

    whole_arrays: ClassVar[bool] = False
    """Whether arrays of numbers are read as they are, one column each, instead of as pictures or a column for each number."""

    past_targets: ClassVar[bool] = False
    """Whether targets are inputs, too, by their past: rows without a target are gaps and stay, and questions hold targets."""

    partly_labelled: ClassVar[bool] = False
    """Whether targets only judge and nothing is learnt from them: rows without one stay; no part needs the labels of another."""

    def __init__(self, schema: Schema, config: Recipe) -> None:
        self.schema = schema
        self.config = config

    @classmethod
    def name(cls) -> str:
        """The name of the task: that of its file."""
        return cls.__module__.rpartition(".")[2]

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def fits(cls, schema: Schema) -> Fit:
        """Whether this task suits a schema; an empty Schema means no files at all."""

    @classmethod
    @abstractmethod
    def demo(cls, seed: int) -> Table | None:
        """Small synthetic data on which the task visibly learns in seconds; None: the task makes its own data."""

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """An unfitted pipeline, or None: each field by its kind.

        `start` is the pipeline of the bundle that training begins from, where there is one (`--from`): what its weights
        depend on, such as a vocabulary, is to be taken over by keeping its fitted kinds.
        """
        return None

    def split(self) -> SplitRule:
        """How rows become parts where the author did not say."""
        return SplitRule()

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """The examples of a part. Default: one row, one example. Part `predict` has no targets."""
        return RowExamples(pipeline.encode(part.rows, targets=part.name != "predict"))

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Random transforms of training batches on the device: (batch, key) -> batch, all arrays moved together.

        `examples` are the training examples: a rule may look at them to decide what is harmless. A transform given as
        Chosen is recorded with its reason.
        """
        return ()

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """The size of the network: that of the config, or what `auto` means for these data and this time.

        Asked once, before training. The sealed config has the answer, so old models open however it is found one day.
        """
        return self.config.size

    @abstractmethod
    def network(self, sizes: Sizes) -> torch.nn.Module:
        """The network: a module with named calls, each `call(arrays, state=None) -> (arrays, state)`.

        A pure function of (schema, config, sizes). Encoders of fields are submodules named `encoder.<field>` (or
        `encoder.<kind>` where one module reads all scalar fields of a kind).
        """

    @abstractmethod
    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """The training loss of a batch (tensors). `draw` is this micro-step's key; torch's default generator is set to it.

        It runs under the plan's precision: outputs of the network may be bfloat16, so sums are taken in float32.
        """

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """Fill in place what a new network takes from the training data by counting, before it is trained. Default: nothing.

        `pipeline` was fitted on the training rows in this process; what it keeps beyond its state is there.
        """
        return

    def updates(self) -> Sequence[Update]:
        """The updates of one round, in order. Default: one, of all parameters, by `loss`."""
        return (Update(),)

    def plan_hints(self) -> Mapping[str, Any]:
        """What the engine cannot see from outside, e.g. {"convolutional": True}. Never needed for correctness."""
        return {}

    # answers ---------------------------------------------------------------------------------------------------------
    @abstractmethod
    def answers(self, pipeline: Pipeline) -> Schema:
        """The columns that predict gives."""

    @abstractmethod
    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Answers for a batch (numpy), columns as `answers` says, one line per example (any number for an empty batch).

        Where examples are not rows of the table (windows of a series) there may be several lines per example, the same
        number for each and example by example, such as the steps of a horizon. `emit` streams pieces of an answer as they
        are made.
        """

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """Numbers for CalibratedRunner, fitted on the measured columns of the calibrate part. Default: none."""
        return {}

    def asks(self, request: Any) -> bool:
        """Whether a request is about rows. Default: as `asks_rows` says for all."""
        return self.asks_rows

    def question(self, pipeline: Pipeline) -> Table | None:
        """The rows that are asked about where a question brings none (what comes next); None: a question needs rows."""
        return None

    # proof -----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """The metrics, primary first."""

    @abstractmethod
    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """One line of numbers per example: answers against truth. name -> (size, ...), what Metric.finish reads."""

    def match(
        self, runner: Runner, other: Runner, batch: Batch, pipeline: Pipeline, theirs: Task
    ) -> NDArray[np.float64]:
        """Points (n,) of two models that meet directly on test examples, such as at a board: 1 won, 1/2 a draw, 0 lost.

        theirs: the other model's task. Raises DataError where two cannot meet; tasks without it are compared on labelled rows.
        """
        raise DataError("these models cannot meet")

    def baselines(self) -> Sequence[Baseline]:
        """What the network has to beat. At least one is trivial."""
        return ()

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]] | None:
        """Figures of the measured columns, as events of the record (docs/architecture.md); None: by the targets' kinds."""
        return None

    def shown(
        self,
        rows: Table,
        answers: Table,
        columns: Mapping[str, NDArray[Any]],
        index: IntArray | None,
        pipeline: Pipeline,
    ) -> Sequence[Mapping[str, Any]] | None:
        """What the report shows of single rows, as events (`examples`, or a `figure` that needs the raw rows).
        rows: raw, of the test part; answers: one line per raw row. columns: measured, one line per example; index (examples,):
        the raw row of each, None: the same order. None: right answers and the worst mistakes, by the targets' kinds.
        """
        return None

    # old files -------------------------------------------------------------------------------------------------------
    @classmethod
    def upgrade(
        cls, version: int, config: Mapping[str, Any], pipeline: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]]:
        """Config, pipeline state and a renaming of weights (old -> new) that turn a bundle of `version` into today's.

        Raises BundleError where no way is known.
        """
        raise BundleError(f"this bundle is of version {version} of its task; version {cls.version} cannot read it")
