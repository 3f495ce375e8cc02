"""object_detection: a picture -> the objects in it, each a box, a class and a score.

Cells in a blood smear, cars in a street, fruit on a tree. The detector has one stage and no anchors (nn/networks/detector.py)
and is trained from scratch; which of its places answer for an object is found anew at each step (losses/assignment.py).
Unusual: the working size of the pictures follows from the smallest kind of object, pictures are mirrored only where the
objects allow it, and the smallest score that is answered is the one with the best F1 on pictures that training did not see.

    arrays in    <picture> (n, c, h, w)                 at the working size
                 <picture>.size (n, 2)                  height and width of the original
                 <target>, .row, .label, .ignore        boxes in pixels of the working size, flat; see families/scenes.py
    arrays out   <target>.boxes (n, L, 4), <target>.logits (n, L, K)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import OPTIMISERS, SCHEDULES, Knob, Recipe
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Part, Table
from deepwell.core.task import Baseline, Chosen, Fit, Loss, Pipeline, Sizes, Task, Transform
from deepwell.data.fields.boxes import cell
from deepwell.data.fields.image import LARGEST
from deepwell.data.pipeline import encode
from deepwell.decoding.suppression import CANDIDATES, Found, detections
from deepwell.families import scenes
from deepwell.metrics import detection as metrics

if TYPE_CHECKING:
    import torch

    from deepwell.nn.networks.detector import DetectorShape

SIZES: Mapping[str, tuple[int, int]] = {"tiny": (16, 64), "small": (24, 96), "base": (32, 128), "large": (64, 192)}
"""size -> channels after the stem (as image_classification has them), channels of pyramid and head."""
SPEED = 1.5e11
"""Operations a second that the choice of size expects of two quiet cores."""
PASSES = 150
"""A larger network is chosen only where the time allows so many passes over the data with it."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""
STRIDES: Mapping[int, tuple[int, ...]] = {64: (4, 8), 128: (4, 8, 16)}
"""Longest side of the working size, pixels -> strides of the maps that are answered on; else USUAL_STRIDES."""
USUAL_STRIDES = (8, 16, 32)
BOX_WEIGHT = 4.0
"""Of the boxes in the loss, beside the classes."""
ANSWERING = 13
"""Places that answer for one object in training."""
SMALLEST_SCORE, OVERLAP = 0.02, 0.6
"""Boxes of lower scores are not measured; of two boxes of a class that overlap by more, one goes."""
USUAL_THRESHOLD = 0.3
"""The smallest score that is answered where no part was kept to find it."""
MOST_CLASSES = 20
"""Classes whose average precision is told."""
ASKED = 512
"""Training pictures that are asked whether they may be mirrored."""


@dataclass(frozen=True)
class DetectionConfig(Recipe):
    """The knobs of detection."""

    side: Annotated[
        int, Knob("longest side of the working size; 0: by pictures and smallest objects", "pixels", 0, LARGEST)
    ] = 0
    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 400.0
    batch_size: Annotated[int, Knob("pictures per step; 0: chosen by data and network", "pictures", 0, 1_000_000)] = 8
    optimiser: Annotated[str, Knob("how gradients move the weights", choices=OPTIMISERS)] = "muon"
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 2e-2
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.05
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    patience: Annotated[int, Knob("checks without gain before cooling down; 0: never", "checks", 0, 10_000)] = 15
    mirror: Annotated[
        str, Knob("mirror training pictures; auto: as the objects allow", choices=("auto", "none", "sides", "both"))
    ] = "auto"
    augment: Annotated[str, Knob("how much training pictures are changed", choices=("none", "light", "strong"))] = (
        "light"
    )


@dataclass(frozen=True)
class Asked:
    """How boxes are answered."""

    threshold: Annotated[
        float | None, Knob("smallest score that is answered; none: as found after training", "score", 0.0, 1.0)
    ] = None
    most: Annotated[int, Knob("most boxes of a picture", "boxes", 1, 1000)] = 100
    overlap: Annotated[
        float, Knob("of two boxes of a class that overlap by more, one goes", "share of their union", 0.0, 1.0)
    ] = OVERLAP


