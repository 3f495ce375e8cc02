"""forecasting: one or many series of numbers -> what comes next, with intervals, dates and units.

Sales of shops by day, loads by hour, passengers by month. The network holds two families of forecasters side by side, one
linear and one transformer over patches; how far each is believed is found after training (nn/networks/forecaster.py).
Unusual: an example is a window of the past and the future of one series, at any step; the rows of later parts see those of
earlier ones, and a question needs no rows: the model goes on from the last that it has seen, unless told to keep none.

    arrays in    past, past.seen (n, C, T)    standardised; 0 and 0 where missing; past.known, past.beside (n, C, features)
                 future.known (n, H, K)       calendar and columns that are known ahead; static (n, S)
                 future, future.seen (n, H, T)
                 future.offset, .factor (n, T)   own unit = value * factor + offset;  series, origin (n,)
    arrays out   future.value (n, H, T), future.quantiles (n, H, T, Q); of the network also future.linear, future.patches
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import ConfigError
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Metric
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, SplitRule, Task
from deepwell.data.series.frequency import settled
from deepwell.data.series.pipeline import SeriesPipeline, Wanted
from deepwell.data.series.windows import NAMES
from deepwell.evaluation import forecast_calibration as calibration
from deepwell.evaluation import forecast_figures
from deepwell.metrics import forecasting as metrics

if TYPE_CHECKING:
    import torch

    from deepwell.nn.networks.forecaster import ForecasterShape

SIZES: Mapping[str, tuple[int, int, float]] = {
    "tiny": (32, 1, 0.1), "small": (64, 2, 0.3), "base": (128, 3, 0.3), "large": (256, 4, 0.3),
}  # fmt: skip
"""size -> width, layers, dropout. Heads are 32 wide at the most, the dense pair four times the width."""
RATES: Mapping[str, float] = {"tiny": 1.0, "small": 0.33, "base": 0.2, "large": 0.1}
"""size -> its share of the learning rate: larger networks see more windows, and overfit within two passes at the full rate."""
PATCHES_A_CONTEXT = 14
"""A past is cut into about so many patches."""
FEW_WINDOWS = 3_000
"""Training windows below which `auto` takes tiny."""
SHORT = 10
"""A usual horizon is at most this part of a series."""
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Quantiles of baselines; those of the network are nn.networks.forecaster.LEVELS, the same."""
MOST_OWN = 12
"""Targets up to which each has errors of its own in the scores."""
COVERED = 0.8
"""Share of truths that the intervals of answers are to hold."""
BEFORE = 2
"""So many horizons of the past are drawn before a forecast."""
HIDDEN = ("future", "future.seen", NAMES)
"""What no network may see, or can."""
ORIGIN = "origin"
DIGITS = 6
_ONE = 22
_TENS = np.array([float(f"1e{power}") for power in range(-_ONE, _ONE + 1)])
"""Powers of ten; that of 0 stands at _ONE. Those up to 22 are exact."""


@dataclass(frozen=True)
class ForecastingConfig(Recipe):
    """The knobs of series."""

    horizon: Annotated[int, Knob("steps to forecast; 0: as usual for the frequency", "steps", 0, 100_000)] = 0
    context: Annotated[int, Knob("steps to look back on; 0: found out from the data", "steps", 0, 100_000)] = 0
    season: Annotated[int, Knob("steps of a season; 0: found out from the data", "steps", 0, 100_000)] = 0
    split: Annotated[str, Knob("moments where select and test begin, or lengths: 12/4/4 months; empty: shares")] = ""
    tail: Annotated[bool, Knob("keep the last rows in the model, so that it can say what comes next")] = True
    epochs: Annotated[float, Knob("most passes over the training part that pay", "epochs", 0.01, 1e6, True)] = 3.0
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 3e-3
    batch_size: Annotated[int, Knob("windows per step; 0: chosen by data", "windows", 0, 1_000_000)] = 32


@dataclass(frozen=True)
class Ahead:
    """How far to forecast, and how wide the intervals are."""

    horizon: Annotated[int, Knob("steps; 0: all that the model was trained for", "steps", 0, 100_000)] = 0
    level: Annotated[float, Knob("share of truths that the interval is to hold", "share", 0.0, 0.9)] = COVERED


