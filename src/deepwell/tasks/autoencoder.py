"""autoencoder: pictures, numbers and categories -> a few codes, from which they are written again. It needs no target.

One model reduces (the codes), cleans (what is written again), generates (rows from drawn codes) and judges (how unlikely a row
is). Variational by default (Kingma & Welling 2014, arXiv:1312.6114): a bound on the likelihood is trained, and measured by
importance samples (Burda et al. 2016, arXiv:1509.00519). A target in the data is not read; it stays to compare by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import Knob, Recipe
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Columns, Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Transform
from deepwell.data.fields.kind import Kind
from deepwell.data.pipeline import FieldPipeline, encode
from deepwell.evaluation.reduction import Flat, apart, components
from deepwell.families.positions import PositionedNumber
from deepwell.families.stacking import Stacking, units

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, int] = {"tiny": 64, "small": 256, "base": 512, "large": 1024}
"""size -> width of hidden layers."""
MOST_CODES = 32
CHUNK = 50
"""Importance samples at once."""
DRAWS = Key(0).fold("importance samples")
"""Always the same, so that a model's figure is one number."""
MOST_POINTS = 1_000
ALARM = 0.99
"""Of the rows of the calibrate part, this share lies below the threshold of `score`."""


@dataclass(frozen=True)
class AutoencoderConfig(Recipe):
    """The knobs of autoencoders, after those of the engine."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 150.0
    batch_size: Annotated[int, Knob("rows of a step", "rows", 1, 65536, True)] = 128
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 1e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.0
    form: Annotated[
        str,
        Knob(
            "variational: codes are distributions, rows can be drawn; plain: codes are points; denoising: plain, and "
            "what is read in training is spoilt",
            choices=("variational", "plain", "denoising"),
        ),
    ] = "variational"
    codes: Annotated[int, Knob("how many; 0: as many as rows have values, at most 32", "codes", 0, 4096)] = 0
    likelihood: Annotated[
        str,
        Knob(
            "of pixels. normal: any grey or colour; bernoulli: black or white, drawn by the pixel's brightness",
            choices=("normal", "bernoulli"),
        ),
    ] = "normal"
    noise: Annotated[float, Knob("share of values that denoising replaces in training", "share", 0.0, 0.9)] = 0.25
    samples: Annotated[int, Knob("importance samples behind the likelihood of a test row", "draws", 1, 100_000)] = 1_000
    image_size: Annotated[int, Knob("longest side that pictures are brought to", "pixels", 8, 256)] = 64


@dataclass(frozen=True)
class Asked:
    """A question: rows are read, or drawn."""

    n: Annotated[int, Knob("rows to draw; 0: rows are given and read", "rows", 0, 100_000)] = 0
    seed: Annotated[int, Knob("of the draws")] = 0


class Autoencoder(Task):
    """See the top of this file."""

    Config, Request, watch = AutoencoderConfig, Asked, None

    @property
    def knobs(self) -> AutoencoderConfig:
        """The config, as this task's type."""
        return cast(AutoencoderConfig, self.config)

    @property
    def _variational(self) -> bool:
        return self.knobs.form == "variational"

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """Pictures, numbers and categories; a target is set aside to compare by. A last resort: other tasks answer more."""
        read = [f for f in schema.inputs if f.kind in ("image", "number", "category")]
        other = [f for f in schema.inputs if f not in read]
        if other:
            return Fit(0, reason=f"the column {other[0].name!r} is of kind {other[0].kind}, which is not read here")
        if not read:
            return Fit(0, reason="there is nothing to read: no picture, number or category")
        roles = dict.fromkeys((t.name for t in schema.targets), "slice")
        aside = f"; {', '.join(map(repr, roles))} only to compare by" if roles else ""
        return Fit(0.05, roles, f"{len(read)} columns are written again from a few codes{aside}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """1,200 made-up leaves: six measurements and a kind that all follow from two hidden causes, in little noise."""
        draws = Key(seed).fold("demo").numpy()
        n = 1200
        age, sun = draws.uniform(0, 1, n), draws.uniform(0, 1, n)
        turns = np.stack([age, sun, age * sun, np.sin(3 * age), np.cos(4 * sun), age - sun], axis=1)
        numbers = turns + draws.normal(0, 0.05, (n, 6))
        names = ("length", "width", "mass", "edge", "veins", "green")
        kind = np.select([age > 0.66, sun > 0.5], ["old", "bright"], "young").astype(object)
        return Table({**{name: numbers[:, i].round(3) for i, name in enumerate(names)}, "kind": kind})

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """Numbers with an indicator of missing ones; pictures small."""
        from deepwell.data.fields.image import Image

        kinds: dict[str, Kind] = {f.name: PositionedNumber(2) for f in self.schema.of("input", "number")}
        kinds |= {f.name: Image(size=self.knobs.image_size) for f in self.schema.of("input", "image")}
        return FieldPipeline(self.schema, kinds)

    def split(self) -> SplitRule:
        """At random: there is no target to divide by."""
        return SplitRule("random")

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example."""
        encoded = encode(pipeline, part.rows, Stacking.of(self.schema), targets=False)
        return RowExamples(encoded, units(self.schema, encoded, part.rows))

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by what a row holds, and smaller for few rows."""
        if self.config.size != "auto":
            return self.config.size
        return "base" if self.schema.of("input", "image") else "tiny" if sizes.examples < 5_000 else "small"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """An Autoencoder for these columns."""
        from deepwell.nn.networks.autoencoder import Autoencoder as Network
        from deepwell.nn.networks.autoencoder import Row

        numbers = self.schema.of("input", "number")
        row = Row(
            {f.name: cast("tuple[int, int, int]", sizes.fields[f.name]) for f in self.schema.of("input", "image")},
            len(numbers),
            tuple(place for place, f in enumerate(numbers) if sizes.fields[f.name][0] > 1),
            tuple(sizes.fields[f.name][0] for f in self.schema.of("input", "category")),
        )
        values = sum(int(np.prod(size)) for size in row.pictures.values()) + row.numbers + len(row.levels)
        codes = self.knobs.codes or max(1, min(MOST_CODES, values // 2))
        bernoulli = self.knobs.likelihood == "bernoulli"
        return Network(row, codes, SIZES[self.size(sizes)], bernoulli, self._variational)

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Nats of the row under what its codes write, and, for variational ones, of the codes (the negative evidence bound)."""
        import torch

        arrays = dict(batch.arrays)
        if self.knobs.likelihood == "bernoulli":
            for field in self.schema.of("input", "image"):
                arrays[field.name] = torch.bernoulli(arrays[field.name].float() / 255.0) * 255.0
        device = next(iter(arrays.values())).device
        noise = torch.randn(len(batch), 1, cast(int, network.codes), device=device)
        outputs, _ = network({**arrays, "noise": noise})
        written, codes = -outputs["log_likelihood"].sum(), outputs["divergence"].sum()
        return Loss(written + codes, float(len(batch)), {"written": written, "codes": codes})

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """For denoising, what is read is spoilt: values of other rows stand in the places of some."""
        if self.knobs.form != "denoising":
            return ()
        from deepwell.training.augmentation_rows import swapped

        names = [n for n in (examples.columns or {}) if not n.endswith(".position")]
        what = f"{self.knobs.noise:.0%} of the values that are read are those of other rows"
        return (Chosen(swapped(names, self.knobs.noise), what, "asked for by form=denoising"),)

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """How unlikely a row is and whether that is alarming, its codes, and what is written again from them."""
        fields = [
            Field("score", "number", "target", "nats: how unlikely the row is to the model"),
            Field("unlikely", "category", "target", f"yes above {ALARM:.0%} of the rows kept for calibration"),
            *(Field(f"code.{i + 1}", "number", "target", "a code") for i in range(self._codes(pipeline))),
            *(replace(f, name=f"{f.name}.written", role="target", reason="written again") for f in self._read),
        ]
        return Schema(tuple(fields))

    @property
    def _read(self) -> tuple[Field, ...]:
        return tuple(f for f in self.schema.inputs if f.kind in ("image", "number", "category"))

    def _codes(self, pipeline: Pipeline) -> int:
        """How many codes there are."""
        sizes = pipeline.sizes()
        values = sum(int(np.prod(sizes[f.name])) if f.kind == "image" else 1 for f in self._read)
        return self.knobs.codes or max(1, min(MOST_CODES, values // 2))

    def asks(self, request: Any) -> bool:
        """Rows are given, unless some are to be drawn."""
        return not request.n

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """See `answers`; for n > 0 rows written from codes that are drawn, with the columns of the data."""
        if request.n:
            codes = Key(request.seed).fold("draw").numpy().normal(size=(request.n, self._codes(pipeline)))
            outputs, _ = runner.run("decode", {"codes": codes.astype(np.float32)})
            return Table(self._written(outputs, pipeline, ""))
        outputs, _ = runner.run(
            "forward", {**batch.arrays, "noise": np.zeros((1, 1, self._codes(pipeline)), np.float32)}
        )
        score = self._score(outputs)
        limit = outputs.get("codes.threshold")
        unlikely = np.full(len(score), None, object) if limit is None else np.where(score > limit[0], "yes", "no")
        columns: dict[str, Column] = {"score": score, "unlikely": unlikely.astype(object)}
        columns |= {f"code.{i + 1}": code for i, code in enumerate(outputs["codes"].T.astype(np.float64))}
        return Table({**columns, **self._written(outputs, pipeline, ".written")})

    def _score(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """(n,) nats: the bound on how unlikely each row is, without draws."""
        return np.asarray(outputs["divergence"] - outputs["log_likelihood"][:, 0], np.float64)

    def _written(self, outputs: Mapping[str, NDArray[Any]], pipeline: Pipeline, ending: str) -> dict[str, Column]:
        """Raw values of what the network writes."""
        columns: dict[str, Column] = {}
        number, start = 0, 0
        for field in self._read:
            if field.kind == "image":
                pixels = np.clip(outputs[field.name] * 255.0, 0, 255).round().astype(np.uint8)
                pictures = pipeline.decode(field.name, pixels)
                columns[field.name + ending] = np.fromiter(pictures, object, len(pictures))
            elif field.kind == "number":
                columns[field.name + ending] = pipeline.decode(field.name, outputs["numbers"][:, number])
                number += 1
            else:
                levels = pipeline.sizes()[field.name][0]
                shares = outputs["categories"][:, start : start + levels]
                columns[field.name + ending] = pipeline.decode(field.name, shares[:, 1:].argmax(axis=1) + 1)
                start += levels
        return columns

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """The score above which a row is unlikely."""
        return {"codes.threshold": float(np.quantile(columns["score"], ALARM))}

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Nats of a row, where codes are distributions; the error of what is written again."""
        error = _mean("error", "", root=True)
        return (_mean("nats", "nats"), error) if self._variational else (error,)

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """`error` mean squared, of pixels from 0 to 1, scaled numbers and shares of levels; `score`; `codes`; `nats` by samples.

        nats: -log of the mean importance weight; an upper bound that is tight for many samples (Burda et al. 2016).
        """
        arrays = dict(batch.arrays)
        if self.knobs.likelihood == "bernoulli":
            arrays |= {f.name: _drawn(arrays[f.name], batch.examples) for f in self.schema.of("input", "image")}
        width = self._codes(pipeline)
        outputs, _ = runner.run("forward", {**arrays, "noise": np.zeros((1, 1, width), np.float32)})
        columns = {
            "error": self._error(arrays, outputs, pipeline),
            "score": self._score(outputs),
            "codes": outputs["codes"],
        }
        if not self._variational:
            return columns
        draws = DRAWS.numpy().normal(size=(self.knobs.samples, width)).astype(np.float32)
        best = np.full(len(batch), -np.inf)
        for start in range(0, len(draws), CHUNK):
            weights = runner.run("forward", {**arrays, "noise": draws[None, start : start + CHUNK]})[0]["log_weight"]
            if weights.shape[1] < len(draws[start : start + CHUNK]):  # of a baseline whose likelihood is exact
                return {**columns, "nats": -weights[:, 0].astype(np.float64)}
            with np.errstate(invalid="ignore"):  # a baseline without a likelihood gives NaN
                best = np.logaddexp(best, np.logaddexp.reduce(weights.astype(np.float64), axis=1))
        return {**columns, "nats": math.log(len(draws)) - best}

    def _error(
        self, arrays: Mapping[str, Any], outputs: Mapping[str, NDArray[Any]], pipeline: Pipeline
    ) -> NDArray[np.float64]:
        flat = Flat.of(self.schema, pipeline)
        truth, known = flat.truth(arrays)
        squares = ((truth - flat.written(outputs)) ** 2) * known
        return np.asarray(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """The codes on a plane: their two principal components, at most MOST_POINTS rows; and what was written again."""
        codes = np.asarray(columns["codes"], np.float64)
        some = np.linspace(0, len(codes) - 1, min(MOST_POINTS, len(codes))).astype(np.int64)
        centred = codes - codes.mean(axis=0)
        axes = np.linalg.svd(centred[some], full_matrices=False)[2][:2]
        plane = centred[some] @ axes.T
        heights = plane[:, 1] if plane.shape[1] > 1 else np.zeros(len(plane))
        data = {
            "x": plane[:, 0].tolist(),
            "y": heights.tolist(),
            "x_label": "first component of the codes",
            "y_label": "second",
        }
        return [{"event": "figure", "kind": "map", "target": "codes", "title": "The codes of test rows", "data": data}]

    def baselines(self) -> Sequence[Baseline]:
        """Every value by itself, and principal components, as many as there are codes."""
        bernoulli = self.knobs.likelihood == "bernoulli"
        return (apart(self.schema, bernoulli), components(self.schema, self._codes, bernoulli))


def _mean(column: str, unit: str, root: bool = False) -> Metric:
    """The mean of a measured column, or its square root."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = np.asarray((weights @ columns[column]) / weights.sum(axis=1))
        return np.sqrt(mean) if root else mean

    return Metric(column, unit, "lower", finish)


def _drawn(pictures: NDArray[np.uint8], examples: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures of black and white, white by the brightness of each pixel; always the same for an example."""
    drawn = np.empty_like(pictures)
    for row, example in enumerate(examples):
        chances = DRAWS.fold("pixels", int(example)).numpy().random(pictures.shape[1:], np.float32)
        drawn[row] = np.where(chances * 255.0 < pictures[row], 255, 0)
    return drawn
