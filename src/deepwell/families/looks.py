"""Looks: what the rows of anomaly detection are, and how they are judged: fields side by side, or a picture (series:
series_look.py).

A Look knows everything that depends on it: how rows are read, the network, what a row costs in training, what an
answer says beside the score, and the baselines. The task (tasks/anomaly_detection.py) is the same for all. Unusual: a
label is never read for training or for choosing weights; and where there is none, spoilt copies of rows are added to
the calibrate and test parts (planting.py).

    arrays in    inputs.number (n, N) places on a scale, inputs.category (n, C) levels; or <picture> (n, c, h, w)
                 truth (n,) int64 1 anomalous, 0 usual, -1 nobody said; only where rows are measured
    arrays out   score (n,), higher is odder; share (n, F) and expected, or map (n, h, w)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from deepwell.core.batch import Batch, Encoded, EncodedColumn
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.runner import Arrays
from deepwell.core.table import Column, Part
from deepwell.core.task import Baseline, Pipeline, Sizes, SplitRule
from deepwell.data.fields.category import Category
from deepwell.data.fields.kind import Kind
from deepwell.data.pipeline import FieldPipeline, encode
from deepwell.evaluation import anomaly_baselines as known
from deepwell.families.graded import STEPS, Graded
from deepwell.families.layouts import varies
from deepwell.families.odd_reasons import fields_because, picture_because
from deepwell.families.planted import TRUTH, PlantedPictures, with_planted
from deepwell.families.verdicts import Verdict

if TYPE_CHECKING:
    import torch

MEASURED = ("calibrate", "test")
WIDTHS: Mapping[str, int] = {"tiny": 64, "small": 128, "base": 256, "large": 512}
"""size -> width of hidden layers that read fields; pictures have an eighth as many channels."""
FEW_ROWS = 2_000
MOST_CODES = 32
PICTURE_CODES = 8
"""Few: an autoencoder of many writes any picture again, also such as it never saw."""
MOST_LEVELS = 255
MOST_SHARES = 50
"""Fields up to which each has a column of answers that says its share."""
THRESHOLD = "score.threshold"
"""The calibrated number above which a score is alarming."""
PLANTED = (
    "no column says which rows are anomalous (--target COLUMN names one): to have something to measure, spoilt copies of "
    "rows are added to the calibrate and test parts, and every score named planted_ is about these. How well real "
    "anomalies are found is unknown, and rows of the data that are anomalous themselves count as usual"
)


@dataclass(frozen=True)
class AnomalyConfig(Recipe):
    """The knobs of anomaly detection, after those of the engine."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 30.0
    batch_size: Annotated[int, Knob("rows of a step; 0: chosen by data and network", "rows", 0, 1_000_000)] = 64
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 4e-3
    objective: Annotated[
        str,
        Knob(
            "fields: each field is told from the others; reconstruction: rows pass through few codes and are written again; "
            "one_class: what a fixed random function says of usual rows is learnt, and missed for others; "
            "auto: fields for tables, reconstruction for pictures",
            choices=("auto", "fields", "reconstruction", "one_class"),
        ),
    ] = "auto"
    alarms: Annotated[float, Knob("share of usual rows that may be alarming", "share", 0.0001, 0.5, True)] = 0.01
    contamination: Annotated[
        float,
        Knob(
            "share of training rows that may be anomalous: so many of the worst are left out of every step",
            "share",
            0.0,
            0.5,
        ),
    ] = 0.05
    codes: Annotated[int, Knob("of reconstruction; 0: by the data", "codes", 0, 4096)] = 0
    positive: Annotated[str, Knob("class of the label column that is anomalous; empty: of two the rarer")] = ""
    image_size: Annotated[int, Knob("longest side that pictures are brought to", "pixels", 8, 256)] = 64
    window: Annotated[
        int, Knob("rows of a series that are looked at together; 0: found out from the data", "rows", 0, 10_000)
    ] = 0


def label_of(schema: Schema) -> Field | None:
    """The column that says which rows are anomalous; None where there is none."""
    return next((f for f in schema.targets if f.kind == "category"), None)


