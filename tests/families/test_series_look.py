"""Rows of series as anomaly detection looks at them: what is trained on, measured, and answered."""

import numpy as np
import pytest
from tests.data.series.test_row_windows import SCHEMA, table

from deepwell.core.fields import Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part
from deepwell.core.task import Sizes
from deepwell.families import series_look
from deepwell.families.looks import AnomalyConfig
from deepwell.families.series_look import SeriesLook
from deepwell.nn.networks import series_judge
from deepwell.nn.runner import TorchRunner

BARE = Schema(SCHEMA.fields[:-1])


def look(schema=BARE, **knobs):
    return SeriesLook(schema, AnomalyConfig(**{"window": 40, **knobs}))


def batches(data, schema=BARE, part="test"):
    one = look(schema)
    pipeline = one.pipeline().fit(data)
    examples = one.examples(Part(part, data), pipeline)
    return one, pipeline, examples, examples.take(np.arange(examples.count), Key(0))


def test_labels_are_given_where_rows_are_measured_alone():
    data = table((200,))
    odd = data["label"] == "yes"
    for part, measured in (
        ("train", False),
        ("select", False),
        ("calibrate", True),
        ("test", True),
        ("predict", False),
    ):
        *_, examples, batch = batches(data, SCHEMA, part)
        assert ("truth" in batch.arrays) == measured
        assert "label" not in batch.arrays
        if measured:
            np.testing.assert_array_equal(batch.arrays["truth"] == 1, odd[examples.rows])


def test_without_labels_anomalies_are_planted_and_that_is_said():
    data = table((200,))
    _, pipeline, examples, batch = batches(data)
    assert batch.arrays["truth"].sum() > 0
    assert examples.answered.tolist() == list(range(200))
    assert any("planted" in text for text in pipeline.said())
    assert not any("planted into" in text for text in batches(data, SCHEMA)[1].said())
    assert "truth" not in batches(data, part="predict")[3].arrays


def test_intervals_resample_blocks_of_rows():
    examples = batches(table((200, 70)))[2]
    own = examples.units[:270]
    assert np.unique(own, return_counts=True)[1].tolist() == [64, 64, 64, 8, 64, 6]
    np.testing.assert_array_equal(examples.units[270:], own[np.argsort(examples.rows[:270])][examples.rows[270:]])


def test_long_series_are_trained_on_by_some_rows():
    assert batches(table((200,)), part="train")[2].count == 200
    long = table((12_000,))
    one = look()
    pipeline = one.pipeline().fit(long)
    assert one.examples(Part("train", long), pipeline).count == 2_400  # an eighth of the window apart
    assert any("of 12,000 training rows one in 5 ends a window" in text for text in pipeline.said())
    assert not any("one in" in text for text in one.pipeline().fit(table((200,))).said())


def test_answers_have_the_columns_that_are_listed():
    data = table((120,))
    one, pipeline, _, batch = batches(data, part="predict")
    network = one.network(Sizes(pipeline.sizes(), 120), "tiny")
    outputs, _ = TorchRunner(network).run("forward", batch.arrays)
    said = one.said(outputs, batch, pipeline)
    assert list(said) == ["because", *(f.name for f in one.beside())]
    assert [f.name for f in one.beside()] == ["onset", "expected.y", "expected.z", "share.y", "share.z"]
    np.testing.assert_allclose(said["share.y"] + said["share.z"], 1)
    expected = outputs["expected"] * batch.arrays["factor"] + batch.arrays["offset"]
    np.testing.assert_allclose(said["expected.z"], expected[:, 1])
    for baseline in one.baselines():
        runner = baseline.fit(None, pipeline, Key(0))
        assert list(one.said(runner.run("forward", batch.arrays)[0], batch, pipeline)) == list(said)


def test_what_a_row_costs_is_counted_in_values():
    one, pipeline, _, batch = batches(table((120,)), part="train")
    network = one.network(Sizes(pipeline.sizes(), 120), "tiny")
    import torch

    tensors = type(batch)({n: torch.from_numpy(a) for n, a in batch.arrays.items()}, batch.examples)
    nats, counted = one.cost(network, tensors)
    assert nats.shape == counted.shape == (120,)
    assert counted[-1].item() == 2 * 39
    assert nats.requires_grad


@pytest.mark.parametrize("name", ["NONE"])
def test_constants_that_stand_twice_are_the_same(name):
    assert getattr(series_look, name) == getattr(series_judge, name)
