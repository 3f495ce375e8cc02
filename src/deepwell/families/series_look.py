"""SeriesLook: rows of series as anomaly detection looks at them: each by the window of its series that ends with it.

Unusual: what is usual is read from the window itself (nn/networks/series_judge.py). A score stays high through an anomaly until
that is what is usual; `onset` is high where one begins alone: it suits who wants to be called once.
Training windows end at some rows only, for the loss is of all their steps. Without labels, copies of rows with planted anomalies
are added to the calibrate and test parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from deepwell.core.batch import Batch
from deepwell.core.examples import Examples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Baseline, Pipeline, Sizes, SplitRule
from deepwell.data.fields.kind import Kind
from deepwell.data.series.planting import planted
from deepwell.data.series.row_pipeline import RowPipeline, WantedRows
from deepwell.data.series.row_windows import RowWindows
from deepwell.evaluation.window_baselines import from_the_mean, windowed_gaussian
from deepwell.families.looks import MEASURED, MOST_SHARES, THRESHOLD, Look
from deepwell.families.planted import TRUTH
from deepwell.families.series_reasons import because, shares

if TYPE_CHECKING:
    import torch

WIDTHS: Mapping[str, int] = {"tiny": 32, "small": 32, "base": 64, "large": 128}
"""size -> width of the hidden layers that forecast."""
LEAST_WINDOW, SHORT = 512, 0.75
"""Steps, and share of the training series that may be shorter: the parts after training see theirs as history."""
TRAINED = 2_000
"""About so many windows are trained on, where there are so many rows; more where less than an eighth of each would be new."""
NONE = -10.0
"""Onset where nothing begins, as in nn/networks/series_judge.py."""
BLOCK = 64
"""Rows of a series that intervals resample together: few anomalies are longer."""
KEY = Key(0).fold("planted into series")
PLANTED = (
    "no column says which rows are anomalous (--target COLUMN names one): to have something to measure, spikes, shifts, noise "
    "and standstills are planted into copies of rows, which are added to the calibrate and test parts and counted with them; "
    "scores named planted_ are about these. "
    "How well real anomalies are found is unknown, and rows of the data that are anomalous themselves count as usual"
)


class SeriesLook(Look):
    """See the top of this file."""

    def pipeline(self) -> Pipeline:
        """Windows, whose rows are labelled beside."""
        wanted = WantedRows(self.knobs.window, least=LEAST_WINDOW, short=SHORT)
        return NotedRows(self.schema, wanted, self.kinds(), self.notes())

    def notes(self) -> tuple[str, ...]:
        """See Look."""
        return () if self.label else (PLANTED,)

    def split(self) -> SplitRule:
        """By time, all series at the same moments; as much to find a threshold by as to choose by."""
        return SplitRule("time", test=0.2, select=0.1, calibrate=0.1)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Windows that end with each row; of training with some. Labels only where rows are measured."""
        rows = cast(RowPipeline, pipeline)
        every = _every(len(part.rows), rows.window_) if part.name == "train" else 1
        if part.name not in MEASURED:
            return _labelled(rows.windows(part, every), {})
        if self.label is not None:
            self.stop_if_never(part, rows.fields_.kinds_[self.label.name])
        windows = _in_blocks(rows.windows(part))
        if self.label is not None:
            return _labelled(windows, {TRUTH: windows.places.labels[self.label.name]})
        spoilt, truth = planted(windows, KEY.fold(part.name))
        return _labelled(spoilt, {TRUTH: truth})

    def network(self, sizes: Sizes, size: str) -> torch.nn.Module:
        """A SeriesJudge."""
        from deepwell.nn.networks.series_judge import JudgeShape, SeriesJudge

        window, numbers = sizes.fields["window"]
        return SeriesJudge(
            JudgeShape(window, numbers, sizes.fields["known"][0], sizes.fields["season"][0], WIDTHS[size])
        )

    def cost(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Nats of the values of each window, given those before them, and how many there are."""
        outputs, _ = network(batch.arrays)
        return outputs["nats"], outputs["counted"]

    def beside(self) -> Sequence[Field]:
        """Where something begins, what was expected, and what each number has to do with it."""
        reason = f"how far beyond all that came before; above 0: something begins, {NONE:g}: nothing"
        fields = [Field("onset", "number", "target", reason)]
        if len(self._names) <= MOST_SHARES:
            fields += [Field(f"expected.{n}", "number", "target", "forecast from the rows before") for n in self._names]
        if 1 < len(self._names) <= MOST_SHARES:
            reason = "part of the score that this column makes"
            fields += [Field(f"share.{n}", "number", "target", reason) for n in self._names]
        return fields

    @property
    def _names(self) -> list[str]:
        return [f.name for f in self.schema.of("input", "number")]

    def said(self, outputs: Arrays, batch: Batch, pipeline: Pipeline) -> dict[str, Column]:
        """See Look."""
        limit = outputs.get(THRESHOLD)
        alarming = np.inf if limit is None else float(limit[0])
        columns: dict[str, Column] = {"because": because(outputs, batch, cast(RowPipeline, pipeline), alarming)}
        columns["onset"] = outputs["onset"].astype(np.float64)
        arrays = batch.arrays
        expected = outputs["expected"] * arrays["factor"] + arrays["offset"]
        each = shares(outputs)
        named = {f.name for f in self.beside()}
        columns |= {f"expected.{n}": expected[:, i] for i, n in enumerate(self._names)}
        columns |= {f"share.{n}": each[:, i] for i, n in enumerate(self._names)}
        return {name: column for name, column in columns.items() if name == "because" or name in named}

    def baselines(self) -> Sequence[Baseline]:
        """See evaluation/window_baselines.py."""
        return (from_the_mean(), windowed_gaussian())


class NotedRows(RowPipeline):
    """A RowPipeline with something more to say."""

    def __init__(self, schema: Schema, wanted: WantedRows, kinds: Mapping[str, Kind], notes: Sequence[str]) -> None:
        super().__init__(schema, wanted, kinds)
        self._notes, self._rows = tuple(notes), 0

    def fit(self, table: Table) -> RowPipeline:
        """See RowPipeline."""
        self._rows = len(table)
        return super().fit(table)

    def said(self) -> Sequence[str]:
        """See RowPipeline."""
        every = _every(self._rows, self.window_)
        trained = f"of {self._rows:,} training rows one in {every} ends a window of training, and is counted; all are in windows"
        return [*super().said(), *([trained] if every > 1 else []), *self._notes]


def _every(rows: int, window: int) -> int:
    """Windows of training end at every so many of its rows."""
    return max(1, min(rows // TRAINED, window // 8))


def _in_blocks(windows: RowWindows) -> RowWindows:
    """The same windows in units of BLOCK rows, whatever their width."""
    places = windows.places
    block = (places.place - windows.flat.start[places.owner]) // BLOCK
    unit = places.owner * (int(block.max(initial=0)) + 1) + block
    return RowWindows(windows.flat, replace(places, unit=unit), windows.width, windows.problems)


def _labelled(windows: RowWindows, labels: Mapping[str, Column]) -> RowWindows:
    """The same windows with these labels alone."""
    found = RowWindows(windows.flat, replace(windows.places, labels=labels), windows.width, windows.problems)
    found.answered = windows.answered
    return found
