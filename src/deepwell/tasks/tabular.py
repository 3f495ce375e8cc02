"""tabular: rows of numbers and categories -> a class or a number.

Census rows to income bands, wine measurements to a mark, customers to churn. The network is an ensemble in one set of
matrices over piecewise-linear, periodic and category embeddings (RealMLP, arXiv 2407.04491; TabM, arXiv 2410.24210); the
members of the family `prediction` do the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np

from deepwell.core.config import Knob
from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.core.task import Fit, Sizes
from deepwell.families.prediction import Prediction, PredictionConfig

if TYPE_CHECKING:
    import torch

SIZES: Mapping[str, tuple[int, int, int]] = {
    "tiny": (4, 32, 2), "small": (8, 64, 2), "base": (8, 128, 3), "large": (16, 256, 3),
}  # fmt: skip
"""size -> members, width, depth."""
FEW = 2_000
"""Training rows below which `auto` takes small: a larger network only takes longer there."""
LEAST_SECONDS: Mapping[str, float] = {"base": 1.5e-4, "small": 4e-5}
"""Time per training row below which `auto` takes a size less; about three passes on two cores."""


@dataclass(frozen=True)
class TabularConfig(PredictionConfig):
    """The knobs of tables."""

    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 20.0
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 2e-3
    encoder_rate: Annotated[float, Knob("step size of the encoders, as a factor", "", 0.01, 100.0, True)] = 4.0


class Tabular(Prediction):
    """Tables of numbers and categories: predict a class or a number."""

    Config = TabularConfig

    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """Targets that are categories or numbers, at least one number or category to read, and nothing heavier."""
        targets, inputs = schema.targets, schema.inputs
        if not targets:
            return Fit(0, reason="no column is the target")
        other = [f for f in targets if f.kind not in ("category", "number")]
        if other:
            return Fit(0, reason=f"the target {other[0].name!r} is neither a category nor a number but {other[0].kind}")
        heavy = [f for f in inputs if f.kind not in ("category", "number")]
        if heavy:
            return Fit(0, reason=f"the column {heavy[0].name!r} is of kind {heavy[0].kind}, which tables do not read")
        if not inputs:
            return Fit(0, reason="no column is left to predict from")
        counts = [(kind, len(schema.of("input", kind))) for kind in ("number", "category")]
        words = {"number": ("number", "numbers"), "category": ("category", "categories")}
        read = " and ".join(f"{n} {words[kind][n > 1]}" for kind, n in counts if n)
        verb = "predict" if len(inputs) > 1 else "predicts"
        return Fit(1.0, {}, f"{read} {verb} {', '.join(repr(f.name) for f in targets)}")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """1,600 made-up plants: whether one flowers depends on light, water (best in the middle), soil, and their mix."""
        draws = Key(seed).fold("demo").numpy()
        n = 1600
        light, water = draws.uniform(0, 12, n).round(1), draws.uniform(0, 100, n).round(0)
        soil, site = draws.choice(["clay", "loam", "sand"], n), draws.choice(["east", "north", "south", "west"], n)
        best = np.select([soil == "clay", soil == "sand"], [35.0, 65.0], 50.0)  # the right amount of water
        score = 0.9 * (light - 6) * np.where(site == "north", -0.5, 1.0) - ((water - best) / 15) ** 2 + 2
        flowers = draws.uniform(size=n) < 1 / (1 + np.exp(-2 * score))
        water[draws.uniform(size=n) < 0.03] = np.nan
        columns = {"light": light, "water": water, "soil": soil.astype(object), "site": site.astype(object)}
        return Table({**columns, "label": np.where(flowers, "flowers", "green").astype(object)})

    def size(self, sizes: Sizes) -> str:
        """For `auto` by the number of training rows, and smaller where the time would not do."""
        if self.config.size != "auto":
            return self.config.size
        time_per_row = float("inf") if sizes.seconds is None else sizes.seconds / max(1, sizes.examples)
        if time_per_row < LEAST_SECONDS["small"]:
            return "tiny"
        return "small" if sizes.examples < FEW or time_per_row < LEAST_SECONDS["base"] else "base"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A TabularNetwork for these columns."""
        from deepwell.nn.networks.tabular import TabularNetwork, TabularShape

        config = cast(TabularConfig, self.config)
        numbers = {
            f.name: (sizes.fields[f.name][0], sizes.fields[f.name][1]) for f in self.schema.of("input", "number")
        }
        return TabularNetwork(
            numbers=numbers,
            categories={f.name: sizes.fields[f.name][0] for f in self.schema.of("input", "category")},
            targets={t.name: sizes.fields[t.name][0] if t.kind == "category" else None for t in self.schema.targets},
            shape=TabularShape(*SIZES[self.size(sizes)]),
            dropout=config.dropout,
            encoder_rate=config.encoder_rate,
        )
