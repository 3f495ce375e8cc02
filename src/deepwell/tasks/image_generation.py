"""image_generation: pictures -> a generator of more such pictures, of any class where there are classes.

Two networks against each other (nn/networks/adversaries.py): a relativistic loss with gradient penalties on both sides and no
other tricks (Huang et al. 2024, arXiv:2501.05441), averaged weights of the generator, and, for few pictures, changes of what the
critic sees of both real and made ones (Zhao et al. 2020, arXiv:2006.10738). Unusual: the penalty is taken of a part of each
batch, and steps have no memory of past gradients (rmsprop without momentum, which is Adam with beta 0 and 0.99), because the
loss moves as the other side does. Judged by what a judge network sees in the pictures (families/judging.py).

    arrays in    <picture> (n, c, h, w), <label> (n,)    of training
    calls        forward: noise (n, z), label -> picture; features: picture -> features (n, f)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.config import OPTIMISERS, SCHEDULES, Knob, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Transform, Update
from deepwell.data.fields.category import Category
from deepwell.families.judging import JudgedPictures
from deepwell.families.watching import Watched
from deepwell.metrics import generation as metrics

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, int] = {"tiny": 16, "small": 24, "base": 32, "large": 64}
"""size -> channels of the widest map; those of smaller maps are doubled each time."""
LONG, LONGER = 1_200.0, 7_200.0
"""Seconds from which on a wider network is worth its fewer steps. On MNIST, after 19 s of one busy core: 16 channels took
410 steps to a distance of 3.9, 24 channels 250 steps to 6.9."""
FEW = 1_000
"""With fewer training pictures the critic sees them changed."""
PENALISED = 4
"""The penalty is taken of one in so many pictures of a batch, and counts as often: most of its worth at a part of its cost."""
MEASURED = Key(0).fold("made pictures")
WATCHED = 8
"""Codes that are looked at as training goes on."""
AT_ONCE = 256
"""Pictures made at a time."""
MOST_MADE, MOST_BYTES = 100_000, 2 * 10**9
"""Pictures of one question, and bytes of them, since they are in memory together."""
MARK = "critic.changed"
"""The array that says that the critic is to see changed pictures."""
STRIP = "strip"


@dataclass(frozen=True)
class GenerationConfig(Recipe):
    """The knobs of generating pictures, after those of the engine."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 300.0
    batch_size: Annotated[int, Knob("pictures per step", "pictures", 2, 65536, True)] = 64
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "rmsprop"
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 3e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.0
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    clip: Annotated[float, Knob("largest norm of the gradient of a mean loss; 0: no clipping", "", 0.0, 1e6)] = 0.0
    ema: Annotated[float, Knob("memory of the averaged weights, as share of the run; 0: none", "share", 0.0, 0.5)] = 0.1
    noise: Annotated[int, Knob("random values that a picture is made from", "values", 1, 4096)] = 32
    penalty: Annotated[float, Knob("of the critic's gradient, a factor", "", 0.0, 1e6, True)] = 0.3
    image_size: Annotated[int, Knob("longest side of the pictures that are made", "pixels", 8, 256)] = 64
    change: Annotated[
        str, Knob("change what the critic sees; auto: for fewer than 1,000 pictures", choices=("auto", "yes", "no"))
    ] = "auto"
    judge: Annotated[
        str, Knob("model whose encoder judges the pictures, a run or .well file; empty: one is trained beside")
    ] = ""


@dataclass(frozen=True)
class Asked:
    """What pictures to make."""

    n: Annotated[int, Knob("how many pictures, or strips of them", "pictures", 1, 100_000)] = 16
    label: Annotated[str, Knob("of which class; empty: of all in turn")] = ""
    seed: Annotated[int, Knob("of the draws; the same seed makes the same pictures")] = 0
    between: Annotated[
        int, Knob("pictures of a strip from one to another, 2 or more; 0: no strips", "pictures", 0, 100)
    ] = 0


