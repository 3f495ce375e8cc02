"""segmentation: pictures -> the class of each of their pixels.

Street scenes, organs, cells, maps: pictures beside masks, as index or colour PNG. Unusual: pictures keep their shape and, up to
`side`, their pixels; the network is trained on windows of them and answers larger pictures in windows that overlap, and what is
proved is proved in original pixels (families/pixels.py). Which pixel is which class is found out (data/fields/mask.py).

    arrays in    <image> (n, c, h, w) uint8, any size
                 <mask> (n, h, w) uint8 class indices, 255 void
    arrays out   <mask>.logits (n, K, h, w)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import OPTIMISERS, SCHEDULES, Knob, Recipe
from deepwell.core.errors import ConfigError, nearest
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, SplitRule, Task, Transform
from deepwell.data.fields.mask import Mask
from deepwell.data.fields.scaled_image import ScaledImage
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.sources.columns import objects
from deepwell.families.pixels import Asked, Pictures, Windows, encoded
from deepwell.metrics import segmentation as metrics_of

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, tuple[int, int]] = {"tiny": (16, 1), "small": (24, 1), "base": (32, 1), "large": (64, 1)}
"""size -> channels after the stem, residual pairs in each later stage."""
SPEED = 2e11
"""Operations a second that the choice of size expects; one core with bfloat16 does 1.5e11 (tiny) to 3e11 (base)."""
ENOUGH, PASSES = 2_000, 20
"""A larger network is chosen only where the time allows so many windows, and so many passes over the pictures, with it."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""
METRICS = ("mean_iou", "pixel_accuracy", "boundary_f", "dice", "sensitivity", "specificity")
COARSE = 0.3
"""What the losses of each coarser map count in training, beside those of the answer."""
JUDGED_AT_ONCE = 8
"""Windows whose loss is measured at once where no gradient is asked for."""


