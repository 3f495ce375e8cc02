"""image_classification: pictures, and numbers or categories beside them -> a class.

Class folders of photographs, scanned digits, chest X-rays with the patient's age. The network is a compact residual
network that fits itself to the pictures' size (nn/layers/pictures.py), and is chosen by how many passes over the data the
time allows. Augmentation follows from the data: pictures are mirrored only where that was found harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np

from deepwell.core.config import SCHEDULES, Knob
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.core.task import Chosen, Fit, Pipeline, Sizes, Transform
from deepwell.families import mirroring
from deepwell.families.prediction import Prediction, PredictionConfig

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, tuple[int, int]] = {"tiny": (16, 1), "small": (24, 1), "base": (32, 1), "large": (64, 1)}
"""size -> channels after the stem, residual pairs in each later stage."""
SPEED = 2e11
"""Operations a second that the choice of size expects; two quiet cores with bfloat16 do 2.3e11 (tiny) to 4.5e11 (base)."""
PASSES = 12
"""A larger network is chosen only where the time allows so many passes over the data with it."""
FEW = 1_000
"""With fewer training examples, pictures are changed more."""
OPEN_SECONDS = 300.0
"""The time that is counted on where the budget has none."""


@dataclass(frozen=True)
class ImageConfig(PredictionConfig):
    """The knobs of pictures."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 100.0
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 6e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0; adam has none", "", 0.0, 10.0)] = 0.05
    warmup: Annotated[float, Knob("share of the run in which the step size rises", "share", 0.0, 0.9)] = 0.15
    schedule: Annotated[str, Knob("how the step size falls", choices=SCHEDULES)] = "linear"
    label_smoothing: Annotated[float, Knob("share of a class target spread over all classes", "share", 0.0, 0.5)] = 0.1
    mirror: Annotated[str, Knob("mirror training pictures left to right", choices=("auto", "yes", "no"))] = "auto"
    augment: Annotated[
        str,
        Knob(
            "how much training pictures are changed; auto: by their number", choices=("auto", "none", "light", "strong")
        ),
    ] = "auto"