class ImageGeneration(Task):
    """Pictures, of classes or of none: make more of them."""

    Config, Request, watch, asks_rows, judge = GenerationConfig, Asked, None, False, "judge."

    @property
    def knobs(self) -> GenerationConfig:
        """The config, as this task's type."""
        return cast(GenerationConfig, self.config)

    @functools.cached_property
    def picture(self) -> str:
        """The column of pictures."""
        return self.schema.of("input", "image")[0].name

    @functools.cached_property
    def label(self) -> str:
        """The column of classes; empty where there is none."""
        return next((f.name for f in self.schema.of("input", "category")), "")

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One column of pictures; classes beside them are asked for, so they are an input. Only by name: most people classify."""
        pictures, targets = schema.of("input", "image"), schema.targets
        if len(pictures) != 1:
            return Fit(0, reason=f"pictures are made like those of one column, and there are {len(pictures)}")
        if len(targets) > 1 or any(t.kind != "category" for t in targets):
            return Fit(0, reason="beside pictures there may be one column of classes")
        roles = {f.name: "ignore" for f in schema.inputs if f.kind != "image"} | {t.name: "input" for t in targets}
        what = f" of the classes in {targets[0].name!r}" if targets else ""
        return Fit(0.04, roles, f"pictures like those in {pictures[0].name!r} are made{what}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """1,600 made-up pictures, 12 x 12: a bright bar across or down on dark paper, of any place, width and light."""
        draws = Key(seed).fold("demo").numpy()
        n, side = 1600, 12
        down, light = draws.integers(0, 2, n), draws.uniform(180, 220, n)[:, None, None]
        centre, half = draws.uniform(2, side - 3, (n, 1)), draws.uniform(1.0, 1.6, (n, 1))
        profile = np.clip(half + 0.5 - np.abs(np.arange(side) - centre), 0, 1)
        bar = np.where(down[:, None, None] == 1, profile[:, None, :], profile[:, :, None]) * np.ones((1, side, side))
        grey = 20 + light * bar + draws.normal(0, 4, (n, side, side))
        return Table(
            {"image": np.clip(grey, 0, 255).astype(np.uint8), "label": np.array(["across", "down"], object)[down]}
        )

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Pictures, classes, and a judge of pictures."""
        return JudgedPictures(self.schema, self.picture, self.label, self.knobs.image_size, self.knobs.judge)

    def split(self) -> SplitRule:
        """Nothing is chosen or calibrated by pictures that are kept back, so none are."""
        return SplitRule("random", test=0.2, select=0.0, calibrate=0.0)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One picture, one example. Those of training also look at what is made of the first codes of the default question."""
        encoded = pipeline.encode(part.rows, targets=part.name != "predict")
        if part.name != "train":
            return RowExamples(encoded)
        judged = cast(JudgedPictures, pipeline)
        codes = self._codes(Asked(n=WATCHED), pipeline)
        judged.watched_ = Watched(encoded, codes, pipeline.sizes()[self.picture])
        return judged.watched_

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by the pictures' size and the time: steps count more than width."""
        if self.config.size != "auto":
            return self.config.size
        seconds = 0.0 if sizes.seconds is None else sizes.seconds
        if max(sizes.fields[self.picture][1:]) <= 16 or seconds < LONG:
            return "tiny"
        return "small" if seconds < LONGER else "base"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """Adversaries, with an untrained judge."""
        from deepwell.families.judging import judge
        from deepwell.nn.networks.adversaries import Adversaries

        size = cast("tuple[int, int, int]", sizes.fields[self.picture])
        classes = sizes.fields[self.label][0] if self.label else 0
        judging = judge(sizes.fields[f"{self.picture}.judge"])
        return Adversaries(size, self.knobs.noise, SIZES[self.size(sizes)], classes, judging)

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
        return (Update("critic", "critic.*", self._critic), Update("generator", "generator.*", self._generator))

    def _pairs(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Real and made pictures from -1 to 1, of the same classes, both changed where the critic is to see them so."""
        import torch

        given = batch.arrays[self.picture]
        labels = batch.arrays[self.label] if self.label else None
        noise = torch.randn(len(given), self.knobs.noise, device=given.device)
        asked = {"noise": noise} if labels is None else {"noise": noise, "label": labels}
        made = cast("torch.Tensor", network(asked)[0]["picture"])
        real, made = given.float() / 127.5 - 1.0, made / 127.5 - 1.0
        return self._changed(real, batch), self._changed(made, batch), labels

    def _critic(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        import torch

        from deepwell.losses.adversarial import critic_loss, gradient_penalty

        with torch.no_grad():
            real, made, labels = self._pairs(network, batch)
        critic, count = cast(Any, network).critic, len(real)
        scores = critic(torch.cat([real, made]), None if labels is None else torch.cat([labels, labels]))
        judged = critic_loss(scores[:count], scores[count:])
        few = -(-count // PENALISED)
        both = torch.cat([real[:few], made[:few]]).requires_grad_(True)
        with torch.autocast(both.device.type, enabled=False):  # half the digits are too few for a gradient's gradient
            asked = None if labels is None else torch.cat([labels[:few], labels[:few]])
            slope = gradient_penalty(critic(both, asked), both)
        penalty = 0.5 * self.knobs.penalty * slope * (count / few)
        return Loss(judged + penalty, float(count), {"critic": judged, "penalty": penalty})

    def _generator(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        import torch

        from deepwell.losses.adversarial import generator_loss

        real, made, labels = self._pairs(network, batch)
        critic = cast(Any, network).critic
        with torch.no_grad():
            against = critic(real, labels)
        wanted = generator_loss(against, critic(made, labels))
        return Loss(wanted, float(len(real)), {"generator": wanted})

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
        """The pictures, with their classes where there are any; where strips are asked for, the number of each."""
        fields = [Field(self.picture, "image", "target", "made")]
        fields += [replace(self.schema[self.label], role="target", reason="asked for")] if self.label else []
        return Schema((*fields, Field(STRIP, "number", "target", "where strips are asked for")))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Pictures, as they were asked for. Raises ConfigError for a class that does not exist."""
        asked = cast(Asked, request)
        arrays = self._codes(asked, pipeline)
        count = len(arrays["noise"])
        made = np.empty((count, *pipeline.sizes()[self.picture]), np.uint8)
        for start in range(0, count, AT_ONCE):
            part = {name: values[start : start + AT_ONCE] for name, values in arrays.items()}
            floats = runner.run("forward", part)[0]["picture"]
            made[start : start + AT_ONCE] = np.clip(floats.round(), 0, 255).astype(np.uint8)
        cells = np.empty(count, object)
        cells[:] = list(pipeline.decode(self.picture, made))
        columns: dict[str, Column] = {self.picture: cells}
        if self.label:
            columns[self.label] = pipeline.decode(self.label, arrays["label"])
        if asked.between:
            columns[STRIP] = np.repeat(np.arange(1, asked.n + 1), asked.between)
        return Table(columns)

    def _codes(self, asked: Asked, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """The arrays of the call `forward`. Raises ConfigError for a class that does not exist, or strips of one picture."""
        if asked.between == 1:
            raise ConfigError("a strip from one picture to another has at least 2; got between 1")
        count, most = asked.n * max(1, asked.between), MOST_BYTES // math.prod(pipeline.sizes()[self.picture])
        if count > min(MOST_MADE, most):
            raise ConfigError(
                f"{count:,} pictures at once are too many; at most {min(MOST_MADE, most):,} can be made",
                repair="ask for fewer, several times, each with another --seed",
            )
        labels = self._labels(asked, pipeline)
        noise = Key(asked.seed).fold("noise").numpy().normal(size=(asked.n, self.knobs.noise))
        if asked.between:
            others = Key(asked.seed).fold("other ends").numpy().normal(size=noise.shape)
            noise = _between(noise, others, asked.between)
            labels = None if labels is None else np.repeat(labels, asked.between)
        codes: dict[str, NDArray[Any]] = {"noise": noise.astype(np.float32)}
        return codes if labels is None else {**codes, "label": labels}

    def _labels(self, asked: Asked, pipeline: Pipeline) -> NDArray[np.int64] | None:
        """(n,) levels; 0, which stands for no class, is never asked for."""
        if not self.label:
            if asked.label:
                raise ConfigError(f"this model knows no classes; got {asked.label!r}")
            return None
        levels = cast(Category, cast(JudgedPictures, pipeline).kinds_[self.label]).levels_
        if not asked.label:
            return np.arange(asked.n) % max(1, len(levels)) + (1 if levels else 0)
        if asked.label not in levels:
            raise ConfigError(
                f"there is no class {asked.label!r}{nearest(asked.label, levels)}",
                repair=f"the classes are {', '.join(levels[:20])}{', ...' if len(levels) > 20 else ''}",
            )
        return np.full(asked.n, levels.index(asked.label) + 1)

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Distance between what the judge sees in real and in made pictures; precision and recall."""
        return (metrics.frechet_distance(), metrics.precision(), metrics.recall())

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """`real` and `made` (n, f): features of each picture, and of one made for it, of its class."""
        real = batch.arrays[self.picture]
        keys = (MEASURED.fold(int(example)).numpy() for example in batch.examples)
        noise = np.stack([key.normal(size=self.knobs.noise) for key in keys]).astype(np.float32)
        labels = {"label": batch.arrays[self.label]} if self.label else {}
        made = np.clip(runner.run("forward", {"noise": noise, **labels})[0]["picture"].round(), 0, 255)
        sides = {"real": real, "made": made}
        return {name: runner.run("features", {"picture": side})[0]["features"] for name, side in sides.items()}

    def baselines(self) -> Sequence[Baseline]:
        """A normal distribution of principal components, and training pictures moved by a pixel."""
        from deepwell.evaluation import samplers

        return (samplers.components(self.picture, _seen), samplers.moved(self.picture, _seen))

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """Nothing is drawn of the features: pictures are shown."""
        return ()

    def shown(
        self,
        rows: Table,
        answers: Table,
        columns: Mapping[str, NDArray[Any]],
        index: IntArray | None,
        pipeline: Pipeline,
    ) -> Sequence[Mapping[str, Any]]:
        """Made pictures, each beside the training picture that the judge finds most like it; the same codes over time."""
        from deepwell.evaluation.drawn import thumbnail

        judged = cast(JudgedPictures, pipeline)
        if judged.judge_ is None or judged.watched_ is None:
            return ()
        encoded = judged.kinds_[self.picture].encode(np.stack(list(answers[self.picture])))[0][""]
        found, looked = judged.nearest(cast("NDArray[Any]", encoded))
        pairs = zip(answers[self.picture], pipeline.decode(self.picture, found), strict=True)
        lines = [[thumbnail(cell) for cell in pair] for pair in pairs]
        heads = ["made", f"most like it of {looked:,} training pictures"]
        events = [_table("Pictures that were made, not picked", heads, lines)]
        if strip := judged.watched_.strip():
            looks = [pipeline.decode(self.picture, pictures) for _, pictures in strip] + [answers[self.picture]]
            heads = [f"step {step:,}" for step, _ in strip] + ["in the end, averaged"]
            grown = [[thumbnail(look[code]) for look in looks] for code in range(WATCHED)]
            events.append(_table("The same codes as training went on", heads, grown))
        return events


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """An event of pictures."""
    return {"event": "examples", "title": title, "columns": [{"name": h, "kind": "image"} for h in heads], "rows": rows}


def _marked(batch: Batch, key: Key) -> Batch:
    """What is changed is decided by the losses, because made pictures must be changed, too."""
    import torch

    return batch.replace(**{MARK: torch.ones(len(batch))})


def _between(ones: NDArray[np.float64], others: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(n * count, z): from each code to its other along the great circle, so that each is as likely as a drawn one."""
    one, other = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (ones, others))
    angle = np.arccos(np.clip((one * other).sum(1), -1, 1))[:, None, None]
    share = np.linspace(0, 1, count)[None, :, None]
    found = np.sin((1 - share) * angle) * one[:, None] + np.sin(share * angle) * other[:, None]
    return np.asarray((found / np.maximum(np.sin(angle), 1e-12)).reshape(-1, ones.shape[1]) * np.sqrt(ones.shape[1]))


def _seen(pipeline: Pipeline) -> Any:
    """What the judge of a fitted pipeline sees in pictures."""
    from deepwell.families.judging import seen

    network = cast("Any", cast(JudgedPictures, pipeline).judge_)
    return lambda pictures: seen(network, pictures)