@dataclass(frozen=True)
class SegmentationConfig(Recipe):
    """The knobs of masks."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 300.0
    batch_size: Annotated[int, Knob("windows per step; 0: chosen by data and network", "examples", 0, 1_000_000)] = 4
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "muon"
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 2e-2
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.05
    warmup: Annotated[float, Knob("share of the run in which the step size rises", "share", 0.0, 0.9)] = 0.1
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    dropout: Annotated[float, Knob("share of the last channels dropped in training", "share", 0.0, 0.9)] = 0.1
    label_smoothing: Annotated[float, Knob("share of a pixel's class spread over all classes", "share", 0.0, 0.5)] = 0.0
    dice: Annotated[float, Knob("weight of the Dice loss beside the cross-entropy", "", 0.0, 10.0)] = 1.0
    balance: Annotated[
        float, Knob("power of a class's rarity in its weight; 0: all pixels count the same", "", 0.0, 1.0)
    ] = 0.5
    augment: Annotated[str, Knob("how much training pictures are changed", choices=("none", "light", "strong"))] = (
        "strong"
    )
    mirror: Annotated[str, Knob("mirror training pictures left to right", choices=("yes", "no"))] = "yes"
    void: Annotated[str, Knob("pixels that say nothing: numbers, #rrggbb or class names, with commas between")] = ""
    side: Annotated[
        int,
        Knob("median longer side above which pictures are made smaller, all by one factor", "pixels", 32, 32768, True),
    ] = 1024
    window: Annotated[int, Knob("largest side of the windows that are trained on", "pixels", 32, 2048, True)] = 512
    keep: Annotated[
        bool, Knob("a larger picture shows more (maps, microscopes); no: the same, so it is brought to training's size")
    ] = False
    metric: Annotated[str, Knob("primary metric; empty: mean_iou", choices=("", *METRICS))] = ""
    positive: Annotated[
        str, Knob("class of dice, sensitivity and specificity; empty: of two the one that is not background")
    ] = ""


class Segmentation(Task):
    """Pictures: predict the class of each pixel."""

    Config = SegmentationConfig
    watch = "dice"  # the cross-entropy of few pictures rises while ever more of each class is found

    @property
    def knobs(self) -> SegmentationConfig:
        """The config, as its own type."""
        return cast(SegmentationConfig, self.config)

    @property
    def image(self) -> str:
        """The column of the pictures."""
        return self.schema.of("input", "image")[0].name

    @property
    def mask(self) -> str:
        """The column of the masks."""
        return self.schema.targets[0].name

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One column of pictures to read, one of masks to predict, nothing else."""
        targets, inputs = schema.targets, schema.inputs
        if len(targets) != 1 or targets[0].kind != "mask":
            boxes = any(f.kind == "boxes" for f in targets)
            other = "; where masks lie beside these boxes, --form mask_folders reads them" if boxes else ""
            return Fit(0, reason=f"no single column of masks is the target{other}")
        if len(inputs) != 1 or inputs[0].kind != "image":
            return Fit(
                0, reason=f"masks are predicted from one column of pictures; here {len(inputs)} columns are inputs"
            )
        return Fit(1.0, {}, f"pictures in {inputs[0].name!r} predict the class of each pixel in {targets[0].name!r}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """140 made-up pictures, 24 x 32, of a standing and a lying bar of the same colours on a ground of any colour, in noise.

        Three classes, of which colours tell only the ground from the bars.
        """
        draws = Key(seed).fold("demo").numpy()
        n, height, width = 140, 24, 32
        y, x = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
        mask = np.zeros((n, height, width), np.uint8)
        ground = draws.uniform(90, 160, (n, 1, 1, 3))
        picture = ground + np.zeros((n, height, width, 3))
        for label in (1, 2):
            long, short = draws.uniform(7, 10, (n, 1, 1)), draws.uniform(1.5, 3, (n, 1, 1))
            down, along = (draws.uniform(4, side - 4, (n, 1, 1)) for side in (height, width))
            high, wide = (long, short) if label == 1 else (short, long)
            shown = (np.abs(y - down) < high) & (np.abs(x - along) < wide)
            ink = ground + draws.uniform(30, 60, (n, 1, 1, 1)) * draws.choice([-1, 1], (n, 1, 1, 1))
            picture = np.where(shown[..., None], ink, picture)
            mask[shown] = label
        picture += draws.normal(0, 15, picture.shape)
        return Table({"image": np.clip(picture, 0, 255).astype(np.uint8), "mask": mask})

    def pipeline(self, start: Pipeline | None) -> Pipeline | None:
        """Pictures that keep their shape, masks with what the user calls void."""
        knobs = self.knobs
        kinds = {self.image: ScaledImage(knobs.side, knobs.window, knobs.keep), self.mask: Mask(knobs.void)}
        return FieldPipeline(self.schema, kinds)

    def split(self) -> SplitRule:
        """At random; nothing is calibrated."""
        return SplitRule(kind="random", calibrate=0.0)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Windows to train on and to choose by, whole pictures to prove on and to answer."""
        if part.name in ("train", "select"):
            found = encoded(part, pipeline, self.image, self.mask, full=False)
            return Windows(found, self.image, self.mask, self._window(pipeline))
        return Pictures(part, pipeline, self.image, self.mask)

    def _window(self, pipeline: Pipeline) -> tuple[int, int]:
        _, height, width = pipeline.sizes()[self.image]
        return height, width

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Mirrored, enlarged and made smaller, a little turned, in other light; masks move with their pictures."""
        from deepwell.training import augmentation_masks as changes

        knobs, image, mask = self.knobs, self.image, self.mask
        if knobs.augment == "none":
            return ()
        least, most, turn, light = (0.5, 2.0, 10.0, 0.3) if knobs.augment == "strong" else (0.8, 1.25, 5.0, 0.15)
        said = f"{image}, {mask}: {least:g} to {most:g} times as large, turned by up to {turn:g} degrees"
        chosen = [
            Chosen(changes.zoom(image, mask, least, most, degrees=turn, stretch=0.1), said, "masks move with pictures")
        ]
        chosen.append(
            Chosen(
                changes.light(image, light, light, light),
                f"{image}: light, contrast and colours changed",
                "classes do not depend on it",
            )
        )
        if knobs.mirror == "yes":
            why = "a picture and its mirror picture show the same classes; --set mirror=no where they do not"
            chosen.append(Chosen(changes.flip(image, mask), f"{image}, {mask}: mirrored left to right", why))
        return chosen

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` the largest with which the time allows ENOUGH windows, and PASSES over the pictures."""
        from deepwell.nn.layers.pictures import PictureShape
        from deepwell.nn.networks.unet import multiplications

        if self.config.size != "auto":
            return self.config.size
        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        picture, classes = cast("tuple[int, int, int]", sizes.fields[self.image]), sizes.fields[self.mask][0]
        windows, chosen = max(ENOUGH, PASSES * sizes.examples), "tiny"
        for larger in ("small", "base"):
            # Forward and backward: three times two operations for each multiply-add.
            work = 6 * multiplications(picture, classes, PictureShape(*SIZES[larger])) * windows
            if seconds * SPEED >= work:
                chosen = larger
        return chosen

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A UNet."""
        from deepwell.nn.layers.pictures import PictureShape
        from deepwell.nn.networks.unet import UNet

        size = cast("tuple[int, int, int]", sizes.fields[self.image])
        classes = sizes.fields[self.mask][0]
        return UNet(self.image, self.mask, size, classes, PictureShape(*SIZES[self.size(sizes)]), self.knobs.dropout)

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """What a pixel of each class counts: its share among the training pixels to a negative power, averaging 1 over them."""
        import torch

        kind = cast(FieldPipeline, pipeline).kinds_[self.mask]
        shares = kind.shares_ if isinstance(kind, Mask) else None
        if shares is None or not self.knobs.balance:
            return
        weights = np.maximum(shares, shares[shares > 0].min()) ** -self.knobs.balance
        weights /= (weights * shares).sum()
        cast(Any, network).class_weights.copy_(torch.from_numpy(weights.astype(np.float32)))

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Cross-entropy and Dice, sums over pictures. Without gradients some windows at a time, so that memory is bounded."""
        import torch

        count = len(batch)
        if torch.is_grad_enabled() or count <= JUDGED_AT_ONCE:
            return self._loss(network, batch.arrays[self.image], batch.arrays[self.mask])
        pieces = [
            self._loss(network, *(batch.arrays[n][i : i + JUDGED_AT_ONCE] for n in (self.image, self.mask)))
            for i in range(0, count, JUDGED_AT_ONCE)
        ]
        parts = {name: torch.stack([p.parts[name] for p in pieces]).sum() for name in pieces[0].parts}
        return Loss(torch.stack([p.total for p in pieces]).sum(), float(count), parts)

    def _loss(self, network: torch.nn.Module, image: torch.Tensor, mask: torch.Tensor) -> Loss:
        from deepwell.losses.dice import dice, halved, pixel_cross_entropy

        outputs, _ = network({self.image: image})
        weights = cast("torch.Tensor", network.class_weights)
        entropy = overlap = mask.new_zeros((), dtype=weights.dtype)
        for name, logits in outputs.items():
            fine = name == f"{self.mask}.logits"
            target, share = (mask, 1.0) if fine else (halved(mask, logits.shape[2:]), COARSE)
            smoothing = self.knobs.label_smoothing
            entropy = entropy + share * pixel_cross_entropy(logits, target, smoothing=smoothing, class_weights=weights)
            overlap = overlap + share * dice(logits, target)
        parts = {"cross_entropy": entropy, "dice": overlap}
        return Loss(entropy + self.knobs.dice * overlap, float(len(image)), parts)

    def plan_hints(self) -> Mapping[str, Any]:
        """Convolutions gain from channels-last and bfloat16."""
        return {"convolutional": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """Masks of class indices in the pictures' original size, and how sure their pixels are on average."""
        state = pipeline.state()[self.mask]["state"]
        facts = {"classes": list(state["classes"]), "colours": list(state["colours"])}
        answer = replace(self.schema[self.mask], role="target", reason="the answer", facts=facts)
        sure = "mean probability of the answered classes, over all pixels"
        return Schema((answer, Field(f"{self.mask}.confidence", "number", "target", sure)))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Answers, one row per picture, columns as `answers` says."""
        found = [self._answer(runner, batch, row, pipeline) for row in range(len(batch))]
        sure = np.array([confidence for _, confidence in found], np.float64)
        return Table({self.mask: objects(mask for mask, _ in found), f"{self.mask}.confidence": sure})

    def _answer(self, runner: Runner, batch: Batch, row: int, pipeline: Pipeline) -> tuple[NDArray[np.uint8], float]:
        """One picture of a batch, of windows or of whole pictures: the class of each pixel, and the mean confidence."""
        picture = batch.arrays[self.image][row]
        held = batch.arrays.get(f"{self.image}.held")
        asked = Asked(self.image, f"{self.mask}.logits", self._window(pipeline))
        if held is None:
            return asked.answer(runner, picture, picture.shape[1:])
        high, wide = held[row].tolist()
        height, width = batch.arrays[f"{self.image}.size"][row].tolist()
        return asked.answer(runner, picture[:, :high, :wide], (height, width))

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """All metrics of masks, the chosen one first. Raises ConfigError where it is about a class that nobody named."""
        found = dict(metrics_of.every(self.mask, pipeline.classes(self.mask), self._positive(pipeline)))
        wanted = self.knobs.metric or "mean_iou"
        if wanted not in found:
            raise ConfigError(
                f"the metric {wanted} is about one class, and these masks have more than two",
                repair=f"name it with --positive, for example --positive {pipeline.classes(self.mask)[1]!r}",
            )
        return [found.pop(wanted), *found.values()]

    def _positive(self, pipeline: Pipeline) -> int | None:
        """Index of the class that is looked for; None: none of more than two was named. Raises ConfigError for no class."""
        wanted, classes = self.knobs.positive, pipeline.classes(self.mask)
        if wanted:
            if wanted not in classes:
                raise ConfigError(f"there is no class {wanted!r}{nearest(wanted, classes)}")
            return classes.index(wanted)
        kind = cast(FieldPipeline, pipeline).kinds_[self.mask]
        return kind.positive if isinstance(kind, Mask) and len(classes) == 2 else None

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """What the metrics read of each picture, in original pixels; see metrics/segmentation.py."""
        classes = len(pipeline.classes(self.mask))
        lines = []
        for row in range(len(batch)):
            answer, _ = self._answer(runner, batch, row, pipeline)
            truth = batch.arrays[self.mask][row, : answer.shape[0], : answer.shape[1]]
            lines.append(metrics_of.compare(truth, answer, classes))
        return {f"{self.mask}.{name}": np.stack([line[name] for line in lines]) for name in lines[0]} if lines else {}

    def baselines(self) -> Sequence[Baseline]:
        """The most frequent class, the most frequent at each place, and a linear model of colours."""
        from deepwell.evaluation import segmentation_baselines as known

        return tuple(make(self.image, self.mask) for make in (known.most_frequent, known.place, known.colour))

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """IoU by class, and which class is taken for which."""
        from deepwell.evaluation.segmentation_figures import figures

        return figures(self.mask, pipeline.classes(self.mask), columns)