class Look(ABC):
    """See the top of this file."""

    def __init__(self, schema: Schema, knobs: AnomalyConfig) -> None:
        self.schema, self.knobs, self.label = schema, knobs, label_of(schema)

    def kinds(self) -> dict[str, Kind]:
        """Unfitted kinds of what is not encoded as by default: of the label."""
        verdict = Verdict(self.knobs.positive, self.knobs.contamination)
        return {} if self.label is None else {self.label.name: verdict}

    def notes(self) -> tuple[str, ...]:
        """What is to be said beside what the fields say."""
        return () if self.label else (PLANTED,)

    def stop_if_never(self, part: Part, verdict: Kind | None) -> None:
        """Raises ConfigError where the anomalous class that was named is neither in training nor in the test part."""
        if self.label is not None and part.name == "test" and isinstance(verdict, Verdict):
            verdict.stop_if_never(part.rows[self.label.name])

    @abstractmethod
    def pipeline(self) -> Pipeline:
        """An unfitted one."""

    def split(self) -> SplitRule:
        """How rows become parts: as many anomalous rows in each, and enough to find a threshold by."""
        return SplitRule("stratified" if self.label else "random", calibrate=0.1)

    @abstractmethod
    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """See the top of this file."""

    @abstractmethod
    def network(self, sizes: Sizes, size: str) -> torch.nn.Module:
        """One that gives the arrays out, and `nats` (n,), what a row costs."""

    @abstractmethod
    def cost(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(n,) what each row costs in training, summed over what it holds, and (n,) how much that is; None: 1 each."""

    @abstractmethod
    def beside(self) -> Sequence[Field]:
        """The columns of answers after the score, the alarm and its reason."""

    @abstractmethod
    def said(self, outputs: Arrays, batch: Batch, pipeline: Pipeline) -> dict[str, Column]:
        """`because` and what `beside` lists."""

    @abstractmethod
    def baselines(self) -> Sequence[Baseline]:
        """What the network has to beat."""


class SingleRows(Look):
    """What fields and pictures share: one row, one example."""

    @property
    @abstractmethod
    def objective(self) -> str:
        """What `auto` means."""

    def pipeline(self) -> Pipeline:
        """See Look."""
        return NotedPipeline(self.schema, self.kinds(), self.notes())

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Labels only where rows are measured; spoilt copies where there are none."""
        measured = part.name in MEASURED
        if self.label is not None and isinstance(pipeline, FieldPipeline):
            self.stop_if_never(part, pipeline.kinds_[self.label.name])
        encoded = encode(pipeline, part.rows, Arranged.of(self.schema), targets=measured)
        if self.label is None and measured:
            return self.planted(encoded, part.name, pipeline)
        return RowExamples(encoded)

    @abstractmethod
    def planted(self, encoded: Encoded, part: str, pipeline: Pipeline) -> Examples:
        """The rows, usual, and spoilt copies of some."""


class FieldsLook(SingleRows):
    """Numbers and categories."""

    @property
    def objective(self) -> str:
        """See SingleRows."""
        return "fields" if self.knobs.objective == "auto" else self.knobs.objective

    @property
    def names(self) -> list[str]:
        """The fields in the order of the network's."""
        return [f.name for kind in ("number", "category") for f in self.schema.of("input", kind)]

    def kinds(self) -> dict[str, Kind]:
        """See Look."""
        found = super().kinds()
        found |= {f.name: Graded() for f in self.schema.of("input", "number")}
        return found | {f.name: Category(MOST_LEVELS) for f in self.schema.of("input", "category")}

    def network(self, sizes: Sizes, size: str) -> torch.nn.Module:
        """See Look."""
        from deepwell.nn.networks.odd_fields import OddFields

        levels = [sizes.fields[f.name][0] for f in self.schema.of("input", "category")]
        codes = self.knobs.codes or max(1, min(MOST_CODES, len(self.names) // 2))
        return OddFields(len(self.schema.of("input", "number")), STEPS, levels, WIDTHS[size], self.objective, codes)

    def notes(self) -> tuple[str, ...]:
        """See Look; and that times are not read."""
        times = next((f.name for f in self.schema.of("ignore", "time")), None)
        told = (
            f"the times in {times!r} are not read: rows are judged, and divided into parts, as if they had no order; "
            f"--role {times}=order judges each by those before it"
        )
        return super().notes() if times is None else (*super().notes(), told)

    def planted(self, encoded: Encoded, part: str, pipeline: Pipeline) -> Examples:
        """See SingleRows."""
        return with_planted(encoded, part, pipeline)

    def cost(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Nats of hidden fields, of which any number from one to all is drawn for each row; or what the other objectives cost."""
        import torch

        arrays = batch.arrays
        if self.objective != "fields":
            nats: torch.Tensor = network(arrays)[0]["nats"]
            return nats, None
        device, fields = next(iter(arrays.values())).device, len(self.names)
        hidden = 1 + torch.randint(fields, (len(batch), 1), device=device)
        order = torch.rand(len(batch), fields, device=device).argsort(1).argsort(1)
        nats = network({**arrays, "hidden": (order < hidden).float()})[0]["nats"]
        return nats, None

    def beside(self) -> Sequence[Field]:
        """See Look."""
        if len(self.names) > MOST_SHARES:
            return ()
        return [
            Field(f"share.{name}", "number", "target", "part of the score that this column makes")
            for name in self.names
        ]

    def said(self, outputs: Arrays, batch: Batch, pipeline: Pipeline) -> dict[str, Column]:
        """See Look."""
        because = fields_because(self.schema, outputs, batch.arrays, pipeline, odds=self.objective != "one_class")
        columns: dict[str, Column] = {"because": because}
        if len(self.names) <= MOST_SHARES:
            columns |= {f"share.{n}": outputs["share"][:, i].astype(np.float64) for i, n in enumerate(self.names)}
        return columns

    def baselines(self) -> Sequence[Baseline]:
        """See Look."""
        numbers = [f.name for f in self.schema.of("input", "number")]
        return (known.same(), known.apart(), known.isolation_forest(numbers), known.robust_distance(numbers))


class PictureLook(SingleRows):
    """One column of pictures."""

    @property
    def objective(self) -> str:
        """See SingleRows."""
        return "reconstruction" if self.knobs.objective in ("auto", "fields") else self.knobs.objective

    @property
    def picture(self) -> str:
        """The column."""
        return self.schema.of("input", "image")[0].name

    def kinds(self) -> dict[str, Kind]:
        """See Look."""
        from deepwell.data.fields.image import Image

        return {**super().kinds(), self.picture: Image(size=self.knobs.image_size)}

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """See SingleRows. Raises DataError where all pictures of the training part are alike."""
        found = super().examples(part, pipeline)
        if part.name == "train" and found.columns is not None and not varies(found.columns[self.picture]):
            raise DataError(
                f"all {found.count or 0:,} pictures of the training part are alike, such as pictures of one colour: there is "
                "nothing to learn",
                repair="look at the files: they may have been written or converted wrongly",
            )
        return found

    def planted(self, encoded: Encoded, part: str, pipeline: Pipeline) -> Examples:
        """See SingleRows."""
        return PlantedPictures(encoded, part)

    def network(self, sizes: Sizes, size: str) -> torch.nn.Module:
        """See Look."""
        from deepwell.nn.networks.odd_pictures import OddPictures

        channels, height, width = sizes.fields[self.picture]
        codes = self.knobs.codes or PICTURE_CODES
        return OddPictures(self.picture, (channels, height, width), WIDTHS[size] // 8, self.objective, codes)

    def cost(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """See Look."""
        nats: torch.Tensor = network(batch.arrays)[0]["nats"]
        return nats, None

    def beside(self) -> Sequence[Field]:
        """See Look."""
        return (Field("map", "image", "target", "where the score comes from: the brighter the odder"),)

    def said(self, outputs: Arrays, batch: Batch, pipeline: Pipeline) -> dict[str, Column]:
        """See Look."""
        because, maps = picture_because(outputs["map"])
        return {"because": because, "map": maps}

    def baselines(self) -> Sequence[Baseline]:
        """See Look."""
        return (known.same(), known.isolation_forest((), self.picture), known.robust_distance((), self.picture))


class NotedPipeline(FieldPipeline):
    """A FieldPipeline with something more to say."""

    def __init__(self, schema: Schema, kinds: Mapping[str, Kind], notes: Sequence[str]) -> None:
        super().__init__(schema, kinds)
        self._notes = tuple(notes)

    def said(self) -> Sequence[str]:
        """See FieldPipeline."""
        return [*super().said(), *self._notes]


@dataclass(frozen=True)
class Arranged:
    """A data.pipeline.Reshape: numbers and categories as one array each, the label as `truth`, everything else as it is."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    label: str

    @staticmethod
    def of(schema: Schema) -> Arranged:
        """For the inputs and the label of a schema."""
        label = label_of(schema)
        numbers, categories = (tuple(f.name for f in schema.of("input", kind)) for kind in ("number", "category"))
        return Arranged(numbers, categories, "" if label is None else label.name)

    def key(self) -> str:
        """See Reshape."""
        return repr(self)

    def __call__(self, columns: Mapping[str, EncodedColumn]) -> dict[str, EncodedColumn]:
        """See Reshape."""
        rest: dict[str, Any] = dict(columns)
        numbers, categories = ([rest.pop(n) for n in names] for names in (self.numbers, self.categories))
        found: dict[str, EncodedColumn] = {}
        if self.label in rest:
            found[TRUTH] = rest.pop(self.label)
        if numbers:
            found["inputs.number"] = np.stack(numbers, axis=1)
        if categories:
            found["inputs.category"] = np.stack(categories, axis=1).astype(np.int32)
        return {**found, **rest}
