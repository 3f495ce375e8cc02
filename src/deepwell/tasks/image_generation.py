"""image_generation: pictures -> a generator of more such pictures, of any class where there are classes.

Two networks against each other (nn/networks/adversaries.py): a relativistic loss with gradient penalties on both sides, no tricks
(Huang et al. 2024, arXiv:2501.05441), averaged weights of the generator, and, for few pictures, changes of what the critic sees
of both real and made ones (Zhao et al. 2020, arXiv:2006.10738). Judged by the features of a small network that was trained on the
same pictures (families/judging.py).

    arrays in    <picture> (n, c, h, w), <label> (n,)    of training
    calls        forward: noise (n, z), label -> picture; features: picture -> features (n, f)
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import SCHEDULES, Knob, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Transform, Update
from deepwell.families.judging import JudgedPictures
from deepwell.metrics import generation as metrics

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, int] = {"tiny": 8, "small": 16, "base": 32, "large": 64}
"""size -> channels of the largest map."""
FEW = 5_000
"""With fewer training pictures the critic sees them changed."""
MEASURED = Key(0).fold("made pictures")
GALLERY = 24
AT_ONCE = 256
"""Pictures made at a time."""
MARK = "critic.changed"
"""The array that says that the critic is to see changed pictures."""


@dataclass(frozen=True)
class GenerationConfig(Recipe):
    """The knobs of generating pictures, after those of the engine."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 200.0
    batch_size: Annotated[int, Knob("pictures per step", "pictures", 2, 65536, True)] = 64
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 1e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.0
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    noise: Annotated[int, Knob("random values that a picture is made from", "values", 1, 4096)] = 64
    penalty: Annotated[float, Knob("of the critic's gradient, a factor", "", 0.0, 1e6, True)] = 1.0
    image_size: Annotated[int, Knob("longest side of the pictures that are made", "pixels", 8, 256)] = 64
    change: Annotated[
        str, Knob("change what the critic sees; auto: for fewer than 5,000 pictures", choices=("auto", "yes", "no"))
    ] = "auto"


@dataclass(frozen=True)
class Asked:
    """What pictures to make."""

    n: Annotated[int, Knob("how many", "pictures", 1, 100_000)] = 16
    label: Annotated[str, Knob("of which class; empty: of all in turn")] = ""
    seed: Annotated[int, Knob("of the draws; the same seed makes the same pictures")] = 0
    between: Annotated[int, Knob("steps of a strip from one picture to the next; 0: none", "pictures", 0, 1000)] = 0


