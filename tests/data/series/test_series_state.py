"""What a bundle says of series is checked before it is believed."""

import numpy as np
import pytest

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Part, Table
from deepwell.data.series.pipeline import SeriesPipeline, Wanted

FACTS = {"frequency": {"unit": "second", "step": 86400, "phase": 0, "inside": 0}, "steps": 30}
SCHEMA = Schema((Field("t", "time", "order", "", FACTS), Field("c", "category"), Field("y", "number", "target")))


@pytest.fixture(scope="module")
def pipeline():
    days = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(30)).astype(object)
    colours = np.array(["red", "blue"] * 15, object)
    data = Table({"t": days, "c": colours, "y": np.where(np.arange(30) == 29, np.nan, np.arange(30.0))})
    made = SeriesPipeline(SCHEMA, Wanted(2, 5)).fit(data)
    made.windows(Part("train", data))
    return made


def fresh():
    return SeriesPipeline(SCHEMA, Wanted(2, 5))


@pytest.mark.parametrize(
    "change",
    [
        {"context": 0}, {"horizon": 2**20}, {"season": "7"}, {"calendar": ["phase of the moon"]}, {"static": ["z"]},
        {"static": [["c"]]}, {"calendar": [{}]},
        {"series": [["a"]]}, {"scales": [[[0.0]], [[1.0]]]}, {"scales": [[[0.0]], [[0.0]], [[1.0]]]},
        {"scales": [[[0.0, 1.0]], [[1.0]], [[1.0]]]}, {"scales": [[["0"]], [[1.0]], [[1.0]]]}, {"frequency": {}},
        {"extra": 1},
    ],
)  # fmt: skip
def test_a_foreign_state_is_refused(pipeline, change):
    assert fresh().restore(pipeline.state()).state() == pipeline.state()
    with pytest.raises(BundleError):
        fresh().restore({**pipeline.state(), **change})


def test_kept_rows_are_finite_and_a_gap_stays_a_gap(pipeline):
    kept = pipeline.kept()
    assert all(np.isfinite(array).all() for array in kept.values())
    again = fresh().restore(pipeline.state())
    again.restore_kept(kept)
    assert again.tail_["c"].tolist() == ["red", "blue"] * 3  # five to the last value, and those after it
    np.testing.assert_array_equal(again.tail_["y"], [24, 25, 26, 27, 28, np.nan])
    again.restore_kept({})
    assert again.tail_ is None


@pytest.mark.parametrize(
    "change",
    [
        {"series": np.array([0, 0, 0, 0, 0, 1])}, {"series": np.zeros(4, np.int64)}, {"moment": np.zeros(6)},
        {"moment": np.full(6, 2**60)}, {"moment": np.full(6, 2**50)}, {"moment": np.full(6, -(2**36) - 2)},
        {"value.1": np.full(6, 9.0)}, {"value.9": np.zeros(6)},
    ],
)  # fmt: skip
def test_foreign_kept_rows_are_refused(pipeline, change):
    again = fresh().restore(pipeline.state())
    with pytest.raises(BundleError):
        again.restore_kept({**pipeline.kept(), **change})