class ImageClassification(Prediction):
    """Pictures, with numbers and categories beside them: predict a class."""

    Config = ImageConfig

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """At least one picture to read, targets that are categories, beside it only numbers and categories."""
        targets, inputs = schema.targets, schema.inputs
        pictures = schema.of("input", "image")
        if not pictures:
            return Fit(0, reason="no column holds pictures")
        if not targets:
            return Fit(0, reason="no column is the target")
        other = [f for f in targets if f.kind != "category"]
        if other:
            return Fit(0, reason=f"the target {other[0].name!r} is no category but {other[0].kind}")
        unread = [f for f in inputs if f.kind not in ("image", "number", "category")]
        if unread:
            return Fit(0, reason=f"the column {unread[0].name!r} is of kind {unread[0].kind}, which is not read here")
        beside = len(inputs) - len(pictures)
        columns = f" and {beside} {'columns' if beside > 1 else 'column'} beside them" if beside else ""
        return Fit(1.0, {}, f"pictures{columns} predict {', '.join(repr(f.name) for f in targets)}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """900 made-up drawings, 24 x 24, of discs, squares, crosses and rings, of any size and place, in noise."""
        draws = Key(seed).fold("demo").numpy()
        n, side = 900, 24
        kind = draws.integers(0, 4, n)
        radius = draws.uniform(4, 8, (n, 1, 1))
        centre = draws.uniform(9, side - 9, (2, n, 1, 1))
        y, x = np.abs(np.arange(side)[None, :, None] - centre[0]), np.abs(np.arange(side)[None, None, :] - centre[1])
        far = np.hypot(x, y)
        drawn = np.select(
            [kind[:, None, None] == k for k in range(4)],
            [
                far < radius,
                np.maximum(x, y) < 0.9 * radius,
                (np.minimum(x, y) < 0.3 * radius) & (np.maximum(x, y) < radius),
                (far < radius) & (far > 0.6 * radius),
            ],
        )
        paper, ink = draws.uniform(0, 90, (n, 1, 1)), draws.uniform(60, 120, (n, 1, 1))
        grey = paper + ink * drawn + draws.normal(0, 30, (n, side, side))
        names = np.array(["disc", "square", "cross", "ring"], object)
        return Table({"image": np.clip(grey, 0, 255).astype(np.uint8), "label": names[kind]})

    def augment(self, examples: Examples, pipeline: Pipeline) -> Sequence[Transform]:
        """Shifts, small turns and stretches; changed light where pictures are few; mirroring where it is harmless."""
        from deepwell.training import augmentation

        config = cast(ImageConfig, self.config)
        strength = config.augment
        few = (examples.count or 0) < FEW
        if strength == "none":
            return ()
        why = "asked for" if strength != "auto" else f"{'fewer' if few else 'no fewer'} than {FEW:,} training pictures"
        strong = strength == "strong" or (strength == "auto" and few)
        chosen: list[Transform] = []
        for field in self.schema.of("input", "image"):
            name = field.name
            _, height, width = pipeline.sizes()[name]
            pixels = max(1, round(min(height, width) / 20))
            turn, stretch = (12.0, 0.15) if strong else (8.0, 0.1)
            chosen += [
                Chosen(
                    augmentation.affine(name, turn, stretch, 0.1),
                    f"{name}: turned by up to {turn:g} degrees, stretched by up to {stretch:.0%}",
                    why,
                ),
                Chosen(augmentation.shift(name, pixels), f"{name}: moved by up to {pixels} pixels", why),
            ]
            if strong:
                chosen.append(
                    Chosen(augmentation.brightness_contrast(name, 0.1, 0.2), f"{name}: light and contrast changed", why)
                )
            mirror, reason = self._mirrors(name, examples)
            what = f"{name}: {'mirrored left to right' if mirror else 'not mirrored'}"
            chosen.append(Chosen(augmentation.flip(name) if mirror else None, what, reason))
        return chosen

    def _mirrors(self, picture: str, examples: Examples) -> tuple[bool, str]:
        asked = cast(ImageConfig, self.config).mirror
        if asked != "auto":
            return asked == "yes", "asked for"
        columns = examples.columns
        if columns is None:
            raise DataError("pictures that are not held in memory cannot be tested", repair="--set mirror=no")
        return mirroring.harmless(columns[picture], [columns[t.name] for t in self.schema.targets])

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` the largest with which the time allows PASSES passes over the data."""
        from deepwell.nn.layers.pictures import PictureShape, multiplications

        if self.config.size != "auto":
            return self.config.size
        seconds = OPEN_SECONDS if sizes.seconds is None else sizes.seconds
        chosen = "tiny"
        for larger in ("small", "base"):
            wider = PictureShape(*SIZES[larger])
            pictures = [cast("tuple[int, int, int]", sizes.fields[f.name]) for f in self.schema.of("input", "image")]
            # Forward and backward: three times two operations for each multiply-add.
            work = 6 * sizes.examples * sum(multiplications(size, wider) for size in pictures)
            if seconds * SPEED >= PASSES * work:
                chosen = larger
        return chosen

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """An ImageNetwork for these columns."""
        from deepwell.nn.layers.pictures import PictureShape
        from deepwell.nn.networks.image import ImageNetwork

        fields = sizes.fields
        return ImageNetwork(
            pictures={f.name: cast("tuple[int, int, int]", fields[f.name]) for f in self.schema.of("input", "image")},
            numbers={f.name: (fields[f.name][0], fields[f.name][1]) for f in self.schema.of("input", "number")},
            categories={f.name: fields[f.name][0] for f in self.schema.of("input", "category")},
            targets={t.name: fields[t.name][0] for t in self.schema.targets},
            shape=PictureShape(*SIZES[self.size(sizes)]),
            dropout=self.knobs.dropout,
        )

    def plan_hints(self) -> Mapping[str, Any]:
        """Convolutions gain from channels-last and bfloat16."""
        return {"convolutional": True}