class Forecasting(Task):
    """Series: what comes next, from their past and from what is known ahead."""

    Config, Request, past_targets = ForecastingConfig, Ahead, True
    watch = "mse"

    @property
    def knobs(self) -> ForecastingConfig:
        """The config, as this task's type."""
        return cast(ForecastingConfig, self.config)

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """A column of times (role order), and targets that are numbers."""
        order, targets = schema.of("order"), schema.targets
        if not order:
            return Fit(0, reason="no column holds regular times; --role column=order names one")
        if not targets:
            return Fit(0, reason="no column is the target")
        other = [f for f in targets if f.kind != "number"]
        if other:
            return Fit(0, reason=f"the target {other[0].name!r} is no number but of kind {other[0].kind}")
        frequency = settled(order[0].facts)
        if frequency is None:
            return Fit(0, reason=f"the times in {order[0].name!r} have no frequency: {order[0].reason}")
        heavy = [f for f in schema.inputs if f.kind not in ("number", "category")]
        if heavy:
            return Fit(0, reason=f"the column {heavy[0].name!r} is of kind {heavy[0].kind}, which series do not read")
        many = (
            f" of the series of {' and '.join(repr(f.name) for f in schema.of('group'))}" if schema.of("group") else ""
        )
        names = ", ".join(repr(f.name) for f in targets)
        return Fit(1.0, {}, f"{names}{many}, {frequency.words} by {order[0].name!r}, is to be forecast")

    @classmethod
    def demo(cls, seed: int) -> Table:
        """24 made-up kiosks, 124 days: a week, a level, and offers that draw crowds in the city and drive villagers away.

        The offers of the last twelve days are known, what was sold then is not.
        """
        draws = Key(seed).fold("demo").numpy()
        days, kiosks, ahead = 124, 24, 12
        day = np.arange(days)
        city = (np.arange(kiosks) % 2)[:, None]
        offer = draws.uniform(size=(kiosks, days)) < 0.4
        week = draws.uniform(4, 8, (kiosks, 1)) * np.sin(2 * np.pi * day / 7)
        sold = draws.uniform(50, 90, (kiosks, 1)) + week + np.where(city, 24, -24) * offer
        sold = (sold + draws.normal(0, 2, sold.shape)).round(1)
        sold[:, -ahead:] = np.nan
        dates = np.datetime_as_string(np.datetime64("2024-01-01") + day).astype(object)
        names = np.array([f"kiosk {number:02}" for number in range(kiosks)], object)
        places = np.array(["village", "city"], object)[city[:, 0]]
        columns = {"day": np.tile(dates, kiosks), "kiosk": np.repeat(names, days), "place": np.repeat(places, days)}
        return Table({**columns, "offer.ahead": offer.reshape(-1).astype(int), "label": sold.reshape(-1)})

    @property
    def horizon(self) -> int:
        """Steps to forecast: as asked, or as usual for the frequency, at most a tenth of a series. Raises ConfigError."""
        if self.knobs.horizon:
            return self.knobs.horizon
        order = self.schema.of("order")
        frequency = settled(order[0].facts) if order else None
        if frequency is None:
            raise ConfigError("how far to forecast cannot be found out without regular times", repair="give --horizon")
        return max(1, min(frequency.horizon, int(order[0].facts.get("steps", 0)) // SHORT))

    def pipeline(self, start: Pipeline | None) -> Pipeline:
        """Series on a grid."""
        knobs = self.knobs
        return SeriesPipeline(self.schema, Wanted(self.horizon, knobs.context, knobs.season, knobs.tail))

    def split(self) -> SplitRule:
        """By time, all series at the same moments; as much to calibrate by as to choose by."""
        return SplitRule("time", test=0.2, select=0.1, calibrate=0.1, cuts=self.knobs.split, least=self.horizon)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Windows at stride 1; of a question one for each series."""
        return cast(SeriesPipeline, pipeline).windows(part)

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by the number of training windows."""
        if self.config.size != "auto":
            return self.config.size
        return "tiny" if sizes.examples < FEW_WINDOWS else "small"

    def shape(self, sizes: Sizes) -> ForecasterShape:
        """Of the network of this size."""
        from deepwell.nn.layers.transformer import TransformerShape
        from deepwell.nn.networks.forecaster import ForecasterShape

        width, layers, dropout = SIZES[self.size(sizes)]
        (context, targets), (horizon, _) = sizes.fields["past"], sizes.fields["future"]
        patch = max(1, min(round(context / PATCHES_A_CONTEXT), horizon))
        blocks = TransformerShape(width, layers, max(2, width // 32), 4 * width, dropout)
        features = {name: sizes.fields[name][0] for name in ("known", "beside", "static")}
        return ForecasterShape(context, horizon, targets, patch, blocks, **features)

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A Forecaster."""
        from deepwell.nn.networks.forecaster import Forecaster
        from deepwell.nn.treatment import treat

        network = Forecaster(self.shape(sizes))
        for parameter in network.parameters():
            treat(parameter, lr_scale=RATES[self.size(sizes)])
        return network

    def prime(self, network: torch.nn.Module, pipeline: Pipeline) -> None:
        """Give the network its linear family, found in closed form from the training windows."""
        from deepwell.evaluation import lag_regression
        from deepwell.nn.networks.forecaster import Forecaster

        series = cast(SeriesPipeline, pipeline)
        if series.training_ is not None:
            lags = lag_regression.fit(series.training_, series.season_, Key(0).fold("prime"))
            cast(Forecaster, network).fill(lags.weight, lags.effect, lags.growth, lags.spread)

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Squared errors of the mean and pinball losses of the quantiles, summed over what is seen of the future."""
        from deepwell.losses.forecasting import forecast_error
        from deepwell.nn.networks import forecaster

        return Loss(*forecast_error(network(batch.arrays)[0], batch.arrays, forecaster.LEVELS))

    def plan_hints(self) -> Mapping[str, Any]:
        """Blocks of a transformer are products of matrices."""
        return {"matrices": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """What names the series, the time that is forecast, the last time before the forecast; each target with its interval."""
        order = self.schema.of("order")
        when = order[0] if order else Field(self._free("step"), "number", "order")
        fields = [replace(f, reason="which series") for f in self.schema.of("group")]
        fields += [
            replace(when, reason="the time that is forecast"),
            Field(self._free(ORIGIN), when.kind, "ignore", "the last time before"),
        ]
        for target in self.schema.targets:
            fields.append(replace(target, reason="the forecast"))
            fields += [
                Field(self._free(f"{target.name}.{end}"), "number", "target", f"the {word} end of the interval")
                for end, word in (("low", "lower"), ("high", "upper"))
            ]
        return Schema(tuple(fields))

    def _free(self, name: str) -> str:
        """A name for a column of answers, changed where the data has it for what stands beside it."""
        taken = [f.name for role in ("group", "order", "target") for f in self.schema.of(role)]
        while name in taken:
            name += "_"
        return name

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """One line for each step of each window. Raises ConfigError for more steps than the model was trained for."""
        series, asked = cast(SeriesPipeline, pipeline), cast(Ahead, request)
        steps = asked.horizon or series.horizon_
        if steps > series.horizon_:
            raise ConfigError(f"this model was trained to forecast {series.horizon_:,} steps; asked are {steps:,}")
        found = self._forecast(runner, batch)
        ends = ends_of(found["future.quantiles"], asked.level)
        origin = batch.arrays["origin"]
        index = (origin[:, None] + np.arange(steps)).reshape(-1)
        columns: dict[str, Column] = {}
        for place, group in enumerate(series.columns.groups):
            columns[group] = np.repeat(series.names_of(batch)[:, place], steps)
        columns[series.columns.order or self._free("step")] = series.times(index)
        columns[self._free(ORIGIN)] = np.repeat(series.times(origin - 1), steps)
        factor, offset = batch.arrays["future.factor"][:, None], batch.arrays["future.offset"][:, None]
        for place, target in enumerate(series.columns.targets):
            shown = {"": found["future.value"], ".low": ends[0], ".high": ends[1]}
            if "future" in batch.arrays:  # of a test
                shown[".truth"] = np.where(batch.arrays["future.seen"] > 0, batch.arrays["future"], np.nan)
            for end, values in shown.items():
                own = values[:, :steps] * factor + offset
                columns[self._free(f"{target}{end}") if end else target] = rounded(own[..., place].reshape(-1))
        return Table(columns)

    def question(self, pipeline: Pipeline) -> Table | None:
        """The last rows that training, or what followed it, had."""
        return cast(SeriesPipeline, pipeline).question

    def calibrate(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Mapping[str, float]:
        """How much of each family is believed, and how wide intervals must be."""
        if not len(columns.get("future.linear", ())):
            return {}
        linear, patches, truth = (columns[f"future.{name}"] for name in ("linear", "patches", "truth"))
        share = calibration.weight(linear, patches, truth)
        value = share * linear + (1 - share) * patches
        moved = value - columns["future.answer"]
        low, high = columns["future.low"] + moved, columns["future.high"] + moved
        return {calibration.WEIGHT: share, calibration.WIDTH: calibration.width(value, low, high, truth, COVERED)}

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """Squared error of standardised values first, as papers have it; of few targets also errors in their own units."""
        own = [
            metric
            for place, target in enumerate(self.schema.targets[:MOST_OWN])
            for metric in (metrics.rmse_of(place, target.name), metrics.mae_of(place, target.name))
        ]
        whole = [metrics.mse(), metrics.mae(), metrics.mase(), metrics.smape(), metrics.quantile_loss()]
        return [*whole, metrics.coverage(COVERED), *own]

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """Sums of errors over the steps of each window, and the windows themselves for calibration and figures."""
        series, arrays = cast(SeriesPipeline, pipeline), batch.arrays
        found = self._forecast(runner, batch)
        low, high = ends_of(found["future.quantiles"], COVERED)
        unknown = np.full((1, len(series.columns.targets)), np.nan)
        forecast = metrics.Forecast(
            truth=arrays["future"],
            answer=found["future.value"],
            seen=arrays["future.seen"],
            factor=arrays["future.factor"],
            offset=arrays["future.offset"],
            naive=np.concatenate([series.naive_, unknown])[arrays["series"]],
            quantiles=found["future.quantiles"],
            levels=LEVELS,
            low=low,
            high=high,
        )
        before = min(series.context_, BEFORE * series.horizon_)
        past, seen = (arrays[name][:, -before:] for name in ("past", "past.seen"))
        return {
            **metrics.sums(forecast),
            **{name: found[name] for name in ("future.linear", "future.patches") if name in found},
            "future.truth": np.where(arrays["future.seen"] > 0, arrays["future"], np.float32(np.nan)),
            "future.answer": found["future.value"],
            "future.low": low,
            "future.high": high,
            "future.before": np.where(seen > 0, past, np.float32(np.nan)),
            "future.factor": arrays["future.factor"],
            "future.offset": arrays["future.offset"],
            ORIGIN: arrays[ORIGIN],
        }

    @staticmethod
    def _forecast(runner: Runner, batch: Batch) -> dict[str, NDArray[Any]]:
        """What a runner answers to what it may see, with the numbers of calibration worked in."""
        asked = {name: array for name, array in batch.arrays.items() if name not in HIDDEN}
        return calibration.corrected(runner.run("forward", asked)[0])

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """Forecasts over the truth, the worst window among them, and errors by step."""
        series = cast(SeriesPipeline, pipeline)

        def label(window: int) -> list[str]:
            before, horizon = columns["future.before"].shape[1], columns["future.truth"].shape[1]
            return [str(t) for t in series.times(columns[ORIGIN][window] + np.arange(-before, horizon)).tolist()]

        names = list(series.columns.targets)
        return forecast_figures.figures(
            columns, names, [str(f.facts.get("unit", "")) for f in self.schema.targets], label
        )

    def baselines(self) -> Sequence[Baseline]:
        """The last value, the last season, a straight line; exponential smoothing and a regression on lags."""
        from deepwell.evaluation import forecast_baselines as known

        return (
            known.repeat_last(LEVELS),
            Baseline("seasonal naive", "trivial", lambda e, p, k: known.seasonal_naive(_season(p), LEVELS).fit(e, p, k)),
            known.drift(LEVELS),
            Baseline(
                "exponential smoothing", "classical",
                lambda e, p, k: known.exponential_smoothing(_season(p), LEVELS).fit(e, p, k),
            ),
            known.linear(LEVELS),
        )  # fmt: skip


def ends_of(quantiles: NDArray[np.float32], share: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ends (n, H, T) of the interval that holds this share, straight lines between the quantiles (n, H, T, Q) at LEVELS."""

    def at(level: float) -> NDArray[np.float32]:
        above = int(np.clip(np.searchsorted(LEVELS, level - 1e-9), 1, len(LEVELS) - 1))
        weight = np.float32(np.clip((level - LEVELS[above - 1]) / (LEVELS[above] - LEVELS[above - 1]), 0, 1))
        found: NDArray[np.float32] = quantiles[..., above - 1] * (1 - weight) + quantiles[..., above] * weight
        return found

    return at((1 - share) / 2), at((1 + share) / 2)


def _season(pipeline: Pipeline) -> int:
    return cast(SeriesPipeline, pipeline).season_


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To six significant digits: float32 answers have no more, and files of many steps stay small.

    Only products and quotients with whole powers of ten: functions such as numpy's log10 depend in their last bit on where in
    an array a value stands.
    """
    above = np.searchsorted(_TENS, np.abs(values), side="right") - 1 - _ONE  # the exponent of ten
    decimals = np.clip(DIGITS - 1 - above, -_ONE, _ONE)
    scale = _TENS[np.abs(decimals) + _ONE]
    fine = np.rint(values * scale) / scale
    found: NDArray[np.float64] = np.where(decimals >= 0, fine, np.rint(values / scale) * scale)
    return found
