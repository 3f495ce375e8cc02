"""autoencoder: pictures, numbers and categories, or series -> a few codes, from which they are written again. No target.

One model reduces (the codes), cleans (what is written again), generates (rows from drawn codes) and judges (how unlikely a row
is). Variational by default (Kingma & Welling 2014, arXiv:1312.6114): a bound on the likelihood is trained, and measured by
importance samples (Burda et al. 2016, arXiv:1509.00519). A target in the data is not read; it stays to compare by.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Columns, Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Transform
from deepwell.evaluation.reduction import Flat, apart, components
from deepwell.evaluation.reduction_figures import WRITTEN, along, beside, plane
from deepwell.families.layouts import KINDS, Layout, Unsampled, in_order, layout
from deepwell.families.spoiling import SPOILT, Spoilt, chances

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, int] = {"tiny": 64, "small": 256, "base": 512, "large": 1024}
"""size -> width of hidden layers."""
MOST_CODES = 50
SAMPLES, FEWER_SAMPLES, LARGE = 1_000, 50, 4096
"""How many importance samples, and how many of rows with more than LARGE values, where each takes long."""
CHUNK = 50
"""Importance samples of a row at once."""
MOST_WRITTEN = 1 << 21
"""Values that they write at once: more are no faster, for they leave the processor's cache."""
DRAWS = Key(0).fold("importance samples")
"""Always the same, so that a model's figure is one number."""
ALARM = 0.99
"""Of the rows of the calibrate part, this share lies below the threshold of `score`."""