class ObjectDetection(Task):
    """Pictures: find the objects in them, as boxes with classes."""

    Config = DetectionConfig
    Request = Asked
    watch = "map_50"

    @property
    def knobs(self) -> DetectionConfig:
        """The config, as its type."""
        return cast(DetectionConfig, self.config)

    @property
    def picture(self) -> str:
        """The column of pictures."""
        return self.schema.of("input", "image")[0].name

    @property
    def target(self) -> str:
        """The column of boxes."""
        return self.schema.targets[0].name

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """One column of pictures, and one of boxes, which is the target."""
        pictures, targets = schema.of("input", "image"), schema.targets
        boxes = [f for f in schema.fields if f.kind == "boxes" and f.role in ("input", "target")]
        if not boxes:
            return Fit(0, reason="no column holds boxes")
        if len(pictures) != 1:
            return Fit(0, reason=f"objects are found in one column of pictures, and there are {len(pictures)}")
        other = [f for f in targets if f.kind != "boxes"]
        if other:
            return Fit(0, reason=f"the target {other[0].name!r} holds no boxes but is of kind {other[0].kind}")
        if len(boxes) > 1:
            return Fit(0, reason=f"{len(boxes)} columns hold boxes: {', '.join(f.name for f in boxes)}")
        beside = [f for f in schema.inputs if f.kind not in ("image", "boxes")]
        if beside:
            return Fit(0, reason=f"the column {beside[0].name!r} is of kind {beside[0].kind}, which is not read here")
        target = boxes[0].name
        return Fit(1.0, {target: "target"}, f"pictures with boxes in {target!r}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """300 made-up pictures, 32 x 32: up to two reddish discs or greenish squares on shaded paper."""
        draws = Key(seed).fold("demo").numpy()
        count, side = 300, 32
        pictures = np.empty((count, side, side, 3), np.uint8)
        objects = np.empty(count, object)
        row, column = np.mgrid[:side, :side] + 0.5
        for i in range(count):
            shadow = draws.uniform(0, 5, 3) * (row + column)[:, :, None] / 2
            drawn = draws.uniform(0, 60, 3) + shadow + draws.normal(0, 15, (side, side, 3))
            objects[i] = []
            for _ in range(int(draws.integers(0, 3))):
                half, what = int(draws.integers(6, 9)), int(draws.integers(0, 2))
                x, y = (int(v) for v in draws.integers(half, side - half + 1, 2))
                box = [float(v) for v in (x - half, y - half, x + half, y + half)]
                if any(_touch(box, one["box"]) for one in objects[i]):
                    continue
                across, down = np.abs(column - x), np.abs(row - y)
                shape = (np.hypot if what == 0 else np.maximum)(across, down) < half
                drawn[shape] = draws.uniform(40, 140, 3) + 100 * (np.arange(3) == what)
                objects[i].append({"label": ("disc", "square")[what], "box": box})
            pictures[i] = np.clip(drawn, 0, 255)
        return Table({"image": pictures, "objects": objects})

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Pictures at a working size that suits the smallest objects, with their original sizes; boxes."""
        return scenes.Scenes(self.schema, self.picture, self.target, self.knobs.side, start)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One picture, one example, with its boxes at the working size."""
        working = scenes.Working.of(pipeline, self.picture, self.target)
        return RowExamples(encode(pipeline, part.rows, working, targets=part.name != "predict"))

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Pictures are zoomed, put together from four, seen in other light; mirrored where the objects allow it."""
        from deepwell.training import augmentation_boxes as moved

        picture, target, strength = self.picture, self.target, self.knobs.augment
        chosen: list[Transform] = []
        for axis, (allowed, why) in self._mirrors(examples).items():
            upside_down = axis == "upside down"
            transform = moved.flip(picture, target, upside_down=upside_down) if allowed else None
            chosen.append(Chosen(transform, f"{picture}: {'' if allowed else 'not '}mirrored {axis}", why))
        if strength == "none":
            return chosen
        strong, why = strength == "strong", "asked for" if strength == "strong" else "the usual"
        low, high = (0.5, 1.6) if strong else (0.7, 1.4)
        chosen += [
            Chosen(moved.zoom(picture, target, low, high), f"{picture}: zoomed by a factor from {low} to {high}", why),
            Chosen(moved.colour(picture), f"{picture}: light, contrast and colours changed", why),
        ]
        if strong:
            chosen.insert(
                0, Chosen(moved.mosaic(picture, target), f"{picture}: half of them put together from four", why)
            )
        return chosen

    def _mirrors(self, examples: Examples) -> Mapping[str, tuple[bool, str]]:
        asked = self.knobs.mirror
        if asked != "auto":
            wanted = {"left to right": asked in ("sides", "both"), "upside down": asked == "both"}
            return {axis: (so, "asked for") for axis, so in wanted.items()}
        some = np.linspace(0, (examples.count or 1) - 1, min(ASKED, examples.count or 0)).astype(np.int64)
        return scenes.mirrors(examples.take(some, Key(0)).arrays, self.picture, self.target)

    # network ---------------------------------------------------------------------------------------------------------
    def shape(self, size: str, height: int, width: int) -> DetectorShape:
        """The detector of a size for pictures of this working size."""
        from deepwell.nn.layers.pictures import PictureShape
        from deepwell.nn.networks.detector import DetectorShape

        channels, pyramid = SIZES[size]
        strides = _strides(height, width)
        small = strides != USUAL_STRIDES  # in small pictures less can be told apart
        return DetectorShape(PictureShape(channels, 1), pyramid // 2 if small else pyramid, strides=strides)

    def size(self, sizes: Sizes) -> str:
        """For `auto` the largest with which the time allows PASSES passes over the data."""
        from deepwell.nn.networks.detector import detector_multiplications

        if self.config.size != "auto":
            return self.config.size
        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        picture = cast("tuple[int, int, int]", sizes.fields[self.picture])
        chosen = "tiny"
        for larger in ("small", "base"):
            # Forward and backward: three times two operations for each multiply-add.
            work = 6 * sizes.examples * detector_multiplications(picture, self.shape(larger, *picture[1:]))
            if seconds * SPEED >= PASSES * work:
                chosen = larger
        return chosen

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A Detector for these pictures and classes."""
        from deepwell.nn.networks.detector import Detector

        picture = cast("tuple[int, int, int]", sizes.fields[self.picture])
        shape = self.shape(self.size(sizes), *picture[1:])
        return Detector(self.picture, picture, self.target, sizes.fields[self.target][0], shape)

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Nats of the scores, and BOX_WEIGHT times 1 - generalised overlap of each object's boxes; units: objects and pictures.

        The places that answer for an object share its weight by how well they answer already. What lies in ignored boxes is asked
        for nothing.
        """
        import torch

        from deepwell.losses.assignment import Objects, covered, task_aligned
        from deepwell.losses.boxes import box_loss
        from deepwell.losses.focal import quality_focal
        from deepwell.nn.layers.pyramid import places

        outputs, _ = network(batch.arrays)
        boxes, logits = outputs[f"{self.target}.boxes"], outputs[f"{self.target}.logits"]
        height, width = batch.arrays[self.picture].shape[-2:]
        where = places(height, width, _strides(height, width), logits.device)
        truth, row, label, ignore = (batch.arrays[f"{self.target}{p}"] for p in ("", ".row", ".label", ".ignore"))
        real, hidden = ignore == 0, ignore != 0
        objects = Objects(truth[real].float(), row[real], label[real])
        found = task_aligned(boxes, logits, where, objects, ANSWERING)
        quality = torch.zeros_like(logits)
        quality[found.picture, found.place, objects.label[found.object]] = found.quality
        asked = ~covered(where, truth[hidden].float(), row[hidden], len(logits))
        asked[found.picture, found.place] = True
        classes = quality_focal(logits, quality, weights=asked)
        total = found.quality.new_zeros(len(objects.boxes)).index_add(0, found.object, found.quality)
        share = found.quality / total[found.object].clamp(min=1e-9)
        placed = box_loss(boxes[found.picture, found.place], objects.boxes[found.object], weights=share)
        parts = {"classes": classes, "boxes": BOX_WEIGHT * placed}
        return Loss(classes + BOX_WEIGHT * placed, float(len(objects.boxes) + len(logits)), parts)

    def plan_hints(self) -> Mapping[str, Any]:
        """Convolutions gain from channels-last and bfloat16."""
        return {"convolutional": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The column of boxes, with scores; its facts name all classes, so that files number them alike."""
        facts = {"classes": pipeline.classes(self.target)}
        found = replace(self.schema[self.target], role="target", reason="the objects found, best first", facts=facts)
        return Schema((found,))

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """Boxes in pixels of the original pictures, best first, as cells of `answers`."""
        names = pipeline.classes(self.target)
        outputs, _ = runner.run("forward", batch.arrays)
        found = self._found(outputs, batch, request)
        cells = np.empty(len(batch), object)
        for i, one in enumerate(found):
            edges = np.round(one.boxes.astype(np.float64), 2)
            cells[i] = cell(edges, one.labels, names, scores=np.round(one.scores.astype(np.float64), 4))
        return Table({self.target: cells})

    def _found(self, outputs: Mapping[str, NDArray[Any]], batch: Batch, request: Asked) -> list[Found]:
        """The objects of each picture, inside it and in its own pixels."""
        logits = outputs[f"{self.target}.logits"].astype(np.float64)
        threshold = request.threshold
        if threshold is None:
            threshold = float(outputs.get(f"{self.target}.logits.threshold", np.full(1, USUAL_THRESHOLD))[0])
        height, width = batch.arrays[self.picture].shape[-2:]
        boxes = np.clip(outputs[f"{self.target}.boxes"], 0, np.array([width, height, width, height], np.float32))
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50)))
        found = detections(boxes, scores, threshold, request.overlap, request.most)
        factors = scenes.Working(self.picture, self.target, height, width).factors(batch.arrays[f"{self.picture}.size"])
        return [replace(one, boxes=(one.boxes * by).astype(np.float32)) for one, by in zip(found, factors, strict=True)]

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """The smallest score that is answered: the one with the best F1 at half overlap; none without objects."""
        from deepwell.evaluation.detection_figures import best_threshold

        threshold = best_threshold(self.target, columns)
        return {} if threshold is None else {f"{self.target}.logits.threshold": threshold}

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """COCO's figures, mAP at half overlap first, and the average precision of each of up to MOST_CLASSES classes."""
        usual = [make(self.target) for make in metrics.FIGURES]
        names = pipeline.classes(self.target)
        each = [metrics.class_average_precision(self.target, k, name) for k, name in enumerate(names[:MOST_CLASSES])]
        return [*usual, *(each if len(names) > 1 else [])]

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """Which boxes were right at which overlap, and how many there are; see metrics/detection.py."""
        outputs, _ = runner.run("forward", batch.arrays)
        found = self._found(outputs, batch, Asked(threshold=SMALLEST_SCORE, most=CANDIDATES))
        height, width = batch.arrays[self.picture].shape[-2:]
        working = scenes.Working(self.picture, self.target, height, width)
        boxes, row, label, ignore = (batch.arrays[f"{self.target}{p}"] for p in ("", ".row", ".label", ".ignore"))
        original = boxes * working.factors(batch.arrays[f"{self.picture}.size"])[row]
        truths = [metrics.Truth(original[row == i], label[row == i], ignore[row == i]) for i in range(len(batch))]
        return metrics.measured(self.target, found, truths, len(pipeline.classes(self.target)))

    def baselines(self) -> Sequence[Baseline]:
        """The usual boxes wherever they lie, and blobs where they apply."""
        from deepwell.evaluation import detection_baselines as known

        return (known.mean_box(self.picture, self.target), known.blobs(self.picture, self.target))

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """Average precision by class, and precision against recall."""
        from deepwell.evaluation.detection_figures import figures

        return figures(self.target, pipeline.classes(self.target), columns)


def _strides(height: int, width: int) -> tuple[int, ...]:
    """Of the maps that are answered on: small pictures have small objects."""
    return next((strides for side, strides in STRIDES.items() if max(height, width) <= side), USUAL_STRIDES)


def _touch(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
