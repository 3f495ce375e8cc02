"""Layouts of an autoencoder: which rows are windows, what is written again in raw values, windows that are drawn."""

import numpy as np
import pytest

from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.evaluation.reduction import Flat
from deepwell.families.layouts import SingleRows, Unsampled, WindowsOfSeries, in_order, layout

DAYS = np.array([f"2020-01-{d:02d}" for d in range(1, 31)] + [f"2020-02-{d:02d}" for d in range(1, 30)], object)
SERIES = Schema((Field("when", "time", "order"), Field("a", "number"), Field("b", "number")))


def table(n=59, missing=()):
    a = 10.0 + np.arange(n) % 7
    a[list(missing)] = np.nan
    return Table({"when": DAYS[:n], "a": a, "b": -3.0 * np.arange(n)})


@pytest.fixture
def windows():
    found = layout(SERIES, 8, 5)
    return found, found.pipeline().fit(table())


def test_rows_in_an_order_are_windows():
    assert isinstance(layout(SERIES, 8, 0), WindowsOfSeries)
    assert isinstance(layout(Schema((Field("a", "number"),)), 8, 0), SingleRows)
    assert not in_order(Schema((Field("when", "time", "order"), Field("photo", "image"), Field("a", "number"))))
    assert not in_order(Schema((Field("when", "time", "order"), Field("kind", "category"))))


def test_each_row_is_a_window_of_itself_and_its_past(windows):
    found, pipeline = windows
    examples = found.examples(Part("test", table(missing=[3])), pipeline)
    assert examples.rows.tolist() == list(range(59))
    arrays = examples.take(np.array([0, 3, 9]), Key(0)).arrays
    flat = Flat.of(SERIES, pipeline)
    values, known = flat.truth(arrays)
    assert values.shape == (3, 10)
    assert flat.values == 10
    assert known.sum(axis=1).tolist() == [2, 7, 10]  # before the first row there is nothing; row 4 has one
    raw = values[2].reshape(5, 2) * arrays["factor"][2] + arrays["offset"][2]
    assert np.allclose(raw[:, 1], -3.0 * np.arange(5, 10), atol=1e-4)


def test_what_is_written_of_a_window_is_its_last_step(windows):
    found, pipeline = windows
    arrays = found.examples(Part("test", table()), pipeline).take(np.arange(20, 30), Key(0)).arrays
    perfect = {"numbers": arrays["inputs.number"][:, :10]}
    told = found.written(perfect, arrays, pipeline)
    assert np.allclose(told["a"], table()["a"][20:30], atol=1e-4)
    assert np.allclose(told["b"], table()["b"][20:30], atol=1e-3)


def test_drawn_windows_are_in_the_unit_of_the_series(windows):
    found, pipeline = windows
    drawn = found.drawn({"numbers": np.zeros((2, 10), np.float32)}, pipeline)
    assert drawn["window"].tolist() == [1] * 5 + [2] * 5
    assert drawn["step"].tolist() == [1, 2, 3, 4, 5] * 2
    assert np.allclose(drawn["a"], table()["a"].mean(), atol=1e-3)


def test_rows_of_which_nothing_is_known_have_no_example():
    """Also where training had no gaps: nothing in the arrays would say that the values are missing."""
    schema = Schema((Field("a", "number"), Field("b", "number"), Field("kind", "category")))
    kinds = np.array(["x", "y"] * 10, object)
    whole = Table({"a": np.arange(20.0), "b": np.arange(20.0), "kind": kinds})
    gone = np.array([np.nan, np.nan, 1.0, np.nan])
    asked = Table({"a": gone, "b": np.full(4, np.nan), "kind": np.array([None, "new", None, "y"], object)})
    found = layout(schema, 8, 0)
    examples = found.examples(Part("predict", asked), found.pipeline().fit(whole))
    assert examples.rows.tolist() == [2, 3]
    assert examples.take(np.arange(2), Key(0)).arrays["inputs.category"].tolist() == [[0], [2]]
    assert (
        found.examples(Part("test", asked), found.pipeline().fit(whole)).count == 4
    )  # many gaps do not stop a training
    assert examples.problems == dict.fromkeys((0, 1), "nothing of the row is known: 'a', 'b', 'kind'")


def test_what_is_spoilt_are_the_arrays_that_are_read():
    schema = Schema(
        (Field("photo", "image"), Field("kind", "category"), Field("a", "number"), Field("y", "category", "slice"))
    )
    assert layout(schema, 8, 0).arrays == ("photo", "inputs.number", "inputs.category")
    assert layout(SERIES, 8, 0).arrays == ("inputs.number",)


def test_rows_that_are_not_sampled_are_the_same_rows(windows):
    found, pipeline = windows
    inner = found.examples(Part("calibrate", table()), pipeline)
    marked = Unsampled(inner)
    assert (marked.count, marked.rows.tolist()) == (inner.count, inner.rows.tolist())
    one, two = (e.take(np.arange(3), Key(0)).arrays for e in (inner, marked))
    assert set(two) - set(one) == {"unsampled"}
    assert all(np.array_equal(one[name], two[name]) for name in one)