class ImageGeneration(Task):
    """See the top of this file."""

    Config, Request, watch, asks_rows = GenerationConfig, Asked, None, False

    @property
    def knobs(self) -> GenerationConfig:
        """The config, as this task's type."""
        return cast(GenerationConfig, self.config)

    @functools.cached_property
    def picture(self) -> str:
        """The column of pictures."""
        return self.schema.of("input", "image")[0].name

    @property
    def label(self) -> str:
        """The column of classes; empty where there is none."""
        return next((f.name for f in self.schema.targets), "")

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One column of pictures, and at most one of classes beside it. Only by name: classifying is what most people want."""
        pictures, targets = schema.of("input", "image"), schema.targets
        if len(pictures) != 1:
            return Fit(0, reason=f"pictures are made like those of one column, and there are {len(pictures)}")
        if len(targets) > 1 or any(t.kind != "category" for t in targets):
            return Fit(0, reason="beside pictures there may be one column of classes")
        beside = [f for f in schema.inputs if f.kind != "image"]
        roles = {f.name: "ignore" for f in beside}
        what = f" of the classes in {targets[0].name!r}" if targets else ""
        return Fit(0.06, roles, f"pictures like those in {pictures[0].name!r} are made{what}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """800 made-up pictures, 12 x 12: a bright bar across or down, anywhere, on dark paper."""
        draws = Key(seed).fold("demo").numpy()
        n, side = 800, 12
        kind, place = draws.integers(0, 2, n), draws.integers(1, side - 3, n)
        at = np.arange(side)
        bar = (at >= place[:, None]) & (at < place[:, None] + 3)
        drawn = np.where(kind[:, None, None] == 0, bar[:, :, None], bar[:, None, :]) * np.ones((1, side, side))
        grey = 20 + 200 * drawn + draws.normal(0, 8, (n, side, side))
        return Table(
            {"image": np.clip(grey, 0, 255).astype(np.uint8), "label": np.array(["across", "down"], object)[kind]}
        )

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Pictures, classes, and a judge of pictures."""
        return JudgedPictures(self.schema, self.picture, self.label, self.knobs.image_size)

    def split(self) -> SplitRule:
        """Nothing is chosen or calibrated by pictures that are kept back, so none are."""
        return SplitRule("stratified", test=0.1, select=0.0, calibrate=0.0)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One picture, one example."""
        return RowExamples(pipeline.encode(part.rows, targets=part.name != "predict"))

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by the pictures' size."""
        if self.config.size != "auto":
            return self.config.size
        return "tiny" if max(sizes.fields[self.picture][1:]) <= 16 else "base"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """Adversaries, with an untrained judge."""
        from deepwell.families.judging import judge
        from deepwell.nn.networks.adversaries import Adversaries

        size = cast("tuple[int, int, int]", sizes.fields[self.picture])
        classes = sizes.fields[self.label][0] if self.label else 0
        return Adversaries(size, self.knobs.noise, SIZES[self.size(sizes)], classes, judge(size, classes))

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """The judge moves in."""
        trained = cast(JudgedPictures, pipeline).judge_
        if trained is not None:
            cast(Any, network).judge.load_state_dict(trained.state_dict())

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """What the generator wants; see updates."""
        return self._generator(network, batch, draw)

    def updates(self) -> Sequence[Update]:
        """The critic, then the generator."""
        return (
            Update("critic", "critic.*", self._critic),
            Update("generator", "generator.*", self._generator),
        )

    def _pairs(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Real and made pictures from -1 to 1, of the same classes."""
        import torch

        given = batch.arrays[self.picture]
        labels = batch.arrays[self.label] if self.label else None
        noise = torch.randn(len(given), self.knobs.noise, device=given.device)
        asked = {"noise": noise} if labels is None else {"noise": noise, "label": labels}
        made = cast("torch.Tensor", network(asked)[0]["picture"])
        return given.float() / 127.5 - 1.0, made / 127.5 - 1.0, labels

    def _critic(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        import torch

        from deepwell.losses.adversarial import critic_loss, gradient_penalty

        with torch.no_grad():
            real, made, labels = self._pairs(network, batch)
        real, made = (self._changed(side, batch).requires_grad_(True) for side in (real, made))
        critic = cast(Any, network).critic
        scores, others = critic(real, labels), critic(made, labels)
        # Of pixels from -1 to 1; relative to how many there are, so that one factor does for all sizes.
        slope = 0.5 * self.knobs.penalty * (gradient_penalty(scores, real) + gradient_penalty(others, made))
        judged = critic_loss(scores, others)
        return Loss(judged + slope, float(len(batch)), {"critic": judged, "penalty": slope})

    def _generator(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        from deepwell.losses.adversarial import generator_loss

        real, made, labels = self._pairs(network, batch)
        critic = cast(Any, network).critic
        judged = [critic(self._changed(side, batch), labels) for side in (real, made)]
        wanted = generator_loss(*judged)
        return Loss(wanted, float(len(batch)), {"generator": wanted})

    @staticmethod
    def _changed(pictures: torch.Tensor, batch: Batch) -> torch.Tensor:
        from deepwell.training.augmentation_critic import changed

        return changed(pictures) if MARK in batch.arrays else pictures

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Where there are few pictures, a mark on the batch that what the critic sees is to be changed."""
        asked = self.knobs.change
        few = (examples.count or 0) < FEW
        why = "asked for" if asked != "auto" else f"{'fewer' if few else 'no fewer'} than {FEW:,} training pictures"
        wanted = asked == "yes" or (asked == "auto" and few)
        said = f"the critic sees {'changed pictures, real and made alike' if wanted else 'pictures as they are'}"
        return (Chosen(_marked if wanted else None, said, why),)

    def plan_hints(self) -> Mapping[str, Any]:
        """Convolutions gain from channels-last and bfloat16."""
        return {"convolutional": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The pictures, with their classes where there are any."""
        picture = Field(self.picture, "image", "target", "made")
        return Schema((picture, *(replace(f, reason="asked for") for f in self.schema.targets)))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Pictures, as they were asked for. Raises ConfigError for a class that does not exist."""
        asked = cast(Asked, request)
        noise = Key(asked.seed).fold("noise").numpy().normal(size=(asked.n, self.knobs.noise))
        labels = self._labels(asked, pipeline)
        if asked.between:
            noise, labels = _between(noise, labels, asked.between)
        arrays: dict[str, NDArray[Any]] = {"noise": noise.astype(np.float32)}
        if labels is not None:
            arrays["label"] = labels
        parts = [
            {name: values[start : start + AT_ONCE] for name, values in arrays.items()}
            for start in range(0, len(noise), AT_ONCE)
        ]
        made = np.concatenate([runner.run("forward", part)[0]["picture"] for part in parts])
        pictures = pipeline.decode(self.picture, np.clip(made.round(), 0, 255).astype(np.uint8))
        cells = np.empty(len(pictures), object)
        cells[:] = list(pictures)
        columns: dict[str, Column] = {self.picture: cells}
        if labels is not None:
            columns[self.label] = pipeline.decode(self.label, labels)
        return Table(columns)

    def _labels(self, asked: Asked, pipeline: Pipeline) -> NDArray[np.int64] | None:
        if not self.label:
            if asked.label:
                raise ConfigError(f"this model knows no classes; got {asked.label!r}")
            return None
        classes = pipeline.classes(self.label)
        if not asked.label:
            return np.arange(asked.n) % len(classes)
        if asked.label not in classes:
            raise ConfigError(f"there is no class {asked.label!r}{nearest(asked.label, classes)}")
        return np.full(asked.n, classes.index(asked.label))

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Distance between what the judge sees in real and in made pictures; precision and recall."""
        return (metrics.frechet_distance(), metrics.precision(), metrics.recall())

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """`real` and `made` (n, f): features of each picture, and of one made for it, of its class; `shown`: small made ones."""
        real = batch.arrays[self.picture]
        keys = (MEASURED.fold(int(example)).numpy() for example in batch.examples)
        noise = np.stack([key.normal(size=self.knobs.noise) for key in keys]).astype(np.float32)
        labels = {"label": batch.arrays[self.label]} if self.label else {}
        made = runner.run("forward", {"noise": noise, **labels})[0]["picture"].round()
        seen = {
            name: runner.run("features", {"picture": side})[0]["features"]
            for name, side in (("real", real), ("made", made))
        }
        return {**seen, "shown": made.astype(np.uint8)}

    def baselines(self) -> Sequence[Baseline]:
        """A normal distribution of principal components, and training pictures moved by a pixel."""
        from deepwell.evaluation import samplers

        return (samplers.components(self.picture, _seen), samplers.moved(self.picture, _seen))

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """Made pictures, each beside the training picture that the judge finds most like it: memorising shows."""
        from deepwell.evaluation.drawn import thumbnail

        judged = cast(JudgedPictures, pipeline)
        rows = []
        for made, features in zip(columns["shown"][:GALLERY], columns["made"][:GALLERY], strict=True):
            line = [thumbnail(pipeline.decode(self.picture, made[None])[0])]
            if len(judged.seen_):
                near = metrics.distances(features[None].astype(np.float32), judged.seen_)[0].argmin()
                line.append(thumbnail(pipeline.decode(self.picture, judged.training_[near : near + 1])[0]))
            rows.append(line)
        heads = ["made", "most like it of the training pictures"][: len(rows[0]) if rows else 0]
        names = [{"name": name, "kind": "image"} for name in heads]
        title = "Pictures that were made, not picked"
        return [{"event": "examples", "title": title, "columns": names, "rows": rows}] if rows else []


def _marked(batch: Batch, key: Key) -> Batch:
    """What is changed is decided by the losses, because made pictures must be changed, too."""
    import torch

    return batch.replace(**{MARK: torch.ones(len(batch))})


def _between(
    noise: NDArray[np.float64], labels: NDArray[np.int64] | None, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """A strip from each picture to the next: noise turned on a great circle, classes as at its beginning."""
    found, classes = [], []
    for row in range(len(noise) - 1):
        one, two = noise[row], noise[row + 1]
        angle = np.arccos(np.clip(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)), -1, 1))
        for share in np.arange(steps) / steps:
            found.append((np.sin((1 - share) * angle) * one + np.sin(share * angle) * two) / np.sin(angle))
            classes.append(row)
    found.append(noise[-1])
    classes.append(len(noise) - 1)
    return np.array(found), None if labels is None else labels[np.array(classes)]


def _seen(pipeline: Pipeline) -> Any:
    """What the judge of a fitted pipeline sees in pictures."""
    from deepwell.families.judging import seen

    network = cast(JudgedPictures, pipeline).judge_
    return lambda pictures: seen(cast("torch.nn.Module", network), pictures)
