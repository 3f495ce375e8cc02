"""looks: what training, measuring and questions hold of a row, planted copies, and what is asked of the network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Batch, Encoded
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.families import planting
from deepwell.families.looks import PLANTED, AnomalyConfig, FieldsLook, PictureLook, label_of
from deepwell.families.planted import PlantedPictures

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


class Stored:
    """Pictures on a disk: only some may be read at once."""

    def __init__(self, pictures):
        self.pictures, self.most = pictures, 0
        self.shape, self.ndim = pictures.shape, pictures.ndim

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        found = self.pictures[index]
        self.most = max(self.most, len(found) if found.ndim == 4 else 1)
        return found


PICTURES = np.random.default_rng(1).integers(0, 255, (400, 1, 8, 8)).astype(np.uint8)


def test_planted_pictures_are_not_held_in_memory():
    stored = Stored(PICTURES)
    examples = PlantedPictures(Encoded({"photo": stored}, np.arange(400), {}), "test")
    assert examples.count == 480
    assert examples.columns is None
    assert examples.answered.tolist() == list(range(400))
    truth = np.concatenate([batch.arrays["truth"] for batch in examples.batches(32, Key(0))])
    assert truth.tolist() == [0] * 400 + [1] * 80
    assert stored.most == 32
    assert np.array_equal(examples.units[400:], planting.chosen(400, "test"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 479), min_size=1, max_size=20), st.integers(0, 9))
def test_a_planted_picture_is_the_same_in_any_batch(index, seed):
    examples = PlantedPictures(Encoded({"photo": PICTURES}, np.arange(400), {}), "test")
    whole = examples.take(np.arange(480), Key(0)).arrays["photo"]
    found = examples.take(np.array(index), Key(seed)).arrays["photo"]
    assert np.array_equal(found, whole[index])
    assert np.array_equal(whole[:400], PICTURES)
    assert (whole[400:] != PICTURES[planting.chosen(400, "test")]).any(axis=(1, 2, 3)).all()


def test_pictures_that_are_all_alike_teach_nothing():
    look = PictureLook(Schema((Field("photo", "image"),)), AnomalyConfig())
    grey = np.full((300, 8, 8), 7, np.uint8)
    for last, refused in ((7, True), (8, False)):
        grey[-1] = last
        data = Table({"photo": grey})
        pipeline = look.pipeline().fit(data)
        if not refused:
            assert look.examples(Part("train", data), pipeline).count == 300
            continue
        with pytest.raises(DataError, match="all 300 pictures of the training part are alike, such as pictures of one"):
            look.examples(Part("train", data), pipeline)
        assert look.examples(Part("predict", data), pipeline).count == 300


def test_a_misspelt_class_that_no_measured_row_has_is_refused():
    look = FieldsLook(Schema((*NUMBERS, LABEL)), AnomalyConfig(positive="ood"))
    usual = table().take(np.flatnonzero(table()["state"] == "fine"))
    pipeline = look.pipeline().fit(usual)
    look.examples(Part("calibrate", usual), pipeline)
    with pytest.raises(ConfigError, match="did you mean 'odd'"):
        look.examples(Part("test", table()), pipeline)


def test_rows_with_labels_never_seen_are_named():
    look, pipeline = fitted((*NUMBERS, LABEL))
    data = table()
    states = data["state"].copy()
    states[3] = "normal"
    examples = look.examples(Part("test", data.with_columns({"state": states})), pipeline)
    assert examples.count == 99
    assert "'normal' was never seen in training" in examples.problems[3]


def test_times_that_are_not_read_are_said_with_a_repair():
    times = Field("when", "time", "ignore")
    said = " ".join(FieldsLook(Schema((*NUMBERS, times)), AnomalyConfig()).pipeline().fit(table()).said())
    assert "the times in 'when' are not read" in said
    assert "--role when=order judges each by those before it" in said
    assert "not read" not in " ".join(fitted(NUMBERS)[1].said())
