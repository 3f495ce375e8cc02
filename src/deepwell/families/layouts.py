"""Layouts: what the rows of an autoencoder are: pictures, numbers and categories side by side, or windows of series.

Unusual: a window of W steps of T numbers is a row of W * T numbers that may all be missing, so that one network, one loss and one
set of baselines serve both. What was written again of a window is told by its last step, which is the row itself; so that what is
said of a row rests on it and its past alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded, EncodedColumn, IntArray
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays
from deepwell.core.table import Column, Part, Table
from deepwell.core.task import Pipeline, SplitRule
from deepwell.data.fields.kind import Kind
from deepwell.data.fields.values import numbers
from deepwell.data.pipeline import FieldPipeline, encode
from deepwell.data.series.row_pipeline import RowPipeline, WantedRows
from deepwell.families.positions import PositionedNumber
from deepwell.families.stacking import Stacking, units

KINDS = ("image", "number", "category")
"""What is read."""
BLOCK = 256
"""Rows that are compared at once."""
NAMED = 4
"""Columns that a message names."""


def layout(schema: Schema, image_size: int, window: int) -> Layout:
    """Windows where rows are in an order and numbers are all that is read; else each row by itself."""
    return WindowsOfSeries(schema, window) if in_order(schema) else SingleRows(schema, image_size)


def in_order(schema: Schema) -> bool:
    """Whether rows are steps of series: a column orders them, and none holds pictures."""
    return bool(schema.of("order") and schema.of("input", "number") and not schema.of("input", "image"))


class Layout(ABC):
    """See the top of this file. read: the columns that are written again; arrays: those of a batch that hold them; beside: the
    columns that drawn rows have beyond those.
    """

    beside: Sequence[str] = ()

    def __init__(self, schema: Schema, read: Sequence[Field]) -> None:
        self.schema, self.read = schema, tuple(read)
        stacked = [f"inputs.{kind}" for kind in KINDS[1:] if any(f.kind == kind for f in read)]
        self.arrays = (*(f.name for f in read if f.kind == "image"), *stacked)

    @abstractmethod
    def pipeline(self) -> Pipeline:
        """An unfitted one."""

    @abstractmethod
    def split(self) -> SplitRule:
        """How rows become parts."""

    @abstractmethod
    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """With the arrays that nn.networks.autoencoder reads."""

    @abstractmethod
    def written(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """One raw value per row of each column that is read. arrays: of the rows."""

    @abstractmethod
    def drawn(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """The raw values of rows that were drawn."""


class SingleRows(Layout):
    """Each row by itself."""

    def __init__(self, schema: Schema, image_size: int) -> None:
        super().__init__(schema, [f for f in schema.inputs if f.kind in KINDS])
        self._image_size = image_size

    def pipeline(self) -> Pipeline:
        """Numbers with an indicator of missing ones; pictures small."""
        from deepwell.data.fields.image import Image

        kinds: dict[str, Kind] = {f.name: PositionedNumber(2) for f in self.schema.of("input", "number")}
        kinds |= {f.name: Image(size=self._image_size) for f in self.schema.of("input", "image")}
        return FieldPipeline(self.schema, kinds)

    def split(self) -> SplitRule:
        """At random: there is no target to divide by."""
        return SplitRule("random")

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row, one example. A question of which nothing is known gets none, for nothing could be said of it; elsewhere such
        rows count nothing, neither in what is learnt nor in any likelihood.

        Raises DataError where all rows of the training part are alike.
        """
        encoded = encode(pipeline, part.rows, Stacking.of(self.schema), targets=False)
        encoded = self._known(encoded, part.rows) if part.name == "predict" else encoded
        if part.name == "train" and not any(varies(encoded.columns[name]) for name in self.arrays):
            raise DataError(
                f"all {len(encoded.rows):,} rows of the training part are alike{_colour(self.read)}: there is nothing to learn",
                repair="look at the files: they may have been written or converted wrongly",
            )
        return RowExamples(encoded, units(self.schema, encoded, part.rows))

    def _known(self, encoded: Encoded, table: Table) -> Encoded:
        """The rows of which any value is known: a number that is there, a category that training saw; pictures always are."""
        if any(f.kind == "image" for f in self.read):
            return encoded
        levels = cast("NDArray[Any]", encoded.columns.get("inputs.category", np.zeros((len(encoded.rows), 0))))
        empty = np.flatnonzero(~(levels > 0).any(axis=1))
        for field in self.schema.of("input", "number"):
            empty = empty[np.isnan(numbers(table[field.name][encoded.rows[empty]])[0])]
        if not len(empty):
            return encoded
        kept = np.delete(np.arange(len(encoded.rows)), empty)
        columns = {name: cast("NDArray[Any]", column)[kept] for name, column in encoded.columns.items()}
        names = ", ".join(repr(f.name) for f in self.read[:NAMED]) + (", ..." if len(self.read) > NAMED else "")
        problems = {int(row): f"nothing of the row is known: {names}" for row in encoded.rows[empty]}
        return Encoded(columns, encoded.rows[kept], dict(sorted({**encoded.problems, **problems}.items())))

    def written(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """See Layout."""
        return self.drawn(outputs, pipeline)

    def drawn(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """See Layout."""
        columns: dict[str, Column] = {}
        number, start = 0, 0
        for field in self.read:
            if field.kind == "image":
                pixels = np.clip(outputs[field.name] * 255.0, 0, 255).round().astype(np.uint8)
                pictures = pipeline.decode(field.name, pixels)
                columns[field.name] = np.fromiter(pictures, object, len(pictures))
            elif field.kind == "number":
                columns[field.name] = pipeline.decode(field.name, outputs["numbers"][:, number])
                number += 1
            else:
                levels = pipeline.sizes()[field.name][0]
                shares = outputs["categories"][:, start : start + levels]
                columns[field.name] = pipeline.decode(field.name, shares[:, 1:].argmax(axis=1) + 1)
                start += levels
        return columns


def varies(column: EncodedColumn) -> bool:
    """Whether any row differs from the first. Read in blocks: pictures may lie on the disk."""
    rows = cast("NDArray[Any]", column)
    return any(bool((rows[start : start + BLOCK] != rows[:1]).any()) for start in range(0, len(rows), BLOCK))


def _colour(read: Sequence[Field]) -> str:
    return ", such as pictures of one colour" if any(f.kind == "image" for f in read) else ""


class WindowsOfSeries(Layout):
    """For each row of a series the window that ends with it."""

    beside = ("window", "step")

    def __init__(self, schema: Schema, window: int) -> None:
        super().__init__(schema, schema.of("input", "number"))
        self._window = window

    def pipeline(self) -> Pipeline:
        """Windows of series; see data/series/row_pipeline.py."""
        return RowPipeline(self.schema, WantedRows(self._window))

    def split(self) -> SplitRule:
        """The last rows are the test."""
        return SplitRule("time", test=0.2, select=0.1, calibrate=0.1)

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """One row with its past, one example."""
        return FlatWindows(cast(RowPipeline, pipeline).windows(part))

    def written(self, outputs: Arrays, arrays: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """What the last step is, in the unit of each row's series."""
        last = outputs["numbers"][:, -len(self.read) :]
        values = last * arrays["factor"] + arrays["offset"]
        return {field.name: values[:, place].astype(np.float64) for place, field in enumerate(self.read)}

    def drawn(self, outputs: Arrays, pipeline: Pipeline) -> dict[str, Column]:
        """Whole windows: `beside`, counted from 1, and each number in the unit of a usual training series."""
        series = cast(RowPipeline, pipeline)
        steps = series.window_
        values = outputs["numbers"].reshape(-1, steps, len(self.read))
        count = len(values)
        places = (np.repeat(np.arange(1, count + 1), steps), np.tile(np.arange(1, steps + 1), count))
        columns: dict[str, Column] = dict(zip(self.beside, places, strict=True))
        for place, field in enumerate(self.read):
            offset, factor = (float(np.nanmedian(of[:, place])) for of in (series.offset_, series.factor_))
            columns[field.name] = (values[:, :, place].reshape(-1) * factor + offset).astype(np.float64)
        return columns


class FlatWindows(Examples):
    """Windows as rows of numbers: `inputs.number` (n, 2 * W * T), values step by step and then which are missing; `offset` and
    `factor` (n, T). inner: as data/series/row_windows.py gives them.
    """

    def __init__(self, inner: Examples) -> None:
        self._inner = inner
        self.count, self.rows, self.units, self.problems = inner.count, inner.rows, inner.units, inner.problems

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples; draws nothing."""
        arrays = self._inner.take(index, key).arrays
        values, missing = (a.reshape(len(index), -1) for a in (arrays["window"], 1 - arrays["window.seen"]))
        numbers = np.concatenate([values, missing.astype(np.float32)], axis=1)
        return Batch({"inputs.number": numbers, "offset": arrays["offset"], "factor": arrays["factor"]}, index)


class Unsampled(Examples):
    """Examples that say by the array `unsampled` (n,) that nobody asks for their likelihood by importance samples: it is dear."""

    def __init__(self, inner: Examples) -> None:
        self._inner = inner
        self.count, self.rows, self.units, self.problems = inner.count, inner.rows, inner.units, inner.problems

    def take(self, index: IntArray, key: Key) -> Batch:
        """See Examples."""
        return self._inner.take(index, key).replace(unsampled=np.ones(len(index), np.bool_))