@dataclass(frozen=True)
class AutoencoderConfig(Recipe):
    """The knobs of autoencoders, after those of the engine."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 300.0
    batch_size: Annotated[int, Knob("rows of a step", "rows", 1, 65536, True)] = 256
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 3e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.0
    form: Annotated[
        str,
        Knob(
            "variational: codes are distributions, rows can be drawn; plain: codes are points; denoising: plain, and "
            "what is read in training is spoilt",
            choices=("variational", "plain", "denoising"),
        ),
    ] = "variational"
    codes: Annotated[int, Knob("how many; 0: half as many as a row has values, at most 50", "codes", 0, 4096)] = 0
    likelihood: Annotated[
        str,
        Knob(
            "of pixels. normal: any grey or colour; bernoulli: black or white, drawn by the pixel's brightness",
            choices=("normal", "bernoulli"),
        ),
    ] = "normal"
    noise: Annotated[float, Knob("share of values that denoising replaces in training", "share", 0.0, 0.9)] = 0.25
    samples: Annotated[
        int,
        Knob(
            "importance samples behind the likelihood of a test row; 0: 1,000, or 50 of large pictures",
            "draws",
            0,
            100_000,
        ),
    ] = 0
    window: Annotated[int, Knob("of series: steps that are reduced at once; 0: found out", "steps", 0, 4096)] = 0
    image_size: Annotated[int, Knob("longest side that pictures are brought to", "pixels", 8, 256)] = 64


@dataclass(frozen=True)
class Asked:
    """A question: rows are read, or drawn."""

    n: Annotated[int, Knob("rows to draw; 0: rows are given and read", "rows", 0, 100_000)] = 0
    seed: Annotated[int, Knob("of the draws")] = 0


class Autoencoder(Task):
    """Pictures, rows or series: a few codes for each, which also clean, draw and judge rows."""

    Config, Request, watch, partly_labelled = AutoencoderConfig, Asked, None, True

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
        """Pictures, numbers and categories, or series of numbers; other targets are set aside to compare by.

        A last resort: other tasks answer more.
        """
        series = schema.of("order") and not schema.of("input", "image")
        roles = {t.name: "input" if series and t.kind == "number" else "slice" for t in schema.targets}
        read = [f for f in schema.fields if roles.get(f.name, f.role) == "input"]
        other = [f for f in read if f.kind not in KINDS]
        if other:
            return Fit(0, reason=f"the column {other[0].name!r} is of kind {other[0].kind}, which is not read here")
        if not read:
            return Fit(0, reason="there is nothing to read: no picture, number or category")
        set_aside = [name for name, role in roles.items() if role == "slice"]
        aside = f"; {', '.join(map(repr, set_aside))} only to compare by" if set_aside else ""
        what = "numbers, over a window of time," if series else "columns"
        return Fit(0.05, roles, f"{len(read)} {what} are written again from a few codes{aside}")

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

    @functools.cached_property
    def _layout(self) -> Layout:
        return layout(self.schema, self.knobs.image_size, self.knobs.window)

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """Numbers with an indicator of missing ones and pictures small; or windows of series."""
        return self._layout.pipeline()

    def split(self) -> SplitRule:
        """At random, for there is no target to divide by; of series the last rows are the test."""
        return self._layout.split()

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example; the threshold of `score` needs no importance samples.

        Raises DataError where a column is called as an answer is: before the training, not when rows are answered.
        """
        found = self._layout.examples(part, pipeline)
        if part.name == "train":
            self._names_apart(pipeline)
        elif part.name != "predict" and self.knobs.form == "denoising":
            found = Spoilt(found, self._layout.arrays, self.knobs.noise)
        return Unsampled(found) if part.name == "calibrate" else found

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by what a row holds, and smaller for few rows."""
        if self.config.size != "auto":
            return self.config.size
        if self.schema.of("input", "image"):
            return "base"
        return (
            "tiny"
            if sizes.examples < 5_000 and Flat.sized(self.schema, sizes.fields).values <= SIZES["tiny"]
            else "small"
        )

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """An Autoencoder for these columns."""
        from deepwell.nn.networks.autoencoder import Autoencoder as Network
        from deepwell.nn.networks.autoencoder import Row

        flat = Flat.sized(self.schema, sizes.fields)
        pictures = {name: cast("tuple[int, int, int]", size) for name, size in flat.pictures.items()}
        row = Row(pictures, len(flat.missing), tuple(np.flatnonzero(flat.missing).tolist()), flat.levels)
        bernoulli = self.knobs.likelihood == "bernoulli"
        return Network(row, self._codes(flat), SIZES[self.size(sizes)], bernoulli, self._variational)

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Nats of the row under what its codes write, and, for variational ones, of the codes (the negative evidence bound)."""
        import torch

        arrays = dict(batch.arrays)
        if self.knobs.likelihood == "bernoulli":
            for field in self.schema.of("input", "image"):
                grey = arrays[field.name]
                arrays[field.name] = (torch.rand(grey.shape, device=grey.device) * 255.0 < grey).float() * 255.0
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

        names = self._layout.arrays
        what = f"{self.knobs.noise:.0%} of the values that are read are those of other rows"
        return (Chosen(swapped(names, self.knobs.noise), what, "asked for by form=denoising"),)

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """How unlikely a row is, whether that is alarming, its codes, what is written again from them; or rows that are drawn."""
        drawn = (replace(f, role="target", reason="drawn, where n rows are asked for") for f in self._layout.read)
        return Schema((*self._told(pipeline), *drawn))

    def _told(self, pipeline: Pipeline) -> list[Field]:
        """The answers to a row."""
        width = self._codes(Flat.of(self.schema, pipeline))
        return [
            Field("score", "number", "target", "nats: how unlikely the row is to the model"),
            Field("unlikely", "category", "target", f"yes above {ALARM:.0%} of the rows kept for calibration"),
            *(Field(f"code.{i + 1}", "number", "target", "a code") for i in range(width)),
            *(replace(f, name=f.name + WRITTEN, role="target", reason="written again") for f in self._layout.read),
        ]

    def _names_apart(self, pipeline: Pipeline) -> None:
        """Raise DataError where a column that is read has the name of an answer, or of what stands beside drawn rows."""
        answers = [
            "problem",
            *(f.name for f in self._told(pipeline)),
            *(self._layout.beside if self._variational else ()),
        ]
        names = Counter([*answers, *(f.name for f in self._layout.read)])
        doubled = next((name for name, count in names.items() if count > 1), None)
        if doubled is not None:
            raise DataError(
                f"the column {doubled!r} is called as an answer of this model would be",
                repair=f"rename the column, or leave it out: --role {doubled}=ignore",
            )

    def _codes(self, flat: Flat) -> int:
        """How many codes there are."""
        return self.knobs.codes or max(1, min(MOST_CODES, flat.values // 2))

    def asks(self, request: Any) -> bool:
        """Rows are given, unless some are to be drawn."""
        return not request.n

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """See `answers`; for n > 0 rows written from codes that are drawn, with the columns of the data.

        Raises ConfigError where rows are to be drawn and codes are no distributions.
        """
        width = self._codes(Flat.of(self.schema, pipeline))
        if request.n and not self._variational:
            raise ConfigError(
                f"rows can only be drawn from a variational autoencoder, and this one is {self.knobs.form}: nothing is known "
                "of how its codes are spread",
                repair="train one with --set form=variational",
            )
        if request.n:
            codes = Key(request.seed).fold("draw").numpy().normal(size=(request.n, width))
            outputs, _ = runner.run("decode", {"codes": codes.astype(np.float32)})
            return Table(self._layout.drawn(outputs, pipeline))
        outputs, _ = runner.run("forward", {**batch.arrays, "noise": np.zeros((1, 1, width), np.float32)})
        score = self._score(outputs)
        limit = outputs.get("codes.threshold")
        unlikely = np.full(len(score), None, object) if limit is None else np.where(score > limit[0], "yes", "no")
        columns: dict[str, Column] = {"score": score, "unlikely": unlikely.astype(object)}
        columns |= {f"code.{i + 1}": code for i, code in enumerate(outputs["codes"].T.astype(np.float64))}
        written = self._layout.written(outputs, batch.arrays, pipeline)
        return Table({**columns, **{name + WRITTEN: column for name, column in written.items()}})

    def _score(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """(n,) nats: the bound on how unlikely each row is, without draws."""
        return np.asarray(outputs["divergence"] - outputs["log_likelihood"][:, 0], np.float64)

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """The score above which a row is unlikely."""
        return {"codes.threshold": float(np.quantile(columns["score"], ALARM))}

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Nats of a row, where codes are distributions; the errors of what is cleaned, and of what is written again."""
        error = _mean("error", "", root=True)
        if self._variational:
            return (_mean("nats", "nats"), error)
        return (_mean("cleaned", "", root=True), error) if self.knobs.form == "denoising" else (error,)

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """`error` mean squared, of pixels from 0 to 1, scaled numbers and shares of levels; `score`; `codes`; `nats` by samples.

        cleaned: the error where as much of what is read is spoilt as in training, for denoising ones; NaN for a single row, which
        has no other to take values of. nats: -log of the mean importance weight; an upper bound that is tight for many samples
        (Burda et al. 2016).
        """
        arrays = {n: array for n, array in batch.arrays.items() if n != "unsampled" and not n.endswith(SPOILT)}
        if self.knobs.likelihood == "bernoulli":
            arrays |= {f.name: _drawn(arrays[f.name], batch.examples) for f in self.schema.of("input", "image")}
        flat = Flat.of(self.schema, pipeline)
        width = self._codes(flat)
        outputs, _ = runner.run("forward", {**arrays, "noise": np.zeros((1, 1, width), np.float32)})
        columns = {
            "error": flat.error(arrays, outputs),
            "score": self._score(outputs),
            "codes": outputs["codes"],
        }
        if self.knobs.form == "denoising":
            spoilt = {f"{n}.read": batch.arrays[n + SPOILT] for n in self._layout.arrays if n + SPOILT in batch.arrays}
            cleaned = flat.error(arrays, runner.run("forward", {**arrays, **spoilt})[0])
            columns["cleaned"] = cleaned if spoilt else np.full(len(batch), np.nan)
        if not self._variational or "unsampled" in batch.arrays:
            return columns
        samples = self.knobs.samples or (SAMPLES if flat.values <= LARGE else FEWER_SAMPLES)
        draws = DRAWS.numpy().normal(size=(samples, width)).astype(np.float32)
        rows = max(1, MOST_WRITTEN // (CHUNK * flat.values))
        nats = [
            _nats(runner, {name: array[start : start + rows] for name, array in arrays.items()}, draws)
            for start in range(0, len(batch), rows)
        ]
        return {**columns, "nats": np.concatenate(nats)}

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """None but those of `shown`, which need the rows themselves."""
        return ()

    def shown(
        self,
        rows: Table,
        answers: Table,
        columns: Mapping[str, NDArray[Any]],
        index: IntArray | None,
        pipeline: Pipeline,
    ) -> Sequence[Mapping[str, Any]]:
        """The codes on a plane, coloured by a column that was set aside, and rows beside what was written again."""
        aside = next((f for f in self.schema.of("slice") if f.name in rows), None)
        values = None if aside is None else rows[aside.name] if index is None else rows[aside.name][index]
        errors = np.sqrt(columns["error"])
        read = self._layout.read
        order = self.schema.of("order")[0].name if in_order(self.schema) else ""
        lines = along(read, rows, answers, errors, index, order) if order else []
        return [plane(columns["codes"], aside, values), *lines, *beside(read, rows, answers, errors, index)]

    def baselines(self) -> Sequence[Baseline]:
        """Every value by itself, and principal components, as many as there are codes."""
        bernoulli = self.knobs.likelihood == "bernoulli"
        return (
            apart(self.schema, bernoulli),
            components(self.schema, lambda p: self._codes(Flat.of(self.schema, p)), bernoulli),
        )


def _mean(column: str, unit: str, root: bool = False) -> Metric:
    """The mean of a measured column, or its square root."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = np.asarray((weights @ columns[column]) / weights.sum(axis=1))
        return np.sqrt(mean) if root else mean

    return Metric(column, unit, "lower", finish)


def _nats(runner: Runner, arrays: Mapping[str, NDArray[Any]], draws: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) minus the log of the mean importance weight of few rows. draws: (samples, codes)."""
    best = np.full(len(next(iter(arrays.values()))), -np.inf)
    for start in range(0, len(draws), CHUNK):
        weights = runner.run("forward", {**arrays, "noise": draws[None, start : start + CHUNK]})[0]["log_weight"]
        if weights.shape[1] < len(draws[start : start + CHUNK]):  # of a baseline whose likelihood is exact
            return -weights[:, 0].astype(np.float64)
        with np.errstate(invalid="ignore"):  # a baseline without a likelihood gives NaN
            best = np.logaddexp(best, np.logaddexp.reduce(weights.astype(np.float64), axis=1))
    return np.asarray(math.log(len(draws)) - best, np.float64)


def _drawn(pictures: NDArray[np.uint8], examples: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures of black and white, white by the brightness of each pixel; always the same for an example."""
    bright = chances(DRAWS.fold("pixels"), examples, pictures.shape[1:])
    return np.where(bright * 255.0 < pictures, 255, 0).astype(np.uint8)
