"""looks: what training, measuring and questions hold of a row, planted copies, and what is asked of the network."""

import numpy as np
import pytest
import torch

from deepwell.core.batch import Batch
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.families.looks import PLANTED, AnomalyConfig, FieldsLook, PictureLook, label_of

NUMBERS = (Field("a", "number"), Field("kind", "category"), Field("b", "number"))
LABEL = Field("state", "category", "target")


def table(n=100):
    draws = np.random.default_rng(0)
    kinds = np.array(["x", "y"], object)[draws.integers(2, size=n)]
    states = np.where(np.arange(n) % 20 == 0, "odd", "fine").astype(object)
    return Table({"a": draws.normal(size=n), "kind": kinds, "b": draws.normal(size=n), "state": states})


def fitted(fields, **knobs):
    look = FieldsLook(Schema(fields), AnomalyConfig(**knobs))
    return look, look.pipeline().fit(table())


@pytest.mark.parametrize("part", ["train", "select", "predict"])
def test_a_label_is_not_even_read_where_nothing_is_measured(part):
    look, pipeline = fitted((*NUMBERS, LABEL))
    bare = table().select(["a", "kind", "b"])  # there is no such column at all
    examples = look.examples(Part(part, bare), pipeline)
    assert set(examples.columns) == {"inputs.number", "inputs.category"}
    assert examples.count == 100


@pytest.mark.parametrize("part", ["calibrate", "test"])
def test_where_rows_are_measured_the_truth_stands_beside(part):
    look, pipeline = fitted((*NUMBERS, LABEL))
    examples = look.examples(Part(part, table()), pipeline)
    assert examples.columns["truth"].tolist() == [int(i % 20 == 0) for i in range(100)]
    assert examples.answered is None


def test_without_labels_copies_stand_behind_the_rows_and_belong_to_them():
    look, pipeline = fitted(NUMBERS)
    examples = look.examples(Part("test", table()), pipeline)
    plain = look.examples(Part("train", table()), pipeline)
    assert examples.columns["truth"].tolist() == [0] * 100 + [1] * 50
    assert examples.answered.tolist() == list(range(100))
    assert np.array_equal(examples.columns["inputs.number"][:100], plain.columns["inputs.number"])
    assert examples.units.tolist() == examples.rows.tolist()
    assert set(examples.rows[100:].tolist()) <= set(range(100))
    assert PLANTED in pipeline.said()
    assert PLANTED not in fitted((*NUMBERS, LABEL))[1].said()


def test_any_number_of_fields_is_hidden_in_training():
    look, _ = fitted(NUMBERS)
    seen = []

    class Listening(torch.nn.Module):
        def forward(self, arrays, state=None):
            seen.append(arrays["hidden"])
            return {"nats": arrays["hidden"].sum(1)}, state

    torch.manual_seed(0)
    batch = Batch({"inputs.number": torch.zeros(300, 2), "inputs.category": torch.zeros(300, 1)}, np.arange(300))
    nats, counted = look.cost(Listening(), batch)
    assert counted is None
    assert set(nats.tolist()) == {1.0, 2.0, 3.0}
    assert abs(seen[0].mean(0) - 2 / 3).max() < 0.1


def test_objectives_mean_what_suits_the_rows():
    assert FieldsLook(Schema(NUMBERS), AnomalyConfig()).objective == "fields"
    pictures = Schema((Field("photo", "image"),))
    assert PictureLook(pictures, AnomalyConfig()).objective == "reconstruction"
    assert PictureLook(pictures, AnomalyConfig(objective="one_class")).objective == "one_class"
    assert label_of(Schema((Field("y", "number", "target"),))) is None


def test_many_fields_have_no_columns_of_shares():
    few, many = (Schema(tuple(Field(f"x{i}", "number") for i in range(n))) for n in (50, 51))
    assert len(FieldsLook(few, AnomalyConfig()).beside()) == 50
    assert FieldsLook(many, AnomalyConfig()).beside() == ()


def test_pictures_are_planted_too():
    pictures = np.random.default_rng(0).integers(0, 255, (30, 12, 12)).astype(np.uint8)
    look = PictureLook(Schema((Field("photo", "image"),)), AnomalyConfig())
    pipeline = look.pipeline().fit(Table({"photo": pictures}))
    examples = look.examples(Part("test", Table({"photo": pictures})), pipeline)
    batch = examples.take(np.arange(60), Key(0))
    assert batch.arrays["photo"].shape == (60, 1, 12, 12)
    assert batch.arrays["truth"].sum() == 30
    assert (batch.arrays["photo"][30:] != batch.arrays["photo"][:30]).any()
