"""Small made series that the tests of windows and of questions share."""

import numpy as np

from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.data.series.pipeline import SeriesPipeline, Wanted

KEY = Key(0)
HOURLY = {"frequency": {"unit": "second", "step": 3600, "phase": 0, "inside": 0}, "steps": 40}
FIELDS = (
    Field("t", "time", "order", "", HOURLY), Field("s", "category", "group"), Field("y", "number", "target"),
    Field("x", "number"), Field("k", "number", "known_future"), Field("c", "category"),
)  # fmt: skip
SCHEMA = Schema(FIELDS)


def objects(values):
    values = list(values)
    column = np.empty(len(values), object)
    column[:] = values
    return column


def times(hours):
    return np.datetime_as_string(np.datetime64("2024-01-01T00", "s") + 3600 * np.asarray(hours)).astype(object)


def table(lengths=(40, 40), seed=0):
    """Series 'a', 'b', ...; y = 100 * series + hour + noise, x = hour, k = hour % 5, c constant in each series."""
    draws = np.random.default_rng(seed)
    hours = np.concatenate([np.arange(n) for n in lengths])
    which = np.repeat(np.arange(len(lengths)), lengths)
    return Table({
        "t": times(hours), "s": objects("abcdef"[w] for w in which),
        "y": 100.0 * which + hours + draws.normal(0, 0.1, len(hours)), "x": hours * 1.0, "k": hours % 5 * 1.0,
        "c": objects(("red", "blue")[w % 2] for w in which),
    })  # fmt: skip


def fitted(data, horizon=3, context=6, **wanted):
    return SeriesPipeline(SCHEMA, Wanted(horizon, context, **wanted)).fit(data)


def own(batch, name="future"):
    """(n, H or C, T) in the unit of the data; NaN where not seen."""
    seen = batch.arrays[f"{name}.seen"] > 0
    values = batch.arrays[name] * batch.arrays["future.factor"][:, None] + batch.arrays["future.offset"][:, None]
    return np.where(seen, values, np.nan)


def every(windows):
    return windows.take(np.arange(windows.count), KEY)
